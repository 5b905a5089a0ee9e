//! A server with nothing to do: new, and with many tenants that it knows.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Options;
use crate::product::{Place, Plan, Sink, tenant};
use crate::report::{Outcome, Verdict};

const LANES: i64 = 10_000;
const LOOKED_AT: Duration = Duration::from_secs(20);

pub(crate) async fn run(options: &Options) -> Outcome {
    let (new, many) = (watch(options, 1).await, watch(options, LANES).await);
    let mut outcome = Outcome::default();
    let of = |run: &Value, what: &str| run[what].as_f64().unwrap();
    let memory = of(&new, "resident_mib");
    outcome.line("memory", format!("{memory:.1} MiB"), "<= 30 MiB", Verdict::of(memory <= 30.0));
    let memory = of(&many, "resident_mib");
    outcome.line(
        "10,000 lanes known: memory",
        format!("{memory:.1} MiB"),
        "<= 64 MiB",
        Verdict::of(memory <= 64.0),
    );
    let cpu = of(&many, "cpu_percent");
    outcome.line(
        "10,000 lanes known: CPU",
        format!("{cpu:.2} % of a core"),
        "< 0.5 %",
        Verdict::of(cpu < 0.5),
    );
    outcome.told("10,000 lanes known: until it listens", format!("{:.2} s", of(&many, "start_s")));
    outcome.raw = json!({"new": new, "many_lanes": many});
    outcome
}

async fn watch(options: &Options, lanes: i64) -> Value {
    let sink = Sink::start(&[]).await;
    let plan = Plan { base: &sink.base, tenant: &tenant(1), postgres: None, calls_per_s: "50" };
    let place = Place::prepare(options, "idle", &plan).await;
    let mut database = place.database().await;
    database.lanes(lanes).await;
    database.end().await;
    let began = std::time::Instant::now();
    let product = place.start().await;
    let start_s = began.elapsed().as_secs_f64();
    // What a start does after it listens is not what is meant.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = product.sample();
    tokio::time::sleep(LOOKED_AT).await;
    let after = product.sample();
    product.stop().await;
    json!({
        "lanes": lanes, "start_s": start_s, "resident_mib": after.resident_mib, "peak_mib": after.peak_mib,
        "cpu_percent": (after.cpu_s - before.cpu_s) / LOOKED_AT.as_secs_f64() * 100.0,
    })
}
