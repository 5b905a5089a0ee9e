//! `POST /v1/messages`: everything that is refused, each with its status, code and place.

use serde_json::{Value, json};

use crate::harness::{INES, Server, activity, hello};

/// Fields to replace: (JSON pointer, value).
type Changes<'a> = &'a [(&'a str, Value)];

/// The right message with some fields replaced.
fn with(changes: Changes<'_>) -> Value {
    let mut body = hello();
    for (pointer, value) in changes {
        let mut at = &mut body;
        for key in pointer.split('/').skip(1) {
            at = &mut at[key];
        }
        *at = value.clone();
    }
    body
}

async fn refused(server: &Server, changes: Changes<'_>, status: u16, code: &str, pointer: &str) {
    let answer = server.post("/v1/messages", &with(changes)).await;
    assert_eq!(answer.status, status, "{changes:?}: {}", answer.text);
    assert_eq!(answer.errors(), [(code.to_owned(), pointer.to_owned())], "{changes:?}");
    answer.refused(status, code);
}

#[tokio::test]
async fn content() {
    let server = Server::start().await;
    let card = json!({"type": "AdaptiveCard", "version": "1.5", "body": []});
    let cases: [(Changes<'_>, &str, &str); 10] = [
        (&[("/content/card", card)], "text_and_card", "/content"),
        (&[("/content", json!({}))], "empty_content", "/content"),
        (&[("/content", json!({"summary": "x"}))], "empty_content", "/content"),
        (&[("/content/text", json!(" \n"))], "empty_content", "/content/text"),
        (&[("/content", json!({"card": {"type": "message"}}))], "card_invalid", "/content/card"),
        (&[("/content", json!({"card": {}}))], "card_invalid", "/content/card"),
        (&[("/content", json!({"card": "AdaptiveCard"}))], "card_invalid", "/content/card"),
        (&[("/content", json!({"card": [{"type": "AdaptiveCard"}]}))], "card_invalid", "/content/card"),
        (&[("/content/text", json!("x".repeat(41_000)))], "message_too_big", "/content"),
        (&[("/content/summary", json!("x".repeat(1001)))], "invalid_value", "/content/summary"),
    ];
    for (changes, code, pointer) in cases {
        refused(&server, changes, 422, code, pointer).await;
    }
    assert_eq!(
        server.post("/v1/messages", &with(&[("/content/text", json!("x".repeat(40_900)))])).await.status,
        202
    );
}

#[tokio::test]
async fn audience() {
    let server = Server::start().await;
    let ids =
        |n: usize| json!((0..n).map(|i| format!("c0ffee00-0000-4000-8000-{i:012}")).collect::<Vec<_>>());
    let cases: [(Changes<'_>, &str, &str); 14] = [
        (&[("/audience", json!({}))], "empty_audience", "/audience"),
        (&[("/audience", json!({"exclude": {"users": [INES]}}))], "empty_audience", "/audience"),
        (
            &[("/audience/users", json!([INES, "ines@contoso.com"]))],
            "directory_not_configured",
            "/audience/users/1",
        ),
        (&[("/audience/users", json!([INES, INES, INES, "Ines"]))], "recipient_invalid", "/audience/users/3"),
        (&[("/audience/users", json!([""]))], "recipient_invalid", "/audience/users/0"),
        (&[("/audience/users", json!(["29:1kQpZfW8sYt0bXc"]))], "recipient_invalid", "/audience/users/0"),
        (
            &[("/audience/exclude/users", json!(["a@b"]))],
            "directory_not_configured",
            "/audience/exclude/users/0",
        ),
        (&[("/audience/channels", json!(["19:x@thread.v2"]))], "recipient_invalid", "/audience/channels/0"),
        (&[("/audience/channels", json!(["General"]))], "recipient_invalid", "/audience/channels/0"),
        (
            &[("/audience/channels", json!(["19:x@thread.tacv2;messageid=x"]))],
            "recipient_invalid",
            "/audience/channels/0",
        ),
        (&[("/audience/users", ids(10_001))], "audience_too_long", "/audience/users"),
        (
            &[("/audience/installed", json!(true)), ("/priority", json!("urgent"))],
            "urgent_audience",
            "/audience/installed",
        ),
        (&[("/audience/users", ids(1001)), ("/priority", json!("urgent"))], "urgent_audience", "/audience"),
        (&[("/audience", json!({"everyone": true}))], "directory_not_configured", "/audience"),
    ];
    for (changes, code, pointer) in cases {
        refused(&server, changes, 422, code, pointer).await;
    }
    let most = with(&[("/audience/users", ids(10_000)), ("/max_recipients", json!(10_000))]);
    assert_eq!(server.post("/v1/messages", &most).await.status, 202);
}

#[tokio::test]
async fn picked_channels() {
    let server = Server::start().await;
    let install = activity("install_team");
    assert_eq!(server.activity(&install).await.status, 200);
    let team = &install["channelData"]["team"];
    let picked = |teams: Value| ("/audience/picked_channels", teams);
    for id in [&json!("Operations"), &json!("19:x@thread.v2"), &json!("19:x@thread.tacv2;messageid=17")] {
        let pointer = "/audience/picked_channels/0";
        refused(&server, &[picked(json!([id]))], 422, "recipient_invalid", pointer).await;
    }
    // The id of a channel is not a team's, nor is that of a group that the app is not in.
    for id in [&install["conversation"]["id"], &json!(INES)] {
        let pointer = "/audience/picked_channels/1";
        refused(&server, &[picked(json!([team["id"], id]))], 422, "recipient_invalid", pointer).await;
    }
    let many = vec![&team["id"]; 1_001];
    let pointer = "/audience/picked_channels";
    refused(&server, &[picked(json!(many))], 422, "audience_too_long", pointer).await;
    // They count among those of an urgent message.
    let urgent = [picked(json!(many[1..])), ("/priority", json!("urgent"))];
    refused(&server, &urgent, 422, "urgent_audience", "/audience").await;
    let right = json!({"picked_channels": [team["id"], team["aadGroupId"]]});
    assert_eq!(server.post("/v1/messages", &with(&[("/audience", right)])).await.status, 202);
}

#[tokio::test]
async fn what_is_not_built_yet() {
    let server = Server::start().await;
    for (pointer, value) in [("/start", json!("streaming"))] {
        refused(&server, &[(pointer, value)], 422, "not_supported_yet", pointer).await;
    }
}

#[tokio::test]
async fn policy() {
    let server = Server::start().await;
    let cases: [(Changes<'_>, &str); 14] = [
        (&[("/priority", json!("high"))], "/priority"),
        (&[("/on_ambiguous", json!("retry"))], "/on_ambiguous"),
        (&[("/install", json!("always"))], "/install"),
        (&[("/when_unreachable", json!("cry"))], "/when_unreachable"),
        (&[("/start", json!("now"))], "/start"),
        (&[("/max_recipients", json!(0))], "/max_recipients"),
        (&[("/max_recipients", json!(1_000_001))], "/max_recipients"),
        (&[("/send_at", json!("tomorrow"))], "/send_at"),
        (&[("/send_at", json!("2026-11-22 12:00"))], "/send_at"),
        (&[("/expires_at", json!("2026-11-22T10:00:00Z"))], "/expires_at"),
        (
            &[("/send_at", json!("2026-11-23T10:00:00Z")), ("/expires_at", json!("2026-11-23T10:00:00Z"))],
            "/expires_at",
        ),
        (&[("/label", json!(""))], "/label"),
        (&[("/label", json!("x".repeat(101)))], "/label"),
        (&[("/label", json!("a\nb"))], "/label"),
    ];
    for (changes, pointer) in cases {
        refused(&server, changes, 422, "invalid_value", pointer).await;
    }
}

#[tokio::test]
async fn form() {
    let server = Server::start().await;
    let unknown: [(Changes<'_>, &str); 5] = [
        (&[("/audiance", json!({}))], "/audiance"),
        (&[("/audience/user", json!([]))], "/audience/user"),
        (&[("/audience/exclude/people", json!([]))], "/audience/exclude/people"),
        (&[("/content/title", json!("x"))], "/content/title"),
        (&[("/a~b", json!(1))], "/a~0b"),
    ];
    for (changes, pointer) in unknown {
        refused(&server, changes, 400, "unknown_field", pointer).await;
    }
    let form: [(Changes<'_>, &str); 7] = [
        (&[("/audience/users", json!(INES))], "/audience/users"),
        (&[("/audience/users", json!([INES, 7]))], "/audience/users/1"),
        (&[("/audience/installed", json!("yes"))], "/audience/installed"),
        (&[("/max_recipients", json!(1.5))], "/max_recipients"),
        (&[("/content", json!(["x"]))], "/content"),
        (&[("/audience", json!([[INES]]))], "/audience"),
        (&[("/audience/exclude", json!([[INES]]))], "/audience/exclude"),
    ];
    for (changes, pointer) in form {
        refused(&server, changes, 400, "invalid_request", pointer).await;
    }
    server.post("/v1/messages", &json!([null, null, {"users": [INES]}])).await.refused_at(
        400,
        "invalid_request",
        "",
    );
    for body in ["", "{", "{\"audience\": }", "nonsense", "{} {}"] {
        let request = server.request("POST", "/v1/messages").bearer_auth(&server.send).body(body);
        server.answer(request).await.refused_at(400, "invalid_json", "");
    }
    // What was written in the body is not repeated.
    let answer = server.post("/v1/messages", &with(&[("/max_recipients", json!("very secret"))])).await;
    answer.refused_at(400, "invalid_request", "/max_recipients");
    assert!(!answer.text.contains("secret"), "{}", answer.text);
}

#[tokio::test]
async fn everything_that_is_wrong_is_reported_at_once() {
    let server = Server::start().await;
    let body = json!({"audience": {"users": ["x"], "lists": ["aud_x"]}, "content": {"text": "a", "card": {}},
                      "priority": "high", "app": "nobody"});
    let answer = server.post("/v1/messages", &body).await;
    answer.refused(422, "invalid_value");
    let found = [
        ("invalid_value", "/priority"),
        ("text_and_card", "/content"),
        ("recipient_invalid", "/audience/users/0"),
        ("unknown_list", "/audience/lists/0"),
        ("unknown_app", "/app"),
    ];
    assert_eq!(answer.errors(), found.map(|(code, pointer)| (code.to_owned(), pointer.to_owned())));

    let many = json!({"audience": {"users": vec!["x"; 500]}, "content": {"text": "a"}});
    let answer = server.post("/v1/messages", &many).await;
    assert_eq!(answer.errors().len(), 100);
    assert!(answer.problem()["detail"].as_str().unwrap().contains("500"));
}

#[tokio::test]
async fn a_body_over_the_limit() {
    let server = Server::start().await;
    let body = |length: usize| {
        let mut body = serde_json::to_string(&hello()).unwrap();
        body.push_str(&" ".repeat(length - body.len()));
        server.request("POST", "/v1/messages").bearer_auth(&server.send).body(body)
    };
    assert_eq!(server.answer(body(1024 * 1024)).await.status, 202);
    server.answer(body(1024 * 1024 + 1)).await.refused(413, "body_too_large");
}
