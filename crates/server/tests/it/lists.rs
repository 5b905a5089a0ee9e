//! Lists, cursors, single objects and controls.

use nuncio_domain::batch::{Batch, MessageChange};
use nuncio_domain::ports::Ledger;
use nuncio_domain::{MessageState, Time};
use serde_json::{Value, json};

use crate::harness::{INES, NOON, Server, activity, hello};

/// All items over all pages of two.
async fn all(server: &Server, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let mark = if path.contains('?') { '&' } else { '?' };
        let page = server.get(&format!("{path}{mark}limit=2{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let page = page.json();
        let got = page["items"].as_array().unwrap();
        assert!(got.len() <= 2);
        items.extend(got.iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

#[tokio::test]
async fn messages_are_listed_newest_first_by_state_and_label() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let mut body = hello();
        body["label"] = if n % 2 == 0 { "even" } else { "odd" }.into();
        if n == 4 {
            body["send_at"] = "2026-11-23T10:00:00Z".into();
        }
        ids.push(server.sent(&body).await);
    }
    ids.reverse();
    let listed = |items: Vec<Value>| -> Vec<String> {
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let items = all(&server, "/v1/messages").await;
    assert!(items.iter().all(|item| item.get("content").is_none()));
    assert_eq!(listed(items), ids);
    assert_eq!(listed(all(&server, "/v1/messages?label=odd").await), [ids[1].clone(), ids[3].clone()]);
    assert_eq!(listed(all(&server, "/v1/messages?state=scheduled").await), [ids[0].clone()]);
    assert_eq!(all(&server, "/v1/messages?label=none").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_cursor_is_for_its_own_list_filter_and_key() {
    let server = Server::start().await;
    for _ in 0..3 {
        server.sent(&hello()).await;
    }
    let page = server.get("/v1/messages?limit=1&state=expanding").await.json();
    let cursor = page["next"].as_str().unwrap();
    assert_eq!(
        server.get(&format!("/v1/messages?limit=2&state=expanding&cursor={cursor}")).await.status,
        200
    );
    for other in [
        format!("/v1/messages?cursor={cursor}"),
        format!("/v1/messages?state=sending&cursor={cursor}"),
        format!("/v1/messages?state=expanding&label=x&cursor={cursor}"),
        format!("/v1/people?cursor={cursor}"),
        "/v1/messages?cursor=nonsense".to_owned(),
        "/v1/messages?cursor=".to_owned(),
    ] {
        server.get(&other).await.refused_at(400, "bad_cursor", "?cursor");
    }
    let path = format!("/v1/messages?state=expanding&cursor={cursor}");
    server.answer(server.request("GET", &path).bearer_auth(&server.admin)).await.refused_at(
        400,
        "bad_cursor",
        "?cursor",
    );
}

#[tokio::test]
async fn query_parameters_are_strict() {
    let server = Server::start().await;
    let id = server.sent(&hello()).await;
    for (path, code, pointer) in [
        ("/v1/messages?stat=sending".to_owned(), "unknown_field", "?stat"),
        ("/v1/messages?state=gone".to_owned(), "invalid_request", "?state"),
        ("/v1/messages?limit=0".to_owned(), "invalid_request", "?limit"),
        ("/v1/messages?limit=201".to_owned(), "invalid_request", "?limit"),
        ("/v1/messages?limit=x".to_owned(), "invalid_request", "?limit"),
        ("/v1/messages?limit=1&limit=2".to_owned(), "invalid_request", "?limit"),
        (format!("/v1/messages/{id}?x=1"), "unknown_field", "?x"),
        (format!("/v1/messages/{id}/deliveries?limit=1001"), "invalid_request", "?limit"),
        (format!("/v1/messages/{id}/deliveries?reason=bad_luck"), "invalid_request", "?reason"),
        ("/v1/people?state=muted".to_owned(), "invalid_request", "?state"),
        ("/v1/people?kind=dog".to_owned(), "invalid_request", "?kind"),
        ("/v1/reachability?state=reachable".to_owned(), "unknown_field", "?state"),
    ] {
        server.get(&path).await.refused_at(400, code, pointer);
    }
    assert_eq!(server.get(&format!("/v1/messages/{id}/deliveries?limit=1000")).await.status, 200);
}

#[tokio::test]
async fn ids_that_are_none_are_not_there() {
    let server = Server::start().await;
    for path in [
        "/v1/messages/x",
        "/v1/messages/key_01h455vb4pex5vsknk084sn02q",
        "/v1/deliveries/dlv_",
        "/v1/messages/%00",
    ] {
        server.get(path).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn deliveries_are_listed_and_shown_alone() {
    let server = Server::start().await;
    let mut body = hello();
    body["audience"]["users"] =
        json!((0..5).map(|n| format!("c0ffee00-0000-4000-8000-{n:012}")).collect::<Vec<_>>());
    let id = server.sent(&body).await;
    let lane_no = server.woken.0.lock().unwrap()[0];
    let message_no = server.store.open(lane_no, 0).await.unwrap().messages[0].message_no;
    server.store.expand(message_no, 100, Time(NOON)).await.unwrap();
    let deliveries = all(&server, &format!("/v1/messages/{id}/deliveries")).await;
    assert_eq!(deliveries.len(), 5);
    assert_eq!(deliveries[0]["state"], "pending");
    assert_eq!(deliveries[0]["message"], id.as_str());
    assert_eq!(all(&server, &format!("/v1/messages/{id}/deliveries?state=failed")).await.len(), 0);
    let one = server.get(&format!("/v1/deliveries/{}", deliveries[3]["id"].as_str().unwrap())).await.json();
    assert_eq!(one["recipient"], deliveries[3]["recipient"]);
    assert_eq!(one["calls"], json!([]));
}

#[tokio::test]
async fn rate_end_and_causes_are_those_of_the_lane() {
    let server = Server::start().await;
    let id = server.sent(&hello()).await;
    let lane_no = server.woken.0.lock().unwrap()[0];
    let message_no = server.store.open(lane_no, 0).await.unwrap().messages[0].message_no;
    server.store.expand(message_no, 100, Time(NOON)).await.unwrap();
    let status = async |status: Value| {
        let batch = Batch { lane_status: vec![(lane_no, status.to_string())], ..Batch::default() };
        server.store.commit(batch.into()).await.unwrap();
        server.get(&format!("/v1/messages/{id}")).await.json()
    };
    let message = status(json!({"rate_per_s": 0.5, "cause": null, "cooling_until": NOON + 1_500_000})).await;
    assert_eq!(message["rate_per_s"], 0.5);
    assert_eq!(message["eta"], "2026-11-22T10:00:02Z");
    assert_eq!(message["cooling_until"], "2026-11-22T10:00:01.5Z");
    assert_eq!(message["state"], "sending");

    let message =
        status(json!({"rate_per_s": 0.0, "cause": "credential", "cause_text": "the secret expired"})).await;
    assert_eq!((&message["state"], &message["cause"]), (&json!("waiting"), &json!("credential")));
    assert_eq!(message["cause_text"], "the secret expired");
    assert_eq!((&message["rate_per_s"], &message["eta"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn controls_are_taken_until_it_is_too_late() {
    let server = Server::start().await;
    let id = server.sent(&hello()).await;
    let lane_no = server.woken.0.lock().unwrap()[0];
    let tell = async |word: &str| server.post(&format!("/v1/messages/{id}/{word}"), &Value::Null).await;

    tell("resume").await.refused(409, "too_late");
    tell("confirm").await.refused(409, "too_late");
    let paused = tell("pause").await;
    assert_eq!(paused.status, 202, "{}", paused.text);
    assert_eq!(paused.json(), json!({"id": id, "state": "expanding"}));
    assert_eq!(server.woken.0.lock().unwrap().len(), 2);
    assert_eq!(server.get(&format!("/v1/messages/{id}")).await.json()["requested"], "pause");
    assert_eq!(tell("resume").await.status, 202);
    assert_eq!(tell("cancel").await.status, 202);
    // A cancel is never taken back.
    tell("pause").await.refused(409, "too_late");

    let message_no = server.store.open(lane_no, 0).await.unwrap().messages[0].message_no;
    let state = MessageChange::State { message_no, state: MessageState::Cancelled, cause: None };
    server.store.commit(Batch { messages: vec![state], ..Batch::default() }.into()).await.unwrap();
    let refused = tell("cancel").await;
    refused.refused(409, "too_late");
    assert!(refused.text.contains("cancelled"));
    let missing = server.post("/v1/messages/msg_01h455vb4pex5vsknk084sn02q/cancel", &Value::Null).await;
    missing.refused(404, "not_found");
}

#[tokio::test]
async fn an_audience_that_is_too_large_waits_for_a_word() {
    let server = Server::start().await;
    let mut body = hello();
    body["audience"]["users"] = json!([INES, "c0ffee00-0000-4000-8000-000000000001"]);
    body["max_recipients"] = 1.into();
    let id = server.sent(&body).await;
    let lane_no = server.woken.0.lock().unwrap()[0];
    let message_no = server.store.open(lane_no, 0).await.unwrap().messages[0].message_no;
    server.store.expand(message_no, 100, Time(NOON)).await.unwrap();
    let message = server.get(&format!("/v1/messages/{id}")).await.json();
    assert_eq!((&message["state"], &message["cause"]), (&json!("waiting"), &json!("confirm")));
    assert!(message["cause_text"].as_str().unwrap().contains("max_recipients"));
    let confirmed = server.post(&format!("/v1/messages/{id}/confirm"), &Value::Null).await;
    assert_eq!(confirmed.status, 202, "{}", confirmed.text);
}

#[tokio::test]
async fn people_and_reachability_come_from_what_was_learned() {
    let server = Server::start().await;
    assert_eq!(
        server.get("/v1/reachability").await.json(),
        json!({"total": 0, "states": {}, "how": {}, "muted": "not detectable"})
    );
    for name in ["message_personal", "install_team"] {
        assert_eq!(server.activity(&activity(name)).await.status, 200);
    }
    let people = all(&server, "/v1/people?kind=person").await;
    assert_eq!(people.len(), 1);
    let ines = &people[0];
    assert_eq!((&ines["id"], &ines["name"]), (&json!(INES), &json!("Ines Moreau")));
    assert_eq!((&ines["state"], &ines["has_reference"]), (&json!("reachable"), &json!(true)));
    assert_eq!(ines["since"], "2026-11-22T10:00:00Z");
    assert_eq!(all(&server, "/v1/people?kind=channel").await.len(), 2);
    assert_eq!(all(&server, "/v1/people?state=reachable&kind=person").await.len(), 1);
    assert_eq!(all(&server, "/v1/people?state=removed").await.len(), 0);
    assert_eq!(all(&server, "/v1/people?app=other").await.len(), 0);
    let counts = server.get("/v1/reachability?app=dispatch").await.json();
    let how = json!({"reachable": {"person": 1}});
    assert_eq!(
        counts,
        json!({"total": 1, "states": {"reachable": 1}, "how": how, "muted": "not detectable"})
    );
}
