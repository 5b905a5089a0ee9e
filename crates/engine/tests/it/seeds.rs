//! Random weather and deaths, many seeds. A failing seed replays: `NUNCIO_SEED=n cargo test -p nuncio-engine seeds`.
//! `make soak` goes through more of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nuncio_domain::install::{InstallAnswer, InstallOutcome, InstallPolicy};
use nuncio_domain::message::{Control, OnAmbiguous, Settled, Verdict};
use nuncio_domain::{Class, DeliveryState, MessageId};

use crate::service::{Dice, SECOND, Weather};
use crate::world::{World, on_ambiguous, people};

const START: i64 = 10_000 * SECOND;
const CHANNEL: &str = "19:general@thread.tacv2";

#[tokio::test]
async fn nothing_is_lost_and_nothing_comes_twice() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let seeds = match (number("NUNCIO_SEED"), number("NUNCIO_SEEDS"), number("NUNCIO_SOAK_S")) {
        (Some(seed), _, _) => seed..seed + 1,
        // A soak goes on until its time is over, from another seed every time.
        (None, None, Some(_)) => {
            let first = std::process::id().into();
            first..u64::MAX
        }
        (None, seeds, _) => 0..seeds.unwrap_or(2_000),
    };
    let (began, most) = (std::time::Instant::now(), number("NUNCIO_SOAK_S").unwrap_or(u64::MAX));
    let mut runs = 0;
    for seed in seeds {
        if began.elapsed().as_secs() >= most {
            break;
        }
        // Shown where the test fails: cargo keeps what a test prints until then.
        if runs % 10_000 == 0 {
            println!("{runs} runs; now seed {seed}, {} s", began.elapsed().as_secs());
        }
        run(seed).await;
        runs += 1;
    }
    println!("{runs} runs, none failed, {} s", began.elapsed().as_secs());
}

fn weather(dice: &mut Dice, to: &[String]) -> Weather {
    let span = |dice: &mut Dice| {
        let from = START + (dice.below(10) as i64) * SECOND;
        (from, from + (1 + dice.below(90) as i64) * SECOND)
    };
    let storm = span(dice);
    Weather {
        lost_after: dice.below(4),
        lost_before: dice.below(4),
        unavailable: dice.below(8),
        conflict: dice.below(4),
        storm: dice.percent(40).then_some((storm.0, storm.1, 5 + dice.below(30) as usize)),
        broken: dice.percent(10).then(|| span(dice)),
        outage: dice.percent(20).then(|| span(dice)),
        expired_secret: dice.percent(20).then(|| span(dice)),
        blocked: to.iter().filter(|_| dice.percent(5)).cloned().collect(),
        gone: BTreeSet::new(),
        strangers: BTreeSet::new(),
    }
}

/// In some worlds not everybody has the app, and Graph is no better than the rest.
fn strangers(world: &mut World, to: &[String], seed: u64) -> InstallPolicy {
    let mut dice = Dice::new(seed + 990);
    if !dice.percent(40) {
        return InstallPolicy::Never;
    }
    let strangers = to.iter().filter(|_| dice.percent(50)).cloned();
    world.service.weather.strangers = strangers.collect();
    (world.installer.lost_events, world.installer.fails) = (dice.below(30), dice.below(10));
    if dice.percent(40) {
        let from = START + (dice.below(10) as i64) * SECOND;
        let until = from + (1 + dice.below(60) as i64) * SECOND;
        let outcome = match dice.below(3) {
            0 => InstallOutcome::Waits { retry_after: None },
            1 => InstallOutcome::Throttled { retry_after: Some(Duration::from_secs(2)) },
            _ => InstallOutcome::Unavailable { retry_after: None },
        };
        world.installer.refuses.push((from, until, InstallAnswer::bare(outcome, "not now")));
    }
    InstallPolicy::IfNeverInstalled
}

/// What befalls the process: deaths, standing still, a clock that is set, a store that does not answer.
fn fate(world: &mut World, dice: &mut Dice) {
    let moment = |dice: &mut Dice| (dice.below(12_000) as i64) * 1_000;
    for _ in 0..dice.below(4) {
        let down = 1 + (dice.below(5_000) as i64) * 1_000;
        world.die_after(moment(dice), down);
    }
    if dice.percent(20) {
        let goes_on = (dice.below(40) as i64) * SECOND;
        world.stall_after(moment(dice), 9 * SECOND, goes_on);
    }
    if dice.percent(20) {
        let by = if dice.percent(50) { 3_600 * SECOND } else { -600 * SECOND };
        world.set_clock_after(moment(dice), by);
    }
    if dice.percent(10) {
        let from = START + moment(dice);
        world.store_down = Some((from, from + 30 * SECOND));
    }
    if dice.percent(10) {
        let at = moment(dice);
        world.hold_lane_after(at, at + (1 + dice.below(60) as i64) * SECOND);
    }
}

/// A final state is final, and only what is ambiguous can still be settled.
async fn finals(world: &World, id: MessageId, known: &mut BTreeMap<String, DeliveryState>, story: &str) {
    for (who, state) in world.states(id).await {
        let before = known.insert(who.clone(), state);
        let held = before.is_none_or(|before| before == state || before.may_become(state));
        assert!(held, "{story}: {who} went from {before:?} to {state}");
    }
}

