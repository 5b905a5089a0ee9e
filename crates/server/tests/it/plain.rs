//! Health, problem pages, paths that do not exist, headers of every answer, panics, a store that is gone.

use std::sync::Arc;

use serde_json::json;

use crate::harness::{BOT, Server, TENANT, activity, app, hello};

#[tokio::test]
async fn every_problem_code_has_a_page() {
    let server = Server::start().await;
    for code in nuncio_api::Code::ALL {
        let page = server.answer(server.request("GET", &code.path())).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-type"), "text/plain; charset=utf-8");
        assert!(page.text.contains(code.title()) && page.text.contains("What to do:"), "{}", page.text);
    }
    server.answer(server.request("GET", "/docs/problems/nonsense")).await.refused(404, "not_found");
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist() {
    let server = Server::start().await;
    for path in ["/", "/v1", "/v1/nothing", "/v1/messages/x/y/z", "/api/messages/x"] {
        server.get(path).await.refused(404, "not_found");
    }
    for (method, path, allow) in [
        ("GET", "/api/messages", "POST"),
        ("PUT", "/api/messages", "POST"),
        ("DELETE", "/v1/messages", "GET,HEAD,POST"),
        ("GET", "/v1/messages/x/cancel", "POST"),
        ("POST", "/healthz", "GET,HEAD"),
    ] {
        let answer = server.answer(server.request(method, path)).await;
        answer.refused(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let server = Server::start().await;
    let mut seen = Vec::new();
    for path in ["/healthz", "/v1/nothing", "/v1/messages"] {
        let answer = server.answer(server.request("GET", path)).await;
        assert_eq!(answer.header("x-request-id").len(), 16, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        seen.push(answer.header("x-request-id").to_owned());
    }
    seen.dedup();
    assert_eq!(seen.len(), 3);
    let given = server.answer(server.request("GET", "/healthz").header("x-request-id", "proxy-7")).await;
    assert_eq!(given.header("x-request-id"), "proxy-7");
    for bad in ["two words", &"x".repeat(65)] {
        let given = server.answer(server.request("GET", "/healthz").header("x-request-id", bad)).await;
        assert_eq!(given.header("x-request-id").len(), 16);
    }
}

#[tokio::test]
async fn a_panic_is_answered() {
    let apps = vec![app("dispatch", BOT, &[TENANT])];
    let server =
        Server::with(apps, |state| state.random = Arc::new(|| panic!("no randomness, secret 42"))).await;
    let request =
        server.request("POST", "/v1/messages").bearer_auth(&server.send).header("x-request-id", "r1");
    let answer = server.answer(request.json(&hello())).await;
    answer.refused(500, "internal");
    assert!(!answer.text.contains("42"));
    assert_eq!(answer.header("x-request-id"), "r1");
}

#[tokio::test]
async fn a_store_that_is_gone_is_503_and_not_ready() {
    let server = Server::start().await;
    assert_eq!(server.answer(server.request("GET", "/readyz")).await.text, "ready\n");
    server.store.close().await;
    let ready = server.answer(server.request("GET", "/readyz")).await;
    ready.refused(503, "unavailable");
    assert_eq!(ready.header("retry-after"), "5");
    assert_eq!(server.answer(server.request("GET", "/healthz")).await.status, 200);
    server.get("/v1/messages").await.refused(503, "unavailable");
    assert_eq!(server.activity(&activity("install_personal")).await.status, 503);
}

#[tokio::test]
async fn another_app_of_the_bot_is_not_taken() {
    let server =
        Server::with(vec![app("other", "0d5e8f1a-0000-4000-8000-000000000001", &["*"])], |_| {}).await;
    let answer = server.activity(&activity("install_personal")).await;
    assert_eq!((answer.status, answer.json()), (403, json!({"error": "the activity is for another bot"})));
}
