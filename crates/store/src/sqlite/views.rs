//! What the API reads. Every statement takes the app that its caller may see; another app's rows are not there.

use std::collections::BTreeMap;

use nuncio_domain::message::Verdict;
use nuncio_domain::ports::StoreError;
use nuncio_domain::views::{
    AttemptView, DeliveryFilter, DeliveryView, MessageFilter, MessageView, Page, SettledView,
};
use nuncio_domain::{
    Class, Content, Control, Counts, DeliveryState, Key, MessageId, MessageState, OnAmbiguous, RecipientKind,
    Scope, Time,
};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::error::of_sqlx;
use super::words::{from_json, get, id, time, time_or_null, word, word_or_null};

macro_rules! message {
    ($where:literal) => {
        concat!(
            "SELECT m.message_no, m.id, m.lane_no, m.class, m.state, m.cause, m.control, m.label, m.content, m.on_ambiguous,
                    m.audience_final, m.send_at, m.expires_at, m.created_at, m.completed_at, l.app, l.tenant, l.status,
                    c.pending, c.in_flight, c.delivered, c.failed, c.skipped, c.ambiguous, c.cancelled, c.expired,
                    c.duplicates_removed,
                    (SELECT o.id FROM messages AS o WHERE o.message_no = m.retries) AS retries,
                    (SELECT json_group_array(json_array(state, reason, n)) FROM message_reasons AS mr
                      WHERE mr.message_no = m.message_no) AS reasons
               FROM messages AS m
              CROSS JOIN lanes AS l ON l.lane_no = m.lane_no
              CROSS JOIN message_counts AS c ON c.message_no = m.message_no
              WHERE (?1 IS NULL OR l.app = ?1) AND ",
            $where
        )
    };
}

const MESSAGE: &str = message!("m.id = ?2");
pub(crate) const MESSAGES: &str = message!(
    "m.message_no < ?2 AND (?3 IS NULL OR m.state = ?3) AND (?4 IS NULL OR m.label = ?4)
     ORDER BY m.message_no DESC LIMIT ?5"
);

/// A pending row of a closed message is shown as what the message made of it.
macro_rules! delivery {
    ($where:literal) => {
        concat!(
            "SELECT * FROM (
               SELECT d.message_no, d.recipient_no, r.kind, r.key, r.name, r.upn, m.id,
                      iif(d.state = 'pending' AND m.closed_to IS NOT NULL, m.closed_to, d.state) AS state,
                      d.reason, d.activity_id, d.attempts,
                      iif(m.closed_to IS NULL, d.due_at, NULL) AS due_at,
                      (SELECT a.started_at FROM attempts AS a
                        WHERE a.message_no = d.message_no AND a.recipient_no = d.recipient_no AND a.n = 1) AS first_at,
                      b.ended_at AS last_at, b.status, b.code, b.text, b.correlation,
                      (SELECT json_array(s.verdict, s.evidence, s.at) FROM settlements AS s
                        WHERE s.message_no = d.message_no AND s.recipient_no = d.recipient_no AND s.took = 1
                        ORDER BY s.settlement_no DESC LIMIT 1) AS settled
                 FROM messages AS m
                CROSS JOIN lanes AS l ON l.lane_no = m.lane_no
                CROSS JOIN deliveries AS d ON d.message_no = m.message_no
                CROSS JOIN recipients AS r ON r.recipient_no = d.recipient_no
                 LEFT JOIN attempts AS b
                   ON b.message_no = d.message_no AND b.recipient_no = d.recipient_no AND b.n = d.attempts
                WHERE (?1 IS NULL OR l.app = ?1) AND ",
            $where
        )
    };
}

pub(crate) const DELIVERIES: &str = delivery!(
    "m.message_no = ?2 AND d.recipient_no > ?3)
     WHERE (?4 IS NULL OR state = ?4) AND (?5 IS NULL OR reason = ?5)
     ORDER BY recipient_no LIMIT ?6"
);
const DELIVERY: &str = delivery!("m.message_no = ?2 AND d.recipient_no = ?3)");

pub(crate) async fn message(
    readers: &SqlitePool,
    scope: &Scope,
    id: MessageId,
) -> Result<Option<MessageView>, StoreError> {
    sqlx::query(MESSAGE)
        .bind(&scope.app)
        .bind(id.0.as_bytes().as_slice())
        .fetch_optional(readers)
        .await
        .map_err(of_sqlx)?
        .as_ref()
        .map(message_view)
        .transpose()
}

