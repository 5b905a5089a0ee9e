//! Every row of the table of `docs/delivery.md` (Outcomes), provoked from outside: each answer of Microsoft that
//! `fixtures/microsoft/refusals` has, and each way of getting none, for each operation that meets it.

use std::path::Path;
use std::time::Duration;

use nuncio_api::{Audience, NewMessage};
use serde_json::{Value, json};

use crate::counts;
use crate::world::{Plan, World, message, reasons, to_installed, to_users};

/// How often a fault hits; without end it would hit again if anything were repeated.
const EVER: u64 = 1_000;

/// What is done to a call, how often, and what must become of the delivery: state, reason, calls in its account, and
/// messages that have arrived.
struct Row {
    what: &'static str,
    action: Value,
    times: u64,
    state: &'static str,
    reason: Option<&'static str>,
    calls: usize,
    arrived: usize,
}

fn row(what: &'static str, action: Value, times: u64, fate: (&'static str, usize, usize)) -> Row {
    Row { what, action, times, state: fate.0, reason: None, calls: fate.1, arrived: fate.2 }
}

/// A refusal that ends it at once.
fn fails(fixture: &'static str, reason: &'static str) -> Row {
    Row { reason: Some(reason), ..row(fixture, refusal(fixture), EVER, ("failed", 1, 0)) }
}

/// The answer of a fixture.
fn refusal(name: &str) -> Value {
    let path = format!("../../fixtures/microsoft/refusals/{name}.json");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let fixture: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    json!({ "status": fixture["status"], "body": fixture["body"] })
}

/// A refusal of the message or of the person: the same for a send, a new thread and a create.
fn refused() -> Vec<Row> {
    [
        ("conversation_blocked_by_user", "blocked_by_user"),
        ("bot_disabled_by_user", "blocked_by_user"),
        ("message_writes_blocked", "blocked_or_removed"),
        ("message_writes_blocked_2026", "blocked_or_removed"),
        ("forbidden_operation", "not_installed"),
        ("bad_pairwise_id", "not_installed"),
        ("bot_not_in_conversation_roster", "not_installed"),
        ("bot_disabled_by_admin", "disabled_by_admin"),
        ("capability_override", "blocked_by_policy"),
        ("not_enough_permissions", "not_permitted"),
        ("forbidden_without_body", "not_permitted"),
        ("error_code_without_sub_code", "not_permitted"),
        ("activity_not_found", "conversation_gone"),
        ("message_size_too_big", "message_too_big"),
        ("request_entity_too_large", "message_too_big"),
        ("bad_argument", "message_invalid"),
        ("bad_syntax", "message_invalid"),
        ("missing_property", "message_invalid"),
        ("message_entities", "message_invalid"),
    ]
    .map(|(fixture, reason)| fails(fixture, reason))
    .into_iter()
    .chain([
        Row { reason: Some("message_invalid"), ..row("422", json!({"status": 422}), EVER, ("failed", 1, 0)) },
        Row { reason: Some("upstream_error"), ..row("302", json!({"status": 302}), EVER, ("failed", 1, 0)) },
    ])
    .collect()
}

/// What passes by itself, whatever the operation; `calls` is those of a delivery that is not disturbed.
fn passing(calls: usize) -> Vec<Row> {
    let delivered = |again| ("delivered", calls + again, 1);
    vec![
        row("nothing", json!({"delay_ms": 1}), EVER, delivered(0)),
        row("precondition_failed", refusal("precondition_failed"), 2, delivered(2)),
        row("service_unavailable", refusal("service_unavailable"), 2, delivered(2)),
        row("gateway_html", refusal("gateway_html"), 1, delivered(1)),
        // Not a call of its own: the same one with a new token.
        row("authorization_denied, once", refusal("authorization_denied"), 1, delivered(0)),
        row("authorization_error, once", refusal("authorization_error"), 1, delivered(0)),
    ]
}

