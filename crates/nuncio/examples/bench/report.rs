//! The table and the file.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::{machine, process};

/// Whether a figure reaches its bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    NotMet,
    /// The machine was not the same throughout: the figure says nothing.
    Refused,
    /// There is no bar: for the reader.
    Told,
}

impl Verdict {
    pub(crate) fn of(met: bool) -> Self {
        if met { Self::Met } else { Self::NotMet }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "NOT MET",
            Self::Refused => "refused",
            Self::Told => "",
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) bar: String,
    pub(crate) verdict: Verdict,
}

/// What a row came to: its lines, and what they were made from.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) lines: Vec<Line>,
    pub(crate) raw: Value,
}

impl Outcome {
    pub(crate) fn line(
        &mut self,
        what: impl Into<String>,
        measured: impl Into<String>,
        bar: &str,
        verdict: Verdict,
    ) {
        let (what, measured) = (what.into(), measured.into());
        self.lines.push(Line { what, measured, bar: bar.to_owned(), verdict });
    }

    /// A line whose bar is not asked for here.
    pub(crate) fn told(&mut self, what: impl Into<String>, measured: impl Into<String>) {
        self.line(what, measured, "", Verdict::Told);
    }
}

/// Everything that was measured.
pub(crate) struct Report {
    machine: Value,
    rows: Vec<(&'static str, Outcome, f64)>,
}

impl Report {
    pub(crate) fn new() -> Self {
        let machine = machine::machine();
        println!(
            "{}, {} cores, fsync {} ms, load before {}; commit {}\n",
            machine["cpu"].as_str().unwrap_or_default(),
            machine["cores"],
            machine["fsync_ms"],
            machine["load_before"].as_str().unwrap_or_default(),
            machine::commit(),
        );
        Self { machine, rows: Vec::new() }
    }

    /// Prints a row as soon as it is known.
    pub(crate) fn add(&mut self, name: &'static str, outcome: Outcome, took_s: f64) {
        println!("{name} ({took_s:.0} s)");
        for Line { what, measured, bar, verdict } in &outcome.lines {
            println!("  {what:<58} {measured:>24}   {bar:<16} {}", verdict.word());
        }
        self.rows.push((name, outcome, took_s));
        self.write();
    }

    fn write(&self) {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|(name, outcome, took_s)| {
                let lines: Vec<Value> = outcome
                    .lines
                    .iter()
                    .map(|line| {
                        json!({"what": line.what, "measured": line.measured, "bar": line.bar,
                               "verdict": line.verdict.word()})
                    })
                    .collect();
                json!({"row": name, "took_s": took_s, "lines": lines, "raw": outcome.raw})
            })
            .collect();
        let report = json!({"commit": machine::commit(), "machine": self.machine, "rows": rows});
        std::fs::write(process::target().join("bench.json"), format!("{report:#}\n")).unwrap();
    }

    /// What the whole came to: 1 if a bar was not reached, 3 if a row was refused.
    pub(crate) fn end(&self) -> ExitCode {
        let all: Vec<Verdict> =
            self.rows.iter().flat_map(|(_, outcome, _)| &outcome.lines).map(|line| line.verdict).collect();
        let count = |verdict| all.iter().filter(|found| **found == verdict).count();
        let (met, missed, refused) = (count(Verdict::Met), count(Verdict::NotMet), count(Verdict::Refused));
        println!("\n{met} met, {missed} not met, {refused} refused: target/bench.json has every sample");
        match (missed, refused) {
            (0, 0) => ExitCode::SUCCESS,
            (_, 0) => ExitCode::from(1),
            _ => ExitCode::from(3),
        }
    }
}

/// The value in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// So many of a hundred are not above it.
pub(crate) fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}
