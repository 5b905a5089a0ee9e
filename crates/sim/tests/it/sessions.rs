//! Bots whose manifest says `supportsSessions`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    acting::{acts, does},
    fixtures::refusal,
    harness::{APP, BotServer, SECRET, World, text},
};

async fn create(world: &World, id: &Value, title: &str) -> (u16, Value) {
    let body = json!({"members": [{"id": id}], "tenantId": world.sim.tenant_id(),
        "activity": {"type": "message", "text": title}});
    world.call(Method::POST, "v3/conversations", Some(body)).await
}

#[tokio::test]
async fn each_create_makes_a_session() {
    let world = World::start().await;
    world.post("bots", json!({"app_id": APP, "secret": SECRET, "supports_sessions": true})).await;
    let person = world.person("installed").await;
    assert_eq!(world.create(text(&person["id"])).await, refusal("missing_property"));
    let (status, first) = create(&world, &person["id"], "Holidays").await;
    let (_, second) = create(&world, &person["mri"], "Payslip").await;
    assert_eq!(status, 201);
    assert_ne!(first["id"], second["id"]);
    assert_ne!(first["id"], person["conversation_id"]);
    let sent = world.send(text(&second["id"]), "in the second").await;
    assert_eq!(sent.0, 201);
    assert_eq!(world.send(text(&person["conversation_id"]), "in the default one").await.0, 201);
    // A member call finds the chat below.
    let path = format!("v3/conversations/{}/members", text(&first["id"]));
    assert_eq!(world.call(Method::GET, &path, None).await.1[0]["aadObjectId"], person["id"]);
    let elsewhere = format!("v3/conversations/{}/activities/{}", text(&first["id"]), text(&sent.1["id"]));
    assert_eq!(world.call(Method::DELETE, &elsewhere, None).await, refusal("activity_not_found"));
    let here = format!("v3/conversations/{}/activities/{}", text(&second["id"]), text(&sent.1["id"]));
    assert_eq!(world.call(Method::DELETE, &here, None).await.0, 200);
    assert_eq!(world.get("counts").await["accepted"], 4);
}

#[tokio::test]
async fn who_has_not_the_app_gets_no_session() {
    let world = World::start().await;
    world.post("bots", json!({"app_id": APP, "secret": SECRET, "supports_sessions": true})).await;
    let person = world.person("uninstalled").await;
    assert_eq!(create(&world, &person["id"], "x").await, refusal("forbidden_operation"));
    let (status, made) = world.create(text(&person["mri"])).await;
    assert_eq!((status, &made["id"]), (201, &person["conversation_id"]));
}

#[tokio::test]
async fn the_id_of_the_first_message_may_be_kept_back() {
    let world = World::start().await;
    world.settings(json!({"personal_activity_id": false})).await;
    let person = world.person("installed").await;
    let made = create(&world, &person["id"], "x").await;
    assert_eq!(made, (201, json!({"id": person["conversation_id"]})));
    assert_eq!(world.get("counts").await["accepted"], 1);
}

#[tokio::test]
async fn people_write_and_react_in_their_sessions() {
    let (bot, url) = BotServer::start().await;
    let world = World::start().await;
    let order = json!({"app_id": APP, "secret": SECRET, "supports_sessions": true, "endpoint": url});
    world.post("bots", order).await;
    let person = world.person("installed").await;
    let (_, first) = create(&world, &person["id"], "Holidays").await;
    let (_, second) = create(&world, &person["id"], "Payslip").await;
    does(&world, &person, "says", json!({"text": "x", "conversation": second["id"]})).await;
    let like = |conversation: &Value| json!({"message": second["activityId"], "type": "like", "conversation": conversation});
    assert_eq!(acts(&world, &person, "reacts", like(&first["id"])).await.0, 404, "not in that session");
    does(&world, &person, "reacts", like(&second["id"])).await;
    // From the chat itself every session is reached; the event names the session.
    let sad = json!({"message": first["activityId"], "type": "sad"});
    does(&world, &person, "reacts", sad).await;
    let heard: Vec<Value> =
        bot.received().iter().map(|event| event.body["conversation"]["id"].clone()).collect();
    assert_eq!(heard, [second["id"].clone(), second["id"].clone(), first["id"].clone()]);
}
