//! Many tenants at once: those whose Microsoft is well go on as if they were alone.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;

use super::until;
use crate::Options;
use crate::product::{Place, Plan, Sink, tenant, text};
use crate::report::{Outcome, Verdict, median};

const HEALTHY: i64 = 100;
/// Ten that answer late, ten that take nothing.
const ILL: i64 = 20;
const EACH: i64 = 100;

pub(crate) async fn run(options: &Options) -> Outcome {
    let alone = times(options, HEALTHY).await;
    let beside = times(options, HEALTHY + ILL).await;
    let slowest = |times: &[f64]| times.iter().copied().fold(0.0, f64::max);
    let mut outcome = Outcome::default();
    for (what, ratio) in [
        ("median of 100 healthy ones, of their time alone", median(&beside) / median(&alone)),
        ("slowest of them, of the slowest alone", slowest(&beside) / slowest(&alone)),
    ] {
        outcome.line(what, format!("{ratio:.3}"), "<= 1.10", Verdict::of(ratio <= 1.10));
    }
    outcome.told("alone: median, slowest", format!("{:.2}, {:.2} s", median(&alone), slowest(&alone)));
    outcome.raw = json!({"alone_s": alone, "beside_s": beside});
    outcome
}

/// Seconds from the first message of all to the last of each healthy tenant.
async fn times(options: &Options, lanes: i64) -> Vec<f64> {
    let mut sink = Sink::start(&["--stamps", "--latency-ms", "50"]).await;
    let plan = Plan { base: &sink.base, tenant: &tenant(1), postgres: None, calls_per_s: "10" };
    let place = Place::prepare(options, "tenants", &plan).await;
    let mut database = place.database().await;
    database.lanes(lanes).await;
    database.people(EACH, HEALTHY, &format!("{}/teams/", sink.base)).await;
    database.messages(&text()).await;
    database.end().await;
    let product = place.start().await;
    let mut last: HashMap<i64, u64> = HashMap::new();
    let (mut first, mut arrived) = (u64::MAX, 0);
    let all = async || {
        for (at, conversation) in sink.stamps().await {
            first = first.min(at);
            // a:NUMBER, percent-encoded; the others are slow.
            if let Some(recipient) = conversation.strip_prefix("a%3A").and_then(|n| n.parse::<i64>().ok()) {
                last.insert((recipient - 1) / EACH, at);
                arrived += 1;
            }
        }
        arrived >= HEALTHY * EACH
    };
    until("the healthy ones are done", Duration::from_millis(250), Duration::from_mins(3), all).await;
    drop(product);
    last.values().map(|at| (at - first) as f64 / 1e6).collect()
}
