//! Installing goes on without a pause, wherever in an audience those are who need it and however slow the sends are: it takes
//! Graph's limit for as long as somebody is left, and all of it is over when the slower of the two is.

use nuncio_domain::MessageId;
use nuncio_domain::install::InstallPolicy;

use crate::service::{SECOND, Weather};
use crate::world::{World, people};

/// The first of these have the app; they were known before the others, and so come first in every audience.
fn world(seed: u64, to: &[String], friends: usize) -> World {
    let strangers = to[friends..].iter().cloned().collect();
    let world = World::new(seed, Weather { strangers, ..Weather::default() }, |_| ());
    world.met(&to[..friends]);
    world
}

async fn submit(world: &mut World, to: &[String]) -> MessageId {
    world.submit(to, |new| new.install = InstallPolicy::IfNeverInstalled).await
}

/// The longest time without an install from `begun` on, and how many there were a second, from the first to the last.
fn pace(world: &World, begun: i64) -> (f64, f64) {
    let at: Vec<i64> = world.installer.installs.iter().map(|(at, _)| *at).collect();
    let before = std::iter::once(begun).chain(at.iter().copied());
    let longest = before.zip(&at).map(|(before, at)| at - before).max().unwrap();
    let span = (at[at.len() - 1] - at[0]) as f64 / SECOND as f64;
    (longest as f64 / SECOND as f64, (at.len() - 1) as f64 / span)
}

#[tokio::test]
async fn who_has_the_app_and_comes_first_keeps_nobody_waiting_for_it() {
    let to = people(6_000);
    let mut world = world(1, &to, 3_000);
    let begun = world.now;
    let id = submit(&mut world, &to).await;
    let message = world.finish(id, 300).await;
    assert_eq!(message.counts.delivered, 6_000);
    let (longest, rate) = pace(&world, begun);
    assert!(longest < 2.0 && rate > 29.0, "{longest} s without an install, {rate}/s");
    // 6,000 sends take 122 s at 49.2/s and 3,000 installs 100 s.
    let took = message.completed_at.unwrap().since(message.created_at).as_secs_f64();
    assert!(took < 122.0 * 1.05, "{took} s");
    world.check_ledger(id, 6_000).await;
}

#[tokio::test]
async fn slower_sends_do_not_slow_it_down() {
    let to = people(6_000);
    let mut world = world(2, &to, 2_400);
    let begun = world.now;
    // Microsoft takes fewer messages than it says, for most of the time.
    world.service.weather.storm = Some((begun + 5 * SECOND, begun + 150 * SECOND, 35));
    let ids = [submit(&mut world, &to[..4_000]).await, submit(&mut world, &to[4_000..]).await];
    for id in ids {
        world.finish(id, 400).await;
    }
    let (longest, rate) = pace(&world, begun);
    assert!(longest < 2.0 && rate > 29.0, "{longest} s without an install, {rate}/s");
}

#[tokio::test]
async fn few_who_need_it_are_found_in_a_large_audience_and_memory_stays_small() {
    let to = people(30_000);
    let mut world = world(3, &to, 29_900);
    let begun = world.now;
    let id = submit(&mut world, &to).await;
    world.run_for(30).await;
    assert_eq!(world.installer.installs.len(), 100);
    let (longest, _) = pace(&world, begun);
    assert!(longest < 2.0, "{longest} s");
    assert!(world.most_held <= 5_000, "{}", world.most_held);
    assert!(world.message(id).await.counts.delivered > 1_000);
}
