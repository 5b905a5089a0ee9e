//! A stop, as a service manager does it: what is under way is brought to its end, for a while.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::counts;
use crate::world::{LONG, Plan, World, to_installed};

/// What a stop may take beyond its drain, on a busy machine.
const SLACK: Duration = Duration::from_secs(12);
const DRAIN: Duration = Duration::from_secs(25);

/// Sends to three people, one of whom is parked after the accept.
async fn parked() -> (World, String, String) {
    let world = Plan::people(3).start().await;
    let held = world.sim.people("installed").await[1].clone();
    let matching = json!({"op": "send", "person": held});
    world.sim.fault(json!({"match": matching, "do": {"hold": "after"}, "times": 1})).await;
    let id = world.send(&to_installed("to its end")).await;
    world.sim.held(1).await;
    world.until(&id, "the others have it", |message| message.counts.delivered == 2).await;
    (world, id, held)
}

/// The last line that the server logged.
#[track_caller]
fn last_word(world: &World, words: &str) {
    let log = world.log();
    let last = log.lines().rfind(|line| line.starts_with("err: ")).unwrap_or_default();
    assert!(last.contains(words), "{words:?} is not in {last:?}\n{log}");
}

/// After another start: the one that was parked is ambiguous, and nobody is called again.
async fn ambiguous_afterwards(mut world: World, id: &str, held: &str) {
    world.start().await;
    let sent = world.over(id).await;
    assert_eq!(sent.counts, counts! { audience: 3, delivered: 2, ambiguous: 1 });
    assert_eq!(world.delivery(id, held).await.delivery.state, "ambiguous");
    assert_eq!((world.sim.calls("send").await, world.sim.times(held).await), (2, 1), "and one still parked");
    world.sim.no_faults().await;
    world.end().await;
}

#[tokio::test]
async fn calls_that_take_a_while_are_waited_for() {
    let mut world = Plan::people(60).start().await;
    world.sim.fault(json!({"match": {"op": "send"}, "do": {"delay_ms": 2_000}})).await;
    let id = world.send(&to_installed("patience")).await;
    world.until(&id, "many are under way", |message| message.counts.in_flight >= 20).await;
    world.stop().await;
    last_word(&world, "stopped; nothing was left under way");
    let counts = world.sim.get("counts").await;
    assert_eq!((&counts["clients_gone"], &counts["open"]), (&json!(0), &json!(0)));
    let begun = counts["accepted"].as_i64().unwrap();
    assert!((20..60).contains(&begun), "{begun} of 60 had begun");
    world.sim.no_faults().await;
    world.start().await;
    assert_eq!(world.over(&id).await.counts, counts! { audience: 60, delivered: 60 });
    assert_eq!(world.sim.calls("send").await, 60);
    world.end().await;
}

#[tokio::test]
async fn a_call_that_outlasts_the_drain_is_left() {
    let (mut world, id, held) = parked().await;
    let begun = Instant::now();
    world.stop().await;
    let took = begun.elapsed();
    assert!((DRAIN..DRAIN + SLACK).contains(&took), "{took:?}");
    last_word(&world, "stopped; some calls did not end in time");
    ambiguous_afterwards(world, &id, &held).await;
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let (mut world, id, held) = parked().await;
    world.server.signal("TERM").await;
    world.server.line("stopping", LONG).await;
    let begun = Instant::now();
    world.server.signal("INT").await;
    let status = world.server.ended(LONG).await;
    assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());
    assert_eq!(status.code(), Some(3));
    last_word(&world, "stopped at once, asked a second time");
    ambiguous_afterwards(world, &id, &held).await;
}
