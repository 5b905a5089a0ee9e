//! A row of the table: what is done to the calls of one delivery, what must become of it, and what became of it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use nuncio_api::DeliveryWithAttempts;
use serde_json::{Value, json};

use crate::world::{World, to_users};

/// How often a fault hits; without end it would hit again if anything were repeated.
pub(super) const EVER: u64 = 1_000;
/// Later than this is too late, even on a busy machine.
const SLACK: Duration = Duration::from_secs(8);

/// From the start of the first call to the end of the last one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Took {
    AtOnce,
    /// With jitter: between nothing and so many seconds of waiting.
    Within(u64),
    /// So many seconds of waiting.
    After(u64),
    /// The time-out of a call, and then nothing or up to so many seconds of waiting.
    TimeOut(u64),
}

impl Took {
    fn words(self) -> String {
        match self {
            Self::AtOnce => "at once".to_owned(),
            Self::Within(most) => format!("within {most} s"),
            Self::After(seconds) => format!("after {seconds} s"),
            Self::TimeOut(0) => "30 s, the time-out".to_owned(),
            Self::TimeOut(most) => format!("30 s, the time-out, and within {most} s"),
        }
    }

    fn allows(self, took: Duration) -> bool {
        let (least, most) = match self {
            Self::AtOnce => (0, 0),
            Self::Within(most) => (0, most),
            Self::After(seconds) => (seconds, seconds),
            Self::TimeOut(most) => (30, 30 + most),
        };
        // What is counted is in whole milliseconds.
        let least = Duration::from_secs(least).saturating_sub(Duration::from_millis(5));
        (least..=Duration::from_secs(most) + SLACK).contains(&took)
    }
}

/// What a delivery came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fate {
    /// State and reason, and whether the id of what was posted is known.
    pub(super) ledger: String,
    /// Each call with its answer, such as `send 404, create 201, send 201`.
    pub(super) calls: String,
    /// Messages in the chat.
    pub(super) arrived: usize,
}

pub(super) struct Row {
    pub(super) fault: String,
    pub(super) action: Value,
    pub(super) times: u64,
    pub(super) fate: Fate,
    pub(super) took: Took,
    /// It comes to the same for every call, and stands in the document once.
    pub(super) common: bool,
}

impl Row {
    pub(super) fn new(fault: impl Into<String>, action: Value, times: u64, fate: Fate, took: Took) -> Self {
        let often = match times {
            1 => "once: ",
            2 => "twice: ",
            _ => "",
        };
        Self { fault: often.to_owned() + &fault.into(), action, times, fate, took, common: false }
    }

    /// The line of the document, of what was seen.
    fn line(&self, seen: &Fate) -> String {
        let Fate { ledger, calls, arrived } = seen;
        let count = calls.matches(',').count() + 1;
        let calls = if self.common { calls.split_once(' ').map_or("", |(_, answer)| answer) } else { calls };
        format!("| {} | {ledger} | {count}: {calls} | {arrived} | {} |\n", self.fault, self.took.words())
    }
}

const HEAD: &str = "| fault | ledger | calls | in the chat | how long |\n| --- | --- | --- | --- | --- |\n";

/// What a delivery without further trouble comes to, after calls of `op` that were answered so.
pub(super) fn delivered(op: &str, answers: &[&str], arrived: usize) -> Fate {
    let mut calls = String::new();
    for answer in answers {
        add(&mut calls, op, answer);
    }
    if op == "create" {
        add(&mut calls, "create", "201");
    }
    add(&mut calls, if op == "create" { "send" } else { op }, "201");
    Fate { ledger: "delivered".to_owned(), calls, arrived }
}

/// What ends with the first answer.
pub(super) fn ends(ledger: &str, op: &str, answer: &str, arrived: usize) -> Fate {
    Fate { ledger: ledger.to_owned(), calls: format!("{op} {answer}"), arrived }
}

/// `send 404`, and `, 201` for another of the same kind.
fn add(calls: &mut String, op: &str, answer: &str) {
    let same = calls.rsplit(", ").find_map(|call| call.split_once(' ')).is_some_and(|(last, _)| last == op);
    let between = if calls.is_empty() { "" } else { ", " };
    let op = if same { String::new() } else { format!("{op} ") };
    let _ = write!(calls, "{between}{op}{answer}");
}

