//! What an owner reads: its open messages, and pending deliveries with all that a call needs.

use nuncio_domain::batch::Row;
use nuncio_domain::message::{OpenMessage, Opened};
use nuncio_domain::own_words::Purpose;
use nuncio_domain::people::{Origin, Reference};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{
    Class, Content, Control, Key, MessageId, MessageState, OnAmbiguous, ReachState, RecipientKind, Time,
};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::error::of_sqlx;
use super::words::{from_json, get, id, time, time_or_null, word, word_or_null};
use super::{lanes, settle};

pub(crate) const OPEN: &str = "
    SELECT message_no, id, class, state, control, content, on_ambiguous, audience_final, send_at, expires_at,
           purpose, gathers, retries IS NOT NULL AS retries
      FROM messages INDEXED BY messages_open
     WHERE lane_no = ?1 AND open = 1 AND (state NOT IN ('completed', 'cancelled') OR swept = 0)
       AND (message_no > ?2 OR control IS NOT NULL OR gathers = 1)
     ORDER BY message_no";

/// The page is taken first and the rest joined to it. A delivery comes once for each of its references.
macro_rules! rows {
    ($page:literal) => {
        concat!(
            "SELECT d.message_no, d.recipient_no, d.thread_no, d.attempts, d.tries, d.resent, d.due_at,
                    r.kind, r.key, r.mri, r.reach, r.reach_at,
                    EXISTS (SELECT 1 FROM message_exclusions AS e
                             WHERE e.message_no = d.message_no AND e.key = r.key) AS excluded,
                    EXISTS (SELECT 1 FROM opt_outs AS o WHERE o.recipient_no = d.recipient_no) AS opted_out,
                    c.reference_no, c.conversation_id, c.service_url, c.origin, c.seen_at, c.suspect_at
               FROM (",
            $page,
            ") AS d
              CROSS JOIN recipients AS r ON r.recipient_no = d.recipient_no
               LEFT JOIN conversations AS c ON c.recipient_no = d.recipient_no"
        )
    };
}

pub(crate) const PAGE: &str = rows!(
    "SELECT p.message_no, p.recipient_no, p.thread_no, p.attempts, p.tries, p.resent, p.due_at
       FROM deliveries AS p
      WHERE p.message_no = ?1 AND p.recipient_no > ?2 AND p.state = 'pending' AND p.due_at IS NULL
        AND (SELECT m.closed_to IS NULL FROM messages AS m WHERE m.message_no = ?1)
      ORDER BY p.recipient_no LIMIT ?3"
);

pub(crate) const DUE: &str = rows!(
    "SELECT p.message_no, p.recipient_no, p.thread_no, p.attempts, p.tries, p.resent, p.due_at
       FROM deliveries AS p INDEXED BY deliveries_due
      CROSS JOIN messages AS m ON m.message_no = p.message_no
      WHERE p.lane_no = ?1 AND p.due_at IS NOT NULL AND p.due_at <= ?2 AND p.state = 'pending' AND m.closed_to IS NULL
      ORDER BY p.due_at, p.message_no, p.recipient_no LIMIT ?3"
);

pub(crate) const REFERENCES: &str = "
    SELECT reference_no, conversation_id, service_url, origin, seen_at, suspect_at
      FROM conversations WHERE recipient_no = ?1";

pub(crate) async fn open(readers: &SqlitePool, lane_no: i64, after: i64) -> Result<Opened, StoreError> {
    let found = sqlx::query(OPEN).bind(lane_no).bind(after).fetch_all(readers).await.map_err(of_sqlx)?;
    let messages = found.iter().map(open_message).collect::<Result<_, _>>()?;
    let (paused_at, resumed_at) = lanes::held(readers, lane_no).await?;
    let settlements = settle::open(readers, lane_no).await?;
    Ok(Opened { messages, paused: paused_at.is_some(), resumed_at, settlements })
}

fn open_message(row: &SqliteRow) -> Result<OpenMessage, StoreError> {
    Ok(OpenMessage {
        message_no: get(row, "message_no")?,
        id: id(row, "id", |bytes| MessageId(Uuid::from_bytes(bytes)))?,
        class: word(row, "class", Class::of_word)?,
        state: word(row, "state", MessageState::of_word)?,
        control: word_or_null(row, "control", Control::of_word)?,
        content: from_json::<Content>(get(row, "content")?)?,
        on_ambiguous: word_or_null(row, "on_ambiguous", OnAmbiguous::of_word)?,
        purpose: word(row, "purpose", Purpose::of_word)?,
        gathers: get(row, "gathers")?,
        audience_final: get(row, "audience_final")?,
        send_at: time_or_null(row, "send_at")?,
        expires_at: time(row, "expires_at")?,
        retries: get(row, "retries")?,
    })
}

pub(crate) async fn page(
    readers: &SqlitePool,
    message_no: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    let found = sqlx::query(PAGE).bind(message_no).bind(after).bind(limit).fetch_all(readers).await;
    let mut rows = gather(&found.map_err(of_sqlx)?)?;
    rows.sort_by_key(|row| row.key);
    Ok(rows)
}

pub(crate) async fn due(
    readers: &SqlitePool,
    lane_no: i64,
    until: Time,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    let found = sqlx::query(DUE).bind(lane_no).bind(until.0).bind(limit).fetch_all(readers).await;
    let mut rows = gather(&found.map_err(of_sqlx)?)?;
    rows.sort_by_key(|row| (row.due_at, row.key));
    Ok(rows)
}

/// One delivery of several database rows that follow each other.
fn gather(found: &[SqliteRow]) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::with_capacity(found.len());
    let mut next = 0;
    while let Some(first) = found.get(next) {
        let key = key(first)?;
        let mut known = Vec::new();
        while let Some(row) = found.get(next) {
            if self::key(row)? != key {
                break;
            }
            known.extend(seen(row)?);
            next += 1;
        }
        known.retain(|seen| !seen.reference.suspect);
        best_first(&mut known);
        rows.push(Row {
            key,
            thread_no: get(first, "thread_no")?,
            kind: word(first, "kind", RecipientKind::of_word)?,
            address: get(first, "key")?,
            mri: get(first, "mri")?,
            others: known.len().saturating_sub(1) as u32,
            reference: known.into_iter().next().map(|seen| seen.reference),
            reach: word(first, "reach", ReachState::of_word)?,
            reach_at: time_or_null(first, "reach_at")?,
            excluded: get(first, "excluded")?,
            opted_out: get(first, "opted_out")?,
            attempts: get(first, "attempts")?,
            tries: get(first, "tries")?,
            resent: get(first, "resent")?,
            due_at: time_or_null(first, "due_at")?,
        });
    }
    Ok(rows)
}

