//! What an owner reads: its open messages, and pending deliveries with all that a call needs.

use nuncio_domain::Time;
use nuncio_domain::batch::Row;
use nuncio_domain::message::{Opened, WHENEVER};
use nuncio_domain::people::Reference;
use nuncio_domain::ports::StoreError;

use super::db::{Db, sql};
use super::tids::Tids;
use super::{lanes, names, reached, settle};
use crate::found_row::gather;
use crate::rows::{best_first, open_message, seen};

/// Sorted, because in the order of their key would be a walk through all messages that there ever were.
pub(crate) const OPEN: &str = "
    SELECT message_no, id, class, state, control, content, on_ambiguous, audience_final, send_at, expires_at,
           created_at, purpose, gathers, include, when_unreachable, cause, install, retries IS NOT NULL AS retries
      FROM messages
     WHERE lane_no = $1 AND open AND (state NOT IN ('completed', 'cancelled') OR NOT swept)
       AND (message_no > $2 OR control IS NOT NULL OR gathers)
     ORDER BY message_no + 0";

/// Until when a copy of the directory has said it for a message: for one that is the same for all rows it is looked up once.
macro_rules! said {
    ($message:literal) => {
        concat!(
            "(SELECT (SELECT CASE WHEN f.fresh_until > m.created_at THEN m.created_at ELSE f.complete_at END
                        FROM directory_copies AS f WHERE f.lane_no = m.lane_no)
                FROM messages AS m WHERE m.message_no = ",
            $message,
            ")"
        )
    };
}

