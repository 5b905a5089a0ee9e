use reqwest::Method;
use serde_json::json;

use crate::harness::{APP, World, text};

#[tokio::test]
async fn a_group_chat_takes_messages_of_the_bots_in_it() {
    let world = World::start().await;
    assert_eq!(world.get("chats").await["items"], json!([]), "none unless asked for");
    let people = world.get("people?limit=3").await;
    let ids: Vec<&str> = people["items"].as_array().unwrap().iter().map(|p| text(&p["id"])).collect();
    let chat = world.post("chats", json!({"name": "On call", "members": ids, "apps": [APP]})).await;
    let id = text(&chat["id"]);
    assert!(id.ends_with("@thread.v2"), "{id}");
    assert_eq!((&chat["kind"], &chat["apps"]), (&json!("groupChat"), &json!([APP])));

    let (status, sent) = world.send(id, "hello").await;
    assert_eq!(status, 201, "{sent}");
    let messages = world.get(&format!("conversations/{id}/messages")).await;
    assert_eq!(messages["items"][0]["activity"]["text"], "hello");
    let (status, members) = world.call(Method::GET, &format!("v3/conversations/{id}/members"), None).await;
    assert_eq!((status, members.as_array().unwrap().len()), (200, 3));
    let stranger = world.get("people?limit=4").await["items"][3]["id"].clone();
    let path = format!("v3/conversations/{id}/members/{}", text(&stranger));
    assert_eq!(world.call(Method::GET, &path, None).await.0, 404);

    // One thread: the limits of section 7.1 count in it.
    let mut statuses = Vec::new();
    world.settings(json!({"scale": 60})).await;
    for _ in 0..8 {
        statuses.push(world.send(id, "more").await.0);
    }
    assert_eq!(statuses, [201, 201, 201, 201, 201, 201, 429, 429]);
}

#[tokio::test]
async fn a_chat_without_the_app_is_closed_to_the_bot() {
    let world = World::start().await;
    let person = world.person("installed").await;
    let meeting = json!({"kind": "meeting", "members": [person["upn"]]});
    let chat = world.post("chats", meeting).await;
    let id = text(&chat["id"]);
    assert!(id.starts_with("19:meeting_"), "{id}");
    let (status, refusal) = world.send(id, "hello").await;
    assert_eq!((status, &refusal["error"]["code"]), (403, &json!("BotNotInConversationRoster")));
    assert_eq!(world.send("19:nobody@thread.v2", "hello").await.0, 404);
    assert_eq!(world.get(&format!("chats/{id}")).await, chat);
    assert_eq!(world.get("chats?limit=1").await["items"], json!([chat]));
    for bad in [
        json!({"members": []}),
        json!({"members": [person["id"]], "kind": "channel"}),
        json!({"members": [person["id"]], "apps": ["nobody"]}),
        json!({"members": ["nobody"]}),
    ] {
        let (status, answer) = world.control(Method::POST, "chats", Some(bad)).await;
        assert!((status == 400 || status == 404) && answer["error"].is_string(), "{status} {answer}");
    }
}

#[tokio::test]
async fn an_organisation_with_chats_and_several_teams_each() {
    let world = World::start().await;
    let order = json!({"people": 40, "teams": 4, "teams_per_person": 2, "chats": 10});
    let made = world.post("reset", order).await;
    assert_eq!((&made["chats"], &made["teams"]), (&json!(10), &json!(4)));
    let chats = world.get("chats").await;
    let meetings = chats["items"].as_array().unwrap().iter().filter(|chat| chat["kind"] == "meeting");
    assert_eq!(meetings.count(), 2);
    let first = world.get("teams?limit=3").await;
    assert_eq!(first["items"].as_array().unwrap().len(), 3);
    let team = &first["items"][0];
    assert_eq!((&team["members"], &team["state"]), (&json!(20), &json!("active")));
    assert_eq!(team["channels"][0]["kind"], "standard");
    let rest = world.get(&format!("teams?after={}", text(&first["next"]))).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &json!(null)));
}
