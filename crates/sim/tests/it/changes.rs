//! Updates and deletes of messages.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    fixtures::{fixture, refusal},
    harness::{BotServer, SCOPE, World, text},
};

fn path(chat: &str, id: &Value) -> String {
    format!("v3/conversations/{chat}/activities/{}", text(id))
}

fn message(words: &str) -> Value {
    json!({"type": "message", "text": words})
}

/// The chat of an installed person with one message in it, and that message's id.
async fn said(world: &World) -> (String, Value) {
    let chat = world.chat().await;
    let (status, sent) = world.send(&chat, "first").await;
    assert_eq!(status, 201);
    (chat, sent["id"].clone())
}

async fn shown(world: &World, chat: &str) -> Value {
    world.get(&format!("conversations/{chat}/messages")).await["items"][0].clone()
}

#[tokio::test]
async fn an_update_is_seen_and_counted() {
    let world = World::start().await;
    let (chat, id) = said(&world).await;
    let (status, body) = world.call(Method::PUT, &path(&chat, &id), Some(message("second"))).await;
    let golden = fixture("answers/update.json");
    assert_eq!((json!(status), &body), (golden["status"].clone(), &json!({"id": id})));
    assert_eq!(body.as_object().unwrap().len(), golden["body"].as_object().unwrap().len());
    world.call(Method::PUT, &path(&chat, &id), Some(message("third"))).await;
    let kept = shown(&world, &chat).await;
    assert_eq!((&kept["activity"]["text"], &kept["edits"]), (&json!("third"), &json!(2)));
    assert_eq!((&kept["id"], &kept["deleted"]), (&id, &json!(false)));
    let counts = world.get("counts").await;
    assert_eq!((&counts["accepted"], &counts["requests"]["update"]), (&json!(1), &json!({"200": 2})));
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    let world = World::start().await;
    let (chat, id) = said(&world).await;
    let answer = world.call(Method::DELETE, &path(&chat, &id), None).await;
    let golden = fixture("answers/delete.json");
    assert_eq!((json!(answer.0), answer.1), (golden["status"].clone(), golden["body"].clone()));
    assert_eq!(shown(&world, &chat).await["deleted"], true);
    let gone = refusal("activity_not_found");
    assert_eq!(world.call(Method::DELETE, &path(&chat, &id), None).await, gone);
    assert_eq!(world.call(Method::PUT, &path(&chat, &id), Some(message("x"))).await, gone);
    assert_eq!(world.get("counts").await["requests"]["delete"], json!({"200": 1, "404": 1}));
}

#[tokio::test]
async fn messages_that_are_not_there() {
    let world = World::start().await;
    world.settings(json!({"limits": false})).await;
    let (chat, id) = said(&world).await;
    let gone = refusal("activity_not_found");
    for unknown in ["1", "2c1e4f1c-0000-4000-8000-000000000000"] {
        let path = path(&chat, &json!(unknown));
        assert_eq!(world.call(Method::PUT, &path, Some(message("x"))).await, gone, "{unknown}");
    }
    let other = world.get("people?state=installed&limit=2").await["items"][1]["conversation_id"].clone();
    assert_eq!(world.call(Method::DELETE, &path(text(&other), &id), None).await, gone);
    let nowhere = world.call(Method::DELETE, &path("a:1nothing", &id), None).await;
    assert_eq!(nowhere, refusal("conversation_not_found"));
    // What nobody sees cannot be changed.
    let activities = format!("v3/conversations/{chat}/activities");
    let (_, typing) = world.call(Method::POST, &activities, Some(json!({"type": "typing"}))).await;
    assert_eq!(world.call(Method::DELETE, &path(&chat, &typing["id"]), None).await, gone);
    for bad in [json!({"text": "x"}), json!({"type": "message"}), json!([])] {
        let answer = world.call(Method::PUT, &path(&chat, &id), Some(bad)).await;
        assert_eq!(answer, refusal("bad_syntax"));
    }
    let typing = world.call(Method::PUT, &path(&chat, &id), Some(json!({"type": "typing"}))).await;
    assert_eq!((typing.0, &typing.1["error"]["code"]), (400, &json!("BadArgument")));
    let big = world.call(Method::PUT, &path(&chat, &id), Some(message(&"x".repeat(60_000)))).await;
    assert_eq!(big, refusal("message_size_too_big"));
    assert_eq!(shown(&world, &chat).await["edits"], 0);
}

#[tokio::test]
async fn only_the_bot_that_sent_it() {
    let mut world = World::start().await;
    let team = world.get("teams").await["items"][0].clone();
    let channel = text(&team["id"]).to_owned();
    world.post(&format!("teams/{channel}/install"), json!({})).await;
    let (_, sent) = world.send(&channel, "ours").await;
    world.post("bots", json!({"app_id": "second", "secret": "s"})).await;
    let (_, answer) = world.token(world.sim.tenant_id(), "second", "s", SCOPE).await;
    let ours = std::mem::replace(&mut world.token, text(&answer["access_token"]).to_owned());
    let gone = refusal("activity_not_found");
    assert_eq!(world.call(Method::PUT, &path(&channel, &sent["id"]), Some(message("x"))).await, gone);
    assert_eq!(world.call(Method::DELETE, &path(&channel, &sent["id"]), None).await, gone);
    world.token = ours;
    let in_thread = format!("{channel};messageid={}", text(&sent["id"]));
    assert_eq!(world.call(Method::PUT, &path(&in_thread, &sent["id"]), Some(message("x"))).await.0, 200);
    assert_eq!(world.call(Method::DELETE, &path(&channel, &sent["id"]), None).await.0, 200);
}

