//! The bodies are those of `fixtures/microsoft`.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{World, read};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/microsoft")
}

pub(crate) fn fixture(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Refusals that no status and code stand for: a fault gives their body itself.
const ONLY_BY_BODY: [&str; 7] = [
    "capability_override.json",
    "error_code_without_sub_code.json",
    "forbidden_without_body.json",
    "gateway_html.json",
    "message_entities.json",
    "message_writes_blocked_2026.json",
    "request_timeout.json",
];

#[tokio::test]
async fn every_refusal_can_be_asked_for_and_is_word_for_word() {
    let world = World::start().await;
    let chat = world.chat().await;
    let mut seen = 0;
    for file in std::fs::read_dir(folder().join("refusals")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let expected = fixture(&format!("refusals/{name}"));
        let body = &expected["body"];
        let code = if body["errorCode"] == 209 { json!("209") } else { body["error"]["code"].clone() };
        let mut action = json!({"status": expected["status"], "code": code});
        if ONLY_BY_BODY.contains(&name.as_str()) {
            action = json!({"status": expected["status"], "body": body});
        }
        if let Some(retry_after) = expected["headers"].get("Retry-After") {
            action["retry_after"] = retry_after.clone();
        }
        world.post("faults", json!({"match": {"op": "send"}, "do": action})).await;
        let request = world.request(Method::POST, &format!("v3/conversations/{chat}/activities"));
        let response = request.json(&json!({"type": "message", "text": "x"})).send().await.unwrap();
        assert_eq!(json!(response.status().as_u16()), expected["status"], "{name}");
        let retry_after =
            response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(
            json!(retry_after),
            expected["headers"].get("Retry-After").cloned().unwrap_or_default(),
            "{name}"
        );
        assert!(response.headers().contains_key("ms-cv") && response.headers().contains_key("contextid"));
        assert_eq!(read(response).await.1, *body, "{name}");
        world.control(Method::DELETE, "faults", None).await;
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
    assert_eq!(world.get("counts").await["accepted"], 0);
}
