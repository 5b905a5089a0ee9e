//! What can be asked for after a message was sent: settling and trying again.

use nuncio_domain::batch::{Batch, Change, Intent, Why};
use nuncio_domain::message::Verdict;
use nuncio_domain::ports::Ledger;
use nuncio_domain::{DeliveryState, FailReason, Key, Time};
use serde_json::{Value, json};

use crate::harness::{INES, NOON, Server, hello};

const OTHERS: [&str; 2] = ["c0ffee00-0000-4000-8000-000000000001", "c0ffee00-0000-4000-8000-000000000002"];

fn change(key: Key, from: DeliveryState, to: DeliveryState) -> Change {
    Change {
        key,
        from,
        to,
        why: None,
        attempt: None,
        activity_id: None,
        due_at: None,
        tries: 0,
        resent: false,
        at: Time(NOON),
    }
}

struct Sent {
    id: String,
    lane_no: i64,
    message_no: i64,
    keys: Vec<Key>,
}

impl Sent {
    fn delivery(&self, n: usize) -> String {
        let Key { message_no, recipient_no } = self.keys[n];
        nuncio_domain::DeliveryId { message_no, recipient_no }.to_string()
    }
}

/// A message to three, expanded.
async fn sent(server: &Server, body: &Value) -> Sent {
    let mut body = body.clone();
    body["audience"]["users"] = json!([INES, OTHERS[0], OTHERS[1]]);
    let id = server.sent(&body).await;
    let lane_no = server.woken.0.lock().unwrap()[0];
    let message_no = server.store.open(lane_no, 0).await.unwrap().messages.last().unwrap().message_no;
    server.store.expand(message_no, 100, Time(NOON)).await.unwrap();
    let rows = server.store.page(message_no, 0, 10).await.unwrap();
    Sent { id, lane_no, message_no, keys: rows.into_iter().map(|row| row.key).collect() }
}

/// Two of the three are ambiguous.
async fn uncertain(server: &Server) -> Sent {
    let sent = sent(server, &hello()).await;
    let intents =
        sent.keys[..2].iter().map(|key| Intent { key: *key, reference_no: None, at: Time(NOON) }).collect();
    server.store.commit(Batch { intents, ..Batch::default() }.into()).await.unwrap();
    assert_eq!(server.store.recover(sent.lane_no, Time(NOON)).await.unwrap(), (2, 0));
    sent
}

#[tokio::test]
async fn ambiguous_ones_are_settled_by_a_word() {
    let server = Server::start().await;
    let sent = uncertain(&server).await;
    let path = format!("/v1/messages/{}/settle", sent.id);
    let woken = || server.woken.0.lock().unwrap().len();
    let before = woken();
    let body = json!({"as": "delivered", "deliveries": [sent.delivery(0), sent.delivery(2)]});
    let one = server.post(&path, &body).await;
    assert_eq!((one.status, one.json()), (202, json!({"id": sent.id, "state": "sending", "settled": 1})));
    assert_eq!(woken(), before + 1);
    let all = server.post(&path, &json!({"as": "resend", "all": true})).await;
    assert_eq!((all.status, all.json()["settled"].as_i64()), (202, Some(2)));

    let words = server.store.open(sent.lane_no, 0).await.unwrap().settlements;
    let short: Vec<_> = words.iter().map(|word| (word.key, word.verdict)).collect();
    let expected = [
        (sent.keys[0], Verdict::Delivered),
        (sent.keys[0], Verdict::Resend),
        (sent.keys[1], Verdict::Resend),
    ];
    assert_eq!(short, expected);
    // What the owner makes of the first is shown, with whose word it was.
    let changes = vec![change(sent.keys[0], DeliveryState::Ambiguous, DeliveryState::Delivered)];
    let obeyed = Batch { changes, settled: vec![words[0].settlement_no], ..Batch::default() };
    server.store.commit(obeyed.into()).await.unwrap();
    let shown = server.get(&format!("/v1/deliveries/{}", sent.delivery(0))).await.json();
    assert_eq!(shown["state"], "delivered");
    let settled = &shown["settled"];
    assert_eq!((&settled["as"], &settled["at"]), (&json!("delivered"), &json!("2026-11-22T10:00:00Z")));
    assert_eq!(settled["evidence"], "the API key `key 2` said so");
    let other = server.get(&format!("/v1/deliveries/{}", sent.delivery(1))).await.json();
    assert_eq!((&other["state"], &other["settled"]), (&json!("ambiguous"), &Value::Null));
}

