//! From an audience to deliveries, a chunk at a time: cursor, rows and counts move together.
//!
//! A chunk takes many times as long as a batch of intents, which must not be late. So it has a connection of its own: the
//! rows are written while batches go on, and only then is the fence passed, with which the counts and the message move.

use nuncio_domain::directory::Wanted;
use nuncio_domain::message::Expanded;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{MessageState, Source, Time};
use sqlx::postgres::PgRow;
use tokio::sync::Mutex;

use super::db::{Db, Link, sql};
use super::node::Fence;
use super::writer::{Failed, TRIES, end, landed};
use super::{copy_read, fill, names};
use crate::closures::Closures;
use crate::control::CONFIRM;
use crate::error::{broken, unavailable};
use crate::words::{from_json, get, time_or_null, word};

/// Rows of a message that has none yet, and of one that an earlier source of it may have brought them to already.
pub(crate) struct Insert {
    pub(crate) first: &'static str,
    pub(crate) later: &'static str,
}

/// Nobody comes twice from one source, and looking first takes a third of the time of an insert.
macro_rules! insert {
    ($rows:literal) => {
        Insert { first: $rows, later: concat!($rows, " ON CONFLICT (message_no, recipient_no) DO NOTHING") }
    };
}

/// The end of a chunk: its last recipient and how many it has.
pub(crate) const LIST_CHUNK: &str = "
    SELECT max(recipient_no) AS last, count(*) AS n FROM (
        SELECT recipient_no FROM audience_members
         WHERE list_no = $1 AND recipient_no > $2 AND recipient_no <= $3 ORDER BY list_no, recipient_no LIMIT $4) AS c";

pub(crate) const LIST_INSERT: Insert = insert!(
    "INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state)
    SELECT $4, r.recipient_no, coalesce(r.thread_no, r.recipient_no), r.lane_no, 'pending'
      FROM audience_members AS a JOIN recipients AS r ON r.recipient_no = a.recipient_no
     WHERE a.list_no = $1 AND a.recipient_no > $2 AND a.recipient_no <= $3
     ORDER BY a.list_no, a.recipient_no"
);

/// Compared as pairs, so that no other index than that of the lane's people fits.
pub(crate) const INSTALLED_CHUNK: &str = "
    SELECT max(recipient_no) AS last, count(*) AS n FROM (
        SELECT r.recipient_no FROM recipients AS r
         WHERE (r.lane_no, r.recipient_no) > ($1, $2) AND (r.lane_no, r.recipient_no) <= ($1, $3) AND r.kind = 'person'
           AND r.reach NOT IN ('removed', 'never_installed')
           AND EXISTS (SELECT 1 FROM conversations AS c WHERE c.recipient_no = r.recipient_no)
         ORDER BY r.lane_no, r.recipient_no LIMIT $4) AS c";

pub(crate) const INSTALLED_INSERT: Insert = insert!(
    "INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state)
    SELECT $4, r.recipient_no, coalesce(r.thread_no, r.recipient_no), r.lane_no, 'pending'
      FROM recipients AS r
     WHERE (r.lane_no, r.recipient_no) > ($1, $2) AND (r.lane_no, r.recipient_no) <= ($1, $3) AND r.kind = 'person'
       AND r.reach NOT IN ('removed', 'never_installed')
       AND EXISTS (SELECT 1 FROM conversations AS c WHERE c.recipient_no = r.recipient_no)
     ORDER BY r.lane_no, r.recipient_no"
);

/// By rows read, not by rows meant: however few those are, a chunk stays a chunk.
pub(crate) const RETRY_CHUNK: &str = "
    SELECT max(recipient_no) AS last, count(*) AS n FROM (
        SELECT recipient_no FROM deliveries
         WHERE message_no = $1 AND recipient_no > $2 AND recipient_no <= $3 ORDER BY message_no, recipient_no LIMIT $4) AS c";

/// Pending rows of a closed message are what it made of them, swept or not.
pub(crate) const RETRY_INSERT: Insert = insert!(
    "INSERT INTO deliveries (message_no, recipient_no, thread_no, lane_no, state)
    SELECT $4, d.recipient_no, d.thread_no, d.lane_no, 'pending'
      FROM deliveries AS d
     WHERE d.message_no = $1 AND d.recipient_no > $2 AND d.recipient_no <= $3
       AND CASE WHEN d.state = 'pending' AND $7::text IS NOT NULL THEN $7 ELSE d.state END = ANY ($5::text[])
       AND (cardinality($6::text[]) = 0 OR d.state NOT IN ('failed', 'skipped') OR d.reason = ANY ($6))
     ORDER BY d.message_no, d.recipient_no"
);

const MESSAGE: &str = "
    SELECT lane_no, state, sources, source_no, source_after, fence_at, audience_final, send_at, max_recipients, gathers
      FROM messages WHERE message_no = $1";

const MOVE_COUNTS: &str = "
    UPDATE message_counts SET pending = pending + $2, duplicates_removed = duplicates_removed + $3
     WHERE message_no = $1
    RETURNING pending + in_flight + delivered + failed + skipped + ambiguous + cancelled + expired AS audience";

