//! What must not wait behind a bulk of 100,000 in the same tenant.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;

use super::until;
use crate::Options;
use crate::report::{Outcome, Verdict, median, percentile};
use crate::simulator::{Simulated, arrived, seconds, to_users};

const BULK: u32 = 100_000;
const SAMPLES: usize = 200;
/// A little off any multiple of the lane's interval.
const EVERY: Duration = Duration::from_millis(253);
const MICROSOFTS: f64 = 50.0;

pub(crate) async fn urgent(options: &Options) -> Outcome {
    let mut world = Simulated::start(options, "urgent", BULK, true).await;
    world.bucket().await;
    world.bulk().await;
    let start = world.journal_end().await;
    let (began, before) = (Instant::now(), world.taken().await);
    // The bulk goes from the first to the last of them and never comes so far.
    let users: Vec<(String, String)> = world.people.iter().rev().take(SAMPLES).cloned().collect();
    let mut tick = tokio::time::interval(EVERY);
    let mut accepted = HashMap::new();
    for (user, conversation) in users {
        tick.tick().await;
        let (_, at) = world.send(&to_users(vec![user], "urgent")).await;
        accepted.insert(conversation, at);
    }
    let (took_s, taken) = (began.elapsed().as_secs_f64(), world.taken().await - before);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let entries = world.journal("send", start).await;
    let waited: Vec<f64> = entries
        .iter()
        .filter_map(|entry| {
            let at = accepted.remove(entry["conversation"].as_str()?)?;
            Some(seconds(at, arrived(entry)) * 1_000.0)
        })
        .collect();
    assert_eq!(waited.len(), SAMPLES, "each arrives");
    let left = took_s * MICROSOFTS - SAMPLES as f64;
    let kept = (taken as f64 - SAMPLES as f64) / left * 100.0;
    let p99 = percentile(&waited, 99.0);
    let mut outcome = Outcome::default();
    outcome.line(
        "urgent: accepted to received, p99",
        format!("{p99:.0} ms"),
        "<= 250 ms",
        Verdict::of(p99 <= 250.0),
    );
    outcome.told(
        "urgent: median, longest",
        format!("{:.0}, {:.0} ms", median(&waited), percentile(&waited, 100.0)),
    );
    outcome.line(
        "the bulk keeps, of what is left of 50/s",
        format!("{kept:.1} %"),
        ">= 95 %",
        Verdict::of(kept >= 95.0),
    );
    outcome.raw = json!({"s": took_s, "taken": taken, "waited_ms": waited});
    outcome
}

/// So many messages to 100 each, alone and then beside the bulk.
const ROUNDS: usize = 5;
const NAMED: usize = 100;

pub(crate) async fn normal(options: &Options) -> Outcome {
    let mut world = Simulated::start(options, "normal", BULK, true).await;
    world.bucket().await;
    let mut groups = world.people.iter().rev().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    let mut next = move || groups.drain(..NAMED).collect::<Vec<_>>();
    let mut alone = Vec::new();
    for _ in 0..ROUNDS {
        alone.push(over(&mut world, next()).await);
    }
    world.bulk().await;
    let mut beside = Vec::new();
    for _ in 0..ROUNDS {
        beside.push(over(&mut world, next()).await);
    }
    let ratio = median(&beside) / median(&alone);
    let mut outcome = Outcome::default();
    outcome.line(
        "normal to 100 beside a bulk, of its time alone",
        format!("{:.1} s, {ratio:.2}x", median(&beside)),
        "<= 1.5x",
        Verdict::of(ratio <= 1.5),
    );
    outcome.raw = json!({"alone_s": alone, "beside_s": beside});
    outcome
}

/// Seconds from the answer to a message until the last of it arrives.
async fn over(world: &mut Simulated, users: Vec<String>) -> f64 {
    let conversations: HashMap<String, String> = world.people.iter().cloned().collect();
    let mut expected: Vec<&String> = users.iter().map(|user| &conversations[user]).collect();
    expected.sort();
    let start = world.journal_end().await;
    let (id, accepted) = world.send(&to_users(users.clone(), "normal")).await;
    let client = &world.product.client;
    let over = async || client.message(&id).await.unwrap().is_final();
    until("it is over", Duration::from_millis(50), Duration::from_mins(1), over).await;
    // A second in which the lane rests, so that each begins alike.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let entries = world.journal("send", start).await;
    let ours = |at: &&serde_json::Value| {
        let conversation = at["conversation"].as_str().unwrap_or_default().to_owned();
        expected.binary_search(&&conversation).is_ok()
    };
    entries.iter().filter(ours).map(|entry| seconds(accepted, arrived(entry))).fold(0.0, f64::max)
}