pub(crate) async fn messages(
    readers: &SqlitePool,
    scope: &Scope,
    filter: &MessageFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Page<MessageView>, StoreError> {
    let rows = sqlx::query(MESSAGES)
        .bind(&scope.app)
        .bind(after.unwrap_or(i64::MAX))
        .bind(filter.state.map(MessageState::as_str))
        .bind(&filter.label)
        .bind(limit.saturating_add(1))
        .fetch_all(readers)
        .await
        .map_err(of_sqlx)?;
    paged(&rows, limit, message_view, |view| view.message_no)
}

pub(crate) async fn deliveries(
    readers: &SqlitePool,
    scope: &Scope,
    id: MessageId,
    filter: &DeliveryFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Option<Page<DeliveryView>>, StoreError> {
    let found: Option<i64> = sqlx::query_scalar(
        "SELECT m.message_no FROM messages AS m CROSS JOIN lanes AS l ON l.lane_no = m.lane_no
          WHERE m.id = ?2 AND (?1 IS NULL OR l.app = ?1)",
    )
    .bind(&scope.app)
    .bind(id.0.as_bytes().as_slice())
    .fetch_optional(readers)
    .await
    .map_err(of_sqlx)?;
    let Some(message_no) = found else { return Ok(None) };
    let rows = sqlx::query(DELIVERIES)
        .bind(&scope.app)
        .bind(message_no)
        .bind(after.unwrap_or(0))
        .bind(filter.state.map(DeliveryState::as_str))
        .bind(&filter.reason)
        .bind(limit.saturating_add(1))
        .fetch_all(readers)
        .await
        .map_err(of_sqlx)?;
    paged(&rows, limit, delivery_view, |view| view.key.recipient_no).map(Some)
}

pub(crate) async fn delivery(
    readers: &SqlitePool,
    scope: &Scope,
    key: Key,
) -> Result<Option<(MessageId, DeliveryView, Vec<AttemptView>)>, StoreError> {
    let row = sqlx::query(DELIVERY)
        .bind(&scope.app)
        .bind(key.message_no)
        .bind(key.recipient_no)
        .fetch_optional(readers)
        .await
        .map_err(of_sqlx)?;
    let Some(row) = row else { return Ok(None) };
    let attempts = sqlx::query(
        "SELECT n, call, started_at, ended_at, outcome, status, code, text, correlation
           FROM attempts WHERE message_no = ? AND recipient_no = ? ORDER BY n",
    )
    .bind(key.message_no)
    .bind(key.recipient_no)
    .fetch_all(readers)
    .await
    .map_err(of_sqlx)?;
    let attempts = attempts.iter().map(attempt_view).collect::<Result<_, _>>()?;
    Ok(Some((message_id(&row)?, delivery_view(&row)?, attempts)))
}

/// One row more than asked for tells that there is a next page.
pub(crate) fn paged<T>(
    rows: &[SqliteRow],
    limit: i64,
    read: fn(&SqliteRow) -> Result<T, StoreError>,
    number: fn(&T) -> i64,
) -> Result<Page<T>, StoreError> {
    let limit = usize::try_from(limit).unwrap_or(0);
    let items = rows.iter().take(limit).map(read).collect::<Result<Vec<_>, _>>()?;
    let next = if rows.len() > limit { items.last().map(number) } else { None };
    Ok(Page { items, next })
}

fn message_id(row: &SqliteRow) -> Result<MessageId, StoreError> {
    id(row, "id", |bytes| MessageId(Uuid::from_bytes(bytes)))
}

pub(crate) fn counts(row: &SqliteRow) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    for state in DeliveryState::ALL {
        *counts.of(*state) = get(row, state.as_str())?;
    }
    Ok(counts)
}

fn message_view(row: &SqliteRow) -> Result<MessageView, StoreError> {
    let mut failed_by_reason = BTreeMap::new();
    let mut skipped_by_reason = BTreeMap::new();
    for (state, reason, n) in from_json::<Vec<(DeliveryState, String, i64)>>(get(row, "reasons")?)? {
        match state {
            DeliveryState::Failed => failed_by_reason.insert(reason, n),
            _ => skipped_by_reason.insert(reason, n),
        };
    }
    let retries: Option<&[u8]> = get(row, "retries")?;
    let retries = match retries {
        Some(_) => Some(id(row, "retries", |bytes| MessageId(Uuid::from_bytes(bytes)))?),
        None => None,
    };
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

fn delivery_view(row: &SqliteRow) -> Result<DeliveryView, StoreError> {
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
        due_at: time_or_null(row, "due_at")?,
        first_at: time_or_null(row, "first_at")?,
        last_at: time_or_null(row, "last_at")?,
        status: get(row, "status")?,
        code: get(row, "code")?,
        text: get(row, "text")?,
        correlation: get(row, "correlation")?,
        settled: settled.map(|(verdict, evidence, at)| SettledView { verdict, evidence, at: Time(at) }),
    })
}

fn attempt_view(row: &SqliteRow) -> Result<AttemptView, StoreError> {
    Ok(AttemptView {
        n: get(row, "n")?,
        call: get(row, "call")?,
        started_at: Time(get(row, "started_at")?),
        ended_at: Time(get(row, "ended_at")?),
        outcome: get(row, "outcome")?,
        status: get(row, "status")?,
        code: get(row, "code")?,
        text: get(row, "text")?,
        correlation: get(row, "correlation")?,
    })
}
