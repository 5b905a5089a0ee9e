//! A request to try an earlier message again: which of its deliveries, and what may be said otherwise than then.

use std::collections::BTreeMap;

use nuncio_api::Code;
use nuncio_domain::directory::Include;
use nuncio_domain::message::Retries;
use nuncio_domain::views::MessageView;
use nuncio_domain::{Class, Counts, DeliveryState, FailReason, MessageId, NewMessage, SkipReason};

use super::{Findings, label, policy};
use crate::access::Access;
use crate::problem::Refusal;

/// What an urgent message takes.
const MOST_URGENT: i64 = 1000;

/// The message that tries again what `before` came to.
pub(crate) fn retry(
    access: &Access,
    before: MessageView,
    asked: &nuncio_api::Retry,
) -> Result<NewMessage, Refusal> {
    let now = access.app().now();
    let mut findings = Findings::default();
    let states = states(&mut findings, &asked.states);
    for (index, reason) in asked.reasons.iter().enumerate() {
        if FailReason::of_word(reason).is_none() && SkipReason::of_word(reason).is_none() {
            let text = "this is no reason for which a delivery fails or is skipped";
            findings.add(Code::InvalidValue, format!("/reasons/{index}"), text);
        }
    }
    let class =
        policy::word(&mut findings, "/priority", asked.priority.as_deref(), Class::ALL, Class::of_word)
            .unwrap_or(before.class);
    let as_message = nuncio_api::NewMessage {
        max_recipients: asked.max_recipients,
        send_at: asked.send_at.clone(),
        expires_at: asked.expires_at.clone(),
        ..nuncio_api::NewMessage::default()
    };
    let policy = policy::check(&mut findings, &as_message, class, now);
    let label = label(&mut findings, asked.label.as_deref()).or(before.label.clone());
    if !access.apps().iter().any(|app| app.name == before.app && app.allows(&before.tenant)) {
        let text = "the app and tenant of the message are not in the configuration any more";
        findings.add(Code::UnknownApp, "", text);
    }
    let meant = meant(&before, &states, &asked.reasons);
    if findings.items.is_empty() && meant == 0 {
        findings.add(Code::NothingToRetry, "", "the message has no such deliveries");
    }
    if class == Class::Urgent && meant > MOST_URGENT {
        let text = "an urgent message takes at most 1,000 recipients";
        findings.add(Code::UrgentAudience, "/priority", text);
    }
    findings.none()?;
    Ok(NewMessage {
        id: MessageId(access.app().new_uuid()),
        lane_no: before.lane_no,
        class,
        content: before.content,
        label,
        named: Vec::new(),
        installed: false,
        directory: Vec::new(),
        resolved: Vec::new(),
        // As for the message before, which the store sees to.
        include: Include::default(),
        retries: Some(Retries { of: before.id, states, reasons: asked.reasons.clone() }),
        exclude: Vec::new(),
        on_ambiguous: before.on_ambiguous,
        when_unreachable: before.when_unreachable,
        max_recipients: policy.max_recipients,
        send_at: policy.send_at,
        expires_at: policy.expires_at,
        created_at: now,
        idempotency: None,
    })
}

fn states(findings: &mut Findings, asked: &[String]) -> Vec<DeliveryState> {
    if asked.is_empty() {
        return vec![DeliveryState::Failed];
    }
    let mut states = Vec::new();
    for (index, word) in asked.iter().enumerate() {
        let why = match DeliveryState::of_word(word) {
            Some(
                state @ (DeliveryState::Failed
                | DeliveryState::Skipped
                | DeliveryState::Cancelled
                | DeliveryState::Expired),
            ) => {
                states.push(state);
                continue;
            }
            Some(DeliveryState::Delivered) => "what is delivered is never sent again",
            Some(DeliveryState::Ambiguous) => {
                "nobody knows whether these have it: settle them (POST …/settle), as delivered or for a resend"
            }
            Some(DeliveryState::Pending | DeliveryState::InFlight) => "these are still being tried",
            None => "this must be one of: failed, skipped, cancelled, expired",
        };
        findings.add(Code::InvalidValue, format!("/states/{index}"), why);
    }
    states
}

/// How many deliveries are in these states for these reasons now.
fn meant(before: &MessageView, states: &[DeliveryState], reasons: &[String]) -> i64 {
    let by_reason = |all: i64, counted: &BTreeMap<String, i64>| match reasons {
        [] => all,
        some => counted.iter().filter(|(reason, _)| some.contains(reason)).map(|(_, n)| n).sum(),
    };
    let mut counts: Counts = before.counts;
    DeliveryState::ALL
        .iter()
        .filter(|state| states.contains(state))
        .map(|state| match state {
            DeliveryState::Failed => by_reason(counts.failed, &before.failed_by_reason),
            DeliveryState::Skipped => by_reason(counts.skipped, &before.skipped_by_reason),
            state => *counts.of(*state),
        })
        .sum()
}