const MOVE_MESSAGE: &str = "
    UPDATE messages SET source_no = $2, source_after = $3, audience_final = $4, state = $5,
           cause = CASE WHEN $4 THEN $6 ELSE cause END
     WHERE message_no = $1";

/// Nothing to add, now or later.
const OVER: Expanded =
    Expanded { added: 0, duplicates: 0, done: true, confirm: false, wants: None, names_of: None };

/// Whoever would join the list of this message after this makes a new one.
pub(crate) async fn stop_gathering(db: &mut Db<'_>, message_no: i64) -> Result<(), StoreError> {
    let statement =
        sql("UPDATE messages SET gathers = false, state = CASE WHEN state IN ('scheduled', 'waiting')
                                THEN 'expanding' ELSE state END
                          WHERE message_no = $1 AND gathers");
    db.run(statement.bind(message_no)).await.map(|_| ())
}

/// Whether the list of a message may still grow.
pub(crate) async fn gathers(db: &mut Db<'_>, message_no: i64) -> Result<bool, StoreError> {
    let row = db.row(sql("SELECT gathers FROM messages WHERE message_no = $1").bind(message_no)).await?;
    row.map_or(Ok(false), |row| get(&row, "gathers"))
}

pub(crate) async fn expand(
    link: &Mutex<Link>,
    fence: &Fence,
    closures: &Closures,
    ask: (i64, i64, Time),
    ended: impl Fn() -> bool,
) -> Result<Expanded, StoreError> {
    let mut link = link.lock().await;
    let mut tries = 1;
    loop {
        match once(&mut link, fence, closures, ask, &ended).await {
            Err(StoreError::Unavailable(error)) if tries < TRIES => {
                tracing::warn!(error, "a chunk of an audience is tried again");
                tries += 1;
            }
            answer => return answer,
        }
    }
}

async fn once(
    link: &mut Link,
    fence: &Fence,
    closures: &Closures,
    (message_no, limit, now): (i64, i64, Time),
    ended: impl Fn() -> bool,
) -> Result<Expanded, StoreError> {
    let begin = link.server.begin();
    let mut db = link.db().await?;
    let added = async {
        db.word(begin).await?;
        add(&mut db, closures, message_no, (limit, now)).await
    };
    let chunk = match added.await {
        Ok(Some(chunk)) => chunk,
        Ok(None) => return over(link).await,
        Err(error) => return fail(link, error).await,
    };
    let mut last = fence.last.lock().await;
    let moved = async {
        let mut db = link.current()?;
        fence.pass(&mut db, *last + 1).await?;
        move_on(&mut db, message_no, chunk, now).await
    };
    let expanded = match moved.await {
        Ok(Some(expanded)) => expanded,
        Ok(None) => return over(link).await,
        Err(error) => return fail(link, error).await,
    };
    match end(link, Ok(true)).await {
        Ok(_) => {}
        Err(Failed::Before(error)) => return Err(error),
        Err(Failed::Unknown(error)) if !landed(link, fence, *last + 1, ended).await? => return Err(error),
        Err(Failed::Unknown(_)) => {}
    }
    *last += 1;
    Ok(expanded)
}

async fn over(link: &mut Link) -> Result<Expanded, StoreError> {
    // A rollback that fails takes the connection with it, which undoes as much.
    let _ = end(link, Ok(false)).await;
    Ok(OVER)
}

async fn fail(link: &mut Link, error: StoreError) -> Result<Expanded, StoreError> {
    match end(link, Err(error)).await {
        Err(Failed::Before(error) | Failed::Unknown(error)) => Err(error),
        Ok(_) => Err(unavailable("a failed transaction was committed")),
    }
}

/// Rows that are written, and how far that brings the message.
struct Chunk {
    from: (i64, i64),
    source_no: i64,
    after: i64,
    added: i64,
    duplicates: i64,
    done: bool,
    wants: Option<Wanted>,
    names_of: Option<i64>,
}

fn position(row: &PgRow) -> Result<(i64, i64), StoreError> {
    Ok((get(row, "source_no")?, get(row, "source_after")?))
}

/// `None` if there is nothing to add, now or later.
async fn add(
    db: &mut Db<'_>,
    closures: &Closures,
    message_no: i64,
    (limit, now): (i64, Time),
) -> Result<Option<Chunk>, StoreError> {
    let row = db.row(sql(MESSAGE).bind(message_no)).await?.ok_or_else(|| broken("no such message"))?;
    // Closing a message makes its audience final too.
    if get(&row, "audience_final")? {
        return Ok(None);
    }
    let lane_no: i64 = get(&row, "lane_no")?;
    let fence: i64 = get(&row, "fence_at")?;
    let sources: Vec<Source> = from_json(get(&row, "sources")?)?;
    let from = position(&row)?;
    let (source_no, after) = from;
    let (wants, names_of) = (None, None);
    let mut chunk = Chunk { from, source_no, after, added: 0, duplicates: 0, done: false, wants, names_of };
    let source_at = |no: i64| usize::try_from(no).ok().and_then(|no| sources.get(no));
    let mut left = limit.max(1);
    while let Some(source) = source_at(chunk.source_no) {
        if left == 0 {
            break;
        }
        if let Source::Directory { list_no, from } = source
            && copy_read::chosen(db, *list_no, (lane_no, from), now).await?
        {
            let place = (chunk.after, left);
            let piece = copy_read::expand(db, closures, (lane_no, from), message_no, place).await?;
            chunk.added += piece.added;
            chunk.duplicates += piece.meant - piece.added;
            (chunk.source_no, chunk.after) = if piece.read < left {
                (chunk.source_no + 1, 0)
            } else {
                (chunk.source_no, piece.last.unwrap_or(chunk.after))
            };
            left -= piece.read;
            continue;
        }
        let source_no = usize::try_from(chunk.source_no).unwrap_or(usize::MAX);
        chunk.wants = fill::wanted(db, source_no, source).await?;
        chunk.names_of = names::wanted(db, source).await?;
        if chunk.wants.is_some() || chunk.names_of.is_some() {
            break;
        }
        let (end, insert, of, fence) = match source {
            Source::List(list_no) => (LIST_CHUNK, LIST_INSERT, *list_no, fence),
            // Whom the directory names may be new.
            Source::Uploaded(list_no) | Source::Directory { list_no, .. } => {
                (LIST_CHUNK, LIST_INSERT, *list_no, i64::MAX)
            }
            // They are exclusions of the message by now.
            Source::Excluded { .. } => {
                chunk.source_no += 1;
                continue;
            }
            Source::Installed => (INSTALLED_CHUNK, INSTALLED_INSERT, lane_no, fence),
            Source::Retry { message_no, .. } => (RETRY_CHUNK, RETRY_INSERT, *message_no, fence),
        };
        let end = db.one(sql(end).bind(of).bind(chunk.after).bind(fence).bind(left)).await?;
        let selected: i64 = get(&end, "n")?;
        if let Some(last) = get::<Option<i64>>(&end, "last")? {
            // What the directory's copy brought may be in the directory's list again.
            let first = chunk.source_no == 0 && !matches!(source, Source::Directory { .. });
            let insert = if first { insert.first } else { insert.later };
            let mut rows = sql(insert).bind(of).bind(chunk.after).bind(last).bind(message_no);
            if let Source::Retry { states, reasons, .. } = source {
                let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
                rows = rows.bind(states).bind(reasons).bind(closed_to(db, of).await?);
            }
            let inserted = db.run(rows).await? as i64;
            chunk.added += inserted;
            // Whoever of an earlier message is not meant is no duplicate.
            if !matches!(source, Source::Retry { .. }) {
                chunk.duplicates += selected - inserted;
            }
            chunk.after = last;
        }
        if selected < left {
            chunk.source_no += 1;
            chunk.after = 0;
        }
        left -= selected;
    }
    chunk.done = source_at(chunk.source_no).is_none();
    Ok(Some(chunk))
}

/// Past the fence, so that no batch is changing the message: `None` if one has closed it while the rows were written.
async fn move_on(
    db: &mut Db<'_>,
    message_no: i64,
    chunk: Chunk,
    now: Time,
) -> Result<Option<Expanded>, StoreError> {
    let row = db.one(sql(MESSAGE).bind(message_no)).await?;
    if get(&row, "audience_final")? {
        return Ok(None);
    }
    if position(&row)? != chunk.from {
        return Err(unavailable("two chunks of one audience at once"));
    }
    let counts = sql(MOVE_COUNTS).bind(message_no).bind(chunk.added).bind(chunk.duplicates);
    let audience: i64 = get(&db.one(counts).await?, "audience")?;
    let state = word(&row, "state", MessageState::of_word)?;
    let confirm = chunk.done && audience > get::<i64>(&row, "max_recipients")?;
    let next = match state {
        _ if !chunk.done => state,
        // Even of a paused one: resuming must not stand in for confirming.
        _ if confirm => MessageState::Waiting,
        MessageState::Paused => state,
        MessageState::Scheduled if time_or_null(&row, "send_at")?.is_some_and(|at| at > now) => state,
        _ => MessageState::Sending,
    };
    let message = sql(MOVE_MESSAGE)
        .bind(message_no)
        .bind(chunk.source_no)
        .bind(chunk.after)
        .bind(chunk.done)
        .bind(next.as_str())
        .bind(confirm.then_some(CONFIRM));
    db.run(message).await?;
    let Chunk { added, duplicates, done, wants, names_of, .. } = chunk;
    Ok(Some(Expanded { added, duplicates, done, confirm, wants, names_of }))
}

/// What pending rows of a message count as, once it is closed.
async fn closed_to(db: &mut Db<'_>, message_no: i64) -> Result<Option<String>, StoreError> {
    let closed = sql("SELECT closed_to FROM messages WHERE message_no = $1");
    get(&db.one(closed.bind(message_no)).await?, "closed_to")
}