/// Answers of which nobody can know what they left behind, and whether the call was taken.
fn lost() -> Vec<(&'static str, Value, usize)> {
    let arrived = |mut action: Value| {
        action["accept"] = "before".into();
        action
    };
    vec![
        ("request_timeout", arrived(refusal("request_timeout")), 1),
        ("service_error", arrived(refusal("service_error")), 1),
        ("bad_gateway", refusal("bad_gateway"), 0),
        ("gateway_timeout", arrived(refusal("gateway_timeout")), 1),
        ("599", arrived(json!({"status": 599})), 1),
        ("end of stream", arrived(json!({"cut": "before_status"})), 1),
        ("end of stream, not taken", json!({"cut": "before_status"}), 0),
    ]
}

/// 2xx without an id that could be read.
fn without_id() -> [(&'static str, Value); 3] {
    [("no body", Value::Null), ("no id", json!({})), ("garbage", json!("<html>"))]
        .map(|(what, body)| (what, json!({"status": 201, "body": body, "accept": "before"})))
}

/// Makes the faults of the rows, one person each, sends to all at once, and compares.
async fn people(world: &World, op: &str, rows: Vec<Row>) {
    let all = world.sim.people("installed").await;
    assert!(all.len() >= rows.len(), "{} people for {} rows", all.len(), rows.len());
    let people = &all[..rows.len()];
    let mut faults = Vec::new();
    for (person, row) in people.iter().zip(&rows) {
        let matching = json!({"op": op, "person": person});
        let fault = json!({"match": matching, "do": row.action, "times": row.times});
        faults.push(world.sim.fault(fault).await);
    }
    let sent = world.sent(&to_users(people, "what becomes of this?")).await;
    for (person, row) in people.iter().zip(&rows) {
        let found = world.delivery(&sent.id, person).await;
        let arrived = world.sim.times(person).await;
        let (calls, delivery) = (found.calls.len(), found.delivery);
        assert_eq!(
            (delivery.state.as_str(), delivery.reason.as_deref(), calls, arrived),
            (row.state, row.reason, row.calls, row.arrived),
            "{op}, {}: {:#?}",
            row.what,
            found.calls
        );
    }
    for (fault, row) in faults.into_iter().zip(&rows) {
        // The first row lets its call through, and one with an end was met to its end.
        let expected = if row.times == EVER { 1..=row.calls as u64 } else { row.times..=row.times };
        let hits = world.sim.hits(fault).await;
        assert!(expected.contains(&hits), "{op}, {}: {hits} hits", row.what);
    }
}

async fn sends() {
    let mut rows = passing(1);
    rows.extend(refused());
    rows.extend(
        lost().into_iter().map(|(what, action, arrived)| row(what, action, EVER, ("ambiguous", 1, arrived))),
    );
    rows.extend(without_id().map(|(what, action)| row(what, action, EVER, ("delivered", 1, 1))));
    rows.push(row("cut", json!({"cut": "mid_body", "accept": "before"}), EVER, ("delivered", 1, 1)));
    rows.push(row("throttled", refusal("throttled"), 1, ("delivered", 2, 1)));
    let conflicts = row("precondition_failed", refusal("precondition_failed"), EVER, ("failed", 5, 0));
    rows.push(Row { reason: Some("upstream_error"), ..conflicts });
    // The reference is suspect: send, create, send.
    rows.push(row("conversation_not_found, once", refusal("conversation_not_found"), 1, ("delivered", 3, 1)));
    rows.push(row("member_not_found, once", refusal("member_not_found"), 1, ("delivered", 3, 1)));
    let world = Plan::people(rows.len() as u32).start().await;
    people(&world, "send", rows).await;
    world.end().await;
}

/// Repeatable: nothing is ambiguous, and nothing is in anybody's chat twice.
async fn creates() {
    let mut rows = passing(2);
    rows.extend(refused());
    rows.extend(lost().into_iter().map(|(what, action, _)| row(what, action, 1, ("delivered", 3, 1))));
    // Once more, then it is the message's turn.
    rows.extend(without_id().map(|(what, action)| row(what, action, 1, ("delivered", 3, 1))));
    rows.push(row("cut", json!({"cut": "mid_body", "accept": "before"}), 1, ("delivered", 3, 1)));
    rows.push(row("throttled", refusal("throttled"), 1, ("delivered", 3, 1)));
    rows.push(fails("conversation_not_found", "recipient_not_found"));
    rows.push(fails("member_not_found", "recipient_not_found"));
    let world = Plan::people(rows.len() as u32).start_unmet().await;
    people(&world, "create", rows).await;
    world.end().await;
}

/// `gateway_errors = "retry"` follows Microsoft's page, which may post twice; what was cut off stays ambiguous.
async fn sends_that_follow_the_page() {
    let rows = lost()
        .into_iter()
        .map(|(what, action, arrived)| match what {
            "service_error" | "bad_gateway" | "gateway_timeout" => {
                row(what, action, 1, ("delivered", 2, arrived + 1))
            }
            _ => row(what, action, EVER, ("ambiguous", 1, arrived)),
        })
        .collect();
    let world = Plan::people(7).app("gateway_errors = \"retry\"").start().await;
    people(&world, "send", rows).await;
    world.end().await;
}

/// One after the other: a channel is one thread. What is ambiguous is held here, as it is for people.
async fn threads() {
    let world = Plan::people(1).start_unmet().await;
    let channel = world.team_installs().await;
    let mut rows = passing(1);
    rows.extend(refused());
    rows.extend(
        lost().into_iter().map(|(what, action, arrived)| row(what, action, EVER, ("ambiguous", 1, arrived))),
    );
    rows.extend(without_id().map(|(what, action)| row(what, action, EVER, ("delivered", 1, 1))));
    let mut before = world.sim.said(&channel).await.len();
    for row in rows {
        let matching = json!({"op": "create_thread"});
        world.sim.fault(json!({"match": matching, "do": row.action, "times": row.times})).await;
        let audience = Audience { channels: vec![channel.clone()], ..Audience::default() };
        let message = NewMessage { on_ambiguous: Some("hold".to_owned()), ..message(audience, row.what) };
        // A thread that was refused for the channel's sake is tried all the same.
        let message = NewMessage { priority: Some("urgent".to_owned()), ..message };
        let sent = world.sent(&message).await;
        let found = world.delivery(&sent.id, &channel).await;
        let arrived = world.sim.said(&channel).await.len();
        assert_eq!(
            (
                found.delivery.state.as_str(),
                found.delivery.reason.as_deref(),
                found.calls.len(),
                arrived - before
            ),
            (row.state, row.reason, row.calls, row.arrived),
            "a thread, {}: {:#?}",
            row.what,
            found.calls
        );
        before = arrived;
        world.sim.no_faults().await;
    }
    world.end().await;
}

/// What no delivery can help: nobody is lost, the cause is said in words, and it goes on by itself.
async fn lanes() {
    let world = Plan::people(3).start().await;
    for (fixture, words) in [
        ("bot_not_registered", "no bot is registered for this app id"),
        ("tenant_no_permission", "the tenant does not let this app in"),
        ("invalid_bot_api_host", "this tenant is on another host"),
        ("authorization_denied", "a fresh token was refused"),
        ("authorization_error", "a fresh token was refused"),
    ] {
        world.sim.fault(json!({"match": {"op": "send"}, "do": refusal(fixture)})).await;
        let id = world.send(&to_installed("later")).await;
        let waiting = world.until(&id, fixture, |message| message.state == "waiting").await;
        assert_eq!(waiting.cause.as_deref(), Some("not_authorized"), "{fixture}");
        let text = waiting.cause_text.unwrap();
        assert!(text.contains(words), "{fixture}: {text}");
        assert_eq!(waiting.counts.pending + waiting.counts.in_flight, 3, "{fixture}");
        world.sim.no_faults().await;
        assert_eq!(world.over(&id).await.counts, counts! { audience: 3, delivered: 3 }, "{fixture}");
    }
    world.end().await;
}

/// Twenty in a row who say that an administrator has disabled the bot: then it is the lane's trouble, and costs nobody
/// else anything.
async fn disabled_for_everyone() {
    let world = Plan::people(40).start().await;
    let everyone = json!({"match": {"op": "send"}, "do": refusal("bot_disabled_by_admin")});
    world.sim.fault(everyone).await;
    let id = world.send(&to_installed("to whom it may concern")).await;
    let waiting = world.until(&id, "waiting", |message| message.state == "waiting").await;
    assert_eq!(waiting.cause.as_deref(), Some("disabled_by_admin"));
    world.sim.no_faults().await;
    let sent = world.over(&id).await;
    let failed = sent.counts.failed;
    assert!((1..=20).contains(&failed), "{failed} of 40 failed");
    assert_eq!(sent.failed_by_reason, reasons(&[("disabled_by_admin", failed)]));
    assert_eq!(sent.counts, counts! { audience: 40, failed: failed, delivered: 40 - failed });
    world.end().await;
}

/// Nobody can have acted on what was never sent.
async fn never_sent() {
    let world = Plan::people(3).start().await;
    world.sim.fault(json!({"match": {"op": "token"}, "do": {"status": 503}, "times": 2})).await;
    let sent = world.sent(&to_installed("when there is a token")).await;
    assert_eq!(sent.counts, counts! { audience: 3, delivered: 3 });
    assert_eq!(world.sim.requests("send").await, [("201".to_owned(), 3)].into());
    world.end().await;
}

#[tokio::test]
async fn every_row_of_the_table() {
    let all = async {
        tokio::join!(sends(), creates(), sends_that_follow_the_page(), threads(), lanes());
        tokio::join!(disabled_for_everyone(), never_sent());
    };
    tokio::time::timeout(Duration::from_mins(5), Box::pin(all)).await.expect("every row comes to its end");
}

/// How many sends were refused.
async fn refusals(world: &World) -> u64 {
    world.sim.requests("send").await.get("403").copied().unwrap_or(0)
}

#[tokio::test]
async fn a_tenant_on_another_host_is_found_there_and_stays_found() {
    let mut world = Plan::people(5).start().await;
    let port = world.sim.base.rsplit_once(':').unwrap().1.to_owned();
    let elsewhere = format!("localhost:{port}");
    world.sim.patch("settings", &json!({ "gcc_host": elsewhere })).await;
    let sent = world.sent(&to_installed("on another host")).await;
    assert_eq!(sent.counts, counts! { audience: 5, delivered: 5 });
    let refused = refusals(&world).await;
    assert!((1..=5).contains(&refused), "{refused} were refused before one was let in");
    assert!(world.deliveries(&sent.id).await.iter().all(|delivery| delivery.status == Some(201)));
    // From now on, and after a start, they are called there at once.
    let sent = world.sent(&to_installed("known")).await;
    assert_eq!(sent.counts, counts! { audience: 5, delivered: 5 });
    world.stop().await;
    world.start().await;
    let sent = world.sent(&to_installed("known still")).await;
    assert_eq!(sent.counts, counts! { audience: 5, delivered: 5 });
    assert_eq!(refusals(&world).await, refused);

    // One change of host is made, not one after the other.
    world.sim.patch("settings", &json!({ "gcc_host": format!("127.0.0.2:{port}") })).await;
    let text = format!("Invalid bot api host. Please call https://127.0.0.1:{port}.");
    let body = json!({"error": {"code": "InvalidBotApiHost", "message": text}});
    world.sim.fault(json!({"match": {"op": "send"}, "do": {"status": 403, "body": body}})).await;
    let id = world.send(&to_installed("nowhere")).await;
    let waiting = world.until(&id, "waiting", |message| message.state == "waiting").await;
    assert!(waiting.cause_text.unwrap().contains("was refused too"));
    world.sim.no_faults().await;
    world.sim.patch("settings", &json!({ "gcc_host": null })).await;
    assert_eq!(world.over(&id).await.counts, counts! { audience: 5, delivered: 5 });
    world.end().await;
}
