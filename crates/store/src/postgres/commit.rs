//! One batch of an owner: a handful of statements over arrays, whatever its size. Counts move by the rows that really
//! changed, never by what was asked (`docs/engine.md`, Tables).
//!
//! Several writers are at work. All of them lock the rows of lanes before those of recipients, and these before those
//! of messages, so that they wait for each other in one direction only.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use nuncio_domain::batch::{Attempt, Change, Intent, MessageChange, NewReference, Why};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Batch, Committed, DeliveryState, Key};
use sqlx::postgres::PgRow;

use super::db::{Db, Statement, plain, plain_or_null, sql};
use super::tids::Tids;
use super::{commit_message, delivered, events, greeted, reach, settle};
use crate::batch::{self, Closed, Deltas, delivering, sort, why};
use crate::rows;
use crate::words::{get, word_or_null};

macro_rules! intents {
    ($tid:literal, $where:literal) => {
        concat!(
            "UPDATE deliveries AS d
                SET state = 'in_flight', due_at = NULL, started_at = j.at, reference_no = j.reference_no
               FROM (SELECT unnest($1::bigint[]) AS message_no, unnest($2::bigint[]) AS recipient_no,
                            unnest($3::bigint[]) AS reference_no, unnest($4::bigint[]) AS at",
            $tid,
            ") AS j WHERE ",
            $where,
            " AND d.state = 'pending' RETURNING d.message_no, d.recipient_no"
        )
    };
}

pub(crate) const INTENTS: &str =
    intents!("", "d.message_no = j.message_no AND d.recipient_no = j.recipient_no");

/// Of rows that lie where they were read. No index fits.
pub(crate) const INTENTS_IN_PLACE: &str = intents!(
    ", unnest($5::text[])::tid AS tid",
    "d.ctid = j.tid AND d.message_no + 0 = j.message_no AND d.recipient_no + 0 = j.recipient_no"
);

pub(crate) const CHANGES: &str = "
    UPDATE deliveries AS d
       SET state = j.next, reason = j.reason, activity_id = coalesce(j.activity_id, d.activity_id), due_at = j.due_at,
           tries = j.tries, resent = j.resent, done_at = j.done_at, attempts = d.attempts + j.calls
      FROM (SELECT unnest($1::bigint[]) AS message_no, unnest($2::bigint[]) AS recipient_no, unnest($3::text[]) AS before,
                   unnest($4::text[]) AS next, unnest($5::text[]) AS reason, unnest($6::text[]) AS activity_id,
                   unnest($7::bigint[]) AS due_at, unnest($8::integer[]) AS tries, unnest($9::boolean[]) AS resent,
                   unnest($10::bigint[]) AS done_at, unnest($11::integer[]) AS calls) AS j
     WHERE d.message_no = j.message_no AND d.recipient_no = j.recipient_no AND d.state = j.before
    RETURNING d.message_no, d.recipient_no, d.attempts::bigint";

const ATTEMPTS: &str = "
    INSERT INTO attempts (message_no, recipient_no, n, call, started_at, ended_at, outcome, status, code, text, correlation)
    SELECT unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::integer[]), unnest($4::text[]), unnest($5::bigint[]),
           unnest($6::bigint[]), unnest($7::text[]), unnest($8::integer[]), unnest($9::text[]), unnest($10::text[]),
           unnest($11::text[])";

pub(crate) const COUNTS: &str = "
    UPDATE message_counts AS c
       SET pending = c.pending + j.pending, in_flight = c.in_flight + j.in_flight, delivered = c.delivered + j.delivered,
           failed = c.failed + j.failed, skipped = c.skipped + j.skipped, ambiguous = c.ambiguous + j.ambiguous,
           cancelled = c.cancelled + j.cancelled, expired = c.expired + j.expired
      FROM (SELECT unnest($1::bigint[]) AS message_no, unnest($2::bigint[]) AS pending, unnest($3::bigint[]) AS in_flight,
                   unnest($4::bigint[]) AS delivered, unnest($5::bigint[]) AS failed, unnest($6::bigint[]) AS skipped,
                   unnest($7::bigint[]) AS ambiguous, unnest($8::bigint[]) AS cancelled, unnest($9::bigint[]) AS expired) AS j
     WHERE c.message_no = j.message_no
    RETURNING c.message_no, c.pending, c.in_flight, c.delivered, c.failed, c.skipped, c.ambiguous, c.cancelled, c.expired";

