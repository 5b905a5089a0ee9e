//! `kill -9` and stops in mid-broadcast: the ledger adds up afterwards, and nobody has it twice.

use std::time::Duration;

use jiff::Timestamp;
use nuncio_testkit::wait_until;
use serde_json::json;

use crate::counts;
use crate::world::{LONG, Plan, World, now, to_installed};

/// Calls whose intent is committed and which have not started, at most.
const UNSTARTED: i64 = 10;

/// Waits until the simulator has taken so many messages.
async fn accepted(world: &World, count: u64) {
    let accepted = async || world.sim.get("counts").await["accepted"].as_u64().unwrap() >= count;
    assert!(wait_until(accepted, LONG).await, "{}", world.server.output());
}

#[tokio::test]
async fn killed_three_times_in_mid_broadcast() {
    let mut world = Plan::people(300).limits().latency_ms(60).start().await;
    let id = world.send(&to_installed("come what may")).await;
    for (kill, at) in [(1, 30), (2, 110), (3, 200)] {
        accepted(&world, at).await;
        world.kill().await;
        let counts = world.sim.get("counts").await;
        assert!(counts["accepted"].as_u64().unwrap() < 290, "the kill came too late: {counts}");
        world.start().await;
        let message = world.message(&id).await;
        assert_eq!((message.state.as_str(), message.counts.audience), ("sending", 300), "kill {kill}");
        assert!(message.counts.pending > 0, "kill {kill}");
    }
    let sent = world.over(&id).await;
    let counts = world.sim.get("counts").await;
    assert_eq!(sent.state, "completed");
    assert_eq!(sent.counts.delivered + sent.counts.ambiguous, 300, "{:?}", sent.counts);
    assert_eq!(counts["most_per_recipient_total"], 1);
    let gone = counts["clients_gone"].as_i64().unwrap();
    assert!(gone > 0, "nothing was under way at any of the kills");
    assert!(sent.counts.ambiguous <= gone + 3 * UNSTARTED, "{:?}, {gone} cut off", sent.counts);
    assert!(sent.counts.ambiguous >= gone, "{:?}, {gone} cut off", sent.counts);
    assert_eq!(sent.needs_attention, sent.counts.ambiguous);
    let mut arrived = 0;
    for delivery in world.deliveries(&id).await {
        let times = world.sim.times(&delivery.recipient).await;
        arrived += times;
        match delivery.state.as_str() {
            "delivered" => assert_eq!(times, 1, "{delivery:?}"),
            "ambiguous" => assert!(times <= 1, "{delivery:?}"),
            _ => panic!("{delivery:?}"),
        }
    }
    assert_eq!(counts["accepted"], arrived);
    world.end().await;
}

/// Sends to five people, one of whom is parked by `hold`; kills the server then, lets go, and starts it again.
async fn killed_while_held(hold: &str, drop: bool) -> (World, String, String) {
    let mut world = Plan::people(5).start().await;
    let held = world.sim.people("installed").await[2].clone();
    let matching = json!({"op": "send", "person": held});
    world.sim.fault(json!({"match": matching, "do": {"hold": hold}, "times": 1})).await;
    let id = world.send(&to_installed("parked")).await;
    world.sim.held(1).await;
    world.until(&id, "the others have it", |message| message.counts.delivered == 4).await;
    assert_eq!(world.message(&id).await.counts, counts! { audience: 5, delivered: 4, in_flight: 1 });
    world.kill().await;
    let released = world.sim.post("faults/release", &json!({"drop": drop})).await;
    assert_eq!(released["released"], 1);
    world.start().await;
    (world, id, held)
}

#[tokio::test]
async fn killed_between_the_accept_and_the_answer() {
    let (world, id, held) = killed_while_held("after", false).await;
    let sent = world.over(&id).await;
    assert_eq!(sent.counts, counts! { audience: 5, delivered: 4, ambiguous: 1 });
    assert_eq!(world.delivery(&id, &held).await.delivery.state, "ambiguous");
    assert_eq!(world.sim.times(&held).await, 1);
    assert_eq!(world.sim.calls("send").await, 5, "it is not sent again");
    world.end().await;
}

#[tokio::test]
async fn killed_before_the_accept() {
    let (world, id, held) = killed_while_held("before", true).await;
    let sent = world.over(&id).await;
    assert_eq!(sent.counts, counts! { audience: 5, delivered: 4, ambiguous: 1 });
    let delivery = world.delivery(&id, &held).await;
    assert_eq!(delivery.delivery.state, "ambiguous");
    assert_eq!(delivery.calls.len(), 1);
    assert_eq!(world.sim.times(&held).await, 0);
    assert_eq!(world.sim.calls("send").await, 5, "it is not sent again");
    world.end().await;
}

#[tokio::test]
async fn a_stop_in_mid_broadcast_leaves_nothing_open() {
    let mut world = Plan::people(150).latency_ms(60).start().await;
    let id = world.send(&to_installed("after the break")).await;
    accepted(&world, 40).await;
    world.stop().await;
    let counts = world.sim.get("counts").await;
    let before = counts["accepted"].as_i64().unwrap();
    assert!(before < 150, "the stop came too late");
    assert_eq!((&counts["clients_gone"], &counts["open"]), (&json!(0), &json!(0)));
    world.start().await;
    let sent = world.over(&id).await;
    assert_eq!(sent.counts, counts! { audience: 150, delivered: 150 });
    let counts = world.sim.get("counts").await;
    assert_eq!((&counts["accepted"], &counts["most_per_recipient"]), (&json!(150), &json!(1)));
    world.end().await;
}

#[tokio::test]
async fn what_is_for_later_survives_a_kill_and_a_stop() {
    let mut world = Plan::people(4).start().await;
    let mut message = to_installed("at the full hour");
    let send_at = now() + Duration::from_secs(5);
    message.send_at = Some(send_at.to_string());
    let id = world.send(&message).await;
    world.until(&id, "scheduled", |message| message.state == "scheduled" && message.audience_final).await;
    world.kill().await;
    world.start().await;
    world.stop().await;
    world.start().await;
    assert_eq!(world.message(&id).await.state, "scheduled");
    let sent = world.over(&id).await;
    assert_eq!(sent.counts, counts! { audience: 4, delivered: 4 });
    let first: Timestamp = world.sim.get("counts").await["first_send_at"].as_str().unwrap().parse().unwrap();
    assert!(first >= send_at, "{first} is before {send_at}");
    assert!(first < send_at + Duration::from_secs(2), "{first} is long after {send_at}");
    world.end().await;
}

#[tokio::test]
async fn killed_again_and_again_while_nothing_is_sent() {
    let mut world = Plan::people(3).start().await;
    for _ in 0..3 {
        world.kill().await;
        world.start().await;
    }
    let sent = world.sent(&to_installed("still here")).await;
    assert_eq!(sent.counts, counts! { audience: 3, delivered: 3 });
    world.end().await;
}
