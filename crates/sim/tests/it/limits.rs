//! The windows themselves are tested with given times beside their code; here they are stretched, so that no test
//! races against a second.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{World, text};

#[tokio::test]
async fn the_fifty_first_is_refused() {
    let world = World::start().await;
    world.settings(json!({"scale": 100, "retry_after_s": 3})).await;
    let people = world.get("people?state=installed&limit=51").await;
    let people = people["items"].as_array().unwrap();
    for person in &people[..50] {
        assert_eq!(world.send(text(&person["conversation_id"]), "x").await.0, 201);
    }
    let path = format!("v3/conversations/{}/activities", text(&people[50]["conversation_id"]));
    let body = json!({"type": "message", "text": "x"});
    let refused = world.request(Method::POST, &path).json(&body).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "3");
    assert_eq!(refused.json::<Value>().await.unwrap()["error"]["code"], "Throttled");

    world.settings(json!({"retry_after_s": null})).await;
    let refused = world.request(Method::POST, &path).json(&body).send().await.unwrap();
    assert!(!refused.headers().contains_key("retry-after"));

    let counts = world.get("counts").await;
    assert_eq!(counts["accepted"], 50);
    assert_eq!(counts["limit_breaches"], 2);
    assert_eq!(counts["limit_breaches_by"], json!({"app_tenant": 2, "thread": 0}));
    assert_eq!(counts["throttled"], json!({"limits": 2, "faults": 0}));
    assert_eq!(counts["requests"]["send"], json!({"201": 50, "429": 2}));

    world.settings(json!({"limits": false})).await;
    assert_eq!(world.send(text(&people[50]["conversation_id"]), "x").await.0, 201);
}

#[tokio::test]
async fn a_lower_limit_and_the_thread_window() {
    let world = World::start().await;
    world.settings(json!({"scale": 100})).await;
    let chat = world.chat().await;
    for _ in 0..7 {
        assert_eq!(world.send(&chat, "x").await.0, 201);
    }
    assert_eq!(world.send(&chat, "x").await.0, 429);
    let counts = world.get("counts").await;
    assert_eq!(counts["limit_breaches_by"], json!({"app_tenant": 0, "thread": 1}));
    assert_eq!((&counts["most_per_recipient"], &counts["most_per_recipient_total"]), (&json!(7), &json!(7)));

    world.post("reset", json!({"people": 20})).await;
    world.settings(json!({"limits_per_s": 2})).await;
    let person = world.person("installed").await;
    assert_eq!(world.create(text(&person["id"])).await.0, 201);
    assert_eq!(world.create(text(&person["id"])).await.0, 201);
    assert_eq!(world.create(text(&person["id"])).await.0, 429);
}