/// The page is taken first and the rest joined to it. A delivery comes once for each of its references. A thread of a channel
/// has the channel's references and reachability. Of whom a copy of
/// the directory has, the directory says again with every round what it said before; a copy that was good when the message
/// was made says it for the message (`docs/adr/0025`).
macro_rules! rows {
    ($more:literal, $said:expr, $page:literal) => {
        concat!(
            "SELECT ",
            $more,
            "d.message_no, d.recipient_no, d.thread_no, d.attempts::bigint, d.tries::bigint, d.resent, d.due_at,
                    r.kind, r.key, r.mri,
                    CASE WHEN d.thread_no = d.recipient_no THEN r.reach
                         ELSE (SELECT b.reach FROM recipients AS b WHERE b.recipient_no = d.thread_no) END AS reach,
                    CASE WHEN d.thread_no = d.recipient_no THEN r.reach_at
                         ELSE (SELECT b.reach_at FROM recipients AS b WHERE b.recipient_no = d.thread_no) END AS reach_at,
                    r.guest, r.external, r.enabled, r.licensed,
                    CASE WHEN r.in_directory THEN greatest(r.directory_at, ",
            $said,
            ") ELSE r.directory_at END AS directory_at,
                    EXISTS (SELECT 1 FROM message_exclusions AS e
                             WHERE e.message_no = d.message_no AND e.key = r.key) AS excluded,
                    EXISTS (SELECT 1 FROM opt_outs AS o WHERE o.recipient_no = d.recipient_no) AS opted_out,
                    c.reference_no, c.conversation_id, c.service_url, c.origin, c.seen_at, c.suspect_at
               FROM (",
            $page,
            ") AS d
               JOIN recipients AS r ON r.recipient_no = d.recipient_no
               LEFT JOIN conversations AS c ON c.recipient_no = d.thread_no"
        )
    };
}
pub(crate) use rows;

pub(crate) const PAGE: &str = rows!(
    "d.tid, ",
    said!("$1"),
    "SELECT tidsend(p.ctid) AS tid, p.message_no, p.recipient_no, p.thread_no, p.attempts, p.tries, p.resent, p.due_at
       FROM deliveries AS p
      WHERE p.message_no = $1 AND p.recipient_no > $2 AND p.state = 'pending' AND p.due_at IS NULL
        AND (SELECT m.closed_to IS NULL FROM messages AS m WHERE m.message_no = $1)
      ORDER BY p.message_no, p.recipient_no LIMIT $3"
);

pub(crate) const DUE: &str = rows!(
    "d.tid, ",
    said!("d.message_no"),
    "SELECT tidsend(p.ctid) AS tid, p.message_no, p.recipient_no, p.thread_no, p.attempts, p.tries, p.resent, p.due_at
       FROM deliveries AS p
      WHERE p.lane_no = $1 AND p.due_at IS NOT NULL AND p.due_at <= $2 AND p.state = 'pending'
        AND EXISTS (SELECT 1 FROM messages AS m WHERE m.message_no = p.message_no AND m.closed_to IS NULL)
      ORDER BY p.due_at LIMIT $3"
);

pub(crate) const HOLDING: &str = rows!(
    "",
    said!("d.message_no"),
    "SELECT p.message_no, p.recipient_no, p.thread_no, p.attempts, p.tries, p.resent, p.due_at
       FROM deliveries AS p
      WHERE p.lane_no = $1 AND p.due_at IS NOT NULL AND p.due_at < 9223372036854775807 AND p.state = 'pending'
        AND (SELECT k.kind FROM recipients AS k WHERE k.recipient_no = p.recipient_no) <> 'person'
        AND EXISTS (SELECT 1 FROM messages AS m WHERE m.message_no = p.message_no AND m.closed_to IS NULL)"
);

pub(crate) const REFERENCES: &str = "
    SELECT reference_no, conversation_id, service_url, origin, seen_at, suspect_at
      FROM conversations
     WHERE recipient_no = (SELECT coalesce(r.thread_no, r.recipient_no) FROM recipients AS r WHERE r.recipient_no = $1)";

pub(crate) async fn open(db: &mut Db<'_>, lane_no: i64, after: i64) -> Result<Opened, StoreError> {
    let found = db.rows(sql(OPEN).bind(lane_no).bind(after)).await?;
    let messages = found.iter().map(open_message).collect::<Result<_, _>>()?;
    let held = lanes::held(db, lane_no).await?;
    let settlements = settle::open(db, lane_no).await?;
    let reached = reached::is_any(db, lane_no).await?;
    let names_of = if held.names { names::lists(db, lane_no).await? } else { Vec::new() };
    let (paused, resumed_at) = (held.paused_at.is_some(), held.resumed_at);
    let service_url = held.service_url;
    Ok(Opened { messages, paused, resumed_at, settlements, reached, names_of, service_url })
}

pub(crate) async fn page(
    db: &mut Db<'_>,
    tids: &Tids,
    message_no: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    let found = db.rows(sql(PAGE).bind(message_no).bind(after).bind(limit)).await?;
    tids.keep(&found)?;
    let mut rows = gather(&found)?;
    rows.sort_by_key(|row| row.key);
    Ok(rows)
}

pub(crate) async fn due(
    db: &mut Db<'_>,
    tids: &Tids,
    lane_no: i64,
    until: Time,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    let until = until.0.min(WHENEVER.0 - 1);
    let found = db.rows(sql(DUE).bind(lane_no).bind(until).bind(limit)).await?;
    tids.keep(&found)?;
    let mut rows = gather(&found)?;
    rows.sort_by_key(|row| (row.due_at, row.key));
    Ok(rows)
}

pub(crate) async fn holding(db: &mut Db<'_>, lane_no: i64) -> Result<Vec<Row>, StoreError> {
    let mut rows = gather(&db.rows(sql(HOLDING).bind(lane_no)).await?)?;
    rows.sort_by_key(|row| (row.due_at, row.key));
    Ok(rows)
}

pub(crate) async fn references(db: &mut Db<'_>, recipient_no: i64) -> Result<Vec<Reference>, StoreError> {
    let mut known = Vec::new();
    for row in &db.rows(sql(REFERENCES).bind(recipient_no)).await? {
        known.extend(seen(row)?);
    }
    best_first(&mut known);
    Ok(known.into_iter().map(|seen| seen.reference).collect())
}
