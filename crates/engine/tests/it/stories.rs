//! One situation each.

use std::collections::BTreeSet;

use nuncio_domain::lane::LaneConfig;
use nuncio_domain::message::{Class, Control, OnAmbiguous, WhenUnreachable};
use nuncio_domain::{DeliveryState, MessageState, Time};

use crate::service::{SECOND, Weather};
use crate::world::{World, on_ambiguous, people};

fn plain(_: &mut LaneConfig) {}

#[tokio::test]
async fn a_broadcast_reaches_everybody_once_at_full_pace() {
    let mut world = World::new(1, Weather::default(), plain);
    let to = people(600);
    let id = world.submit(&to, |_| ()).await;
    let message = world.finish(id, 60).await;
    let counts = world.check_ledger(id, 600).await;
    assert_eq!(counts.delivered, 600);
    assert!(to.iter().all(|person| world.service.taken[person].len() == 1));
    // Each person costs a create and a send: 1,200 calls at 49.2/s after the first second.
    let took = message.completed_at.unwrap().since(message.created_at).as_secs_f64();
    assert!((25.0..27.0).contains(&took), "{took} s");
    assert_eq!(world.service.overlaps, 0);
    assert!(world.service.throttled <= 1, "{}", world.service.throttled);
}

#[tokio::test]
async fn refusals_end_under_their_reasons() {
    let to = people(40);
    let weather = Weather {
        blocked: BTreeSet::from([to[3].clone(), to[7].clone()]),
        gone: BTreeSet::from([to[9].clone()]),
        ..Weather::default()
    };
    let mut world = World::new(2, weather, plain);
    let id = world.submit(&to, |_| ()).await;
    let message = world.finish(id, 600).await;
    assert_eq!(message.failed_by_reason["blocked_by_user"], 2);
    assert_eq!(message.failed_by_reason["conversation_gone"], 1);
    let counts = world.check_ledger(id, 40).await;
    assert_eq!((counts.delivered, counts.failed), (37, 3));
    // Its four sends: at once anew, after 30 s, after 5 min.
    let gone = world.deliveries(id).await.into_iter().find(|delivery| delivery.address == to[9]).unwrap();
    assert!(gone.last_at.unwrap().since(gone.first_at.unwrap()).as_secs() >= 330);
}

#[tokio::test]
async fn the_next_message_spares_the_call_to_who_refused() {
    let to = people(5);
    let weather = Weather { blocked: BTreeSet::from([to[2].clone()]), ..Weather::default() };
    let mut world = World::new(3, weather, plain);
    let first = world.submit(&to, |_| ()).await;
    world.finish(first, 60).await;
    let calls = world.service.calls;
    let second = world.submit(&to, |_| ()).await;
    let message = world.finish(second, 60).await;
    assert_eq!(message.skipped_by_reason["unreachable"], 1);
    // The others have a conversation by now.
    assert_eq!(world.service.calls - calls, 4);
    let urgent = world.submit(&to, |message| message.class = Class::Urgent).await;
    assert_eq!(world.finish(urgent, 60).await.failed_by_reason["blocked_by_user"], 1);
}

#[tokio::test]
async fn held_ambiguity_is_neither_repeated_nor_reported_as_failed() {
    let weather = Weather { lost_after: 20, lost_before: 20, ..Weather::default() };
    let mut world = World::new(4, weather, plain);
    let to = people(200);
    let id = world.submit(&to, on_ambiguous(OnAmbiguous::Hold)).await;
    world.finish(id, 60).await;
    let counts = world.check_ledger(id, 200).await;
    assert!(counts.ambiguous > 40, "{counts:?}");
    assert_eq!(counts.failed, 0);
    assert!(world.service.taken.values().all(|taken| taken.len() == 1));
}

#[tokio::test]
async fn resend_repeats_once_and_no_more() {
    let weather = Weather { lost_after: 30, lost_before: 30, ..Weather::default() };
    let mut world = World::new(5, weather, plain);
    let to = people(200);
    let id = world.submit(&to, on_ambiguous(OnAmbiguous::Resend)).await;
    world.finish(id, 120).await;
    world.check_ledger(id, 200).await;
    assert!(world.service.taken.values().any(|taken| taken.len() == 2));
    assert!(world.service.taken.values().all(|taken| taken.len() <= 2));
}

#[tokio::test]
async fn an_expired_secret_burns_nothing_and_ends_by_itself() {
    let weather = Weather { expired_secret: Some((10_002 * SECOND, 10_302 * SECOND)), ..Weather::default() };
    let mut world = World::new(6, weather, plain);
    let id = world.submit(&people(300), |_| ()).await;
    world.run_for(60).await;
    let message = world.message(id).await;
    assert!(!message.state.is_final());
    assert!(message.lane_status.unwrap().contains("credential"));
    assert!(world.service.calls < 300, "one probe at a time: {}", world.service.calls);
    world.finish(id, 600).await;
    assert_eq!(world.check_ledger(id, 300).await.delivered, 300);
}