const REASONS: &str = "
    INSERT INTO message_reasons AS m (message_no, state, reason, n)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])
    ON CONFLICT (message_no, state, reason) DO UPDATE SET n = m.n + excluded.n";

/// What is known is updated first: an upsert would use up a number for each.
pub(crate) const KNOWN_REFERENCES: &str = "
    UPDATE conversations AS c
       SET service_url = CASE WHEN j.seen_at >= c.seen_at AND j.service_url <> '' THEN j.service_url ELSE c.service_url END,
           origin = CASE WHEN c.origin = 'inbound' OR j.origin = 'graph' THEN c.origin ELSE j.origin END,
           seen_at = greatest(c.seen_at, j.seen_at), suspect_at = NULL
      FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[])
        AS j (recipient_no, conversation_id, service_url, origin, seen_at)
     WHERE c.recipient_no = j.recipient_no AND c.conversation_id = j.conversation_id
    RETURNING c.recipient_no, c.conversation_id";

const NEW_REFERENCES: &str = "
    INSERT INTO conversations (lane_no, recipient_no, conversation_id, service_url, origin, seen_at)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[])
    ON CONFLICT (recipient_no, conversation_id) DO NOTHING";

pub(crate) const SUSPECTS: &str = "
    UPDATE conversations AS c SET suspect_at = $2
      FROM unnest($1::bigint[]) AS j (reference_no)
     WHERE c.reference_no = j.reference_no AND c.suspect_at IS NULL";

pub(crate) const LANE_STATUS: &str = "
    UPDATE lanes AS l SET status = j.status
      FROM unnest($1::bigint[], $2::text[]) AS j (lane_no, status) WHERE l.lane_no = j.lane_no";

pub(crate) const FOUND: &str = "
    SELECT m.message_no, m.closed_to, m.lane_no, m.state
      FROM unnest($1::bigint[]) AS j (message_no) JOIN messages AS m ON m.message_no = j.message_no";

const KEEP_COMMITS: i64 = 7 * 24 * 3_600 * 1_000_000;

pub(crate) async fn commit(db: &mut Db<'_>, tids: &Tids, batch: &Batch) -> Result<Committed, StoreError> {
    let mut done = Committed::default();
    let numbers = batch::touched(batch);
    // Before all rows of recipients and messages.
    lane_status(db, &batch.lane_status).await?;
    let found = found(db, &numbers).await?;
    let closed = closed(&found)?;
    let mut deltas = Deltas::default();

    intents(db, tids, &batch.intents, &closed, &mut deltas, &mut done).await?;
    let sorted = sort(&batch.changes, &closed, &mut done);
    let mut resolved = HashMap::new();
    for mut wave in sorted.waves {
        wave.sort_unstable_by_key(|change| change.key);
        let moved = apply(db, &wave).await?;
        for change in &wave {
            if moved.contains(&change.key) {
                deltas.change(change);
                if change.from == DeliveryState::Ambiguous {
                    resolved.insert(change.key, change.to);
                }
            } else {
                done.lost_changes.push(change.key);
            }
        }
    }
    late(db, sorted.late, &mut done).await?;
    let counts = move_counts(db, &deltas).await?;
    reach::from_calls(db, &batch.reach).await?;
    references(db, &batch.references).await?;
    if !batch.suspects.is_empty() {
        db.run(sql(SUSPECTS).bind(&batch.suspects).bind(batch.at.0)).await?;
    }
    greeted::greeted(db, &batch.greeted).await?;
    let again = resolved.iter().filter(|(_, to)| **to == DeliveryState::Pending);
    let again: BTreeSet<i64> = again.map(|(key, _)| key.message_no).collect();
    let changed = again.iter().copied().chain(batch.messages.iter().map(MessageChange::message_no)).collect();
    settle::reopen(db, again).await?;
    settle::obeyed(db, &batch.settled, resolved, batch.at).await?;
    commit_message::apply(db, batch.at, &batch.messages, &mut done).await?;
    if !numbers.is_empty() {
        let touched: Vec<i64> = numbers.into_iter().collect();
        // Only of closed messages can the last call in flight be what kept them open.
        if !batch.messages.is_empty() || closed.values().any(Option::is_some) {
            commit_message::reopen_or_leave(db, &touched).await?;
        }
        let events = events::tell(db, batch.at, &found, &counts, &changed).await?;
        if events.iter().any(|seq| seq % 4096 == 0) {
            prune(db, batch.at.0 - KEEP_COMMITS).await?;
        }
    }
    Ok(done)
}

