//! Lanes in trouble: a service that only fails, a clock that is set, a store that does not answer, a process that stands
//! still.

use nuncio_domain::lane::LaneConfig;
use nuncio_domain::message::OnAmbiguous;

use crate::service::{SECOND, Weather};
use crate::world::{World, on_ambiguous, people};

const START: i64 = 10_000 * SECOND;
const MINUTE: i64 = 60 * SECOND;

fn plain(_: &mut LaneConfig) {}

#[tokio::test]
async fn a_service_that_only_fails_opens_a_breaker_and_nobody_is_given_up() {
    let outage = (START + 2 * SECOND, START + 40 * MINUTE);
    let mut world = World::new(21, Weather { broken: Some(outage), ..Weather::default() }, plain);
    let to = people(1_000);
    let id = world.submit(&to, |_| ()).await;
    world.run_for(60).await;
    let lane = world.message(id).await.lane_status.unwrap();
    assert!(lane.contains(r#""cause":"failing""#) && lane.contains("Microsoft's side"), "{lane}");
    let during = world.service.calls;
    world.run_for(39 * 60 - 60).await;
    let probes = world.service.calls - during;
    assert!((60..200).contains(&probes), "one call at a time, every half minute or sooner: {probes}");
    world.finish(id, 300).await;
    let counts = world.check_ledger(id, 1_000).await;
    assert_eq!(counts.delivered, 1_000, "{counts:?}");
    assert!(!world.message(id).await.lane_status.unwrap().contains("failing"));
}

/// Seconds that a broadcast through a storm of 429 takes, and how often it is refused, when the clock is set in its middle.
async fn clock_set_in_a_storm(by: i64) -> (i64, usize) {
    let storm = Some((START + 2 * SECOND, START + 12 * SECOND, 5));
    let mut world = World::new(22, Weather { storm, unavailable: 5, ..Weather::default() }, plain);
    let to = people(300);
    let began = world.now;
    let id = world.submit(&to, |_| ()).await;
    world.story = format!("set by {by}");
    world.set_clock_after(4 * SECOND, by);
    world.finish(id, 240).await;
    assert_eq!(world.check_ledger(id, 300).await.delivered, 300, "set by {by}");
    assert!(to.iter().all(|person| world.service.taken[person].len() == 1));
    assert_eq!(world.service.overlaps, 0);
    ((world.now - began) / SECOND, world.service.throttled)
}

#[tokio::test]
async fn an_hour_set_forward_or_back_in_mid_broadcast_changes_nothing() {
    let (took, throttled) = clock_set_in_a_storm(0).await;
    for by in [3_600 * SECOND, -3_600 * SECOND] {
        let (took_set, throttled_set) = clock_set_in_a_storm(by).await;
        // Cool-downs and retries are spans of real time, whichever way the clock went.
        assert!((took - took_set).abs() <= 3, "{took} s; set by {by}: {took_set} s");
        assert!(throttled_set <= throttled + 3, "{throttled} refused; set by {by}: {throttled_set}");
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_for_half_a_minute_costs_that_time_only() {
    let mut world = World::new(23, Weather::default(), plain);
    world.store_down = Some((START + 3 * SECOND, START + 33 * SECOND));
    let to = people(800);
    world.met(&to);
    let id = world.submit(&to, |_| ()).await;
    world.run_for(10).await;
    let before = world.service.calls;
    world.run_for(20).await;
    // What had its permit went out; nothing new begins without a durable intent.
    assert_eq!(world.service.calls, before);
    let message = world.finish(id, 80).await;
    let took = message.completed_at.unwrap().since(message.created_at).as_secs();
    assert!((45..60).contains(&took), "{took} s");
    assert_eq!(world.check_ledger(id, 800).await.delivered, 800);
    assert!(to.iter().all(|person| world.service.taken[person].len() == 1));
}

#[tokio::test]
async fn what_calls_of_a_process_that_stood_still_came_to_settles_what_was_ambiguous() {
    for hold in [OnAmbiguous::Hold, OnAmbiguous::Resend] {
        let mut world = World::new(24, Weather::default(), plain);
        let to = people(200);
        let id = world.submit(&to, on_ambiguous(hold)).await;
        world.stall_after(5 * SECOND, 9 * SECOND, 20 * SECOND);
        world.run_for(27).await;
        let open = world.message(id).await.counts;
        world.finish(id, 120).await;
        world.run_for(30).await;
        let counts = world.check_ledger(id, 200).await;
        if hold == OnAmbiguous::Hold {
            assert!(open.ambiguous > 0, "{open:?}");
            assert!(counts.ambiguous < open.ambiguous, "before {open:?}, after {counts:?}");
            assert!(to.iter().all(|person| world.service.taken.get(person).map_or(0, Vec::len) <= 1));
        } else {
            assert_eq!(counts.delivered, 200);
        }
    }
}
