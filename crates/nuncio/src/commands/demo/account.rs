//! The ledger held against the simulator's own counts, number by number.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context;
use nuncio_api::{Message, Reachability};
use nuncio_client::{DeliveryFilter, PageOf, PeopleFilter};
use serde_json::{Value, json};

use super::stage::Stage;

/// One line of the comparison.
pub(super) struct Line {
    pub(super) what: String,
    pub(super) nuncio: i64,
    pub(super) simulator: i64,
}

impl Line {
    pub(super) fn agrees(&self) -> bool {
        self.nuncio == self.simulator
    }
}

pub(super) struct Account {
    pub(super) lines: Vec<Line>,
    pub(super) reachability: Reachability,
    pub(super) rate_per_s: f64,
    pub(super) accepted: i64,
    pub(super) throttled: i64,
    pub(super) requests: i64,
    pub(super) most_per_recipient: i64,
}

impl Account {
    pub(super) fn agrees(&self) -> bool {
        self.lines.iter().all(Line::agrees)
    }

    pub(super) fn json(&self, broadcast: &Message, wall: Duration, memory_mib: Option<f64>) -> Value {
        json!({
            "counts": broadcast.counts,
            "failed_by_reason": broadcast.failed_by_reason,
            "skipped_by_reason": broadcast.skipped_by_reason,
            "rate_per_s": round(self.rate_per_s),
            "wall_s": round(wall.as_secs_f64()),
            "peak_memory_mib": memory_mib.map(round),
            "simulator": {
                "accepted": self.accepted,
                "throttled": self.throttled,
                "requests": self.requests,
                "most_per_recipient": self.most_per_recipient,
            },
            "agrees": self.agrees(),
        })
    }
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Compares what Nuncio says with what the simulator counted by itself.
/// `strangers` never had the app before.
pub(super) async fn draw_up(
    stage: &Stage,
    broadcast: &Message,
    thread: &Message,
    strangers: &[String],
) -> anyhow::Result<Account> {
    let counts = stage.counts().await?;
    let reachability = stage.client.reachability(&PeopleFilter::default()).await?;
    let people = |state: &str| counts["people"][state].as_i64().unwrap_or(0);
    let failed = |reason: &str| broadcast.failed_by_reason.get(reason).copied().unwrap_or(0);
    let ledger = broadcast.counts;
    let accepted = counts["accepted"].as_i64().context("the simulator counts no messages")?;
    let most_per_recipient = counts["most_per_recipient"].as_i64().unwrap_or(-1);
    let throttled = counts["throttled"]["limits"].as_i64().unwrap_or(0);
    let (listed, met) = recipients(stage, &broadcast.id, strangers).await?;
    let mut lines = Vec::new();
    let mut line = |what: &str, nuncio: i64, simulator: i64| {
        lines.push(Line { what: what.to_owned(), nuncio, simulator });
    };
    line("people in the audience", ledger.audience, counts["people_total"].as_i64().unwrap_or(-1));
    line("messages accepted", ledger.delivered + thread.counts.delivered, accepted);
    line(
        "given the app, and then the message",
        met,
        counts["requests"]["graph.install"]["201"].as_i64().unwrap_or(0),
    );
    line("blocked the bot", failed("blocked_by_user"), people("blocked"));
    line(
        "not installed (any more)",
        failed("not_installed"),
        people("uninstalled") + people("never_installed"),
    );
    line(
        "failed for any other reason",
        ledger.failed - failed("blocked_by_user") - failed("not_installed"),
        0,
    );
    line("ambiguous", ledger.ambiguous, counts["answers_lost"].as_i64().unwrap_or(-1));
    line("most of one message to one recipient", 1, most_per_recipient);
    line("recipients listed, each once", listed, counts["people_total"].as_i64().unwrap_or(-1));
    Ok(Account {
        lines,
        reachability,
        rate_per_s: rate(broadcast).unwrap_or(0.0),
        accepted,
        throttled,
        requests: connector_requests(&counts),
        most_per_recipient,
    })
}

/// Distinct recipients over all pages of a message's deliveries, and how many of these strangers have it.
async fn recipients(stage: &Stage, id: &str, strangers: &[String]) -> anyhow::Result<(i64, i64)> {
    let strangers: BTreeSet<&str> = strangers.iter().map(String::as_str).collect();
    let (mut seen, mut met) = (BTreeSet::new(), 0);
    let mut cursor: Option<String> = None;
    loop {
        let page = PageOf { cursor: cursor.as_deref(), limit: Some(1000) };
        let list = stage.client.deliveries(id, &DeliveryFilter::default(), page).await?;
        for delivery in list.items {
            if delivery.state == "delivered" && strangers.contains(delivery.recipient.as_str()) {
                met += 1;
            }
            seen.insert(delivery.recipient);
        }
        match list.next {
            Some(next) => cursor = Some(next),
            None => return Ok((seen.len() as i64, met)),
        }
    }
}

/// Recipients a second, from the request to the end of the message.
fn rate(message: &Message) -> Option<f64> {
    let from: jiff::Timestamp = message.created_at.parse().ok()?;
    let to: jiff::Timestamp = message.completed_at.as_deref()?.parse().ok()?;
    let seconds = to.duration_since(from).as_secs_f64();
    (seconds > 0.0).then(|| message.counts.audience as f64 / seconds)
}

/// Requests to the Connector, without those for tokens and keys and those to Graph.
fn connector_requests(counts: &Value) -> i64 {
    let by_operation: BTreeMap<String, BTreeMap<String, i64>> =
        serde_json::from_value(counts["requests"].clone()).unwrap_or_default();
    by_operation
        .iter()
        .filter(|(operation, _)| !matches!(operation.as_str(), "token" | "metadata" | "keys"))
        .filter(|(operation, _)| !operation.starts_with("graph."))
        .flat_map(|(_, by_status)| by_status.values())
        .sum()
}
