//! How near one tenant comes to what Microsoft grants: with references known, and at first contact.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::until;
use crate::Options;
use crate::report::{Outcome, Verdict};
use crate::simulator::{EVEN, Simulated, UNEVEN, to_everybody, to_users};

/// How the simulator counts a second, and what is to be reached then.
const WINDOWS: [(&str, f64, &str); 3] =
    [("sliding_1s", 48.5, ">= 48.5/s"), ("fixed_1s", 49.0, ">= 49/s"), ("bucket", 49.0, ">= 49/s")];
const MICROSOFTS: f64 = 50.0;

fn time(options: &Options) -> Duration {
    Duration::from_secs(if options.full { 300 } else { 45 })
}

pub(crate) async fn uneven(options: &Options) -> Outcome {
    pace(options, UNEVEN()).await
}

pub(crate) async fn even(options: &Options) -> Outcome {
    pace(options, EVEN()).await
}

async fn pace(options: &Options, latency: Value) -> Outcome {
    let runs: Vec<Value> = if options.full {
        let mut runs = Vec::new();
        for (window, ..) in WINDOWS {
            runs.push(known(options, window, &latency).await);
        }
        runs
    } else {
        join_all(WINDOWS.map(|(window, ..)| known(options, window, &latency))).await
    };
    let mut outcome = Outcome::default();
    for ((window, least, bar), run) in WINDOWS.iter().zip(&runs) {
        let (rate, refused) = (run["rate"].as_f64().unwrap(), run["refused_percent"].as_f64().unwrap());
        outcome.line(format!("{window}: accepted"), format!("{rate:.2}/s"), bar, Verdict::of(rate >= *least));
        let what = format!("{window}: answered with 429");
        outcome.line(what, format!("{refused:.3} %"), "<= 0.1 %", Verdict::of(refused <= 0.1));
    }
    outcome.raw = runs.into();
    outcome
}

async fn known(options: &Options, window: &str, latency: &Value) -> Value {
    let time = time(options);
    // Enough for it to go on to the end.
    let people = ((time.as_secs_f64() + 20.0) * MICROSOFTS) as u32;
    let mut world = Simulated::start(options, window, people, true).await;
    world.patch("settings", &json!({"window": window, "latency": latency})).await;
    world.send(&to_everybody()).await;
    until("the first arrives", Duration::from_millis(20), Duration::from_mins(1), async || {
        world.taken().await > 50
    })
    .await;
    let (began, first) = (Instant::now(), world.taken().await);
    let before = world.calls("send").await;
    tokio::time::sleep(time).await;
    let (took_s, taken) = (began.elapsed().as_secs_f64(), world.taken().await - first);
    let after = world.calls("send").await;
    let (calls, refused) = (after.0 - before.0, after.1 - before.1);
    json!({
        "window": window, "s": took_s, "accepted": taken, "rate": taken as f64 / took_s, "calls": calls,
        "refused": refused, "refused_percent": refused as f64 / calls as f64 * 100.0,
    })
}

/// A conversation is created with each before the message: two calls of the lane's budget.
pub(crate) async fn first(options: &Options) -> Outcome {
    let time = time(options);
    let people = ((time.as_secs_f64() + 20.0) * MICROSOFTS / 2.0) as u32;
    let mut world = Simulated::start(options, "first", people, false).await;
    world.bucket().await;
    let users: Vec<String> = world.people.iter().map(|(id, _)| id.clone()).collect();
    world.send(&to_users(users, "normal")).await;
    until("the first arrives", Duration::from_millis(20), Duration::from_mins(1), async || {
        world.taken().await > 25
    })
    .await;
    let began = Instant::now();
    let before = [world.calls("create").await, world.calls("send").await];
    tokio::time::sleep(time).await;
    let took_s = began.elapsed().as_secs_f64();
    let after = [world.calls("create").await, world.calls("send").await];
    let calls: u64 = (0..2).map(|op| after[op].0 - before[op].0).sum();
    let refused: u64 = (0..2).map(|op| after[op].1 - before[op].1).sum();
    let used = (calls - refused) as f64 / (took_s * MICROSOFTS) * 100.0;
    let mut outcome = Outcome::default();
    outcome.line("of 50 calls a second", format!("{used:.1} %"), ">= 96 %", Verdict::of(used >= 96.0));
    outcome.told("answered with 429", format!("{:.3} %", refused as f64 / calls as f64 * 100.0));
    outcome.raw = json!({"s": took_s, "creates": after[0].0 - before[0].0, "sends": after[1].0 - before[1].0,
                         "refused": refused});
    outcome
}
