//! Durable deliveries beside a bare loop: intent, call, outcome, attempt and counts of each, in 200 lanes without limits.

use std::time::Duration;

use serde_json::{Value, json};

use super::until;
use crate::Options;
use crate::postgres::Server;
use crate::process;
use crate::product::{Place, Plan, Sink, tenant, text};
use crate::report::{Outcome, Verdict, median};

/// How the world is that they are delivered into.
#[derive(Clone, Copy)]
struct World {
    name: &'static str,
    latency_ms: u64,
    slow_disk: bool,
}

const SQLITE: World = World { name: "sqlite", latency_ms: 0, slow_disk: false };

pub(crate) async fn at_once(options: &Options) -> Outcome {
    run(options, SQLITE).await
}

pub(crate) async fn late(options: &Options) -> Outcome {
    run(options, World { name: "sqlite-20ms", latency_ms: 20, ..SQLITE }).await
}

pub(crate) async fn slow_disk(options: &Options) -> Outcome {
    run(options, World { name: "sqlite-fsync", slow_disk: true, ..SQLITE }).await
}

const LANES: i64 = 200;
/// The runs are of one machine if their bare loops are this near to each other.
const SAME: f64 = 1.2;

fn count(options: &Options) -> u64 {
    if options.full { 1_000_000 } else { 200_000 }
}

async fn run(options: &Options, world: World) -> Outcome {
    let count = count(options);
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for pair in 0..options.pairs {
        let latency = world.latency_ms.to_string();
        let mut sink = Sink::start(&["--latency-ms", &latency]).await;
        bare.push(bare_loop(&mut sink, world, count).await);
        sink.reset().await;
        ours.push(product(options, &mut sink, world, None, count, pair).await);
    }

    let (bare_rate, rate) = (of(&bare, "median"), of(&ours, "rate"));
    let (bare_cpu, cpu) = (median(&of(&bare, "cpu_us")), median(&of(&ours, "cpu_us")));
    let (low, high) =
        (bare_rate.iter().copied().fold(f64::MAX, f64::min), bare_rate.iter().copied().fold(0.0, f64::max));
    let same = high / low <= SAME;
    let verdict = |met| if same { Verdict::of(met) } else { Verdict::Refused };

    let mut outcome = Outcome::default();
    outcome.told(
        "bare loop, 64 in flight: calls/s, CPU each",
        format!("{:.0}/s, {bare_cpu:.1} us", median(&bare_rate)),
    );
    if !same {
        outcome.line("bare loops differ", format!("{low:.0} to {high:.0}/s"), "<= 20 %", Verdict::Refused);
    }
    let ratio = median(&rate) / median(&bare_rate);
    outcome.line(
        "deliveries/s, and of the bare loop",
        format!("{:.0}/s, {ratio:.2}", median(&rate)),
        ">= 0.40",
        verdict(ratio >= 0.40),
    );
    outcome.line("engine CPU for each", format!("{cpu:.1} us"), "<= 75 us", verdict(cpu <= 75.0));
    let ratio = cpu / bare_cpu;
    outcome.line("engine CPU, of the bare loop's", format!("{ratio:.2}"), "<= 3.3", verdict(ratio <= 3.3));
    outcome.told("connections opened", format!("{:.0}", median(&of(&ours, "connections"))));
    outcome.told("peak memory", format!("{:.0} MiB", median(&of(&ours, "peak_mib"))));
    outcome.told("bytes on disk for each", format!("{:.0} B", median(&of(&ours, "bytes_each"))));
    outcome.raw = json!({"count": count, "lanes": LANES, "bare": bare, "ours": ours});
    outcome
}

/// A figure of each run.
fn of(runs: &[Value], what: &str) -> Vec<f64> {
    runs.iter().map(|run| run[what].as_f64().unwrap_or(f64::NAN)).collect()
}

