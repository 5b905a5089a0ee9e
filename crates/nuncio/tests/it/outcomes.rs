//! Refusals that are about the app, not about a recipient, beside those of the table (`fault_table`) and of hosts
//! (`healing`).

use serde_json::json;

use crate::counts;
use crate::world::{Plan, reasons, to_installed};

/// Twenty in a row: then it is the lane's trouble, and costs nobody else anything.
#[tokio::test]
async fn an_administrator_who_disables_the_bot_troubles_the_lane() {
    let world = Plan::people(40).start().await;
    let everyone = json!({"match": {"op": "send"}, "do": {"status": 403, "code": "BotDisabledByAdmin"}});
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

/// Twenty in a row to different people: whoever was called cannot be known, nobody else is called for nothing.
#[tokio::test]
async fn a_gateway_that_fails_for_everyone_leaves_few_ambiguous() {
    let world = Plan::people(80).start().await;
    world.sim.fault(json!({"match": {"op": "send"}, "do": {"status": 502}})).await;
    let id = world.send(&to_installed("is it just me?")).await;
    let waiting = world.until(&id, "waiting", |message| message.state == "waiting").await;
    assert_eq!(waiting.cause.as_deref(), Some("failing"));
    let text = waiting.cause_text.unwrap();
    assert!(text.contains("failed at Microsoft's side"), "{text}");
    world.sim.no_faults().await;
    let sent = world.over(&id).await.counts;
    assert!((20..=32).contains(&sent.ambiguous), "{sent:?}");
    assert_eq!(sent, counts! { audience: 80, ambiguous: sent.ambiguous, delivered: 80 - sent.ambiguous });
    assert_eq!(world.sim.calls("send").await, 80, "nobody is called twice");
    world.end().await;
}

/// Nobody can have acted on what was never sent.
#[tokio::test]
async fn what_was_never_sent_is_sent_when_there_is_a_token() {
    let world = Plan::people(3).start().await;
    world.sim.fault(json!({"match": {"op": "token"}, "do": {"status": 503}, "times": 2})).await;
    let sent = world.sent(&to_installed("when there is a token")).await;
    assert_eq!(sent.counts, counts! { audience: 3, delivered: 3 });
    assert_eq!(world.sim.requests("send").await, [("201".to_owned(), 3)].into());
    world.end().await;
}
