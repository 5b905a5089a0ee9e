//! One message to very many: memory, an even rate, answers meanwhile, and a cancel.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::until;
use crate::Options;
use crate::postgres::Server;
use crate::product::{Place, Plan, Sink, tenant};
use crate::report::{Outcome, Verdict, percentile};
use crate::simulator::to_everybody;
use crate::wire::Connection;

/// How often the message is looked at while it is sent.
const EVERY: Duration = Duration::from_millis(25);

pub(crate) async fn million(options: &Options) -> Outcome {
    run(options, 1_000_000, None).await
}

pub(crate) async fn million_postgres(options: &Options) -> Outcome {
    run(options, 1_000_000, Some(&Server::start())).await
}

pub(crate) async fn hundred_thousand(options: &Options) -> Outcome {
    run(options, 100_000, None).await
}

pub(crate) async fn hundred_thousand_postgres(options: &Options) -> Outcome {
    run(options, 100_000, Some(&Server::start())).await
}

async fn run(options: &Options, count: i64, postgres: Option<&Server>) -> Outcome {
    let mut sink = Sink::start(&[]).await;
    let plan = Plan { base: &sink.base, tenant: &tenant(1), postgres, calls_per_s: "off" };
    let place = Place::prepare(options, "million", &plan).await;
    let mut database = place.database().await;
    database.people(count, 1, &format!("{}/teams/", sink.base)).await;
    database.end().await;
    let before = place.bytes().await;
    let product = place.start().await;
    let mut reader = Connection::open(&product.url, &place.key).await;

    let asked = Instant::now();
    let id = product.client.send(&to_everybody(), None).await.unwrap().id;
    let path = format!("/v1/messages/{id}");
    // Seconds and how many have arrived; and how long each look took.
    let (mut progress, mut looks, mut expanded_s) = (Vec::new(), Vec::new(), f64::NAN);
    let (sink, looks_, progress_) = (&mut sink, &mut looks, &mut progress);
    let sent = async || {
        let look = Instant::now();
        let (status, message) = reader.json("GET", &path, &Value::Null).await;
        assert_eq!(status, 200, "{message}");
        looks_.push(look.elapsed().as_secs_f64() * 1_000.0);
        if expanded_s.is_nan() && message["audience_final"] == true {
            expanded_s = asked.elapsed().as_secs_f64();
        }
        progress_.push((asked.elapsed().as_secs_f64(), sink.posts().await));
        message["state"] == "completed"
    };
    until("the message is over", EVERY, Duration::from_hours(1), sent).await;
    let peak = product.sample();
    let took_s = asked.elapsed().as_secs_f64();

    // Once more, to be cancelled in the middle.
    let id = product.client.send(&to_everybody(), None).await.unwrap().id;
    let under_way = count as u64 + count as u64 / 20;
    let begun = async || sink.posts().await > under_way;
    until("the second one is under way", EVERY, Duration::from_mins(10), begun).await;
    let cancel = Instant::now();
    let (status, answer) = reader.json("POST", &format!("/v1/messages/{id}/cancel"), &Value::Null).await;
    let cancel_ms = cancel.elapsed().as_secs_f64() * 1_000.0;
    assert_eq!(status, 202, "{answer}");
    let cancelled = async || product.client.message(&id).await.unwrap().state == "cancelled";
    until("it is cancelled", Duration::from_millis(5), Duration::from_mins(1), cancelled).await;
    let cancelled_ms = cancel.elapsed().as_secs_f64() * 1_000.0;
    let late = sink.posts().await;
    product.stop().await;
    // The second one has its rows too, most of them cancelled.
    let each = (place.bytes().await - before) as f64 / (2 * count) as f64;

    let tenth = count as u64 / 10;
    let (first, last) = (rate(&progress, 0, tenth), rate(&progress, count as u64 - tenth, count as u64));
    let ratio = last / first;
    let p99 = percentile(&looks, 99.0);
    let mut outcome = Outcome::default();
    let mib = peak.peak_mib;
    outcome.line(
        format!("{count} recipients: peak memory"),
        format!("{mib:.0} MiB"),
        "<= 160 MiB",
        Verdict::of(mib <= 160.0),
    );
    outcome.line(
        "rate of the last tenth, of the first's",
        format!("{last:.0}/s, {ratio:.2}"),
        ">= 0.9",
        Verdict::of(ratio >= 0.9),
    );
    outcome.line(
        "GET /v1/messages/{id} meanwhile, p99",
        format!("{p99:.1} ms"),
        "<= 50 ms",
        Verdict::of(p99 <= 50.0),
    );
    outcome.line(
        "cancel answered in",
        format!("{cancel_ms:.1} ms"),
        "<= 100 ms",
        Verdict::of(cancel_ms <= 100.0),
    );
    outcome.told("cancel: the message says cancelled after", format!("{cancelled_ms:.0} ms"));
    outcome.told("bytes on disk for each", format!("{each:.0} B"));
    outcome.told("whole, expansion", format!("{took_s:.1} s, {expanded_s:.2} s"));
    outcome.told(
        "engine CPU for each, expansion included",
        format!("{:.1} us", peak.cpu_s * 1e6 / count as f64),
    );
    outcome.raw = json!({
        "count": count, "s": took_s, "expanded_s": expanded_s, "peak_mib": mib, "first": first, "last": last,
        "looks_ms": {"p50": percentile(&looks, 50.0), "p99": p99, "max": percentile(&looks, 100.0), "n": looks.len()},
        "cancel_ms": cancel_ms, "cancelled_ms": cancelled_ms, "second_sent": late - count as u64, "bytes_each": each,
    });
    outcome
}

/// Arrivals a second between two counts.
fn rate(progress: &[(f64, u64)], from: u64, to: u64) -> f64 {
    let at = |count: u64| {
        let after =
            progress.iter().position(|(_, posts)| *posts >= count.max(1)).unwrap_or(progress.len() - 1);
        progress[after]
    };
    let (begin, end) = (at(from), at(to));
    (end.1 - begin.1) as f64 / (end.0 - begin.0)
}