/// The same on PostgreSQL, in turns with SQLite.
pub(crate) async fn postgres(options: &Options) -> Outcome {
    let count = count(options);
    let server = Server::start();
    let (mut file, mut ours) = (Vec::new(), Vec::new());
    for pair in 0..options.pairs {
        let mut sink = Sink::start(&[]).await;
        file.push(product(options, &mut sink, SQLITE, None, count, pair).await);
        sink.reset().await;
        let world = World { name: "postgres", ..SQLITE };
        ours.push(product(options, &mut sink, world, Some(&server), count, pair).await);
    }
    let rate = median(&of(&ours, "rate"));
    let ratio = rate / median(&of(&file, "rate"));
    let (cpu, wal) = (median(&of(&ours, "postgres_cpu_us")), median(&of(&ours, "wal_bytes")));
    let mut outcome = Outcome::default();
    outcome.line(
        "deliveries/s, and of SQLite",
        format!("{rate:.0}/s, {ratio:.2}"),
        ">= 0.70",
        Verdict::of(ratio >= 0.70),
    );
    outcome.line("PostgreSQL's CPU for each", format!("{cpu:.1} us"), "<= 25 us", Verdict::of(cpu <= 25.0));
    outcome.line("its log for each", format!("{wal:.0} B"), "<= 900 B", Verdict::of(wal <= 900.0));
    outcome.told("engine CPU for each", format!("{:.1} us", median(&of(&ours, "cpu_us"))));
    outcome.told("peak memory of the engine", format!("{:.0} MiB", median(&of(&ours, "peak_mib"))));
    outcome.told("bytes on disk for each", format!("{:.0} B", median(&of(&ours, "bytes_each"))));
    outcome.raw = json!({"count": count, "lanes": LANES, "sqlite": file, "ours": ours});
    outcome
}

async fn bare_loop(sink: &mut Sink, world: World, count: u64) -> Value {
    // Latency is hidden by more calls under way, as the product does it.
    let in_flight = if world.latency_ms == 0 { "64" } else { "2000" };
    let (count, text) = (count.to_string(), text());
    let args = ["bare", "--base", &sink.base, "--count", &count, "--in-flight", in_flight, "--text", &text];
    let before = sink.sample().cpu_s;
    let log = process::scratch();
    let mut process = process::Child::start(process::ourselves(&args), &log.path().join("log"));
    let mut figures: Value = serde_json::from_str(&process.line().await).unwrap();
    let sent: f64 = figures["count"].as_f64().unwrap();
    figures["connections"] = sink.stats().await["connections"].clone();
    figures["sink_cpu_us"] = ((sink.sample().cpu_s - before) * 1e6 / sent).into();
    figures
}

async fn product(
    options: &Options,
    sink: &mut Sink,
    world: World,
    postgres: Option<&Server>,
    count: u64,
    pair: usize,
) -> Value {
    let plan = Plan { base: &sink.base, tenant: &tenant(1), postgres, calls_per_s: "off" };
    let mut place = Place::prepare(options, &format!("{}-{pair}", world.name), &plan).await;
    let mut database = place.database().await;
    database.lanes(LANES).await;
    database.people(count as i64 / LANES, LANES, &format!("{}/teams/", sink.base)).await;
    database.end().await;
    let before = place.bytes().await;
    let mut database = place.database().await;
    database.messages(&text()).await;
    database.end().await;
    if world.slow_disk {
        place.env("LD_PRELOAD", &slow_fsync());
    }

    let used = |server: &Server| (server.cpu_s(), server.wal_bytes());
    let used_before = postgres.map(used);
    let product = place.start().await;
    let mut database = place.database().await;
    let within = Duration::from_mins(10);
    until("all messages arrive", Duration::from_millis(50), within, async || sink.posts().await >= count)
        .await;
    until("all messages are over", Duration::from_millis(20), within, async || {
        database.unfinished().await == 0
    })
    .await;
    let ended_us = crate::sink::now_us();
    let (sample, stats) = (product.sample(), sink.stats().await);
    let used_after = postgres.map(used);
    let log = place.bytes().await;
    // Then the log is part of the file.
    drop(database);
    product.stop().await;
    let bytes = place.bytes().await - before;
    let (posts, first) = (stats["posts"].as_u64().unwrap(), stats["first_us"].as_u64().unwrap());
    assert_eq!(posts, count, "each message arrives once");
    let took_s = (ended_us - first) as f64 / 1e6;
    let each = |of: fn((f64, u64)) -> f64| {
        used_before.zip(used_after).map(|(before, after)| (of(after) - of(before)) / count as f64)
    };
    json!({
        "postgres_cpu_us": each(|(cpu_s, _)| cpu_s * 1e6), "wal_bytes": each(|(_, bytes)| bytes as f64),
        "rate": count as f64 / took_s, "s": took_s, "cpu_us": sample.cpu_s * 1e6 / count as f64,
        "peak_mib": sample.peak_mib, "bytes_each": bytes as f64 / count as f64,
        "largest_with_log": log, "connections": stats["connections"], "body_bytes": stats["bytes"].as_u64().unwrap() / posts,
    })
}

/// A library that makes each fsync 2 ms slower, built for this run.
fn slow_fsync() -> String {
    let library = process::target().join("bench-slow-fsync.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/bench/slow_fsync.c");
    let mut compiler = std::process::Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source);
    let built = compiler.status();
    assert!(built.is_ok_and(|status| status.success()), "a C compiler builds {source}");
    library.to_str().unwrap().to_owned()
}