/// The last word for each lane.
async fn lane_status(db: &mut Db<'_>, status: &[(i64, String)]) -> Result<(), StoreError> {
    if status.is_empty() {
        return Ok(());
    }
    let last: BTreeMap<i64, &str> = status.iter().map(|(lane, status)| (*lane, status.as_str())).collect();
    let (lanes, texts): (Vec<i64>, Vec<_>) = last.into_iter().map(|(lane, text)| (lane, plain(text))).unzip();
    db.run(sql(LANE_STATUS).bind(lanes).bind(texts)).await.map(|_| ())
}

/// The messages before the batch.
async fn found(db: &mut Db<'_>, numbers: &BTreeSet<i64>) -> Result<Vec<PgRow>, StoreError> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<i64> = numbers.iter().copied().collect();
    db.rows(sql(FOUND).bind(numbers)).await
}

fn closed(found: &[PgRow]) -> Result<Closed, StoreError> {
    let closed = |row| Ok((get(row, "message_no")?, word_or_null(row, "closed_to", DeliveryState::of_word)?));
    found.iter().map(closed).collect()
}

async fn intents(
    db: &mut Db<'_>,
    tids: &Tids,
    intents: &[Intent],
    closed: &Closed,
    deltas: &mut Deltas,
    done: &mut Committed,
) -> Result<(), StoreError> {
    let mut asked = HashSet::with_capacity(intents.len());
    let mut intents: Vec<&Intent> = intents.iter().collect();
    intents.retain(|intent| {
        // A pending row of a closed message is counted as cancelled already; and only one call may start.
        let may = closed.get(&intent.key.message_no).is_some_and(Option::is_none) && asked.insert(intent.key);
        if !may {
            done.lost_intents.push(intent.key);
        }
        may
    });
    if intents.is_empty() {
        return Ok(());
    }
    intents.sort_unstable_by_key(|intent| intent.key);
    let places = tids.take(intents.iter().map(|intent| intent.key));
    let placed = intents.iter().copied().zip(places).filter_map(|(intent, place)| Some((intent, place?)));
    let (here, places): (Vec<&Intent>, Vec<String>) = placed.unzip();
    if !here.is_empty() {
        let statement = bind_intents(sql(INTENTS_IN_PLACE), &here).bind(places);
        begun(&db.rows(statement).await?, &mut asked, deltas)?;
    }
    let rest: Vec<&Intent> = intents.iter().copied().filter(|intent| asked.contains(&intent.key)).collect();
    if !rest.is_empty() {
        begun(&db.rows(bind_intents(sql(INTENTS), &rest)).await?, &mut asked, deltas)?;
    }
    done.lost_intents.extend(intents.iter().map(|intent| intent.key).filter(|key| asked.contains(key)));
    Ok(())
}

/// A column of rows, as an array.
pub(crate) fn column<'a, R, T>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