async fn run(seed: u64) {
    let mut dice = Dice::new(seed + 77);
    let audience = 20 + dice.below(180) as usize;
    let to = people(audience);
    let hold = dice.percent(70);
    let policy = if hold { OnAmbiguous::Hold } else { OnAmbiguous::Resend };
    let small_pages = dice.percent(50);
    let mut world = World::new(seed, weather(&mut dice, &to), |config| {
        if small_pages {
            (config.page, config.chunk, config.max_rows) = (10, 25, 40);
        }
    });
    world.slow_commits = dice.below(20);
    world.missed_calls = dice.below(10);
    world.crowded = seed.is_multiple_of(3).then(|| Dice::new(seed + 7));
    let story = format!("seed {seed}: NUNCIO_SEED={seed} cargo test -p nuncio-engine seeds");
    world.story.clone_from(&story);
    let install = strangers(&mut world, &to, seed);
    let id = world
        .submit(&to, |message| {
            message.install = install;
            on_ambiguous(policy)(message);
        })
        .await;
    // Posts of one class into one channel keep their order, whatever happens to the people beside them.
    let mut posts = Vec::new();
    for _ in 0..dice.below(6) {
        let channel = [CHANNEL.to_owned()];
        posts.push(world.submit(&channel, on_ambiguous(OnAmbiguous::Hold)).await);
    }
    let urgent = dice.percent(30);
    let mut urgent_id = None;
    if urgent {
        urgent_id = Some(world.submit(&to[..5], |message| message.class = Class::Urgent).await);
    }
    fate(&mut world, &mut dice);
    let paused = dice.percent(20);
    let mut known = BTreeMap::new();
    for second in 0..30 {
        world.run_for(1).await;
        finals(&world, id, &mut known, &story).await;
        match second {
            5 if paused => world.control(id, Control::Pause).await,
            20 if paused => world.control(id, Control::Resume).await,
            _ => {}
        }
    }
    world.finish(id, 4 * 3600).await;
    world.run_for(60).await;
    finals(&world, id, &mut known, &story).await;
    check(&world, id, (audience, hold, urgent), &story).await;
    check_posts(&mut world, &posts, &story).await;
    // Only then is whatever is sent more sent for its settling.
    if let Some(message) = urgent_id {
        world.finish(message, 4 * 3600).await;
    }
    settle(&mut world, id, &mut dice, &story).await;
    assert_eq!(world.service.thread_refusals, 0, "{story}");
    assert_eq!(world.service.overlaps, 0, "{story}: one call in a thread at a time");
}

/// What was left ambiguous is settled, and the ledger adds up again.
async fn settle(world: &mut World, id: MessageId, dice: &mut Dice, story: &str) {
    let before = world.message(id).await.counts;
    let verdict = if dice.percent(50) { Verdict::Delivered } else { Verdict::Resend };
    let took = world.service.taken.values().map(Vec::len).sum::<usize>() as i64;
    let settled = world.settle(id, verdict).await;
    assert!(
        matches!(settled, Settled::Taken { settled, .. } if settled == before.ambiguous),
        "{story}: {settled:?}"
    );
    world.run_for(30).await;
    world.finish(id, 4 * 3600).await;
    let counts = world.check_ledger(id, before.audience()).await;
    let more = world.service.taken.values().map(Vec::len).sum::<usize>() as i64 - took;
    if verdict == Verdict::Delivered {
        assert_eq!((counts.ambiguous, more), (0, 0), "{story}");
        assert_eq!(counts.delivered, before.delivered + before.ambiguous, "{story}");
    } else {
        assert!(more <= before.ambiguous, "{story}: {more} of {} were sent once more", before.ambiguous);
    }
}

async fn check(world: &World, id: MessageId, (audience, hold, urgent): (usize, bool, bool), story: &str) {
    let counts = world.check_ledger(id, audience as i64).await;
    for (n, (person, state)) in world.states(id).await.into_iter().enumerate() {
        // Five people are meant by the urgent message as well, which is resent once.
        let others = if urgent && n < 5 { 2 } else { 0 };
        let most = others + if hold { 1 } else { 2 };
        let taken = world.service.taken.get(&person).map_or(0, Vec::len);
        assert!(taken <= most, "{story}: {person} got it {taken} times");
        match state {
            DeliveryState::Delivered => assert!(taken >= 1, "{story}: {person} did not get it"),
            DeliveryState::Failed => assert!(taken <= others, "{story}: {person} got it and is failed"),
            DeliveryState::Ambiguous => {}
            // Refused to the urgent message a moment before.
            DeliveryState::Skipped if urgent => assert!(world.service.weather.blocked.contains(&person)),
            other => panic!("{story}: {person} ended {other}"),
        }
    }
    assert!(hold || counts.delivered > 0 || counts.audience() == counts.failed + counts.ambiguous, "{story}");
}

async fn check_posts(world: &mut World, posts: &[MessageId], story: &str) {
    for post in posts {
        world.finish(*post, 4 * 3600).await;
        world.check_ledger(*post, 1).await;
    }
    let arrived: Vec<i64> =
        world.arrivals.iter().filter(|(_, to)| to == CHANNEL).map(|(message_no, _)| *message_no).collect();
    assert!(arrived.is_sorted(), "{story}: {arrived:?}");
    assert!(world.service.taken.get(CHANNEL).map_or(0, Vec::len) <= posts.len(), "{story}");
}
