//! The bodies are those of `fixtures/microsoft`.

use std::path::{Path, PathBuf};

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::harness::{World, read};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/microsoft")
}

pub(crate) fn fixture(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The fixtures of a folder, without their ending.
pub(crate) fn names(inside: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder().join(inside)).unwrap();
    let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.map(|file| name(file.unwrap().path())).collect()
}

/// Status and body of a refusal.
pub(crate) fn refusal(name: &str) -> (u16, Value) {
    let fixture = fixture(&format!("refusals/{name}.json"));
    (fixture["status"].as_u64().unwrap() as u16, fixture["body"].clone())
}

/// Refusals that no status and code stand for: a fault gives their body itself.
const ONLY_BY_BODY: [&str; 12] = [
    "conversation_id_format.json",
    "creation_parameters.json",
    "error_code_without_sub_code.json",
    "forbidden_without_body.json",
    "gateway_html.json",
    "mention_entity.json",
    "message_appearance.json",
    "message_citations.json",
    "message_entities.json",
    "message_writes_blocked_2026.json",
    "other_region.json",
    "request_timeout.json",
];

/// The headers of the fixture, and those that every answer of the Connector has.
pub(crate) fn assert_headers(response: &Response, expected: &Value, name: &str) {
    let is = |header: &str| response.headers().get(header).map(|value| value.to_str().unwrap().to_owned());
    for (header, value) in expected["headers"].as_object().unwrap() {
        assert_eq!(is(header).as_deref(), value.as_str(), "{name}: {header}");
    }
    if expected["headers"].get("Retry-After").is_none() {
        assert_eq!(is("retry-after"), None, "{name}");
    }
    let vector = is("ms-cv").unwrap();
    assert!(vector.ends_with(".5.0"), "{name}: {vector}");
    assert!(is("contextid").unwrap().ends_with(&format!("cv={vector}")), "{name}");
    assert_eq!(is("server").as_deref(), Some("Microsoft-HTTPAPI/2.0"), "{name}");
}

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
        assert_headers(&response, &expected, &name);
        assert_eq!(read(response).await.1, *body, "{name}");
        world.control(Method::DELETE, "faults", None).await;
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
    assert_eq!(world.get("counts").await["accepted"], 0);
}