/// Writes changes and their attempts; which of them found their row as they thought it was.
async fn apply(db: &mut Db<'_>, changes: &[Cow<'_, Change>]) -> Result<HashSet<Key>, StoreError> {
    let mut moved = HashSet::with_capacity(changes.len());
    let (mut accepted, mut rest) = (Vec::with_capacity(changes.len()), Vec::new());
    for change in changes {
        let change: &Change = change;
        match delivering(change) {
            Some(call) => accepted.push((change, call)),
            None => rest.push(change),
        }
    }
    delivered::apply(db, &accepted, &mut moved).await?;
    apply_rest(db, &rest, &mut moved).await?;
    Ok(moved)
}

async fn apply_rest(db: &mut Db<'_>, changes: &[&Change], keys: &mut HashSet<Key>) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let found = db.rows(bind_changes(sql(CHANGES), changes)).await?;
    let mut moved: HashMap<Key, i64> = HashMap::with_capacity(found.len());
    for row in &found {
        moved.insert(rows::key(row)?, get(row, "attempts")?);
    }
    let made: Vec<(Key, i64, &Attempt)> = changes
        .iter()
        .filter_map(|change| Some((change.key, *moved.get(&change.key)?, change.attempt.as_ref()?)))
        .collect();
    if !made.is_empty() {
        attempts(db, &made).await?;
    }
    keys.extend(moved.into_keys());
    Ok(())
}

fn begun(rows: &[PgRow], asked: &mut HashSet<Key>, deltas: &mut Deltas) -> Result<(), StoreError> {
    for row in rows {
        let key = rows::key(row)?;
        asked.remove(&key);
        deltas.shift(key.message_no, DeliveryState::Pending, DeliveryState::InFlight);
    }
    Ok(())
}

fn bind_intents<'q>(statement: Statement<'q>, intents: &[&Intent]) -> Statement<'q> {
    statement
        .bind(column(intents, |intent| intent.key.message_no))
        .bind(column(intents, |intent| intent.key.recipient_no))
        .bind(column(intents, |intent| intent.reference_no))
        .bind(column(intents, |intent| intent.at.0))
}

