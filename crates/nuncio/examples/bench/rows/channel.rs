//! Many messages into one channel: the windows of a thread are used up to their end and never broken.

use std::time::Duration;

use nuncio_api::Audience;
use serde_json::json;

use super::until;
use crate::Options;
use crate::report::{Outcome, Verdict};
use crate::simulator::{Simulated, arrived, message, seconds};

/// (messages, in so many seconds): Microsoft's, of one bot in one thread.
const WINDOWS: [(usize, f64); 4] = [(7, 1.0), (8, 2.0), (60, 30.0), (1_800, 3_600.0)];

pub(crate) async fn run(options: &Options) -> Outcome {
    let count = if options.full { 300 } else { 120 };
    let mut world = Simulated::start(options, "channel", 10, true).await;
    let teams = world.get("teams").await;
    let (group, channel) = (teams["items"][0]["aadGroupId"].as_str().unwrap(), &teams["items"][0]["id"]);
    world.post(&format!("teams/{group}/install"), &json!({})).await;
    let told = async || world.get("events").await["pending"] == 0;
    until("the install is told", Duration::from_millis(20), Duration::from_mins(1), told).await;
    let channels = vec![channel.as_str().unwrap().to_owned()];
    for _ in 0..count {
        let audience = Audience { channels: channels.clone(), ..Audience::default() };
        world.send(&message(audience, "normal")).await;
    }
    let ideal = ideal(count);
    let arrived_all = async || world.taken().await >= count as u64;
    let within = Duration::from_secs_f64(ideal * 3.0 + 60.0);
    until("all arrive", Duration::from_millis(100), within, arrived_all).await;

    let entries = world.journal("create_thread", 0).await;
    let times: Vec<_> = entries.iter().filter(|entry| entry["status"] == 201).map(arrived).collect();
    let took = seconds(*times.iter().min().unwrap(), *times.iter().max().unwrap());
    let counts = world.get("counts").await;
    let breaches = counts["limit_breaches_by"]["thread"].as_u64().unwrap();
    let mut outcome = Outcome::default();
    outcome.line("429 of a thread's window", format!("{breaches}"), "0", Verdict::of(breaches == 0));
    let over = (took / ideal - 1.0) * 100.0;
    outcome.line(
        format!("{count} messages, first to last; ideal {ideal:.1} s"),
        format!("{took:.1} s, {over:+.1} %"),
        "<= +5 %",
        Verdict::of(over <= 5.0),
    );
    outcome.raw = json!({"count": count, "ideal_s": ideal, "s": took, "breaches": breaches,
                         "entries": entries.iter().map(|entry| &entry["at"]).collect::<Vec<_>>()});
    outcome
}

/// From the first to the last of so many, each as early as the windows let it.
fn ideal(count: usize) -> f64 {
    let mut starts: Vec<f64> = Vec::new();
    for n in 0..count {
        let last = starts.last().copied().unwrap_or(0.0);
        let after =
            |(most, within): (usize, f64)| n.checked_sub(most).map_or(0.0, |oldest| starts[oldest] + within);
        starts.push(WINDOWS.into_iter().map(after).fold(last, f64::max));
    }
    starts[count - 1]
}
