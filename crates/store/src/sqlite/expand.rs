//! From an audience to deliveries, a chunk at a time: cursor, rows and counts move together. Short lists, of which there
//! is one for each message to a few people, are expanded together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use nuncio_domain::message::Expanded;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{MessageState, Source, Time};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::intake::{Kind, Written};
use super::writer::Queue;
use super::{copy_read, fill, names};
use crate::closures::Closures;
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
       AND iif(d.state = 'pending' AND ?7 IS NOT NULL, ?7, d.state) IN (SELECT value FROM jsonb_each(?5))
       AND (?6 = '[]' OR d.state NOT IN ('failed', 'skipped') OR d.reason IN (SELECT value FROM jsonb_each(?6)))
     ORDER BY d.recipient_no
    ON CONFLICT (message_no, recipient_no) DO NOTHING";

/// How many a short list has at most, and how many rows are written together.
const SHORT: i64 = 500;
const ROWS: i64 = 5_000;

/// The messages, and how many their list has if it is short and not begun yet.
pub(crate) const MESSAGES: &str = "
    SELECT m.message_no, m.lane_no, m.state, m.sources, m.source_no, m.source_after, m.fence_at, m.audience_final,
           m.send_at, m.max_recipients, m.gathers,
           iif(m.source_no = 0 AND m.source_after = 0
               AND (SELECT 1 FROM audience_members AS a
                     WHERE a.list_no = m.sources ->> '$[0].list' AND a.recipient_no <= m.fence_at
                     LIMIT 1 OFFSET ?2) IS NULL,
               (SELECT count(*) FROM audience_members AS b
                 WHERE b.list_no = m.sources ->> '$[0].list' AND b.recipient_no <= m.fence_at), NULL) AS listed
      FROM jsonb_each(?1) AS j CROSS JOIN messages AS m ON m.message_no = j.value";

pub(crate) const SHORT_INSERT: &str = "
    INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state)
    SELECT j.value ->> 0, r.recipient_no, coalesce(r.thread_no, r.recipient_no), r.lane_no, 'pending'
      FROM jsonb_each(?1) AS j
     CROSS JOIN audience_members AS a ON a.list_no = j.value ->> 1 AND a.recipient_no <= j.value ->> 2
     CROSS JOIN recipients AS r ON r.recipient_no = a.recipient_no
     WHERE true
    ON CONFLICT (message_no, recipient_no) DO NOTHING";

pub(crate) const COUNTS: &str = "
    UPDATE message_counts
       SET pending = pending + (j.value ->> 1), duplicates_removed = duplicates_removed + (j.value ->> 2)
      FROM jsonb_each(?1) AS j
     WHERE message_counts.message_no = j.value ->> 0
    RETURNING message_no,
              pending + in_flight + delivered + failed + skipped + ambiguous + cancelled + expired AS audience";

pub(crate) const STATES: &str = "
    UPDATE messages
       SET source_no = j.value ->> 1, source_after = j.value ->> 2, audience_final = j.value ->> 3,
           state = j.value ->> 4, gathers = 0, cause = iif(j.value ->> 3, j.value ->> 5, cause)
      FROM jsonb_each(?1) AS j
     WHERE messages.message_no = j.value ->> 0";

/// Nothing to add, now or later.
const OVER: Expanded =
    Expanded { added: 0, duplicates: 0, done: true, confirm: false, wants: None, names_of: None };

/// What an owner asks for.
pub(crate) struct Ask {
    pub(crate) message_no: i64,
    /// Rows of a chunk.
    pub(crate) limit: i64,
    pub(crate) now: Time,
}

/// With the groups in groups that are read from a copy of the directory.
pub(crate) struct Expansions(pub(crate) Arc<Closures>);

impl Kind for Expansions {
    type Item = Ask;
    type Answer = Expanded;
    const QUEUE: Queue = Queue::Expansion;

    fn weight(_: &Ask) -> usize {
        0
    }

