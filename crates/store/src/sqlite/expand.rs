//! From an audience to deliveries, a chunk at a time: cursor, rows and counts move together.

use nuncio_domain::message::Expanded;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{MessageState, Source, Time};
use sqlx::SqliteConnection;

use crate::control::CONFIRM;
use crate::error::{broken, of_sqlx};
use crate::words::{from_json, get, json, time_or_null, word};

/// The end of a chunk: its last recipient and how many it has.
pub(crate) const LIST_CHUNK: &str = "
    SELECT max(recipient_no) AS last, count(*) AS n FROM (
        SELECT recipient_no FROM audience_members
         WHERE list_no = ?1 AND recipient_no > ?2 AND recipient_no <= ?3 ORDER BY recipient_no LIMIT ?4)";

pub(crate) const LIST_INSERT: &str = "
    INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state)
    SELECT ?4, r.recipient_no, coalesce(r.thread_no, r.recipient_no), r.lane_no, 'pending'
      FROM audience_members AS a CROSS JOIN recipients AS r ON r.recipient_no = a.recipient_no
     WHERE a.list_no = ?1 AND a.recipient_no > ?2 AND a.recipient_no <= ?3
     ORDER BY a.recipient_no
    ON CONFLICT (message_no, recipient_no) DO NOTHING";

pub(crate) const INSTALLED_CHUNK: &str = "
    SELECT max(recipient_no) AS last, count(*) AS n FROM (
        SELECT r.recipient_no FROM recipients AS r INDEXED BY recipients_of_lane
         WHERE r.lane_no = ?1 AND r.kind = 'person' AND r.recipient_no > ?2 AND r.recipient_no <= ?3
           AND r.reach NOT IN ('removed', 'never_installed')
           AND EXISTS (SELECT 1 FROM conversations AS c WHERE c.recipient_no = r.recipient_no)
         ORDER BY r.recipient_no LIMIT ?4)";

pub(crate) const INSTALLED_INSERT: &str = "
    INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state)
    SELECT ?4, r.recipient_no, coalesce(r.thread_no, r.recipient_no), r.lane_no, 'pending'
      FROM recipients AS r INDEXED BY recipients_of_lane
     WHERE r.lane_no = ?1 AND r.kind = 'person' AND r.recipient_no > ?2 AND r.recipient_no <= ?3
       AND r.reach NOT IN ('removed', 'never_installed')
       AND EXISTS (SELECT 1 FROM conversations AS c WHERE c.recipient_no = r.recipient_no)
     ORDER BY r.recipient_no
    ON CONFLICT (message_no, recipient_no) DO NOTHING";

/// By rows read, not by rows meant: however few those are, a chunk stays a chunk.
pub(crate) const RETRY_CHUNK: &str = "
    SELECT max(recipient_no) AS last, count(*) AS n FROM (
        SELECT recipient_no FROM deliveries
         WHERE message_no = ?1 AND recipient_no > ?2 AND recipient_no <= ?3 ORDER BY recipient_no LIMIT ?4)";

/// Pending rows of a closed message are what it made of them, swept or not.
pub(crate) const RETRY_INSERT: &str = "
    INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state)
    SELECT ?4, d.recipient_no, d.thread_no, d.lane_no, 'pending'
      FROM deliveries AS d
     WHERE d.message_no = ?1 AND d.recipient_no > ?2 AND d.recipient_no <= ?3
       AND iif(d.state = 'pending' AND ?7 IS NOT NULL, ?7, d.state) IN (SELECT value FROM json_each(?5))
       AND (?6 = '[]' OR d.state NOT IN ('failed', 'skipped') OR d.reason IN (SELECT value FROM json_each(?6)))
     ORDER BY d.recipient_no
    ON CONFLICT (message_no, recipient_no) DO NOTHING";

/// Nothing to add, now or later.
const OVER: Expanded = Expanded { added: 0, duplicates: 0, done: true, confirm: false };

