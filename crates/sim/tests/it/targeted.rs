//! Messages that one member of a conversation sees.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    fixtures::refusal,
    harness::{APP, SCOPE, SECRET, World, text},
};

/// A team's General channel with the app, and two of its members.
async fn team(world: &World) -> (String, Value, Value) {
    let team = world.get("teams").await["items"][0].clone();
    let channel = text(&team["id"]).to_owned();
    world.post(&format!("teams/{channel}/install"), json!({})).await;
    let path = format!("v3/conversations/{channel}/members");
    let (_, members) = world.call(Method::GET, &path, None).await;
    (channel, members[0].clone(), members[1].clone())
}

async fn post(world: &World, conversation: &str, recipient: Value) -> (u16, Value) {
    let path = format!("v3/conversations/{conversation}/activities?isTargetedActivity=true");
    let body = json!({"type": "message", "text": "for you", "recipient": recipient});
    world.call(Method::POST, &path, Some(body)).await
}

fn bad_argument() -> (u16, Value) {
    (400, json!({"error": {"code": "BadArgument", "message": "Bad argument"}}))
}

#[tokio::test]
async fn only_its_recipient_sees_it_and_only_as_such_is_it_changed() {
    let world = World::start().await;
    world.settings(json!({"limits": false})).await;
    let (channel, one, other) = team(&world).await;
    let (status, sent) = post(&world, &channel, json!({"id": one["id"]})).await;
    assert_eq!(status, 201, "{sent}");
    let shown = world.get(&format!("conversations/{channel}/messages")).await["items"][0].clone();
    assert_eq!(shown["targeted"], one["aadObjectId"]);

    let plain = format!("v3/conversations/{channel}/activities/{}", text(&sent["id"]));
    let targeted = format!("{plain}?isTargetedActivity=true");
    let change = json!({"type": "message", "text": "changed"});
    let moved = json!({"type": "message", "text": "changed", "recipient": {"id": other["id"]}});
    let gone = refusal("activity_not_found");
    assert_eq!(world.call(Method::PUT, &plain, Some(change.clone())).await, gone);
    assert_eq!(world.call(Method::DELETE, &plain, None).await, gone);
    assert_eq!(world.call(Method::PUT, &targeted, Some(moved.clone())).await, bad_argument());
    assert_eq!(world.call(Method::DELETE, &targeted, Some(moved)).await, bad_argument());
    assert_eq!(world.call(Method::PUT, &targeted, Some(change.clone())).await.0, 200);
    // No answers, no reactions.
    assert_eq!(world.call(Method::POST, &plain, Some(change.clone())).await, gone);
    assert_eq!(world.call(Method::PUT, &format!("{plain}/reactions/like"), None).await, gone);
    let root = format!("{channel};messageid={}", text(&sent["id"]));
    assert_eq!(world.send(&root, "x").await, gone);
    assert_eq!(world.call(Method::DELETE, &targeted, None).await.0, 200);
    assert_eq!(world.call(Method::PUT, &targeted, Some(change.clone())).await, gone);
    // What everybody sees stays so.
    let (_, open) = world.send(&channel, "for all").await;
    let open = format!("v3/conversations/{channel}/activities/{}?isTargetedActivity=true", text(&open["id"]));
    assert_eq!(world.call(Method::PUT, &open, Some(change)).await, gone);
}

#[tokio::test]
async fn who_may_be_meant() {
    let world = World::start().await;
    world.settings(json!({"limits": false})).await;
    let (channel, one, _) = team(&world).await;
    let stranger = {
        let people = world.get("people?limit=2").await;
        let outside = |person: &&Value| person["id"] != one["aadObjectId"];
        people["items"].as_array().unwrap().iter().find(outside).unwrap().clone()
    };
    for recipient in [json!(null), json!({}), json!({"id": "29:1x"}), json!({"id": stranger["mri"]})] {
        assert_eq!(post(&world, &channel, recipient.clone()).await, bad_argument(), "{recipient}");
    }
    assert_eq!(post(&world, &channel, json!({"id": one["aadObjectId"]})).await.0, 201);
    let chat = world.chat().await;
    let person = world.person("installed").await;
    assert_eq!(post(&world, &chat, json!({"id": person["mri"]})).await, bad_argument());
    world.settings(json!({"targeted_in_personal": true})).await;
    assert_eq!(post(&world, &chat, json!({"id": person["mri"]})).await.0, 201);
}

#[tokio::test]
async fn it_vanishes_after_a_day() {
    let mut world = World::start().await;
    world.control(Method::PATCH, "time", Some(json!({"mode": "explicit"}))).await;
    let (channel, one, _) = team(&world).await;
    let (_, first) = post(&world, &channel, json!({"id": one["id"]})).await;
    world.post("time/advance", json!({"by_s": 60})).await;
    let (_, second) = post(&world, &channel, json!({"id": one["id"]})).await;
    world.post("time/advance", json!({"by_s": 86_400 - 60})).await;
    let (_, answer) = world.token(world.sim.tenant_id(), APP, SECRET, SCOPE).await;
    text(&answer["access_token"]).clone_into(&mut world.token);
    let path = |sent: &Value| {
        format!("v3/conversations/{channel}/activities/{}?isTargetedActivity=true", text(&sent["id"]))
    };
    assert_eq!(world.call(Method::DELETE, &path(&first), None).await, refusal("activity_not_found"));
    assert_eq!(world.call(Method::DELETE, &path(&second), None).await.0, 200);
}