    fn write<'a>(
        &'a self,
        connection: &'a mut SqliteConnection,
        asks: &'a [Ask],
    ) -> BoxFuture<'a, Result<Vec<Written<Expanded>>, StoreError>> {
        Box::pin(expand(connection, &self.0, asks))
    }
}

/// How far a message has come.
struct Step {
    source_no: usize,
    after: i64,
    expanded: Expanded,
}

/// As many as make up a chunk, but the first in any case; the others have to wait.
async fn expand(
    connection: &mut SqliteConnection,
    closures: &Closures,
    asks: &[Ask],
) -> Result<Vec<Written<Expanded>>, StoreError> {
    let numbers: Vec<i64> = asks.iter().map(|ask| ask.message_no).collect();
    let mut rows: HashMap<i64, SqliteRow> = HashMap::with_capacity(asks.len());
    let found = sqlx::query(MESSAGES).bind(json(&numbers)?).bind(SHORT).fetch_all(&mut *connection).await;
    for row in found.map_err(of_sqlx)? {
        rows.insert(get(&row, "message_no")?, row);
    }
    let mut answers = Vec::with_capacity(asks.len());
    let mut steps: Vec<(usize, Step)> = Vec::with_capacity(asks.len());
    let mut short = Vec::new();
    let (mut met, mut written, mut listed_in_all) = (HashSet::new(), 0, 0);
    for (n, ask) in asks.iter().enumerate() {
        // Not twice in one go: the second time it is another row.
        let wait = !met.insert(ask.message_no);
        let Some(row) = rows.get(&ask.message_no) else {
            answers.push(Some(Err(broken("no such message"))));
            continue;
        };
        // Closing a message makes its audience final too.
        if !wait && get(row, "audience_final")? {
            answers.push(Some(Ok(OVER)));
            continue;
        }
        let sources: Vec<Source> = from_json(get(row, "sources")?)?;
        let listed =
            get::<Option<i64>>(row, "listed")?.filter(|listed| asks.len() > 1 && *listed < ask.limit);
        let list = match sources.as_slice() {
            [Source::List(list_no)] => listed.map(|listed| (*list_no, listed)),
            _ => None,
        };
        let rows_of_it = list.map_or(ask.limit, |(_, listed)| listed);
        if wait || (n > 0 && written + rows_of_it > ROWS) {
            answers.push(None);
            continue;
        }
        written += rows_of_it;
        let step = if let Some((list_no, listed)) = list {
            short.push((ask.message_no, list_no, get::<i64>(row, "fence_at")?));
            listed_in_all += listed;
            let expanded = Expanded { added: listed, done: true, ..Expanded::default() };
            Step { source_no: 1, after: 0, expanded }
        } else {
            chunk(connection, closures, ask, row, &sources).await?
        };
        steps.push((n, step));
        answers.push(None);
    }
    if !short.is_empty() {
        let inserted = sqlx::query(SHORT_INSERT).bind(json(&short)?).execute(&mut *connection).await;
        // Then it is done one by one, where each knows its own.
        if inserted.map_err(of_sqlx)?.rows_affected() as i64 != listed_in_all {
            return Err(broken("of some lists there were deliveries already"));
        }
    }
    if !steps.is_empty() {
        keep(connection, asks, &rows, &mut steps).await?;
    }
    for (n, step) in steps {
        answers[n] = Some(Ok(step.expanded));
    }
    Ok(answers)
}

