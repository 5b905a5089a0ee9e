//! What the API reads, of rows of either database.

use std::collections::{BTreeMap, HashMap};

use nuncio_domain::message::{Verdict, WHENEVER, WhenUnreachable};
use nuncio_domain::people::{Lane, LaneView, OptOut, Origin, Person};
use nuncio_domain::places::{Channel, ChannelKind, Conversation, PlaceKind, Team, TeamState};
use nuncio_domain::ports::StoreError;
use nuncio_domain::scope::ApiKey;
use nuncio_domain::views::{AttemptView, DeliveryView, MessageView, Page, SettledView};
use nuncio_domain::{
    Class, Content, Control, Counts, DeliveryState, Key, KeyId, MessageId, MessageState, OnAmbiguous,
    ReachState, RecipientKind, Role, Scope, Time,
};

use uuid::Uuid;

use crate::words::{AnyRow, from_json, get, id, small_or_null, time, time_or_null, word, word_or_null};

/// One row more than asked for tells that there is a next page.
pub(crate) fn paged<R, T>(
    rows: &[R],
    limit: i64,
    read: fn(&R) -> Result<T, StoreError>,
    number: fn(&T) -> i64,
) -> Result<Page<T>, StoreError> {
    let limit = usize::try_from(limit).unwrap_or(0);
    let items = rows.iter().take(limit).map(read).collect::<Result<Vec<_>, _>>()?;
    let next = if rows.len() > limit { items.last().map(number) } else { None };
    Ok(Page { items, next })
}

pub(crate) fn message_id(row: &impl AnyRow) -> Result<MessageId, StoreError> {
    id(row, "id", MessageId)
}

pub(crate) fn counts(row: &impl AnyRow) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    for state in DeliveryState::ALL {
        *counts.of(*state) = get(row, state.as_str())?;
    }
    Ok(counts)
}

pub(crate) fn message_view(row: &impl AnyRow) -> Result<MessageView, StoreError> {
    let mut failed_by_reason = BTreeMap::new();
    let mut skipped_by_reason = BTreeMap::new();
    for (state, reason, n) in from_json::<Vec<(DeliveryState, String, i64)>>(get(row, "reasons")?)? {
        match state {
            DeliveryState::Failed => failed_by_reason.insert(reason, n),
            _ => skipped_by_reason.insert(reason, n),
        };
    }
    let retries: Option<Uuid> = get(row, "retries")?;
    let retries = retries.map(MessageId);
    let state = word(row, "state", MessageState::of_word)?;
    let lane_status: Option<String> = get(row, "status")?;
    let own: Option<String> = get(row, "cause")?;
    let cause = own.or_else(|| lane_cause(lane_status.as_deref()).filter(|_| !state.is_final()));
    Ok(MessageView {
        message_no: get(row, "message_no")?,
        id: message_id(row)?,
        app: get(row, "app")?,
        tenant: get(row, "tenant")?,
        lane_no: get(row, "lane_no")?,
        class: word(row, "class", Class::of_word)?,
        state,
        cause,
        control: word_or_null(row, "control", Control::of_word)?,
        label: get(row, "label")?,
        content: from_json::<Content>(get(row, "content")?)?,
        on_ambiguous: word_or_null(row, "on_ambiguous", OnAmbiguous::of_word)?,
        when_unreachable: word(row, "when_unreachable", WhenUnreachable::of_word)?,
        counts: counts(row)?,
        duplicates_removed: get(row, "duplicates_removed")?,
        audience_final: get(row, "audience_final")?,
        failed_by_reason,
        skipped_by_reason,
        send_at: time_or_null(row, "send_at")?,
        expires_at: time(row, "expires_at")?,
        created_at: time(row, "created_at")?,
        completed_at: time_or_null(row, "completed_at")?,
        lane_status,
        retries,
    })
}

/// The `cause` of a lane's status, if its owner wrote one in words.
fn lane_cause(status: Option<&str>) -> Option<String> {
    let status: serde_json::Value = serde_json::from_str(status?).ok()?;
    status.get("cause")?.as_str().map(str::to_owned)
}

pub(crate) fn delivery_view(row: &impl AnyRow) -> Result<DeliveryView, StoreError> {
    let settled =
        get::<Option<&str>>(row, "settled")?.map(from_json::<(Verdict, String, i64)>).transpose()?;
    Ok(DeliveryView {
        key: Key { message_no: get(row, "message_no")?, recipient_no: get(row, "recipient_no")? },
        kind: word(row, "kind", RecipientKind::of_word)?,
        address: get(row, "key")?,
        name: get(row, "name")?,
        upn: get(row, "upn")?,
        state: word(row, "state", DeliveryState::of_word)?,
        reason: get(row, "reason")?,
        activity_id: get(row, "activity_id")?,
        attempts: get(row, "attempts")?,
        due_at: time_or_null(row, "due_at")?.filter(|at| *at != WHENEVER),
        first_at: time_or_null(row, "first_at")?,
        last_at: time_or_null(row, "last_at")?,
        status: small_or_null(row, "status")?,
        code: get(row, "code")?,
        text: get(row, "text")?,
        correlation: get(row, "correlation")?,
        settled: settled.map(|(verdict, evidence, at)| SettledView { verdict, evidence, at: Time(at) }),
    })
}

