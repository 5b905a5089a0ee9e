//! Messages for one recipient each, taken in durably over 128 connections: with nothing sent, and with each delivered.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::until;
use crate::Options;
use crate::product::{Place, Plan, Sink, person, tenant, text};
use crate::report::{Outcome, Verdict, percentile};
use crate::wire::Connection;

const CONNECTIONS: usize = 128;
const LANES: i64 = 200;
const PER_LANE: i64 = 100;

pub(crate) async fn run(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let time = Duration::from_secs(if options.full { 30 } else { 6 });
    let off = accept(options, "accept-off", time, true).await;
    let (rate, p99) = (off["rate"].as_f64().unwrap(), off["p99_ms"].as_f64().unwrap());
    outcome.line("sending off: accepted", format!("{rate:.0}/s"), ">= 8,000/s", Verdict::of(rate >= 8_000.0));
    outcome.line("sending off: p99", format!("{p99:.1} ms"), "<= 40 ms", Verdict::of(p99 <= 40.0));
    outcome.told("sending off: server CPU for each", format!("{:.0} us", off["cpu_us"].as_f64().unwrap()));
    outcome.told("sending off: a stop right after", format!("{:.1} s", off["stop_s"].as_f64().unwrap()));
    let on = accept(options, "accept-delivered", time, false).await;
    let rate = on["rate"].as_f64().unwrap();
    outcome.line("each delivered", format!("{rate:.0}/s"), ">= 3,000/s", Verdict::of(rate >= 3_000.0));
    outcome.told(
        "each delivered: p99 of accepting, server CPU for each",
        format!("{:.1} ms, {:.0} us", on["p99_ms"].as_f64().unwrap(), on["cpu_us"].as_f64().unwrap()),
    );
    outcome.raw = json!({"off": off, "delivered": on});
    outcome
}

async fn accept(options: &Options, name: &str, time: Duration, off: bool) -> Value {
    let mut sink = Sink::start(&[]).await;
    let plan = Plan { base: &sink.base, tenant: &tenant(1), postgres: None, calls_per_s: "off" };
    let place = Place::prepare(options, name, &plan).await;
    let mut database = place.database().await;
    database.lanes(LANES).await;
    database.people(PER_LANE, LANES, &format!("{}/teams/", sink.base)).await;
    database.end().await;
    let product = place.start().await;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(&product.url, &place.key).await);
    }

    let (next, text) = (AtomicI64::new(0), text());
    let began = Instant::now();
    let callers = connections.into_iter().map(async |mut connection| {
        let mut times = Vec::new();
        loop {
            if began.elapsed() >= time {
                return times;
            }
            let n = next.fetch_add(1, Ordering::Relaxed);
            let lane = n % LANES;
            let person = person(1 + lane * PER_LANE + n / LANES % PER_LANE);
            let mut body = json!({"tenant": tenant(1 + lane), "audience": {"users": [person]}, "content": {"text": text}});
            if off {
                body["send_at"] = "2099-01-01T00:00:00Z".into();
                body["expires_at"] = "2099-01-02T00:00:00Z".into();
            }
            let body = body.to_string();
            let asked = Instant::now();
            let (status, answer) = connection.call("POST", "/v1/messages", &body).await;
            times.push(asked.elapsed().as_secs_f64() * 1_000.0);
            assert_eq!(status, 202, "{}", String::from_utf8_lossy(answer));
        }
    });
    let times: Vec<f64> = join_all(callers).await.into_iter().flatten().collect();
    let count = times.len() as i64;
    let mut took_s = began.elapsed().as_secs_f64();
    let accepted = count as f64 / took_s;
    if !off {
        let arrived = async || sink.posts().await >= count as u64;
        until("each is delivered", Duration::from_millis(20), Duration::from_mins(5), arrived).await;
        took_s = began.elapsed().as_secs_f64();
    }
    let sample = product.sample();
    let stop_s = product.stop().await;
    json!({
        "count": count, "s": took_s, "rate": count as f64 / took_s, "accepted_rate": accepted,
        "p50_ms": percentile(&times, 50.0), "p99_ms": percentile(&times, 99.0), "max_ms": percentile(&times, 100.0),
        "cpu_us": sample.cpu_s * 1e6 / count as f64, "peak_mib": sample.peak_mib, "stop_s": stop_s,
    })
}