fn bind_changes<'q>(statement: Statement<'q>, changes: &[&'q Change]) -> Statement<'q> {
    statement
        .bind(column(changes, |change| change.key.message_no))
        .bind(column(changes, |change| change.key.recipient_no))
        .bind(column(changes, |change| change.from.as_str()))
        .bind(column(changes, |change| change.to.as_str()))
        .bind(column(changes, |change| why(change).map(Why::as_str)))
        .bind(column(changes, |change| plain_or_null(change.activity_id.as_ref())))
        .bind(column(changes, |change| {
            change.due_at.filter(|_| change.to == DeliveryState::Pending).map(|due| due.0)
        }))
        .bind(column(changes, |change| change.tries.cast_signed()))
        .bind(column(changes, |change| change.resent))
        .bind(column(changes, |change| change.to.is_final().then_some(change.at.0)))
        .bind(column(changes, |change| i32::from(change.attempt.is_some())))
}

async fn attempts(db: &mut Db<'_>, made: &[(Key, i64, &Attempt)]) -> Result<(), StoreError> {
    let statement = sql(ATTEMPTS)
        .bind(column(made, |made| made.0.message_no))
        .bind(column(made, |made| made.0.recipient_no))
        .bind(column(made, |made| made.1 as i32))
        .bind(column(made, |made| made.2.call.as_str()))
        .bind(column(made, |made| made.2.started_at.0))
        .bind(column(made, |made| made.2.ended_at.0))
        .bind(column(made, |made| made.2.outcome))
        .bind(column(made, |made| made.2.status.map(i32::from)))
        .bind(column(made, |made| plain_or_null(made.2.code.as_ref())))
        .bind(column(made, |made| plain_or_null(made.2.text.as_ref())))
        .bind(column(made, |made| plain_or_null(made.2.correlation.as_ref())));
    db.run(statement).await.map(|_| ())
}

/// The counts have moved when the message was closed; the attempt is kept, whether its row was swept yet or not.
async fn late(db: &mut Db<'_>, late: Vec<Change>, done: &mut Committed) -> Result<(), StoreError> {
    for mut change in late {
        let unswept = apply(db, &[Cow::Borrowed(&change)]).await?;
        if unswept.is_empty() {
            change.from = change.to;
            if apply(db, &[Cow::Borrowed(&change)]).await?.is_empty()
                && !done.lost_changes.contains(&change.key)
            {
                done.lost_changes.push(change.key);
            }
        }
    }
    Ok(())
}

/// The counts of those that moved, as they are now.
async fn move_counts(db: &mut Db<'_>, deltas: &Deltas) -> Result<Vec<PgRow>, StoreError> {
    let mut counts = Vec::new();
    if !deltas.counts.is_empty() {
        let rows: Vec<_> = deltas.counts.iter().collect();
        let statement = sql(COUNTS)
            .bind(column(&rows, |row| *row.0))
            .bind(column(&rows, |row| row.1.pending))
            .bind(column(&rows, |row| row.1.in_flight))
            .bind(column(&rows, |row| row.1.delivered))
            .bind(column(&rows, |row| row.1.failed))
            .bind(column(&rows, |row| row.1.skipped))
            .bind(column(&rows, |row| row.1.ambiguous))
            .bind(column(&rows, |row| row.1.cancelled))
            .bind(column(&rows, |row| row.1.expired));
        counts = db.rows(statement).await?;
    }
    if !deltas.reasons.is_empty() {
        let rows: Vec<_> = deltas.reasons.iter().collect();
        let statement = sql(REASONS)
            .bind(column(&rows, |row| row.0.0))
            .bind(column(&rows, |row| row.0.1.as_str()))
            .bind(column(&rows, |row| row.0.2))
            .bind(column(&rows, |row| *row.1));
        db.run(statement).await?;
    }
    Ok(counts)
}

/// The conversation of a reference, by which it is the same as another.
fn place(new: &NewReference) -> (i64, String) {
    (new.recipient_no, plain(&new.conversation_id).into_owned())
}

/// One statement touches a row once, so that several words about one conversation go in several rounds.
async fn references(db: &mut Db<'_>, references: &[NewReference]) -> Result<(), StoreError> {
    let mut rest: Vec<&NewReference> = references.iter().collect();
    while !rest.is_empty() {
        let mut seen = HashSet::new();
        let (mut round, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(|new| seen.insert(place(new)));
        rest = later;
        let statement = sql(KNOWN_REFERENCES)
            .bind(column(&round, |new| new.recipient_no))
            .bind(column(&round, |new| plain(&new.conversation_id)))
            .bind(column(&round, |new| plain(&new.service_url)))
            .bind(column(&round, |new| new.origin.as_str()))
            .bind(column(&round, |new| new.at.0));
        let mut known = HashSet::new();
        for row in &db.rows(statement).await? {
            known.insert((get::<i64>(row, "recipient_no")?, get::<String>(row, "conversation_id")?));
        }
        round.retain(|new| !known.contains(&place(new)));
        if round.is_empty() {
            continue;
        }
        let statement = sql(NEW_REFERENCES)
            .bind(column(&round, |new| new.lane_no))
            .bind(column(&round, |new| new.recipient_no))
            .bind(column(&round, |new| plain(&new.conversation_id)))
            .bind(column(&round, |new| plain(&new.service_url)))
            .bind(column(&round, |new| new.origin.as_str()))
            .bind(column(&round, |new| new.at.0));
        db.run(statement).await?;
    }
    Ok(())
}

/// Commits are in the order of time nearly always; the first one young enough ends it.
async fn prune(db: &mut Db<'_>, before: i64) -> Result<(), StoreError> {
    let old =
        sql("DELETE FROM commits WHERE seq < (SELECT seq FROM commits WHERE at >= $1 ORDER BY seq LIMIT 1)");
    db.run(old.bind(before)).await.map(|_| ())
}