#[tokio::test]
async fn an_outage_is_waited_out() {
    let weather = Weather { outage: Some((10_003 * SECOND, 11_000 * SECOND)), ..Weather::default() };
    let mut world = World::new(7, weather, plain);
    let id = world.submit(&people(300), |_| ()).await;
    world.finish(id, 3_000).await;
    assert_eq!(world.check_ledger(id, 300).await.delivered, 300);
}

#[tokio::test]
async fn cancel_stops_and_still_records_what_was_in_flight() {
    let mut world = World::new(8, Weather::default(), plain);
    let id = world.submit(&people(500), |_| ()).await;
    world.run_for(5).await;
    world.control(id, Control::Cancel).await;
    world.run_for(1).await;
    let calls = world.service.calls;
    world.run_for(30).await;
    assert!(world.service.calls - calls <= 5, "nothing starts after a cancel");
    assert_eq!(world.message(id).await.state, MessageState::Cancelled);
    let counts = world.check_ledger(id, 500).await;
    assert_eq!((counts.pending, counts.in_flight), (0, 0));
    assert_eq!(counts.delivered, world.service.taken.len() as i64);
    assert_eq!(counts.delivered + counts.cancelled, 500);
}

#[tokio::test]
async fn pause_and_resume() {
    let mut world = World::new(9, Weather::default(), plain);
    let id = world.submit(&people(300), |_| ()).await;
    world.run_for(4).await;
    world.control(id, Control::Pause).await;
    world.run_for(2).await;
    let calls = world.service.calls;
    world.run_for(60).await;
    assert_eq!(world.service.calls, calls);
    assert_eq!(world.message(id).await.state, MessageState::Paused);
    world.control(id, Control::Resume).await;
    world.finish(id, 60).await;
    assert_eq!(world.check_ledger(id, 300).await.delivered, 300);
}

#[tokio::test]
async fn send_at_and_expires_at_are_honoured() {
    let mut world = World::new(10, Weather::default(), plain);
    let due = Time(world.now + 30 * SECOND);
    let id = world
        .submit(&people(2_000), |message| {
            message.send_at = Some(due);
            message.expires_at = Time(due.0 + 10 * SECOND);
        })
        .await;
    world.run_for(29).await;
    assert_eq!(world.service.calls, 0);
    assert_eq!(world.message(id).await.state, MessageState::Scheduled);
    world.run_for(2).await;
    assert!(world.service.calls > 0, "due within a second");
    world.finish(id, 60).await;
    let counts = world.check_ledger(id, 2_000).await;
    assert!(counts.expired > 1_000 && counts.delivered > 200, "{counts:?}");
    assert_eq!(counts.expired + counts.delivered, 2_000);
    let calls = world.service.calls;
    world.run_for(60).await;
    assert_eq!(world.service.calls, calls);
}

#[tokio::test]
async fn urgent_overtakes_and_bulk_gets_its_share() {
    let mut world = World::new(11, Weather::default(), plain);
    let all = people(900);
    let bulk = world.submit(&all[..400], |message| message.class = Class::Bulk).await;
    let normal = world.submit(&all[400..800], |message| message.class = Class::Normal).await;
    world.run_for(4).await;
    let urgent = world.submit(&all[800..], |message| message.class = Class::Urgent).await;
    world.run_for(6).await;
    assert_eq!(world.message(urgent).await.state, MessageState::Completed);
    let (bulk, normal) = (world.message(bulk).await.counts, world.message(normal).await.counts);
    let share = normal.delivered as f64 / bulk.delivered as f64;
    assert!((3.0..5.0).contains(&share), "normal to bulk {share}: {normal:?} {bulk:?}");
}

#[tokio::test]
async fn a_channel_keeps_its_order_and_its_windows() {
    let mut world = World::new(12, Weather { unavailable: 10, ..Weather::default() }, plain);
    let channel = ["19:general@thread.tacv2".to_owned()];
    let mut ids = Vec::new();
    for _ in 0..120 {
        ids.push(world.submit(&channel, |_| ()).await);
    }
    for id in &ids {
        world.finish(*id, 1_200).await;
    }
    assert_eq!(world.service.taken[&channel[0]].len(), 120);
    assert_eq!(world.service.thread_refusals, 0);
    let mut order: Vec<i64> = world.arrivals.iter().map(|(message_no, _)| *message_no).collect();
    order.dedup();
    assert!(order.is_sorted(), "{order:?}");
}

#[tokio::test]
async fn a_channel_gets_what_its_windows_allow() {
    let mut world = World::new(13, Weather::default(), plain);
    world.latency = (50_000, 60_000);
    let channel = ["19:general@thread.tacv2".to_owned()];
    let began = world.now;
    let mut last = None;
    for _ in 0..120 {
        last = Some(world.submit(&channel, |_| ()).await);
    }
    while world.message(last.unwrap()).await.state != MessageState::Completed {
        world.run_for(1).await;
    }
    // 8 in 2 s, so 60 after 14 s; the next 60 from 30 s on. A call is 60 ms, and the lane begins after a second.
    let took = (world.now - began) as f64 / 1e6;
    assert!((44.0..48.0).contains(&took), "{took} s");
}

