//! Cancel, pause, confirm, expiry, priority, idempotency.

use std::time::Duration;

use nuncio_api::Message;
use nuncio_client::{ClientError, MessageControl};
use serde_json::json;

use crate::counts;
use crate::world::{Plan, World, now, reasons, to_installed, to_users};

/// Sends a broadcast and waits until it is in the middle.
async fn begun(world: &World) -> String {
    let id = world.send(&to_installed("a long one")).await;
    world.until(&id, "it is in the middle", |message| message.counts.delivered >= 20).await;
    id
}

/// Sends something else to its end: whatever else could start would have started as well.
async fn something_else(world: &World) {
    let one = world.sim.people("installed").await[..1].to_vec();
    let sent = world.sent(&to_users(&one, "meanwhile")).await;
    assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 });
}

async fn too_late(world: &World, id: &str, control: MessageControl) {
    match world.client.control(id, control).await {
        Err(ClientError::Problem(problem)) => {
            assert_eq!((problem.code.as_str(), problem.status), ("too_late", 409));
        }
        other => panic!("{control:?}: {other:?}"),
    }
}

fn settled(message: &Message, state: &str) -> bool {
    message.state == state && message.counts.in_flight == 0
}

#[tokio::test]
async fn nothing_starts_after_a_cancel() {
    let world = Plan::people(150).start().await;
    let id = begun(&world).await;
    world.client.control(&id, MessageControl::Cancel).await.unwrap();
    let cancelled = world.until(&id, "cancelled", |message| settled(message, "cancelled")).await;
    let counts = cancelled.counts;
    assert!(counts.delivered >= 20 && counts.cancelled > 0, "{counts:?}");
    assert_eq!(
        counts,
        counts! { audience: 150, delivered: counts.delivered, cancelled: 150 - counts.delivered }
    );
    let calls = world.sim.calls("send").await;
    assert_eq!(calls, counts.delivered.unsigned_abs());
    something_else(&world).await;
    assert_eq!(world.sim.calls("send").await, calls + 1);
    assert_eq!(world.message(&id).await.counts, counts);
    for control in [MessageControl::Cancel, MessageControl::Pause, MessageControl::Resume] {
        too_late(&world, &id, control).await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_pause_and_on_again() {
    let mut world = Plan::people(120).start().await;
    let id = begun(&world).await;
    world.client.control(&id, MessageControl::Pause).await.unwrap();
    let paused = world.until(&id, "paused", |message| settled(message, "paused")).await;
    assert!(paused.counts.pending > 0);
    let calls = world.sim.calls("send").await;
    something_else(&world).await;
    // It stays so over a restart.
    world.kill().await;
    world.start().await;
    something_else(&world).await;
    assert_eq!(world.sim.calls("send").await, calls + 2);
    let still = world.message(&id).await;
    assert_eq!((still.state.as_str(), still.counts), ("paused", paused.counts));
    world.client.control(&id, MessageControl::Resume).await.unwrap();
    let sent = world.over(&id).await;
    assert_eq!(sent.counts, counts! { audience: 120, delivered: 120 });
    assert_eq!(world.sim.calls("send").await, 122);
    world.end().await;
}

#[tokio::test]
async fn more_recipients_than_allowed_wait_for_a_word() {
    let mut world = Plan::people(12).start().await;
    let mut message = to_installed("to many");
    message.max_recipients = Some(11);
    let (yes, no) = (world.send(&message).await, world.send(&message).await);
    for id in [&yes, &no] {
        let waiting = world.until(id, "waiting", |message| message.state == "waiting").await;
        assert_eq!(waiting.cause.as_deref(), Some("confirm"));
        assert_eq!(waiting.counts, counts! { audience: 12, pending: 12 });
    }
    world.kill().await;
    world.start().await;
    assert_eq!(world.message(&yes).await.state, "waiting");
    something_else(&world).await;
    assert_eq!(world.sim.calls("send").await, 1);
    world.client.control(&no, MessageControl::Cancel).await.unwrap();
    world.client.control(&yes, MessageControl::Confirm).await.unwrap();
    assert_eq!(world.over(&yes).await.counts, counts! { audience: 12, delivered: 12 });
    let cancelled = world.over(&no).await;
    assert_eq!(
        (cancelled.state.as_str(), cancelled.counts),
        ("cancelled", counts! { audience: 12, cancelled: 12 })
    );
    assert_eq!(world.sim.calls("send").await, 13);
    too_late(&world, &yes, MessageControl::Confirm).await;

    // As many as allowed need no word.
    message.max_recipients = Some(12);
    assert_eq!(world.sent(&message).await.counts, counts! { audience: 12, delivered: 12 });
    world.end().await;
}

#[tokio::test]
async fn what_is_not_sent_in_time_expires() {
    let nobody_asked = async {
        let world = Plan::people(6).start().await;
        world.sim.fault(json!({"match": {"op": "token"}, "do": {"status": 500}})).await;
        let mut message = to_installed("too late");
        message.expires_at = Some((now() + Duration::from_secs(3)).to_string());
        let sent = world.sent(&message).await;
        assert_eq!((sent.state.as_str(), sent.counts), ("completed", counts! { audience: 6, expired: 6 }));
        world.sim.no_faults().await;
        assert_eq!(world.sent(&to_installed("in time")).await.counts, counts! { audience: 6, delivered: 6 });
        assert_eq!(world.sim.calls("send").await, 6);
        world.end().await;
    };
    let throttled = async {
        let world = Plan::people(1).start().await;
        world.sim.fault(json!({"match": {"op": "send"}, "do": {"status": 429, "retry_after": 600}})).await;
        let mut message = to_installed("too late");
        message.expires_at = Some((now() + Duration::from_secs(4)).to_string());
        let id = world.send(&message).await;
        let cooling = world.until(&id, "cooling", |message| message.cooling_until.is_some()).await;
        assert_eq!(cooling.counts, counts! { audience: 1, pending: 1 });
        let sent = world.over(&id).await;
        assert_eq!(sent.counts, counts! { audience: 1, failed: 1 });
        assert_eq!(sent.failed_by_reason, reasons(&[("throttled_out", 1)]));
        assert_eq!(world.sim.requests("send").await, [("429".to_owned(), 1)].into());
        world.end().await;
    };
    tokio::join!(nobody_asked, throttled);
}

#[tokio::test]
async fn urgent_goes_before_everything_else() {
    let world = Plan::people(150).start().await;
    let people = world.sim.people("installed").await;
    let mut bulk = to_installed("in bulk");
    bulk.priority = Some("bulk".to_owned());
    let bulk = world.send(&bulk).await;
    world.until(&bulk, "it is in the middle", |message| message.counts.delivered >= 20).await;
    let mut urgent = to_users(&people[140..], "now");
    urgent.priority = Some("urgent".to_owned());
    let urgent = world.sent(&urgent).await;
    assert_eq!(urgent.counts, counts! { audience: 10, delivered: 10 });
    let rest = world.message(&bulk).await;
    assert!(rest.counts.pending > 0, "{rest:#?}");
    assert_eq!(world.over(&bulk).await.counts, counts! { audience: 150, delivered: 150 });

    let ids: Vec<String> =
        world.deliveries(&urgent.id).await.into_iter().filter_map(|delivery| delivery.activity_id).collect();
    let sends = world.sim.journal("send", 0).await;
    let places: Vec<usize> = (0..sends.len())
        .filter(|index| {
            let entry = &sends[*index];
            let by = people[140..].iter().any(|person| entry["person"] == person.as_str());
            by && ids.iter().any(|id| entry["activity_id"] == id.as_str())
        })
        .collect();
    assert_eq!((sends.len(), places.len()), (160, 10));
    // Between the first and the last of them only what had its permit before.
    let between = places[9] - places[0] + 1 - 10;
    assert!(between <= 3, "{between} others between: {places:?}");
    world.end().await;
}

#[tokio::test]
async fn an_idempotency_key_means_the_same_message_over_a_restart() {
    let mut world = Plan::people(5).start().await;
    let message = to_installed("deploy 4711");
    let first = world.client.send(&message, Some("deploy-4711")).await.unwrap();
    let again = world.client.send(&message, Some("deploy-4711")).await.unwrap();
    assert_eq!(first, again);
    world.kill().await;
    world.start().await;
    assert_eq!(world.client.send(&message, Some("deploy-4711")).await.unwrap(), first);
    match world.client.send(&to_installed("deploy 4712"), Some("deploy-4711")).await {
        Err(ClientError::Problem(problem)) => assert_eq!(problem.code, "idempotency_key_reused"),
        other => panic!("{other:?}"),
    }
    let sent = world.over(&first.id).await;
    assert_eq!(sent.counts.delivered + sent.counts.ambiguous, 5, "{:?}", sent.counts);
    assert_eq!(world.client.send(&message, Some("deploy-4711")).await.unwrap(), first);
    something_else(&world).await;
    assert!(world.sim.get("counts").await["accepted"].as_u64().unwrap() <= 6);
    assert_eq!(world.sim.get("counts").await["most_per_recipient"], 1);
    let other = world.client.send(&message, Some("deploy-4713")).await.unwrap();
    assert_ne!(other.id, first.id);
    world.over(&other.id).await;
    world.end().await;
}

#[tokio::test]
async fn the_same_request_at_the_same_time_is_one_message() {
    let world = Plan::people(3).start().await;
    let message = to_installed("once");
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (client, message) = (world.client.clone(), message.clone());
        requests.spawn(async move { client.send(&message, Some("once")).await });
    }
    let mut ids = std::collections::BTreeSet::new();
    for answer in requests.join_all().await {
        match answer {
            Ok(accepted) => _ = ids.insert(accepted.id),
            Err(ClientError::Problem(problem)) => assert_eq!(problem.code, "request_in_progress"),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(ids.len(), 1);
    world.over(ids.first().unwrap()).await;
    assert_eq!(world.sim.calls("send").await, 3);
    world.end().await;
}

#[tokio::test]
async fn several_messages_at_once_go_to_everybody_once_each() {
    let world = Plan::people(25).start().await;
    let mut ids = Vec::new();
    for (index, priority) in ["normal", "bulk", "normal", "bulk"].into_iter().enumerate() {
        let mut message = to_installed(&format!("number {index}"));
        message.priority = Some(priority.to_owned());
        ids.push(world.send(&message).await);
    }
    for id in &ids {
        assert_eq!(world.over(id).await.counts, counts! { audience: 25, delivered: 25 });
    }
    for person in world.sim.people("installed").await {
        let said = world.sim.said(&person).await;
        let mut texts: Vec<&str> = said.iter().map(|activity| activity["text"].as_str().unwrap()).collect();
        texts.sort_unstable();
        assert_eq!(texts, ["number 0", "number 1", "number 2", "number 3"]);
    }
    assert_eq!(world.sim.calls("send").await, 100);
    world.end().await;
}