/// A fixture's answer, and how the document names it.
pub(super) fn refusal(name: &str) -> (String, Value) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../fixtures/microsoft/refusals/{name}.json"));
    let fixture: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (status, body) = (fixture["status"].as_u64().unwrap(), &fixture["body"]);
    let words = match (&body["error"]["code"], &body["errorCode"], body) {
        (Value::String(code), _, _) => format!("`{code}`: {}", body["error"]["message"].as_str().unwrap()),
        (_, Value::Number(code), _) => {
            let text = body["message"].as_str().unwrap();
            let sub = serde_json::from_str::<Value>(text)
                .ok()
                .map(|inner| format!("`{}`", inner["subCode"].as_str().unwrap()));
            let line_ends = if text.contains("\r\n") { " (text of 2022)" } else { "" };
            format!("`errorCode` {code}: {}{line_ends}", sub.unwrap_or_else(|| text.to_owned()))
        }
        (_, _, Value::String(_)) => "a gateway's HTML".to_owned(),
        (_, _, Value::Null) => "without a body".to_owned(),
        _ => body["message"].as_str().unwrap().to_owned(),
    };
    (format!("{status} {}", words.trim_end_matches('.')), json!({"status": status, "body": body}))
}

/// The status of an action's answer, as text.
pub(super) fn status(action: &Value) -> String {
    action["status"].to_string()
}

/// What became of one delivery, and how long it took.
pub(super) fn seen(found: &DeliveryWithAttempts, arrived: usize) -> (Fate, Duration) {
    let delivery = &found.delivery;
    let mut ledger = delivery.state.clone();
    match (&delivery.reason, delivery.state.as_str()) {
        (Some(reason), _) => {
            let _ = write!(ledger, " `{reason}`");
        }
        (None, "delivered") if delivery.activity_id.is_none() => ledger.push_str(", id not known"),
        _ => {}
    }
    let mut calls = String::new();
    for call in &found.calls {
        let answer = call.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        add(&mut calls, &call.call, &answer);
    }
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let took = match (found.calls.first(), found.calls.last()) {
        (Some(first), Some(last)) => at(&last.ended_at).duration_since(at(&first.started_at)),
        _ => panic!("no call was made: {found:#?}"),
    };
    (Fate { ledger, calls, arrived }, Duration::try_from(took).unwrap())
}

/// The lines of a section, and all that was not as its row says: a section is shown whole when it fails.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) text: String,
    common: String,
    wrong: Vec<String>,
}

impl Lines {
    /// Compares what was seen with what the row says, and adds the row's line.
    pub(super) fn compare(&mut self, op: &str, row: &Row, found: &DeliveryWithAttempts, arrived: usize) {
        let (fate, took) = seen(found, arrived);
        if fate != row.fate || !row.took.allows(took) {
            let expected = (&row.fate, row.took.words());
            self.wrong
                .push(format!("{op}, {}: {fate:?} {took:?}, not {expected:?}: {:?}", row.fault, found.calls));
        }
        let lines = if row.common { &mut self.common } else { &mut self.text };
        lines.push_str(&row.line(&fate));
    }

    pub(super) fn join(&mut self, other: Self) {
        self.text.push_str(&other.text);
        self.common.push_str(&other.common);
        self.wrong.extend(other.wrong);
    }

    /// The section's own lines, and those that every call has.
    #[track_caller]
    pub(super) fn end(self) -> [String; 2] {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        [self.text, self.common].map(|lines| format!("{HEAD}{lines}"))
    }
}

/// Makes the faults of the rows, one person each, sends to all at once, and compares; the rows' lines.
pub(super) async fn people(world: &World, op: &str, rows: &[Row]) -> [String; 2] {
    let all = world.sim.people("installed").await;
    assert!(all.len() >= rows.len(), "{} people for {} rows", all.len(), rows.len());
    let people = &all[..rows.len()];
    let mut faults = Vec::new();
    for (person, row) in people.iter().zip(rows) {
        let matching = json!({"op": op, "person": person});
        let fault = json!({"match": matching, "do": row.action, "times": row.times});
        faults.push(world.sim.fault(fault).await);
    }
    let sent = world.sent(&to_users(people, "what becomes of this?")).await;
    // What was held before its accept and whose client is gone is never accepted.
    world.sim.post("faults/release", &json!({"drop": true})).await;
    let mut lines = Lines::default();
    let deliveries = world.deliveries(&sent.id).await;
    for (person, row) in people.iter().zip(rows) {
        let delivery = deliveries.iter().find(|delivery| delivery.recipient == *person).unwrap();
        let found = world.client.delivery(&delivery.id).await.unwrap();
        lines.compare(op, row, &found, world.sim.times(person).await);
    }
    let hit = world.sim.get("faults").await;
    for (fault, row) in faults.into_iter().zip(rows) {
        // The first row lets its call through, and one with an end was met to its end.
        let calls = row.fate.calls.matches(',').count() as u64 + 1;
        let expected = if row.times == EVER { 1..=calls } else { row.times..=row.times };
        let fault = hit["items"].as_array().unwrap().iter().find(|item| item["id"] == fault).unwrap();
        let hits = fault["hits"].as_u64().unwrap();
        if !expected.contains(&hits) {
            lines.wrong.push(format!("{op}, {}: {hits} hits", row.fault));
        }
    }
    lines.end()
}