pub(crate) async fn expand(
    connection: &mut SqliteConnection,
    message_no: i64,
    limit: i64,
    now: Time,
) -> Result<Expanded, StoreError> {
    let row = sqlx::query(
        "SELECT lane_no, state, sources, source_no, source_after, fence_at, audience_final, send_at, max_recipients, gathers
           FROM messages WHERE message_no = ?",
    )
    .bind(message_no)
    .fetch_optional(&mut *connection)
    .await
    .map_err(of_sqlx)?
    .ok_or_else(|| broken("no such message"))?;
    // Closing a message makes its audience final too.
    if get(&row, "audience_final")? {
        return Ok(OVER);
    }
    let lane_no: i64 = get(&row, "lane_no")?;
    let fence: i64 = get(&row, "fence_at")?;
    let sources: Vec<Source> = from_json(get(&row, "sources")?)?;
    let mut source_no = usize::try_from(get::<i64>(&row, "source_no")?).unwrap_or(usize::MAX);
    let mut after: i64 = get(&row, "source_after")?;

    let mut expanded = Expanded { added: 0, duplicates: 0, done: false, confirm: false };
    let mut left = limit.max(1);
    while let Some(source) = sources.get(source_no) {
        if left == 0 {
            break;
        }
        let (chunk, insert, of) = match source {
            Source::List(list_no) => (LIST_CHUNK, LIST_INSERT, *list_no),
            Source::Installed => (INSTALLED_CHUNK, INSTALLED_INSERT, lane_no),
            Source::Retry { message_no, .. } => (RETRY_CHUNK, RETRY_INSERT, *message_no),
        };
        let end = sqlx::query(chunk)
            .bind(of)
            .bind(after)
            .bind(fence)
            .bind(left)
            .fetch_one(&mut *connection)
            .await
            .map_err(of_sqlx)?;
        let selected: i64 = get(&end, "n")?;
        if let Some(last) = get::<Option<i64>>(&end, "last")? {
            let mut insert = sqlx::query(insert).bind(of).bind(after).bind(last).bind(message_no);
            if let Source::Retry { states, reasons, .. } = source {
                let closed_to = closed_to(connection, of).await?;
                insert = insert.bind(json(states)?).bind(json(reasons)?).bind(closed_to);
            }
            let inserted = insert.execute(&mut *connection).await.map_err(of_sqlx)?.rows_affected() as i64;
            expanded.added += inserted;
            // Whoever of an earlier message is not meant is no duplicate.
            if !matches!(source, Source::Retry { .. }) {
                expanded.duplicates += selected - inserted;
            }
            after = last;
        }
        if selected < left {
            source_no += 1;
            after = 0;
        }
        left -= selected;
    }
    expanded.done = source_no >= sources.len();

    let audience: i64 = sqlx::query_scalar(
        "UPDATE message_counts SET pending = pending + ?2, duplicates_removed = duplicates_removed + ?3
          WHERE message_no = ?1
         RETURNING pending + in_flight + delivered + failed + skipped + ambiguous + cancelled + expired",
    )
    .bind(message_no)
    .bind(expanded.added)
    .bind(expanded.duplicates)
    .fetch_one(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    let state = word(&row, "state", MessageState::of_word)?;
    expanded.confirm = expanded.done && audience > get::<i64>(&row, "max_recipients")?;
    let next = match state {
        // Its time has come, or it would not be expanded.
        MessageState::Scheduled | MessageState::Waiting if get(&row, "gathers")? => {
            if expanded.done {
                MessageState::Sending
            } else {
                MessageState::Expanding
            }
        }
        _ if !expanded.done => state,
        // Even of a paused one: resuming must not stand in for confirming.
        _ if expanded.confirm => MessageState::Waiting,
        MessageState::Paused => state,
        MessageState::Scheduled if time_or_null(&row, "send_at")?.is_some_and(|at| at > now) => state,
        _ => MessageState::Sending,
    };
    sqlx::query(
        "UPDATE messages SET source_no = ?2, source_after = ?3, audience_final = ?4, state = ?5, gathers = 0,
                cause = iif(?6, ?7, cause)
          WHERE message_no = ?1",
    )
    .bind(message_no)
    .bind(source_no as i64)
    .bind(after)
    .bind(expanded.done)
    .bind(next.as_str())
    .bind(expanded.done)
    .bind(expanded.confirm.then_some(CONFIRM))
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(expanded)
}

/// What pending rows of a message count as, once it is closed.
async fn closed_to(connection: &mut SqliteConnection, message_no: i64) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar("SELECT closed_to FROM messages WHERE message_no = ?")
        .bind(message_no)
        .fetch_one(connection)
        .await
        .map_err(of_sqlx)
}
