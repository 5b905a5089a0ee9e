//! The app for people who do not have it, and a message to them and to others who do.

use std::time::Duration;

use jiff::Timestamp;
use nuncio_api::NewMessage;
use serde_json::{Value, json};

use super::until;
use crate::Options;
use crate::report::{Outcome, Verdict};
use crate::simulator::{EVEN, Simulated, arrived, seconds, to_users};

/// What of Microsoft's 50 calls and 30 installs a second is used (`docs/engine.md`, Pace).
const SENDS: f64 = 50.0 * 0.984;
const INSTALLS: f64 = 30.0 * 0.984;

pub(crate) async fn run(options: &Options) -> Outcome {
    // Sending takes nearly as long as installing: who has the app must not wait, and nobody for the sends.
    let organisation = if options.full { 17_200 } else { 1_920 };
    let mut world = Simulated::start(options, "installs", organisation, false).await;
    world.patch("settings", &json!({"latency": EVEN()})).await;
    // Some of the organisation are in other states; those that are installed are enough.
    let people: Vec<String> = world.people.iter().map(|(id, _)| id.clone()).collect();
    let friends = people.len() * 3 / 8;
    let strangers = people.len() - friends;
    for person in &people[friends..] {
        world.patch(&format!("people/{person}"), &json!({"state": "never_installed"})).await;
    }
    world.post("policy-install", &json!({"seconds": 0})).await;
    until("all events are taken", Duration::from_millis(100), Duration::from_mins(5), async || {
        world.get("events").await["pending"] == 0
    })
    .await;

    let journal = world.journal_end().await;
    let mut messages = Vec::new();
    // A request names 10,000 at most.
    for users in people.chunks(10_000) {
        let install = Some("if_never_installed".to_owned());
        let message = NewMessage { install, ..to_users(users.to_vec(), "normal") };
        messages.push(world.send(&message).await.0);
    }
    let within = Duration::from_secs_f64(120.0 + 4.0 * people.len() as f64 / INSTALLS);
    let mut delivered = 0;
    for id in &messages {
        let over = async || world.product.client.message(id).await.unwrap().state == "completed";
        until("everybody has it", Duration::from_millis(100), within, over).await;
        delivered += world.product.client.message(id).await.unwrap().counts.delivered;
    }

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
        format!("{delivered} of {}", people.len()),
        "all",
        Verdict::of(delivered == people.len() as i64),
    );
    outcome.raw = json!({"strangers": strangers, "friends": friends, "rate": rate, "refused": refused, "whole_s": whole,
                         "slower_s": slower, "delivered": delivered, "installs": installs.len(), "sends": sends.len()});
    outcome
}