#[tokio::test]
async fn words_that_make_no_sense_are_refused() {
    let server = Server::start().await;
    let sent = uncertain(&server).await;
    let path = format!("/v1/messages/{}/settle", sent.id);
    let foreign = nuncio_domain::DeliveryId { message_no: sent.message_no + 1, recipient_no: 1 }.to_string();
    for (body, code, pointer) in [
        (json!({"as": "gone", "all": true}), "invalid_value", "/as"),
        (json!({"as": "delivered"}), "invalid_value", "/deliveries"),
        (
            json!({"as": "delivered", "all": true, "deliveries": [sent.delivery(0)]}),
            "invalid_value",
            "/deliveries",
        ),
        (json!({"as": "delivered", "deliveries": ["dlv_x"]}), "invalid_value", "/deliveries/0"),
        (
            json!({"as": "delivered", "deliveries": [sent.delivery(0), foreign]}),
            "other_message",
            "/deliveries/1",
        ),
    ] {
        server.post(&path, &body).await.refused_at(422, code, pointer);
    }
    server.post(&path, &json!({"as": "delivered", "al": true})).await.refused_at(400, "unknown_field", "/al");
    let right = json!({"as": "resend", "all": true});
    let missing = "/v1/messages/msg_01h455vb4pex5vsknk084sn02q/settle";
    server.post(missing, &right).await.refused(404, "not_found");
    let reader = server.request("POST", &path).bearer_auth(&server.read).json(&right);
    server.answer(reader).await.refused(403, "forbidden");
    // Nothing is sent of a message that was cancelled, yet it may have arrived.
    let close = nuncio_domain::batch::MessageChange::Close {
        message_no: sent.message_no,
        to: DeliveryState::Cancelled,
        at: Time(NOON),
    };
    server.store.commit(Batch { messages: vec![close], ..Batch::default() }.into()).await.unwrap();
    let late = server.post(&path, &right).await;
    late.refused(409, "too_late");
    assert!(late.text.contains("delivered"), "{}", late.text);
    assert_eq!(server.post(&path, &json!({"as": "delivered", "all": true})).await.status, 202);
}

/// One failed, one was skipped, one is still pending.
async fn mixed(server: &Server) -> Sent {
    let mut body = hello();
    body["label"] = "deploys".into();
    body["priority"] = "bulk".into();
    let sent = sent(server, &body).await;
    let failed = Change {
        why: Some(Why::Failed(FailReason::NotInstalled)),
        ..change(sent.keys[0], DeliveryState::Pending, DeliveryState::Failed)
    };
    let skipped = Change {
        why: Some(Why::Skipped(nuncio_domain::SkipReason::Unreachable)),
        ..change(sent.keys[1], DeliveryState::Pending, DeliveryState::Skipped)
    };
    server.store.commit(Batch { changes: vec![failed, skipped], ..Batch::default() }.into()).await.unwrap();
    sent
}