fn key(row: &SqliteRow) -> Result<Key, StoreError> {
    Ok(Key { message_no: get(row, "message_no")?, recipient_no: get(row, "recipient_no")? })
}

/// A reference with what its rank depends on.
struct Seen {
    reference: Reference,
    origin: Origin,
    at: i64,
}

fn seen(row: &SqliteRow) -> Result<Option<Seen>, StoreError> {
    let Some(reference_no) = get(row, "reference_no")? else { return Ok(None) };
    Ok(Some(Seen {
        reference: Reference {
            reference_no,
            conversation_id: get(row, "conversation_id")?,
            service_url: get(row, "service_url")?,
            suspect: get::<Option<i64>>(row, "suspect_at")?.is_some(),
        },
        origin: word(row, "origin", Origin::of_word)?,
        at: get(row, "seen_at")?,
    }))
}

/// Not suspect, then by trust in where it came from, then the newest (`docs/delivery.md`, Reachability).
fn best_first(known: &mut [Seen]) {
    known.sort_by_key(|seen| {
        (seen.reference.suspect, seen.origin, std::cmp::Reverse((seen.at, seen.reference.reference_no)))
    });
}

pub(crate) async fn references(
    readers: &SqlitePool,
    recipient_no: i64,
) -> Result<Vec<Reference>, StoreError> {
    let found = sqlx::query(REFERENCES).bind(recipient_no).fetch_all(readers).await.map_err(of_sqlx)?;
    let mut known = Vec::with_capacity(found.len());
    for row in &found {
        known.extend(seen(row)?);
    }
    best_first(&mut known);
    Ok(known.into_iter().map(|seen| seen.reference).collect())
}
