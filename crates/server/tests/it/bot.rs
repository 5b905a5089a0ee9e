//! `POST /api/messages` over the wire. What each activity teaches is tested beside `bot/learn.rs`.

use std::sync::Arc;

use nuncio_domain::ports::Registry;
use nuncio_teams::clock::Clock;
use nuncio_teams::cloud::{Cloud, Endpoints};
use nuncio_teams::http::HttpClient;
use nuncio_teams::inbound::{AcceptedApp, AllowedTenants, Authenticator};
use serde_json::{Value, json};

use crate::harness::{BOT, Server, TENANT, activity, app};

async fn person(server: &Server) -> Value {
    server.get("/v1/people?kind=person").await.json()["items"][0].clone()
}

#[tokio::test]
async fn events_are_committed_and_answered_empty() {
    let server = Server::start().await;
    for (n, name) in [
        "install_personal_members_added",
        "install_personal",
        "install_team",
        "install_team_members_added",
        "message_personal",
        "message_channel",
        "message_update",
        "message_delete",
        "message_reaction",
        "read_receipt",
        "card_submit",
        "channel_created",
        "team_member_removed",
        "team_bot_removed",
        "uninstall_team",
        "uninstall_personal",
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = activity(name);
        // They happened in this order.
        body["timestamp"] = format!("2026-11-22T09:00:{n:02}Z").into();
        let answer = server.activity(&body).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{name}");
    }
    let lanes = server.store.lanes().await.unwrap();
    assert_eq!((lanes[0].app.as_str(), lanes[0].tenant.as_str()), ("dispatch", TENANT));
    assert_eq!(lanes[0].service_url.as_deref(), Some("http://127.0.0.1:4100/teams/"));
    assert_eq!(person(&server).await["state"], "removed");
}

#[tokio::test]
async fn the_same_activity_again_changes_nothing() {
    let server = Server::start().await;
    for name in ["install_personal", "uninstall_personal", "install_personal"] {
        assert_eq!(server.activity(&activity(name)).await.status, 200);
    }
    // The third was the first one, sent again: the person has removed the app since.
    assert_eq!(person(&server).await["state"], "removed");
    let mut again = activity("install_personal");
    again["id"] = "f:another".into();
    again["timestamp"] = "2026-11-22T09:59:00Z".into();
    assert_eq!(server.activity(&again).await.status, 200);
    assert_eq!(person(&server).await["state"], "reachable");
}

#[tokio::test]
async fn unknown_events_are_200() {
    let server = Server::start().await;
    let mut body = activity("message_personal");
    for kind in ["typing", "somethingNew", ""] {
        body["type"] = kind.into();
        assert_eq!(server.activity(&body).await.status, 200, "{kind}");
    }
    assert_eq!(server.activity(&activity("card_action")).await.status, 200);
    // Who used a card can be reached, all the same.
    assert_eq!(person(&server).await["state"], "reachable");
}

#[tokio::test]
async fn what_is_no_activity_is_refused_shortly() {
    let server = Server::start().await;
    let post = |kind: &str, body: Vec<u8>| {
        server.answer(server.request("POST", "/api/messages").header("content-type", kind).body(body))
    };
    assert_eq!(post("application/json", b"[]".to_vec()).await.status, 400);
    assert_eq!(post("application/json", b"{".to_vec()).await.status, 400);
    let right = serde_json::to_vec(&activity("install_personal")).unwrap();
    for kind in ["text/plain", "", "application/jsonx", "application/x-www-form-urlencoded"] {
        let answer = post(kind, right.clone()).await;
        assert_eq!((answer.status, answer.header("content-type")), (415, "application/json"), "{kind}");
    }
    assert_eq!(post("Application/JSON; charset=utf-8", right).await.status, 200);
    let mut elsewhere = activity("install_personal");
    elsewhere["serviceUrl"] = "https://attacker.example/".into();
    assert_eq!(server.activity(&elsewhere).await.status, 403);
}

#[tokio::test]
async fn size_comes_before_the_signature_and_the_signature_before_the_body() {
    let accepted = AcceptedApp { app_id: BOT.to_owned(), tenants: AllowedTenants::Any };
    let http = HttpClient::builder().build().unwrap();
    let endpoints = Endpoints::of(Cloud::Simulator);
    let inbound = Authenticator::new(endpoints, vec![accepted], http, Clock::system());
    let server =
        Server::with(vec![app("dispatch", BOT, &["*"])], |state| state.inbound = Arc::new(inbound)).await;
    let post = |body: Vec<u8>| {
        server.answer(
            server.request("POST", "/api/messages").header("content-type", "application/json").body(body),
        )
    };
    assert_eq!(post(vec![b' '; 256 * 1024 + 1]).await.status, 413);
    let unsigned = post(vec![b' '; 256 * 1024]).await;
    assert_eq!((unsigned.status, unsigned.json()), (401, json!({"error": "no Authorization header"})));
    let wrong = server.request("POST", "/api/messages").bearer_auth("very.secret.token");
    let wrong = server.answer(wrong.json(&activity("install_personal"))).await;
    assert_eq!(wrong.status, 401);
    assert!(!wrong.text.contains("secret"));
    assert!(server.store.lanes().await.unwrap().is_empty());
}
