//! What is stored, as it is answered.

use std::time::Duration;

use nuncio_api as api;
use nuncio_domain::directory;
use nuncio_domain::message::{Body, UNREACHABLE};
use nuncio_domain::outcome::LaneCauseKind;
use nuncio_domain::own_words;
use nuncio_domain::people::{LaneView, OptOut, Person};
use nuncio_domain::places::{Channel, Conversation, Team};
use nuncio_domain::scope::ApiKey;
use nuncio_domain::views::{AttemptView, DeliveryView, MessageView};
use nuncio_domain::{Content, Counts, DeliveryId, LaneId, MessageId, MessageState, Time};
use serde::Deserialize;

use crate::times::text;

/// No end is estimated beyond this.
const LONGEST_ETA: f64 = 10.0 * 365.0 * 86_400.0;

/// What the owner of a lane last wrote about it; see `MessageView::lane_status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LaneStatus {
    rate_per_s: Option<f64>,
    allowed_per_s: Option<f64>,
    limit_per_s: Option<f64>,
    cause: Option<String>,
    cause_text: Option<String>,
    /// Microseconds since 1970.
    cooling_until: Option<i64>,
}

/// A status that cannot be read is none: it is only shown.
fn lane_status(status: Option<&str>) -> LaneStatus {
    status.and_then(|status| serde_json::from_str(status).ok()).unwrap_or_default()
}

/// Its state, save that a message whose lane waits is shown as waiting with the lane's cause.
pub(crate) fn shown_state(view: &MessageView) -> MessageState {
    let lane_waits = lane_status(view.lane_status.as_deref()).cause.is_some();
    if view.state == MessageState::Sending && lane_waits { MessageState::Waiting } else { view.state }
}

/// `known` is what was stored with it.
fn cause_text(cause: &str, known: Option<String>) -> Option<String> {
    match cause {
        "confirm" => Some(
            "the audience is larger than max_recipients: confirm the message to send it, or cancel it"
                .to_owned(),
        ),
        UNREACHABLE if known.is_none() => Some(
            "those who are left cannot be reached now; it goes out to each when that changes, until it expires"
                .to_owned(),
        ),
        own_words::INSTALL_WAVE => Some(format!(
            "more than {} installs within a minute: welcomes wait until that is over, at most {} minutes",
            own_words::WAVE,
            own_words::LONGEST_WAVE.as_secs() / 60,
        )),
        _ => known,
    }
}

/// A message; its content only where it is asked for alone.
pub(crate) fn message(view: MessageView, now: Time, with_content: bool) -> api::Message {
    let lane = lane_status(view.lane_status.as_deref());
    let state = shown_state(&view);
    let sending = state == MessageState::Sending;
    let rate = lane.rate_per_s.filter(|rate| sending && rate.is_finite() && *rate > 0.0);
    let eta = rate.filter(|_| view.counts.pending > 0).map(|rate| {
        let seconds = (view.counts.pending as f64 / rate).clamp(0.0, LONGEST_ETA);
        text(now + Duration::from_secs_f64(seconds))
    });
    let open = !view.state.is_final();
    let cooling_until =
        lane.cooling_until.filter(|until| open && *until > now.0).map(|until| text(Time(until)));
    // Both a message and its lane can be waiting because of what is `unreachable`; the lane's words are for its own.
    let of_lane = lane.cause_text.filter(|_| view.cause.is_none());
    let cause = view.cause.or(lane.cause).filter(|_| open);
    let (cause, known) = match cause.as_deref().and_then(directory::read_cause) {
        Some((word, why)) => (Some(word.to_owned()), Some(why.to_owned())),
        None => (cause, of_lane),
    };
    api::Message {
        id: view.id.to_string(),
        app: view.app,
        tenant: view.tenant,
        state: state.to_string(),
        cause_text: cause.as_deref().and_then(|cause| cause_text(cause, known)),
        cause,
        requested: view.control.map(|control| control.to_string()),
        label: view.label,
        priority: view.class.to_string(),
        counts: counts(&view.counts),
        audience_final: view.audience_final,
        duplicates_removed: view.duplicates_removed,
        needs_attention: view.counts.ambiguous,
        failed_by_reason: view.failed_by_reason,
        skipped_by_reason: view.skipped_by_reason,
        rate_per_s: rate,
        eta,
        cooling_until,
        send_at: view.send_at.map(text),
        expires_at: text(view.expires_at),
        created_at: text(view.created_at),
        completed_at: view.completed_at.map(text),
        retries: view.retries.map(|id| id.to_string()),
        content: with_content.then(|| content(view.content)),
    }
}

fn counts(counts: &Counts) -> api::Counts {
    api::Counts {
        audience: counts.audience(),
        pending: counts.pending,
        in_flight: counts.in_flight,
        delivered: counts.delivered,
        failed: counts.failed,
        skipped: counts.skipped,
        ambiguous: counts.ambiguous,
        cancelled: counts.cancelled,
        expired: counts.expired,
    }
}

fn content(content: Content) -> api::ContentRequest {
    let (text, card) = match content.body {
        Body::Text(text) => (Some(text), None),
        Body::Card(card) => (None, Some(card)),
    };
    api::ContentRequest { text, card, summary: content.summary }
}