/// The next chunk of one message.
async fn chunk(
    connection: &mut SqliteConnection,
    closures: &Closures,
    ask: &Ask,
    row: &SqliteRow,
    sources: &[Source],
) -> Result<Step, StoreError> {
    let lane_no: i64 = get(row, "lane_no")?;
    let fence: i64 = get(row, "fence_at")?;
    let mut source_no = usize::try_from(get::<i64>(row, "source_no")?).unwrap_or(usize::MAX);
    let mut after: i64 = get(row, "source_after")?;
    let mut expanded = Expanded::default();
    let mut left = ask.limit.max(1);
    while let Some(source) = sources.get(source_no) {
        if left == 0 {
            break;
        }
        if let Source::Directory { list_no, from } = source
            && copy_read::chosen(&mut *connection, *list_no, (lane_no, from), ask.now).await?
        {
            let place = (after, left);
            let of = (lane_no, from);
            let piece = copy_read::expand(&mut *connection, closures, of, ask.message_no, place).await?;
            expanded.added += piece.added;
            expanded.duplicates += piece.meant - piece.added;
            (source_no, after) =
                if piece.read < left { (source_no + 1, 0) } else { (source_no, piece.last.unwrap_or(after)) };
            left -= piece.read;
            continue;
        }
        expanded.wants = fill::wanted(&mut *connection, source_no, source).await?;
        expanded.names_of = names::wanted(&mut *connection, source).await?;
        if expanded.wants.is_some() || expanded.names_of.is_some() {
            break;
        }
        let (chunk, insert, of, fence) = match source {
            Source::List(list_no) => (LIST_CHUNK, LIST_INSERT, *list_no, fence),
            // Whom the directory names may be new.
            Source::Uploaded(list_no) | Source::Directory { list_no, .. } => {
                (LIST_CHUNK, LIST_INSERT, *list_no, i64::MAX)
            }
            // They are exclusions of the message by now.
            Source::Excluded { .. } => {
                source_no += 1;
                continue;
            }
            Source::Installed => (INSTALLED_CHUNK, INSTALLED_INSERT, lane_no, fence),
            Source::Retry { message_no, .. } => (RETRY_CHUNK, RETRY_INSERT, *message_no, fence),
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
            let mut insert = sqlx::query(insert).bind(of).bind(after).bind(last).bind(ask.message_no);
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
    Ok(Step { source_no, after, expanded })
}

/// Counts, cursors and states of what was expanded.
async fn keep(
    connection: &mut SqliteConnection,
    asks: &[Ask],
    rows: &HashMap<i64, SqliteRow>,
    steps: &mut [(usize, Step)],
) -> Result<(), StoreError> {
    let deltas: Vec<(i64, i64, i64)> = steps
        .iter()
        .map(|(n, Step { expanded, .. })| (asks[*n].message_no, expanded.added, expanded.duplicates))
        .collect();
    let counted = sqlx::query(COUNTS).bind(json(&deltas)?).fetch_all(&mut *connection).await;
    let mut audiences: HashMap<i64, i64> = HashMap::with_capacity(steps.len());
    for row in counted.map_err(of_sqlx)? {
        audiences.insert(get(&row, "message_no")?, get(&row, "audience")?);
    }
    let mut states = Vec::with_capacity(steps.len());
    for (n, step) in steps {
        let ask = &asks[*n];
        let (Some(row), Some(audience)) = (rows.get(&ask.message_no), audiences.get(&ask.message_no)) else {
            return Err(broken("a message without counts"));
        };
        let expanded = &mut step.expanded;
        expanded.confirm = expanded.done && *audience > get::<i64>(row, "max_recipients")?;
        let next = next_state(row, expanded, ask.now)?;
        let cause = expanded.confirm.then_some(CONFIRM);
        let done = expanded.done;
        states.push((ask.message_no, step.source_no, step.after, done, next.as_str(), cause));
    }
    sqlx::query(STATES).bind(json(&states)?).execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}

fn next_state(row: &SqliteRow, expanded: &Expanded, now: Time) -> Result<MessageState, StoreError> {
    let state = word(row, "state", MessageState::of_word)?;
    Ok(match state {
        // Its time has come, or it would not be expanded.
        MessageState::Scheduled | MessageState::Waiting if get(row, "gathers")? => {
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
        MessageState::Scheduled if time_or_null(row, "send_at")?.is_some_and(|at| at > now) => state,
        _ => MessageState::Sending,
    })
}

/// What pending rows of a message count as, once it is closed.
async fn closed_to(connection: &mut SqliteConnection, message_no: i64) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar("SELECT closed_to FROM messages WHERE message_no = ?")
        .bind(message_no)
        .fetch_one(connection)
        .await
        .map_err(of_sqlx)
}