#[tokio::test]
async fn a_new_owner_knows_what_was_said_in_a_channel() {
    for down in [500_000, 20 * SECOND] {
        let mut world = World::new(16, Weather::default(), plain);
        let channel = ["19:general@thread.tacv2".to_owned()];
        let mut ids = Vec::new();
        for _ in 0..90 {
            ids.push(world.submit(&channel, on_ambiguous(OnAmbiguous::Hold)).await);
        }
        // It has used up most of the window of 30 s.
        world.die_after(13 * SECOND, down);
        for id in &ids {
            world.finish(*id, 120).await;
        }
        assert!(world.service.taken[&channel[0]].len() >= 89);
        assert_eq!(world.service.thread_refusals, 0, "down for {down} us");
    }
}

#[tokio::test]
async fn a_larger_audience_than_allowed_waits_for_a_word() {
    let mut world = World::new(13, Weather::default(), plain);
    let id = world.submit(&people(50), |message| message.max_recipients = 10).await;
    world.run_for(10).await;
    let message = world.message(id).await;
    assert_eq!((message.state, message.cause.as_deref()), (MessageState::Waiting, Some("confirm")));
    assert_eq!(world.service.calls, 0);
    world.control(id, Control::Confirm).await;
    world.finish(id, 60).await;
    assert_eq!(world.check_ledger(id, 50).await.delivered, 50);
}

#[tokio::test]
async fn who_cannot_be_reached_is_waited_for() {
    let to = people(40);
    let blocked = BTreeSet::from([to[3].clone(), to[7].clone(), to[9].clone()]);
    let mut world = World::new(17, Weather { blocked, ..Weather::default() }, plain);
    let id = world.submit(&to, |message| message.when_unreachable = WhenUnreachable::Wait).await;
    world.run_for(30).await;
    let message = world.message(id).await;
    assert_eq!(
        (message.state, message.cause.as_deref()),
        (MessageState::Waiting, Some("recipients_unreachable"))
    );
    let counts = world.check_ledger(id, 40).await;
    assert_eq!((counts.delivered, counts.pending), (37, 3));
    let calls = world.service.calls;
    world.run_for(3_600).await;
    assert_eq!(world.service.calls, calls, "nobody is called in vain");
    world.can_be_reached(&to[3]);
    world.run_for(10).await;
    assert_eq!(world.check_ledger(id, 40).await.delivered, 38);
    assert_eq!(world.message(id).await.state, MessageState::Waiting);
    // A later message of the same kind makes no call, and a new owner still waits.
    let second = world.submit(&to, |message| message.when_unreachable = WhenUnreachable::Wait).await;
    world.die_after(20 * SECOND, SECOND);
    world.run_for(60).await;
    assert_eq!(world.check_ledger(second, 40).await.pending, 2);
    world.can_be_reached(&to[7]);
    world.run_for(10).await;
    assert_eq!(world.check_ledger(id, 40).await.delivered, 39);
    assert_eq!(world.check_ledger(second, 40).await.delivered, 39);
    assert_eq!(world.service.taken[&to[7]].len(), 2);
    // To its end.
    world.finish(id, 25 * 3_600).await;
    world.finish(second, 25 * 3_600).await;
    assert_eq!(world.check_ledger(id, 40).await.expired, 1);
    assert_eq!(world.check_ledger(second, 40).await.expired, 1);
}

#[tokio::test]
async fn eight_times_unavailable_within_half_an_hour_is_an_upstream_error() {
    let mut world = World::new(15, Weather { unavailable: 100, ..Weather::default() }, plain);
    let id = world.submit(&people(3), |_| ()).await;
    let message = world.finish(id, 1_900).await;
    assert_eq!(message.failed_by_reason["upstream_error"], 3);
    assert_eq!(world.service.calls, 3 * 8);
    assert_eq!(world.check_ledger(id, 3).await.failed, 3);
}

#[tokio::test]
async fn throttled_to_the_end_is_throttled_out() {
    let weather = Weather { storm: Some((0, i64::MAX, 0)), ..Weather::default() };
    let mut world = World::new(14, weather, plain);
    let expires = Time(world.now + 60 * SECOND);
    let id = world.submit(&people(5), |message| message.expires_at = expires).await;
    world.finish(id, 120).await;
    let counts = world.check_ledger(id, 5).await;
    assert_eq!(counts.delivered, 0);
    assert!(counts.failed >= 1, "{counts:?}");
    let throttled = world.deliveries(id).await;
    assert!(
        throttled
            .iter()
            .filter(|d| d.state == DeliveryState::Failed)
            .all(|d| { d.reason.as_deref() == Some("throttled_out") })
    );
}