pub(crate) fn attempt_view(row: &impl AnyRow) -> Result<AttemptView, StoreError> {
    Ok(AttemptView {
        n: get(row, "n")?,
        call: get(row, "call")?,
        started_at: Time(get(row, "started_at")?),
        ended_at: Time(get(row, "ended_at")?),
        outcome: get(row, "outcome")?,
        status: small_or_null(row, "status")?,
        code: get(row, "code")?,
        text: get(row, "text")?,
        correlation: get(row, "correlation")?,
    })
}

pub(crate) fn person(row: &impl AnyRow) -> Result<Person, StoreError> {
    Ok(Person {
        recipient_no: get(row, "recipient_no")?,
        app: get(row, "app")?,
        tenant: get(row, "tenant")?,
        kind: word(row, "kind", RecipientKind::of_word)?,
        key: get(row, "key")?,
        name: get(row, "name")?,
        upn: get(row, "upn")?,
        reach: word(row, "reach", ReachState::of_word)?,
        reach_at: time_or_null(row, "reach_at")?,
        evidence: get(row, "evidence")?,
        opted_out_at: time_or_null(row, "opted_out_at")?,
        has_reference: get(row, "has_reference")?,
    })
}

pub(crate) fn conversation(row: &impl AnyRow) -> Result<Conversation, StoreError> {
    let personal = word(row, "recipient_kind", RecipientKind::of_word)? == RecipientKind::Person;
    Ok(Conversation {
        reference_no: get(row, "reference_no")?,
        app: get(row, "app")?,
        tenant: get(row, "tenant")?,
        kind: word(row, "kind", PlaceKind::of_word)?,
        conversation_id: get(row, "conversation_id")?,
        name: get(row, "name")?,
        person: if personal { Some(get(row, "key")?) } else { None },
        team_id: get(row, "team_id")?,
        team_name: get(row, "team_name")?,
        channel_kind: word_or_null(row, "channel_kind", ChannelKind::of_word)?,
        service_url: get(row, "service_url")?,
        origin: word(row, "origin", Origin::of_word)?,
        seen_at: time(row, "seen_at")?,
        suspect_at: time_or_null(row, "suspect_at")?,
        reach: word(row, "reach", ReachState::of_word)?,
        reach_at: time_or_null(row, "reach_at")?,
        evidence: get(row, "evidence")?,
    })
}

pub(crate) fn team(row: &impl AnyRow) -> Result<Team, StoreError> {
    let by: Option<String> = get(row, "by_key")?;
    let by_name: Option<String> = get(row, "by_name")?;
    Ok(Team {
        team_no: get(row, "team_no")?,
        lane_no: get(row, "lane_no")?,
        app: get(row, "app")?,
        tenant: get(row, "tenant")?,
        team_id: get(row, "team_id")?,
        name: get(row, "name")?,
        group_id: get(row, "group_id")?,
        state: word(row, "state", TeamState::of_word)?,
        state_at: time_or_null(row, "state_at")?,
        evidence: get(row, "evidence")?,
        installed_at: time_or_null(row, "installed_at")?,
        installed_by: by.map(|key| (key, by_name)),
        picked_channel: get(row, "picked_channel")?,
        service_url: get(row, "service_url")?,
        seen_at: time(row, "seen_at")?,
        channels: Vec::new(),
    })
}

/// Gives each team its channels.
pub(crate) fn put_channels(rows: &[impl AnyRow], teams: &mut [Team]) -> Result<(), StoreError> {
    let mut channels: HashMap<i64, Vec<Channel>> = HashMap::new();
    for row in rows {
        channels.entry(get(row, "team_no")?).or_default().push(Channel {
            conversation_id: get(row, "key")?,
            name: get(row, "name")?,
            kind: word_or_null(row, "channel_kind", ChannelKind::of_word)?,
            reach: word(row, "reach", ReachState::of_word)?,
            reach_at: time_or_null(row, "reach_at")?,
        });
    }
    for team in teams {
        team.channels = channels.remove(&team.team_no).unwrap_or_default();
    }
    Ok(())
}

pub(crate) fn api_key(row: &impl AnyRow) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: id(row, "id", KeyId)?,
        name: get(row, "name")?,
        role: word(row, "role", Role::of_word)?,
        app: get(row, "app")?,
        created_at: time(row, "created_at")?,
        revoked_at: time_or_null(row, "revoked_at")?,
    })
}

pub(crate) fn scope(row: &impl AnyRow) -> Result<Scope, StoreError> {
    Ok(Scope { key_no: get(row, "key_no")?, role: word(row, "role", Role::of_word)?, app: get(row, "app")? })
}

pub(crate) fn lane_of(row: &impl AnyRow) -> Result<Lane, StoreError> {
    Ok(Lane {
        lane_no: get(row, "lane_no")?,
        app: get(row, "app")?,
        tenant: get(row, "tenant")?,
        service_url: get(row, "service_url")?,
    })
}

pub(crate) fn opt_out(row: &impl AnyRow) -> Result<OptOut, StoreError> {
    Ok(OptOut {
        recipient_no: get(row, "recipient_no")?,
        app: get(row, "app")?,
        tenant: get(row, "tenant")?,
        person: get(row, "key")?,
        name: get(row, "name")?,
        upn: get(row, "upn")?,
        since: time(row, "since")?,
        how: get(row, "how")?,
    })
}

/// A lane as operators see it.
pub(crate) fn lane_view(row: &impl AnyRow) -> Result<LaneView, StoreError> {
    Ok(LaneView {
        lane: lane_of(row)?,
        paused_at: time_or_null(row, "paused_at")?,
        open_messages: get(row, "open_messages")?,
        status: get(row, "status")?,
    })
}