pub(crate) fn delivery(message: MessageId, view: DeliveryView) -> api::Delivery {
    let id = DeliveryId { message_no: view.key.message_no, recipient_no: view.key.recipient_no };
    api::Delivery {
        id: id.to_string(),
        message: message.to_string(),
        kind: view.kind.to_string(),
        recipient: view.address,
        name: view.name,
        upn: view.upn,
        state: view.state.to_string(),
        reason: view.reason,
        status: view.status,
        code: view.code,
        text: view.text,
        correlation_id: view.correlation,
        activity_id: view.activity_id,
        attempts: view.attempts,
        due_at: view.due_at.map(text),
        first_at: view.first_at.map(text),
        last_at: view.last_at.map(text),
        settled: view.settled.map(|settled| api::Word {
            verdict: settled.verdict.to_string(),
            evidence: settled.evidence,
            at: text(settled.at),
        }),
    }
}

pub(crate) fn attempt(view: AttemptView) -> api::Attempt {
    api::Attempt {
        n: view.n,
        call: view.call,
        started_at: text(view.started_at),
        ended_at: text(view.ended_at),
        outcome: view.outcome,
        status: view.status,
        code: view.code,
        text: view.text,
        correlation_id: view.correlation,
    }
}

pub(crate) fn person(person: Person) -> api::Person {
    api::Person {
        id: person.key,
        kind: person.kind.to_string(),
        app: person.app,
        tenant: person.tenant,
        name: person.name,
        upn: person.upn,
        state: person.reach.to_string(),
        since: person.reach_at.map(text),
        evidence: person.evidence,
        opted_out_since: person.opted_out_at.map(text),
        has_reference: person.has_reference,
    }
}

/// A lane; one that is held is, whether its owner has said so yet or not.
pub(crate) fn lane(view: LaneView, now: Time) -> api::Lane {
    let status = lane_status(view.status.as_deref());
    let finite = |rate: Option<f64>| rate.filter(|rate| rate.is_finite());
    let paused = LaneCauseKind::Paused.as_str();
    let (cause, cause_text) = if view.paused_at.is_some() {
        (Some(paused.to_owned()), Some("an operator holds the lane: resume it".to_owned()))
    } else if status.cause.as_deref() == Some(paused) {
        (None, None)
    } else {
        (status.cause, status.cause_text)
    };
    api::Lane {
        id: LaneId(view.lane.lane_no).to_string(),
        app: view.lane.app,
        tenant: view.lane.tenant,
        service_url: view.lane.service_url,
        paused_since: view.paused_at.map(text),
        open_messages: view.open_messages,
        rate_per_s: finite(status.rate_per_s),
        allowed_per_s: finite(status.allowed_per_s),
        limit_per_s: finite(status.limit_per_s),
        cause,
        cause_text,
        cooling_until: status.cooling_until.filter(|until| *until > now.0).map(|until| text(Time(until))),
    }
}

pub(crate) fn opt_out(known: OptOut) -> api::OptOut {
    api::OptOut {
        user: known.person,
        app: known.app,
        tenant: known.tenant,
        name: known.name,
        upn: known.upn,
        since: text(known.since),
        how: known.how,
    }
}

pub(crate) fn conversation(known: Conversation) -> api::Conversation {
    api::Conversation {
        id: known.conversation_id,
        kind: known.kind.to_string(),
        app: known.app,
        tenant: known.tenant,
        name: known.name,
        person: known.person,
        team: known.team_id.map(|id| api::TeamName { id, name: known.team_name }),
        channel_kind: known.channel_kind.map(|kind| kind.to_string()),
        service_url: some(known.service_url),
        installed: known.reach.installed(),
        state: known.reach.to_string(),
        since: known.reach_at.map(text),
        evidence: known.evidence,
        known_from: known.origin.to_string(),
        seen_at: text(known.seen_at),
        suspect_since: known.suspect_at.map(text),
    }
}

pub(crate) fn team(team: Team) -> api::Team {
    let channel = |channel: Channel| api::TeamChannel {
        name: channel
            .name
            .or_else(|| (channel.conversation_id == team.team_id).then(|| "General".to_owned())),
        id: channel.conversation_id,
        kind: channel.kind.map(|kind| kind.to_string()),
        state: channel.reach.to_string(),
        since: channel.reach_at.map(text),
    };
    api::Team {
        channels: team.channels.into_iter().map(channel).collect(),
        id: team.team_id,
        app: team.app,
        tenant: team.tenant,
        name: team.name,
        group_id: team.group_id,
        state: team.state.to_string(),
        since: team.state_at.map(text),
        evidence: team.evidence,
        installed_at: team.installed_at.map(text),
        installed_by: team.installed_by.map(|(id, name)| api::PersonName { id, name }),
        picked_channel: team.picked_channel,
        service_url: some(team.service_url),
        seen_at: text(team.seen_at),
    }
}

/// A service URL is stored empty where none is known.
fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

pub(crate) fn key(key: ApiKey) -> api::Key {
    api::Key {
        id: key.id.to_string(),
        name: key.name,
        role: key.role.to_string(),
        app: key.app,
        created_at: text(key.created_at),
        revoked_at: key.revoked_at.map(text),
    }
}
