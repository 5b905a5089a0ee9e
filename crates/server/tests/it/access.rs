//! Who may do what, and what one key sees of another's.

use nuncio_domain::Role;
use serde_json::json;

use crate::harness::{BOT, Server, TENANT, app, hello};

#[tokio::test]
async fn no_key_a_wrong_one_and_a_low_role_are_refused() {
    let server = Server::start().await;
    let cases = [
        ("GET", "/v1/messages"),
        ("POST", "/v1/messages"),
        ("GET", "/v1/messages/msg_01h455vb4pex5vsknk084sn02q"),
        ("GET", "/v1/messages/msg_01h455vb4pex5vsknk084sn02q/deliveries"),
        ("GET", "/v1/messages/msg_01h455vb4pex5vsknk084sn02q/report.csv"),
        ("POST", "/v1/messages/msg_01h455vb4pex5vsknk084sn02q/cancel"),
        ("GET", "/v1/deliveries/dlv_01h455vb4pex5vsknk084sn02q"),
        ("GET", "/v1/people"),
        ("GET", "/v1/reachability"),
        ("GET", "/v1/keys"),
        ("POST", "/v1/keys"),
        ("DELETE", "/v1/keys/key_01h455vb4pex5vsknk084sn02q"),
    ];
    for (method, path) in cases {
        let answer = server.answer(server.request(method, path)).await;
        answer.refused(401, "unauthorized");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{method} {path}");
        for wrong in ["nnc_x", "", &"A".repeat(5000), &server.read[4..], &server.read.replace("nnc_", "NNC_")]
        {
            server.answer(server.request(method, path).bearer_auth(wrong)).await.refused(401, "unauthorized");
        }
        let basic = server.request(method, path).basic_auth("x", Some(&server.admin));
        server.answer(basic).await.refused(401, "unauthorized");
    }
    for (method, path, role) in [
        ("POST", "/v1/messages", &server.read),
        ("POST", "/v1/messages/msg_01h455vb4pex5vsknk084sn02q/cancel", &server.read),
        ("GET", "/v1/keys", &server.send),
        ("POST", "/v1/keys", &server.send),
        ("DELETE", "/v1/keys/key_01h455vb4pex5vsknk084sn02q", &server.send),
    ] {
        server.answer(server.request(method, path).bearer_auth(role)).await.refused(403, "forbidden");
    }
}

#[tokio::test]
async fn a_key_for_one_app_sees_nothing_of_another() {
    let apps =
        vec![app("alpha", BOT, &[TENANT]), app("beta", "0d5e8f1a-0000-4000-8000-000000000001", &[TENANT])];
    let server = Server::with(apps, |_| {}).await;
    let alpha = server.key(Role::Admin, Some("alpha")).await;
    let beta = server.key(Role::Admin, Some("beta")).await;

    // No app has to be named: there is one only for this key.
    let sent = server.answer(server.request("POST", "/v1/messages").bearer_auth(&beta).json(&hello())).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    let id = sent.json()["id"].as_str().unwrap().to_owned();

    let as_key =
        |key: &str, method: &str, path: String| server.answer(server.request(method, &path).bearer_auth(key));
    for (method, rest) in [("GET", ""), ("GET", "/deliveries"), ("GET", "/report.csv"), ("POST", "/cancel")] {
        let path = format!("/v1/messages/{id}{rest}");
        let theirs = as_key(&alpha, method, path.clone()).await;
        theirs.refused(404, "not_found");
        // The same answer as for what does not exist at all.
        let nothing =
            as_key(&alpha, method, format!("/v1/messages/msg_01h455vb4pex5vsknk084sn02q{rest}")).await;
        assert_eq!(theirs.text, nothing.text);
        assert!(as_key(&beta, method, path).await.status < 300);
    }
    assert_eq!(as_key(&alpha, "GET", "/v1/messages".to_owned()).await.json()["items"], json!([]));
    assert_eq!(as_key(&beta, "GET", "/v1/messages".to_owned()).await.json()["items"][0]["id"], id.as_str());

    let mut named = hello();
    named["app"] = "beta".into();
    let asked = server.request("POST", "/v1/messages").bearer_auth(&alpha).json(&named);
    server.answer(asked).await.refused_at(422, "unknown_app", "/app");
}

#[tokio::test]
async fn keys_are_made_shown_once_used_and_ended() {
    let server = Server::start().await;
    let ask = |body: serde_json::Value| {
        server.answer(server.request("POST", "/v1/keys").bearer_auth(&server.admin).json(&body))
    };
    let made = ask(json!({"name": "ci", "role": "send", "app": "dispatch"})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let (id, secret) = (made["key"]["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert!(id.starts_with("key_") && secret.starts_with("nnc_") && secret.len() == 47);
    assert_eq!(made["key"]["created_at"], "2026-11-22T10:00:00Z");

    let listed = server.answer(server.request("GET", "/v1/keys").bearer_auth(&server.admin)).await;
    assert_eq!(listed.json()["items"][0]["name"], "ci");
    assert!(!listed.text.contains(secret));

    let sent = server.answer(server.request("POST", "/v1/messages").bearer_auth(secret).json(&hello())).await;
    assert_eq!(sent.status, 202);
    let end =
        || server.answer(server.request("DELETE", &format!("/v1/keys/{id}")).bearer_auth(&server.admin));
    assert_eq!(end().await.status, 204);
    end().await.refused(404, "not_found");
    let sent = server.answer(server.request("POST", "/v1/messages").bearer_auth(secret).json(&hello())).await;
    sent.refused(401, "unauthorized");

    let bad = ask(json!({"name": " ", "role": "boss", "app": "nobody"})).await;
    let pairs = [("invalid_value", "/name"), ("invalid_value", "/role"), ("unknown_app", "/app")];
    assert_eq!(bad.errors(), pairs.map(|(code, pointer)| (code.to_owned(), pointer.to_owned())));
    ask(json!({"name": "x", "role": "read", "scope": "*"})).await.refused_at(400, "unknown_field", "/scope");
    ask(json!({"name": "x"})).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn a_key_of_one_app_makes_keys_of_that_app_only() {
    let apps =
        vec![app("alpha", BOT, &[TENANT]), app("beta", "0d5e8f1a-0000-4000-8000-000000000001", &[TENANT])];
    let server = Server::with(apps, |_| {}).await;
    let alpha = server.key(Role::Admin, Some("alpha")).await;
    let ask = |body: serde_json::Value| {
        server.answer(server.request("POST", "/v1/keys").bearer_auth(&alpha).json(&body))
    };
    assert_eq!(ask(json!({"name": "x", "role": "admin"})).await.json()["key"]["app"], "alpha");
    ask(json!({"name": "x", "role": "read", "app": "beta"})).await.refused_at(422, "unknown_app", "/app");
}
