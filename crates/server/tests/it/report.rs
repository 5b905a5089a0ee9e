//! `GET /v1/messages/{id}/report.csv`.

use nuncio_domain::batch::{Attempt, Batch, Change, Intent, Why};
use nuncio_domain::outcome::Operation;
use nuncio_domain::people::{Learned, SeenPerson};
use nuncio_domain::ports::{Ledger, Registry};
use nuncio_domain::{DeliveryState, FailReason, Time};
use serde_json::json;

use crate::harness::{INES, NOON, Server, TENANT, hello};

const HEADER: &str =
    "person_id,upn,name,outcome,reason,status,code,text,correlation_id,activity_id,attempts,first_at,last_at";

#[tokio::test]
async fn columns_outcomes_and_defused_cells() {
    let server = Server::start().await;
    let person = SeenPerson {
        object_id: INES.to_owned(),
        name: Some("=HYPERLINK(\"http://x\",\"y\")".to_owned()),
        upn: Some("ines@contoso.com".to_owned()),
        ..SeenPerson::default()
    };
    let learned = Learned {
        app: "dispatch".to_owned(),
        tenant: TENANT.to_owned(),
        at: Time(NOON),
        event: ("a:1".to_owned(), "f:1".to_owned()),
        people: vec![person],
        ..Learned::default()
    };
    server.store.learn(learned).await.unwrap();
    let mut body = hello();
    body["audience"]["users"] = json!([INES, "c0ffee00-0000-4000-8000-000000000001"]);
    let id = server.sent(&body).await;
    let lane_no = server.woken.0.lock().unwrap()[0];
    let message_no = server.store.open(lane_no, 0).await.unwrap().messages[0].message_no;
    server.store.expand(message_no, 100, Time(NOON)).await.unwrap();
    let key = server.store.page(message_no, 0, 1).await.unwrap()[0].key;
    let at = Time(NOON);
    let intents = vec![Intent { key, reference_no: None, at }];
    server.store.commit(Batch { at, intents, ..Batch::default() }.into()).await.unwrap();
    let attempt = Attempt {
        call: Operation::Send,
        started_at: at,
        ended_at: Time(NOON + 250_000),
        outcome: "permanent",
        status: Some(403),
        code: Some("ConversationBlockedByUser".to_owned()),
        text: Some("+User blocked, the \"conversation\"".to_owned()),
        correlation: Some("-corr".to_owned()),
    };
    let change = Change {
        key,
        from: DeliveryState::InFlight,
        to: DeliveryState::Failed,
        why: Some(Why::Failed(FailReason::BlockedByUser)),
        attempt: Some(attempt),
        activity_id: None,
        due_at: None,
        tries: 1,
        resent: false,
        at,
    };
    let committed =
        server.store.commit(Batch { at, changes: vec![change], ..Batch::default() }.into()).await.unwrap();
    assert_eq!(committed.lost_changes, []);

    let report = server.get(&format!("/v1/messages/{id}/report.csv")).await;
    assert_eq!(report.status, 200);
    assert_eq!(report.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(report.header("content-disposition"), format!("attachment; filename=\"{id}-report.csv\""));
    let lines: Vec<&str> = report.text.lines().collect();
    assert_eq!(lines[0], HEADER);
    assert_eq!(
        lines[1],
        format!(
            "{INES},ines@contoso.com,\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",failed,blocked_by_user,403,\
             ConversationBlockedByUser,\"'+User blocked, the \"\"conversation\"\"\",'-corr,,1,\
             2026-11-22T10:00:00Z,2026-11-22T10:00:00.25Z"
        )
    );
    assert_eq!(lines[2], "c0ffee00-0000-4000-8000-000000000001,,,pending,,,,,,,0,,");
    assert_eq!(lines.len(), 3);

    let listed = server.get(&format!("/v1/messages/{id}/deliveries?reason=blocked_by_user")).await.json();
    let delivery = &listed["items"][0];
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!(403), &json!(1)));
    let shown = server.get(&format!("/v1/deliveries/{}", delivery["id"].as_str().unwrap())).await.json();
    assert_eq!(shown["calls"][0]["outcome"], "permanent");
    assert_eq!(shown["calls"][0]["ended_at"], "2026-11-22T10:00:00.25Z");
    let message = server.get(&format!("/v1/messages/{id}")).await.json();
    assert_eq!(message["failed_by_reason"], json!({"blocked_by_user": 1}));
}

#[tokio::test]
async fn it_goes_over_many_pages() {
    let server = Server::start().await;
    let mut body = hello();
    let ids: Vec<String> = (0..2500).map(|n| format!("c0ffee00-0000-4000-8000-{n:012}")).collect();
    body["audience"]["users"] = json!(ids);
    body["max_recipients"] = 5000.into();
    let id = server.sent(&body).await;
    let lane_no = server.woken.0.lock().unwrap()[0];
    let message_no = server.store.open(lane_no, 0).await.unwrap().messages[0].message_no;
    while !server.store.expand(message_no, 5000, Time(NOON)).await.unwrap().done {}
    let report = server.get(&format!("/v1/messages/{id}/report.csv")).await;
    let mut named: Vec<&str> =
        report.text.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, ids);
    assert_eq!(report.text.matches("person_id").count(), 1);
}

#[tokio::test]
async fn an_empty_one_is_its_header() {
    let server = Server::start().await;
    let id = server.sent(&hello()).await;
    assert_eq!(server.get(&format!("/v1/messages/{id}/report.csv")).await.text, format!("{HEADER}\n"));
}
