//! Random weather and deaths, many seeds. A failing seed replays: `NUNCIO_SEED=n cargo test -p nuncio-engine seeds`.
//! `make soak` goes through more of them.

use std::collections::BTreeSet;

use nuncio_domain::DeliveryState;
use nuncio_domain::message::OnAmbiguous;

use crate::service::{Dice, SECOND, Weather};
use crate::world::{World, on_ambiguous, people};

#[tokio::test]
async fn nothing_is_lost_and_nothing_comes_twice() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let seeds = match (number("NUNCIO_SEED"), number("NUNCIO_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, seeds) => 0..seeds.unwrap_or(2_000),
    };
    for seed in seeds {
        // Shown where the test fails: cargo keeps what a test prints until then.
        if seed % 1_000 == 0 {
            println!("seeds from {seed}");
        }
        run(seed).await;
    }
}

async fn run(seed: u64) {
    let mut dice = Dice::new(seed + 77);
    let audience = 20 + dice.below(180) as usize;
    let to = people(audience);
    let start = 1_000 * SECOND;
    let span = |dice: &mut Dice| {
        let from = start + (dice.below(10) as i64) * SECOND;
        (from, from + (1 + dice.below(90) as i64) * SECOND)
    };
    let storm = span(&mut dice);
    let weather = Weather {
        lost_after: dice.below(4),
        lost_before: dice.below(4),
        unavailable: dice.below(8),
        conflict: dice.below(4),
        storm: dice.percent(40).then_some((storm.0, storm.1, 5 + dice.below(30) as usize)),
        outage: dice.percent(20).then(|| span(&mut dice)),
        expired_secret: dice.percent(20).then(|| span(&mut dice)),
        blocked: to.iter().filter(|_| dice.percent(5)).cloned().collect(),
        gone: BTreeSet::new(),
    };
    let hold = dice.percent(70);
    let policy = if hold { OnAmbiguous::Hold } else { OnAmbiguous::Resend };
    let small_pages = dice.percent(50);
    let mut world = World::new(seed, weather, |config| {
        if small_pages {
            (config.page, config.chunk, config.max_rows) = (10, 25, 40);
        }
    });
    world.slow_commits = dice.below(20);
    world.missed_calls = dice.below(10);
    let id = world.submit(&to, on_ambiguous(policy)).await;
    for _ in 0..dice.below(4) {
        let when = (dice.below(12_000) as i64) * 1_000;
        world.die_after(when, 1 + (dice.below(5_000) as i64) * 1_000);
    }
    world.story = format!("seed {seed}: NUNCIO_SEED={seed} cargo test -p nuncio-engine seeds");
    world.finish(id, 4 * 3600).await;

    let counts = world.check_ledger(id, audience as i64).await;
    let most = if hold { 1 } else { 2 };
    for (person, state) in world.states(id).await {
        let taken = world.service.taken.get(&person).map_or(0, Vec::len);
        assert!(taken <= most, "seed {seed}: {person} got it {taken} times");
        match state {
            DeliveryState::Delivered => assert!(taken >= 1, "seed {seed}: {person} did not get it"),
            DeliveryState::Failed => assert_eq!(taken, 0, "seed {seed}: {person} got it and is failed"),
            DeliveryState::Ambiguous => {}
            other => panic!("seed {seed}: {person} ended {other}"),
        }
    }
    assert!(hold || counts.delivered > 0 || counts.audience() == counts.failed + counts.ambiguous);
    assert_eq!(world.service.thread_refusals, 0, "seed {seed}");
    assert_eq!(world.service.overlaps, 0, "seed {seed}: one call in a thread at a time");
}