async fn audience(server: &Server, id: &str, lane_no: i64) -> Vec<String> {
    let message_no = server.store.open(lane_no, 0).await.unwrap().messages.last().unwrap().message_no;
    server.store.expand(message_no, 100, Time(NOON)).await.unwrap();
    let items = server.get(&format!("/v1/messages/{id}/deliveries")).await.json()["items"].clone();
    items.as_array().unwrap().iter().map(|one| one["recipient"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_was_not_delivered_is_tried_again_as_a_new_message() {
    let server = Server::start().await;
    let sent = mixed(&server).await;
    let path = format!("/v1/messages/{}/retry", sent.id);
    // Without a body: what failed.
    let bare = server.answer(server.request("POST", &path).bearer_auth(&server.send)).await;
    assert_eq!(bare.status, 202, "{}", bare.text);
    let id = bare.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(bare.header("location"), format!("/v1/messages/{id}"));
    assert_eq!(server.woken.0.lock().unwrap().last(), Some(&sent.lane_no));
    let shown = server.get(&format!("/v1/messages/{id}")).await.json();
    assert_eq!(shown["retries"], sent.id.as_str());
    assert_eq!((&shown["label"], &shown["priority"]), (&json!("deploys"), &json!("bulk")));
    assert_eq!(shown["content"], hello()["content"]);
    assert_eq!(shown["expires_at"], "2026-11-23T10:00:00Z");
    assert_eq!(audience(&server, &id, sent.lane_no).await, [INES]);
    let first = server.get(&format!("/v1/messages/{}", sent.id)).await.json();
    assert_eq!(first.get("retries"), None);

    let body = json!({"states": ["failed", "skipped"], "reasons": ["unreachable"], "label": "again",
                      "priority": "urgent", "send_at": "2026-11-22T11:00:00Z"});
    let other = server.post(&path, &body).await;
    assert_eq!((other.status, &other.json()["state"]), (202, &json!("scheduled")), "{}", other.text);
    let id = other.json()["id"].as_str().unwrap().to_owned();
    let shown = server.get(&format!("/v1/messages/{id}")).await.json();
    assert_eq!((&shown["label"], &shown["priority"]), (&json!("again"), &json!("urgent")));
    assert_eq!(shown["expires_at"], "2026-11-22T12:00:00Z");
    assert_eq!(audience(&server, &id, sent.lane_no).await, [OTHERS[0]]);
}

#[tokio::test]
async fn a_retry_is_repeated_by_its_key_and_its_message() {
    let server = Server::start().await;
    let (one, two) = (mixed(&server).await, mixed(&server).await);
    let ask = async |sent: &Sent, body: &Value| {
        let path = format!("/v1/messages/{}/retry", sent.id);
        let request = server.request("POST", &path).bearer_auth(&server.send).json(body);
        server.answer(request.header("idempotency-key", "k")).await
    };
    let first = ask(&one, &json!({})).await;
    assert_eq!(first.status, 202, "{}", first.text);
    assert_eq!(ask(&one, &json!({})).await.text, first.text);
    ask(&two, &json!({})).await.refused(422, "idempotency_key_reused");
    ask(&one, &json!({"states": ["skipped"]})).await.refused(422, "idempotency_key_reused");
}

#[tokio::test]
async fn what_cannot_be_tried_again_is_refused() {
    let server = Server::start().await;
    let sent = mixed(&server).await;
    let path = format!("/v1/messages/{}/retry", sent.id);
    for (body, code, pointer) in [
        (json!({"states": ["delivered"]}), "invalid_value", "/states/0"),
        (json!({"states": ["failed", "ambiguous"]}), "invalid_value", "/states/1"),
        (json!({"states": ["pending"]}), "invalid_value", "/states/0"),
        (json!({"states": ["lost"]}), "invalid_value", "/states/0"),
        (json!({"reasons": ["bad_luck"]}), "invalid_value", "/reasons/0"),
        (json!({"priority": "high"}), "invalid_value", "/priority"),
        (json!({"expires_at": "2026-11-22T09:00:00Z"}), "invalid_value", "/expires_at"),
        (json!({"states": ["cancelled"]}), "nothing_to_retry", ""),
        (json!({"reasons": ["blocked_by_user"]}), "nothing_to_retry", ""),
    ] {
        server.post(&path, &body).await.refused_at(422, code, pointer);
    }
    let ambiguous = server.post(&path, &json!({"states": ["ambiguous"]})).await;
    assert!(ambiguous.text.contains("settle"), "{}", ambiguous.text);
    let missing = "/v1/messages/msg_01h455vb4pex5vsknk084sn02q/retry";
    server.post(missing, &json!({})).await.refused(404, "not_found");
    let reader = server.request("POST", &path).bearer_auth(&server.read).json(&json!({}));
    server.answer(reader).await.refused(403, "forbidden");
}
