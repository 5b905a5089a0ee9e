//! `POST /v1/messages`: what is taken, and idempotency.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use nuncio_domain::ports::{Ledger, Registry, Wake};
use nuncio_domain::{OnAmbiguous, RecipientKind, Role};
use serde_json::{Value, json};

use crate::harness::{Answer, BOT, INES, Server, TENANT, app, hello};

async fn with_key(server: &Server, key: &str, body: &Value) -> Answer {
    let request = server.request("POST", "/v1/messages").bearer_auth(&server.send);
    server.answer(request.header("Idempotency-Key", key).json(body)).await
}

#[tokio::test]
async fn a_message_is_taken_stored_and_its_lane_woken() {
    let server = Server::start().await;
    let mut body = hello();
    body["audience"]["users"] = json!([INES.to_uppercase(), INES]);
    body["audience"]["channels"] = json!(["19:5be1c0f2a8d94e7f@thread.tacv2"]);
    body["audience"]["exclude"] = json!({"users": ["c0ffee00-0000-4000-8000-000000000001"]});
    body["content"]["summary"] = "Deploy finished".into();
    body["label"] = "deploys".into();
    body["on_ambiguous"] = "resend".into();
    let answer = server.post("/v1/messages", &body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let accepted = answer.json();
    assert_eq!(accepted["state"], "expanding");
    let id = accepted["id"].as_str().unwrap();
    assert!(id.starts_with("msg_01"), "{id}");
    assert_eq!(answer.header("location"), format!("/v1/messages/{id}"));

    let lanes = server.store.lanes().await.unwrap();
    assert_eq!((lanes.len(), lanes[0].app.as_str(), lanes[0].tenant.as_str()), (1, "dispatch", TENANT));
    assert_eq!(*server.woken.0.lock().unwrap(), [lanes[0].lane_no]);
    let open = server.store.open(lanes[0].lane_no, 0).await.unwrap().messages;
    assert_eq!(open[0].on_ambiguous, Some(OnAmbiguous::Resend));
    server.store.expand(open[0].message_no, 100, open[0].expires_at).await.unwrap();
    let rows = server.store.page(open[0].message_no, 0, 100).await.unwrap();
    let kinds: Vec<RecipientKind> = rows.iter().map(|row| row.kind).collect();
    assert_eq!(kinds, [RecipientKind::Person, RecipientKind::Channel]);
    assert_eq!(rows[0].address, INES);

    let message = server.get(&format!("/v1/messages/{id}")).await.json();
    assert_eq!(message["counts"]["audience"], 2);
    assert_eq!(message["counts"]["pending"], 2);
    assert_eq!(message["duplicates_removed"], 1);
    assert_eq!(message["audience_final"], true);
    assert_eq!(message["needs_attention"], 0);
    assert_eq!(message["state"], "sending");
    assert_eq!((&message["app"], &message["tenant"]), (&json!("dispatch"), &json!(TENANT)));
    assert_eq!((&message["label"], &message["priority"]), (&json!("deploys"), &json!("normal")));
    assert_eq!(message["content"], json!({"text": "Deploy **finished**", "summary": "Deploy finished"}));
    assert_eq!(message["created_at"], "2026-11-22T10:00:00Z");
    assert_eq!(message["expires_at"], "2026-11-23T10:00:00Z");
    assert_eq!(message["send_at"], Value::Null);
}

#[tokio::test]
async fn times_follow_the_contract() {
    let server = Server::start().await;
    for (change, state, send_at, expires_at) in [
        (json!({}), "expanding", Value::Null, "2026-11-23T10:00:00Z"),
        (json!({"priority": "urgent"}), "expanding", Value::Null, "2026-11-22T11:00:00Z"),
        (json!({"send_at": "2026-11-22T09:00:00Z"}), "expanding", Value::Null, "2026-11-23T10:00:00Z"),
        (
            json!({"send_at": "2026-11-24T09:00:00+01:00"}),
            "scheduled",
            json!("2026-11-24T08:00:00Z"),
            "2026-11-25T08:00:00Z",
        ),
        (
            json!({"send_at": "2026-11-24T08:00:00Z", "expires_at": "2026-11-24T08:00:01Z"}),
            "scheduled",
            json!("2026-11-24T08:00:00Z"),
            "2026-11-24T08:00:01Z",
        ),
    ] {
        let mut body = hello();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let accepted = server.post("/v1/messages", &body).await.json();
        assert_eq!(accepted["state"], state, "{change} {accepted}");
        let path = format!("/v1/messages/{}", accepted["id"].as_str().unwrap());
        let message = server.get(&path).await.json();
        assert_eq!(message["send_at"], send_at, "{change}");
        assert_eq!(message["expires_at"], expires_at, "{change}");
        assert_eq!(message["state"], state, "{change}");
    }
}

#[tokio::test]
async fn a_card_is_taken_as_it_is() {
    let server = Server::start().await;
    let card = json!({"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "x", "own": 1}]});
    let id = server.sent(&json!({"audience": {"installed": true}, "content": {"card": card}})).await;
    assert_eq!(server.get(&format!("/v1/messages/{id}")).await.json()["content"], json!({"card": card}));
}

#[tokio::test]
async fn what_asks_for_nothing_is_taken() {
    let server = Server::start().await;
    let body = json!({
        "audience": {"users": [INES], "everyone": false, "installed": false, "teams": [], "groups": [], "channels": [],
                     "chats": [], "lists": [], "include": [], "exclude": {"users": [], "groups": []}},
        "content": {"text": "x", "card": null, "summary": null},
        "label": null, "priority": "normal", "install": "never", "on_ambiguous": "hold",
        "when_unreachable": "fail", "max_recipients": 1000, "start": "complete", "send_at": null, "expires_at": null,
        "app": null, "tenant": null
    });
    server.sent(&body).await;
}

#[tokio::test]
async fn the_same_request_again_gets_the_first_answer() {
    let server = Server::start().await;
    let mut body = hello();
    body["send_at"] = "2026-11-22T11:00:00Z".into();
    body["expires_at"] = "2026-11-23T08:00:00Z".into();
    let first = with_key(&server, "deploy-4711", &body).await;
    assert_eq!(first.json()["state"], "scheduled");
    server.clock.pass(Duration::from_hours(2));
    // Now it would be `expanding`, and it is another minute: the answer is still the first one.
    let again = with_key(&server, "deploy-4711", &body).await;
    assert_eq!((again.status, &again.text), (202, &first.text));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(server.get("/v1/messages").await.json()["items"].as_array().unwrap().len(), 1);

    // It is over by now, and asking for it anew would be refused.
    server.clock.pass(Duration::from_hours(21));
    assert_eq!(with_key(&server, "another", &body).await.status, 422);
    let again = with_key(&server, "deploy-4711", &body).await;
    assert_eq!((again.status, &again.text), (202, &first.text));

    body["content"]["text"] = "Deploy failed".into();
    with_key(&server, "deploy-4711", &body).await.refused_at(
        422,
        "idempotency_key_reused",
        "idempotency-key:",
    );

    // Another key's use of the same word is another matter, and so is a day later.
    let other = server.key(Role::Send, None).await;
    let request =
        server.request("POST", "/v1/messages").bearer_auth(&other).header("Idempotency-Key", "deploy-4711");
    assert_eq!(server.answer(request.json(&hello())).await.status, 202);
    server.clock.pass(Duration::from_hours(24));
    let later = with_key(&server, "deploy-4711", &hello()).await;
    assert_eq!(later.status, 202);
    assert_ne!(later.json()["id"], first.json()["id"]);
}

#[tokio::test]
async fn idempotency_keys_have_a_form() {
    let server = Server::start().await;
    for bad in ["", "two words", &"k".repeat(256)] {
        with_key(&server, bad, &hello()).await.refused_at(400, "invalid_request", "idempotency-key:");
    }
    assert_eq!(with_key(&server, &"k".repeat(255), &hello()).await.status, 202);
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_key() {
    let server = Server::start().await;
    with_key(&server, "k", &json!({})).await.refused(422, "empty_content");
    assert_eq!(with_key(&server, "k", &hello()).await.status, 202);
    // A refused request leaves no lane behind either.
    let fresh = Server::start().await;
    with_key(&fresh, "k", &json!({})).await.refused(422, "empty_content");
    assert!(fresh.store.lanes().await.unwrap().is_empty());
}

/// Holds the first caller until it is let go.
#[derive(Default)]
struct Held {
    state: Mutex<(bool, bool)>,
    changed: Condvar,
    entered: tokio::sync::Notify,
}

impl Wake for Held {
    fn wake(&self, _: i64) {
        let mut state = self.state.lock().unwrap();
        if !state.0 {
            state.0 = true;
            self.entered.notify_one();
            while !state.1 {
                state = self.changed.wait(state).unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_the_first_is_running_the_second_is_told_so() {
    let held = Arc::new(Held::default());
    let wake = Arc::clone(&held);
    let apps = vec![app("dispatch", BOT, &[TENANT])];
    let server = Arc::new(Server::with(apps, |state| state.wake = wake).await);
    let first = tokio::spawn({
        let server = Arc::clone(&server);
        async move { with_key(&server, "k", &hello()).await }
    });
    held.entered.notified().await;
    with_key(&server, "k", &hello()).await.refused(409, "request_in_progress");
    assert_eq!(with_key(&server, "other", &hello()).await.status, 202);
    held.state.lock().unwrap().1 = true;
    held.changed.notify_all();
    let first = first.await.unwrap();
    assert_eq!(first.status, 202);
    assert_eq!(with_key(&server, "k", &hello()).await.text, first.text);
}

#[tokio::test]
async fn app_and_tenant_are_needed_only_where_there_are_several() {
    const OTHER: &str = "11111111-2222-4333-8444-555555555555";
    let apps = vec![
        app("alpha", BOT, &["*"]),
        app("beta", "0d5e8f1a-0000-4000-8000-000000000001", &[OTHER]),
        app("gamma", "0d5e8f1a-0000-4000-8000-000000000002", &[TENANT, OTHER]),
    ];
    let server = Server::with(apps, |_| {}).await;
    let ask = async |app: Option<&str>, tenant: Option<&str>| {
        let mut body = hello();
        body["app"] = json!(app);
        body["tenant"] = json!(tenant);
        server.post("/v1/messages", &body).await
    };
    ask(None, None).await.refused_at(422, "one_lane", "/app");
    ask(Some("delta"), None).await.refused_at(422, "unknown_app", "/app");
    // Its own tenant, as long as it is known in no other.
    assert_eq!(ask(Some("alpha"), None).await.status, 202);
    assert_eq!(ask(Some("beta"), None).await.status, 202);
    assert_eq!(ask(Some("gamma"), None).await.status, 202);
    ask(Some("beta"), Some(TENANT)).await.refused_at(422, "unknown_tenant", "/tenant");
    ask(Some("alpha"), Some("contoso.com")).await.refused_at(422, "unknown_tenant", "/tenant");
    assert_eq!(ask(Some("alpha"), Some(&OTHER.to_uppercase())).await.status, 202);
    ask(Some("alpha"), None).await.refused_at(422, "one_lane", "/tenant");
    let lanes = server.store.lanes().await.unwrap();
    let mut lanes: Vec<(&str, &str)> =
        lanes.iter().map(|lane| (lane.app.as_str(), lane.tenant.as_str())).collect();
    lanes.sort_unstable();
    let mut expected = [("alpha", TENANT), ("alpha", OTHER), ("beta", OTHER), ("gamma", TENANT)];
    expected.sort_unstable();
    assert_eq!(lanes, expected);
}
