//! `kill -9` and stops in mid-broadcast: the ledger adds up afterwards, and nobody has it twice.

use std::time::Duration;

use jiff::Timestamp;
use nuncio_client::PeopleFilter;
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
async fn killed_while_held(hold: &str, drop: bool, on_ambiguous: Option<&str>) -> (World, String, String) {
    let mut world = Plan::people(5).start().await;
    let held = world.sim.people("installed").await[2].clone();
    let matching = json!({"op": "send", "person": held});
    world.sim.fault(json!({"match": matching, "do": {"hold": hold}, "times": 1})).await;
    let mut message = to_installed("parked");
    message.on_ambiguous = on_ambiguous.map(str::to_owned);
    let id = world.send(&message).await;
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
    let (world, id, held) = killed_while_held("after", false, None).await;
    let sent = world.over(&id).await;
    assert_eq!(sent.counts, counts! { audience: 5, delivered: 4, ambiguous: 1 });
    assert_eq!(world.delivery(&id, &held).await.delivery.state, "ambiguous");
    assert_eq!(world.sim.times(&held).await, 1);
    assert_eq!(world.sim.calls("send").await, 5, "it is not sent again");
    world.end().await;
}

#[tokio::test]
async fn killed_before_the_accept() {
    let (world, id, held) = killed_while_held("before", true, None).await;
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

/// A resend waits until the first call has ended for certain, wherever it got to.
#[tokio::test]
async fn with_resend_it_goes_out_once_more_after_a_kill() {
    let one = async |hold: &str, drop: bool, times: usize| {
        let (world, id, held) = killed_while_held(hold, drop, Some("resend")).await;
        let waiting = world.until(&id, "recovered", |message| message.counts.in_flight == 0).await;
        assert_eq!(waiting.counts, counts! { audience: 5, delivered: 4, pending: 1 });
        let sent = world.over(&id).await;
        assert_eq!(sent.counts, counts! { audience: 5, delivered: 5 });
        let calls = world.delivery(&id, &held).await.calls;
        let outcomes: Vec<&str> = calls.iter().map(|call| call.outcome.as_str()).collect();
        assert_eq!(outcomes, ["ambiguous", "accepted"]);
        let at = |index: usize| calls[index].started_at.parse::<Timestamp>().unwrap();
        assert!(at(1) >= at(0) + Duration::from_secs(30), "{calls:?}");
        assert_eq!(world.sim.times(&held).await, times);
        assert_eq!(world.sim.calls("send").await, 6);
        world.end().await;
    };
    tokio::join!(one("before", true, 1), one("after", false, 2));
}

#[tokio::test]
async fn killed_twice_among_other_faults() {
    let mut world = Plan::people(200).limits().latency_ms(40).start().await;
    let some = async |share: f64, action: serde_json::Value| {
        world.sim.fault(json!({"match": {"op": "send", "probability": share}, "do": action})).await
    };
    let lost = [
        some(0.02, json!({"status": 504, "accept": "before"})).await,
        some(0.02, json!({"cut": "before_status", "accept": "before"})).await,
        some(0.02, json!({"cut": "before_status", "accept": "never"})).await,
    ];
    some(0.03, json!({"status": 412})).await;
    some(0.03, json!({"status": 503})).await;
    let id = world.send(&to_installed("come what may")).await;
    for at in [40, 120] {
        accepted(&world, at).await;
        world.kill().await;
        world.start().await;
    }
    let sent = world.over(&id).await;
    let counts = world.sim.get("counts").await;
    assert_eq!(sent.counts.delivered + sent.counts.ambiguous, 200, "{:?}", sent.counts);
    assert_eq!(counts["most_per_recipient_total"], 1);
    let mut most = counts["clients_gone"].as_i64().unwrap() + 2 * UNSTARTED;
    for fault in lost {
        most += world.sim.hits(fault).await.cast_signed();
    }
    assert!(sent.counts.ambiguous <= most, "{:?}, {most} at most", sent.counts);
    for delivery in world.deliveries(&id).await {
        let times = world.sim.times(&delivery.recipient).await;
        assert!(times == 1 || (times == 0 && delivery.state == "ambiguous"), "{times}: {delivery:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_stop_waits_for_the_call_that_is_under_way() {
    let mut world = Plan::people(3).start().await;
    let held = world.sim.people("installed").await[1].clone();
    world.sim.fault(json!({"match": {"op": "send", "person": held}, "do": {"hold": "after"}})).await;
    let id = world.send(&to_installed("to its end")).await;
    world.sim.held(1).await;
    world.until(&id, "the others have it", |message| message.counts.delivered == 2).await;
    world.server.signal("TERM").await;
    world.server.line("stopping", LONG).await;
    assert_eq!(world.sim.post("faults/release", &json!({})).await["released"], 1);
    assert!(world.server.ended(LONG).await.success());
    world.start().await;
    let sent = world.over(&id).await;
    assert_eq!(sent.counts, counts! { audience: 3, delivered: 3 });
    assert_eq!(world.sim.calls("send").await, 3);
    world.end().await;
}

#[tokio::test]
async fn people_who_install_it_while_it_is_down_are_learned_afterwards() {
    let mut world = Plan::people(100).start_unmet().await;
    world.sim.patch("settings", &json!({"event_again_after_s": 5})).await;
    world.sim.post("policy-install", &json!({"seconds": 1})).await;
    let some = async || world.client.reachability(&PeopleFilter::default()).await.unwrap().total >= 20;
    assert!(wait_until(some, LONG).await);
    world.kill().await;
    let missed = async || world.sim.get("events").await["no_answer"].as_u64().unwrap() >= 10;
    assert!(wait_until(missed, LONG).await, "{}", world.sim.get("events").await);
    world.start().await;
    let events = world.sim.events_answered().await;
    assert_eq!(events["given_up"], 0, "{events}");
    let known = world.client.reachability(&PeopleFilter::default()).await.unwrap();
    assert_eq!((known.total, known.states["reachable"]), (100, 100));
    world.end().await;
}
