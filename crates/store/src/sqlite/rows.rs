//! What an owner reads: its open messages, and pending deliveries with all that a call needs.

use nuncio_domain::Time;
use nuncio_domain::batch::Row;
use nuncio_domain::message::Opened;
use nuncio_domain::people::Reference;
use nuncio_domain::ports::StoreError;
use sqlx::SqlitePool;

use super::{lanes, settle};
use crate::error::of_sqlx;
use crate::rows::{best_first, gather, open_message, seen};

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

pub(crate) const HOLDING: &str = rows!(
    "SELECT p.message_no, p.recipient_no, p.thread_no, p.attempts, p.tries, p.resent, p.due_at
       FROM deliveries AS p INDEXED BY deliveries_due
      CROSS JOIN messages AS m ON m.message_no = p.message_no
      CROSS JOIN recipients AS k ON k.recipient_no = p.recipient_no
      WHERE p.lane_no = ?1 AND p.due_at IS NOT NULL AND p.state = 'pending' AND m.closed_to IS NULL
        AND k.kind <> 'person'"
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

pub(crate) async fn holding(readers: &SqlitePool, lane_no: i64) -> Result<Vec<Row>, StoreError> {
    let found = sqlx::query(HOLDING).bind(lane_no).fetch_all(readers).await;
    let mut rows = gather(&found.map_err(of_sqlx)?)?;
    rows.sort_by_key(|row| (row.due_at, row.key));
    Ok(rows)
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
