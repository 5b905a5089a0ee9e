//! When, how urgently and under which conditions.

use std::fmt::Display;
use std::time::Duration;

use nuncio_api::{Code, NewMessage};
use nuncio_domain::message::WhenUnreachable;
use nuncio_domain::{Class, OnAmbiguous, Time};

use super::Findings;
use crate::times;

const DEFAULT_RECIPIENTS: i64 = 1000;
const MOST_RECIPIENTS: i64 = 1_000_000;
const HOUR: Duration = Duration::from_hours(1);

pub(super) struct Policy {
    pub(super) on_ambiguous: Option<OnAmbiguous>,
    pub(super) when_unreachable: WhenUnreachable,
    pub(super) max_recipients: i64,
    pub(super) send_at: Option<Time>,
    pub(super) expires_at: Time,
}

pub(super) fn check(findings: &mut Findings, asked: &NewMessage, class: Class, now: Time) -> Policy {
    let on_ambiguous = word(
        findings,
        "/on_ambiguous",
        asked.on_ambiguous.as_deref(),
        OnAmbiguous::ALL,
        OnAmbiguous::of_word,
    );
    only(findings, "/install", asked.install.as_deref(), "never", &["if_never_installed", "also_if_removed"]);
    let when_unreachable = word(
        findings,
        "/when_unreachable",
        asked.when_unreachable.as_deref(),
        WhenUnreachable::ALL,
        WhenUnreachable::of_word,
    );
    only(findings, "/start", asked.start.as_deref(), "complete", &["streaming"]);

    let max_recipients = asked.max_recipients.unwrap_or(DEFAULT_RECIPIENTS);
    if !(1..=MOST_RECIPIENTS).contains(&max_recipients) {
        findings.add(Code::InvalidValue, "/max_recipients", "this must be a number from 1 to 1,000,000");
    }

    // A time that has passed means now.
    let send_at = time(findings, "/send_at", asked.send_at.as_deref()).filter(|at| *at > now);
    let begin = send_at.unwrap_or(now);
    let lasting = if class == Class::Urgent { HOUR } else { 24 * HOUR };
    let expires_at = time(findings, "/expires_at", asked.expires_at.as_deref());
    if expires_at.is_some_and(|at| at <= begin) {
        let text =
            if send_at.is_some() { "this must be after send_at" } else { "this must be in the future" };
        findings.add(Code::InvalidValue, "/expires_at", text);
    }
    Policy {
        on_ambiguous,
        when_unreachable: when_unreachable.unwrap_or(WhenUnreachable::Fail),
        max_recipients,
        send_at,
        expires_at: expires_at.unwrap_or(begin + lasting),
    }
}

/// One of some words, all of them built.
pub(super) fn word<T: Display>(
    findings: &mut Findings,
    pointer: &str,
    given: Option<&str>,
    all: &[T],
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let given = given?;
    let value = read(given);
    if value.is_none() {
        let words: Vec<String> = all.iter().map(ToString::to_string).collect();
        findings.add(Code::InvalidValue, pointer, format!("this must be one of: {}", words.join(", ")));
    }
    value
}

/// One of some words, of which only the default is built.
fn only(findings: &mut Findings, pointer: &str, given: Option<&str>, built: &str, later: &[&str]) {
    match given {
        None => {}
        Some(word) if word == built => {}
        Some(word) if later.contains(&word) => findings.not_yet(pointer),
        Some(_) => {
            findings.add(
                Code::InvalidValue,
                pointer,
                format!("this must be one of: {built}, {}", later.join(", ")),
            );
        }
    }
}

fn time(findings: &mut Findings, pointer: &str, given: Option<&str>) -> Option<Time> {
    let time = times::parse(given?);
    if time.is_none() {
        findings.add(
            Code::InvalidValue,
            pointer,
            "this must be an RFC 3339 time such as 2026-11-22T10:05:12Z",
        );
    }
    time
}