#[tokio::test]
async fn states_refuse_as_for_a_send() {
    let world = World::start().await;
    world.settings(json!({"limits": false})).await;
    let person = world.person("installed").await;
    let chat = text(&person["conversation_id"]);
    let (_, sent) = world.send(chat, "x").await;
    for (state, expected) in [
        ("blocked", "conversation_blocked_by_user"),
        ("uninstalled", "bot_not_in_conversation_roster"),
        ("admin_disabled", "bot_disabled_by_admin"),
        ("chat_deleted", "conversation_not_found"),
    ] {
        world.change(&person, state).await;
        let put = world.call(Method::PUT, &path(chat, &sent["id"]), Some(message("y"))).await;
        assert_eq!(put, refusal(expected), "{state}");
        let delete = world.call(Method::DELETE, &path(chat, &sent["id"]), None).await;
        assert_eq!(delete, refusal(expected), "{state}");
    }
    // The chat that follows a deleted one has none of its messages.
    let (_, made) = world.create(text(&person["id"])).await;
    let delete = world.call(Method::DELETE, &path(text(&made["id"]), &sent["id"]), None).await;
    assert_eq!(delete, refusal("activity_not_found"));
}

#[tokio::test]
async fn updates_count_as_sends_or_not() {
    let world = World::start().await;
    world.settings(json!({"scale": 100})).await;
    let (chat, id) = said(&world).await;
    for _ in 0..6 {
        assert_eq!(world.call(Method::PUT, &path(&chat, &id), Some(message("x"))).await.0, 200);
    }
    assert_eq!(world.call(Method::PUT, &path(&chat, &id), Some(message("x"))).await.0, 429);
    assert_eq!(world.call(Method::DELETE, &path(&chat, &id), None).await.0, 429);
    assert_eq!(world.send(&chat, "x").await.0, 429);
    world.settings(json!({"updates_count_as_sends": false, "limits_per_s": 8})).await;
    assert_eq!(world.call(Method::PUT, &path(&chat, &id), Some(message("x"))).await.0, 200);
    let other = world.call(Method::PUT, &path(&chat, &id), Some(message("x"))).await;
    assert_eq!(other.0, 429, "the limit of app and tenant holds in any case");
}

#[tokio::test]
async fn faults_match_updates_and_deletes() {
    let world = World::start().await;
    let (chat, id) = said(&world).await;
    for (op, method) in [("update", Method::PUT), ("delete", Method::DELETE)] {
        let fault = json!({"match": {"op": op}, "do": {"status": 412}, "times": 1});
        world.post("faults", fault).await;
        assert_eq!(world.send(&chat, "x").await.0, 201);
        let path = path(&chat, &id);
        let call = || world.call(method.clone(), &path, Some(message("y")));
        assert_eq!(call().await, refusal("precondition_failed"));
        assert_eq!(call().await.0, 200);
    }
    let journal = world.get("journal").await;
    let ops: Vec<&str> =
        journal["items"].as_array().unwrap().iter().map(|entry| text(&entry["op"])).collect();
    assert_eq!(ops[ops.len() - 3..], ["send", "delete", "delete"]);
}

#[tokio::test]
async fn a_bot_reacts() {
    let (_bot, url) = BotServer::start().await;
    let world = World::with(100, Some(&url)).await;
    world.settings(json!({"limits": false})).await;
    let person = world.person("installed").await;
    let chat = text(&person["conversation_id"]);
    // Somebody else's message, too.
    let says = format!("people/{}/says", text(&person["id"]));
    let said = world.post(&says, json!({"text": "thanks"})).await;
    let of = |kind: &str| format!("{}/reactions/{kind}", path(chat, &said["activity"]));
    for kind in ["like", "heart", "like"] {
        assert_eq!(world.call(Method::PUT, &of(kind), None).await, (200, Value::Null));
    }
    assert_eq!(shown(&world, chat).await["reactions"], json!(["heart", "like"]));
    assert_eq!(world.call(Method::DELETE, &of("heart"), None).await.0, 200);
    assert_eq!(shown(&world, chat).await["reactions"], json!(["like"]));
    let unknown = format!("{}/reactions/like", path(chat, &json!("1")));
    assert_eq!(world.call(Method::PUT, &unknown, None).await, refusal("activity_not_found"));
    assert_eq!(world.call(Method::GET, &of("like"), None).await.0, 405);
    let counts = world.get("counts").await;
    assert_eq!(counts["requests"]["reaction"], json!({"200": 4, "404": 1}));
    world.change(&person, "blocked").await;
    assert_eq!(world.call(Method::PUT, &of("like"), None).await, refusal("conversation_blocked_by_user"));
}

#[tokio::test]
async fn members_of_an_activity() {
    let world = World::start().await;
    let (chat, id) = said(&world).await;
    let members = format!("{}/members", path(&chat, &id));
    let (status, answer) = world.call(Method::GET, &members, None).await;
    assert_eq!((status, answer.as_array().unwrap().len()), (200, 1));
    let all = world.call(Method::GET, &format!("v3/conversations/{chat}/members"), None).await;
    assert_eq!(answer, all.1);
    world.call(Method::DELETE, &path(&chat, &id), None).await;
    assert_eq!(world.call(Method::GET, &members, None).await, refusal("activity_not_found"));
}
