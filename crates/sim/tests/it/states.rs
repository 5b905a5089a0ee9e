//! The states of people for which Microsoft documents no answer, and switches of section 10's table.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    fixtures::refusal,
    harness::{World, text},
};

/// A switch's value and what it refuses: a create, a send. `None`: done.
type Row = (&'static str, Option<&'static str>, Option<&'static str>);

const ANSWERS: [Row; 7] = [
    ("accepted", None, None),
    ("not_installed", Some("forbidden_operation"), Some("bot_not_in_conversation_roster")),
    ("blocked", None, Some("conversation_blocked_by_user")),
    ("209", None, Some("message_writes_blocked")),
    ("disabled_by_admin", Some("bot_disabled_by_admin"), Some("bot_disabled_by_admin")),
    ("not_permitted", Some("not_enough_permissions"), Some("not_enough_permissions")),
    ("not_found", Some("conversation_not_found"), Some("conversation_not_found")),
];

fn assert_answer(answer: &(u16, Value), expected: Option<&str>, what: &str) {
    match expected {
        Some(name) => assert_eq!(*answer, refusal(name), "{what}"),
        None => assert_eq!(answer.0, 201, "{what}: {}", answer.1),
    }
}

#[tokio::test]
async fn every_other_state_answers_by_its_switch() {
    let world = World::start().await;
    world.settings(json!({"limits": false})).await;
    let person = world.person("installed").await;
    let chat = text(&person["conversation_id"]).to_owned();
    for (state, default) in [
        ("unlicensed", "not_installed"),
        ("account_disabled", "accepted"),
        ("guest", "not_installed"),
        ("deleted", "not_found"),
        ("never_signed_in", "not_installed"),
        ("policy_blocked", "disabled_by_admin"),
        ("external", "not_found"),
    ] {
        world.change(&person, state).await;
        let switch = format!("{state}_as");
        assert_eq!(world.get("settings").await[&switch], default, "{state}");
        assert_eq!(world.get("counts").await["people"][state], 1, "{state}");
        for (answer, create, send) in ANSWERS {
            world.settings(json!({switch.as_str(): answer})).await;
            let what = format!("{state} as {answer}");
            assert_answer(&world.create(text(&person["mri"])).await, create, &what);
            assert_answer(&world.create(text(&person["id"])).await, create, &what);
            assert_answer(&world.send(&chat, "x").await, send, &what);
        }
        let roster = world.call(Method::GET, &format!("v3/conversations/{chat}/members"), None).await;
        assert_eq!(roster, refusal("conversation_not_found"), "{state}");
        world.settings(json!({switch.as_str(): "blocked"})).await;
        let roster = world.call(Method::GET, &format!("v3/conversations/{chat}/members"), None).await;
        assert_eq!(roster.0, 200, "{state}");
    }
}

#[tokio::test]
async fn a_bot_that_the_user_disabled() {
    let world = World::start().await;
    world.settings(json!({"blocked_as": "disabled_by_user"})).await;
    let person = world.person("blocked").await;
    let sent = world.send(text(&person["conversation_id"]), "x").await;
    assert_eq!(sent, refusal("bot_disabled_by_user"));
}

#[tokio::test]
async fn a_deleted_chat_may_come_back_under_its_id() {
    let world = World::start().await;
    world.settings(json!({"chat_deleted_create": "same"})).await;
    let person = world.person("chat_deleted").await;
    let old = text(&person["conversation_id"]);
    assert_eq!(world.send(old, "x").await, refusal("conversation_not_found"));
    assert_eq!(world.create(text(&person["id"])).await, (201, json!({"id": old})));
    assert_eq!(world.send(old, "x").await.0, 201);
}

#[tokio::test]
async fn a_gcc_tenant_wants_its_host() {
    let world = World::start().await;
    let chat = world.chat().await;
    world.settings(json!({"gcc_host": "smba.infra.gcc.teams.microsoft.com"})).await;
    assert_eq!(world.send(&chat, "x").await, refusal("invalid_bot_api_host"));
    let port = world.sim.addr().port();
    let gcc = format!("localhost:{port}");
    world.settings(json!({"gcc_host": gcc})).await;
    let (status, body) = world.create(text(&world.person("installed").await["id"])).await;
    assert_eq!((status, &body["error"]["code"]), (403, &json!("InvalidBotApiHost")));
    assert!(text(&body["error"]["message"]).ends_with(&format!("please call https://{gcc}.")), "{body}");
    assert_eq!(world.get("counts").await["requests"]["send"], json!({"403": 1}));
    let url = format!("{}/teams/v3/conversations/{chat}/activities", world.sim.base());
    let there = world.http.post(url).bearer_auth(&world.token).header("host", gcc.to_uppercase());
    let sent = there.json(&json!({"type": "message", "text": "x"})).send().await.unwrap();
    assert_eq!(sent.status(), 201);
    let bad = world.control(Method::PATCH, "settings", Some(json!({"gcc_host": "http://x/"}))).await;
    assert_eq!(bad.0, 400);
    world.settings(json!({"gcc_host": null})).await;
    assert_eq!(world.send(&chat, "x").await.0, 201);
}
