//! The app for people who do not have it, and a message to them and to others who do.

use std::time::Duration;

use jiff::Timestamp;
use nuncio_api::{Audience, NewMessage};
use serde_json::{Value, json};

use super::until;
use crate::Options;
use crate::report::{Outcome, Verdict};
use crate::simulator::{EVEN, Simulated, arrived, message, seconds};

/// What of Microsoft's 50 calls and 30 installs a second is used (`docs/engine.md`, Pace).
const SENDS: f64 = 50.0 * 0.984;
const INSTALLS: f64 = 30.0 * 0.984;

pub(crate) async fn run(options: &Options) -> Outcome {
    let strangers: usize = if options.full { 10_000 } else { 1_200 };
    // Sending takes nearly as long as installing: who has the app must not wait, and nobody for the sends.
    let friends = strangers * 6 / 10;
    let mut world = Simulated::start(options, "installs", (strangers + friends) as u32, false).await;
    world.patch("settings", &json!({"latency": EVEN()})).await;
    let people: Vec<String> = world.people.iter().map(|(id, _)| id.clone()).collect();
    for person in &people[friends..] {
        world.patch(&format!("people/{person}"), &json!({"state": "never_installed"})).await;
    }
    world.post("policy-install", &json!({"seconds": 0})).await;
    until("all events are taken", Duration::from_millis(100), Duration::from_mins(5), async || {
        world.get("events").await["pending"] == 0
    })
    .await;

    let journal = world.journal_end().await;
    let audience = Audience {
        everyone: true,
        include: vec!["guests".to_owned(), "disabled".to_owned()],
        ..Audience::default()
    };
    let install = Some("if_never_installed".to_owned());
    let (id, _) = world.send(&NewMessage { install, ..message(audience, "normal") }).await;
    let within = Duration::from_secs_f64(120.0 + 2.0 * people.len() as f64 / INSTALLS);
    let over = async || world.product.client.message(&id).await.unwrap().state == "completed";
    until("everybody has it", Duration::from_millis(100), within, over).await;
    let sent = world.product.client.message(&id).await.unwrap();

    let installs = world.journal("graph.install", journal).await;
    let sends = world.journal("send", journal).await;
    let begins = |entries: &[Value]| entries.iter().map(arrived).min().unwrap();
    let ends = |entries: &[Value]| entries.iter().map(arrived).max().unwrap();
    let span = |from: Timestamp, to: Timestamp| seconds(from, to);
    let whole = span(begins(&installs).min(begins(&sends)), ends(&installs).max(ends(&sends)));
    let rate = (installs.len() - 1) as f64 / span(begins(&installs), ends(&installs));
    let refused = installs.iter().filter(|entry| entry["status"] == 429).count();
    let percent = refused as f64 / installs.len() as f64 * 100.0;
    let slower = (strangers as f64 / INSTALLS).max(people.len() as f64 / SENDS);
    let over = (whole / slower - 1.0) * 100.0;

    let mut outcome = Outcome::default();
    outcome.line(
        format!("{strangers} installed"),
        format!("{rate:.2}/s"),
        ">= 29/s",
        Verdict::of(rate >= 29.0),
    );
    outcome.line(
        "installs answered with 429",
        format!("{percent:.3} %"),
        "<= 0.1 %",
        Verdict::of(percent <= 0.1),
    );
    outcome.line(
        format!("{} sends meanwhile: over the slower of the two", people.len()),
        format!("{over:.1} %"),
        "<= 5 %",
        Verdict::of(over <= 5.0),
    );
    outcome.line(
        "have the message",
        format!("{} of {}", sent.counts.delivered, people.len()),
        "all",
        Verdict::of(sent.counts.delivered == people.len() as i64),
    );
    outcome.raw = json!({"strangers": strangers, "friends": friends, "rate": rate, "refused": refused, "whole_s": whole,
                         "slower_s": slower, "counts": sent.counts, "installs": installs.len(), "sends": sends.len()});
    outcome
}
