//! One batch of an owner: a handful of statements over arrays, whatever its size. Counts move by the rows that really
//! changed, never by what was asked (`docs/engine.md`, Tables).
//!
//! Every key column of a statement comes out of the JSON: with a constant one SQLite reads the array again for each row.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use nuncio_domain::batch::{Attempt, Change, Intent, Why};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Batch, Committed, DeliveryState, Key};
use sqlx::SqliteConnection;

use super::moves::Look;
use super::{commit_message, greeted, moves, reach, settle};
use crate::batch::{self, Closed, Deltas, delivering, sort, why};
use crate::error::{broken, of_sqlx};
use crate::words::{from_json, json};

/// `OR FAIL`, here and below: what fails takes its whole batch back, so that SQLite need not keep a copy of each page that
/// the statement touches, to take back the statement alone.
pub(crate) const INTENTS: &str = "
    UPDATE OR FAIL deliveries
       SET state = 'in_flight', due_at = NULL, reference_no = j.value ->> 2, started_at = j.value ->> 3
      FROM jsonb_each(?1) AS j
     WHERE deliveries.message_no = j.value ->> 0 AND deliveries.recipient_no = j.value ->> 1
       AND deliveries.state = 'pending'";

pub(crate) const CHANGES: &str = "
    UPDATE OR FAIL deliveries
       SET state = j.value ->> 3, reason = j.value ->> 4,
           activity_id = coalesce(j.value ->> 5, deliveries.activity_id), due_at = j.value ->> 6,
           tries = j.value ->> 7, resent = j.value ->> 8, done_at = j.value ->> 9,
           attempts = deliveries.attempts + (j.value ->> 10)
      FROM jsonb_each(?1) AS j
     WHERE deliveries.message_no = j.value ->> 0 AND deliveries.recipient_no = j.value ->> 1
       AND deliveries.state = j.value ->> 2";

/// Nearly all there is to write, so with as few columns as it needs. The call is kept with the delivery.
pub(crate) const DELIVERED: &str = "
    UPDATE OR FAIL deliveries
       SET state = 'delivered', reason = NULL, due_at = NULL, attempts = deliveries.attempts + 1,
           activity_id = coalesce(j.value ->> 2, deliveries.activity_id), call = j.value ->> 3, status = j.value ->> 4,
           correlation = j.value ->> 5, started_at = j.value ->> 6, done_at = j.value ->> 7
      FROM jsonb_each(?1) AS j
     WHERE deliveries.message_no = j.value ->> 0 AND deliveries.recipient_no = j.value ->> 1
       AND deliveries.state = 'in_flight'";

/// The number of an attempt is that of its delivery, which has counted it just before.
pub(crate) const ATTEMPTS: &str = "
    INSERT OR FAIL INTO attempts (message_no, recipient_no, n, call, started_at, ended_at, outcome, status, code, text, correlation)
    SELECT d.message_no, d.recipient_no, d.attempts, j.value ->> 2, j.value ->> 3, j.value ->> 4,
           j.value ->> 5, j.value ->> 6, j.value ->> 7, j.value ->> 8, j.value ->> 9
      FROM jsonb_each(?1) AS j
     CROSS JOIN deliveries AS d ON d.message_no = j.value ->> 0 AND d.recipient_no = j.value ->> 1";

pub(crate) const COUNTS: &str = "
    UPDATE OR FAIL message_counts
       SET pending = pending + (j.value ->> 1), in_flight = in_flight + (j.value ->> 2),
           delivered = delivered + (j.value ->> 3), failed = failed + (j.value ->> 4),
           skipped = skipped + (j.value ->> 5), ambiguous = ambiguous + (j.value ->> 6),
           cancelled = cancelled + (j.value ->> 7), expired = expired + (j.value ->> 8)
      FROM jsonb_each(?1) AS j
     WHERE message_counts.message_no = j.value ->> 0";

const REASONS: &str = "
    INSERT INTO message_reasons (message_no, state, reason, n)
    SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3 FROM jsonb_each(?1) AS j WHERE true
    ON CONFLICT (message_no, state, reason) DO UPDATE SET n = n + excluded.n";

const REFERENCES: &str = "
    INSERT INTO conversations (lane_no, recipient_no, conversation_id, service_url, origin, seen_at)
    SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5
      FROM jsonb_each(?1) AS j WHERE true
    ON CONFLICT (recipient_no, conversation_id) DO UPDATE
       SET service_url = iif(excluded.seen_at >= seen_at AND excluded.service_url <> '', excluded.service_url, service_url),
           origin = iif(origin = 'inbound' OR excluded.origin = 'graph', origin, excluded.origin),
           seen_at = max(seen_at, excluded.seen_at),
           suspect_at = NULL";

/// Counts and states of what was touched, a row for each lane (nearly always one).
const EVENTS: &str = "
    INSERT INTO commits (lane_no, at, events)
    SELECT m.lane_no, ?2, json_object('messages', json_group_array(json_object('no', m.message_no, 'state', m.state,
           'counts', json_array(c.pending, c.in_flight, c.delivered, c.failed, c.skipped, c.ambiguous, c.cancelled,
                                c.expired))))
      FROM jsonb_each(?1) AS j
     CROSS JOIN messages AS m ON m.message_no = j.value
     CROSS JOIN message_counts AS c ON c.message_no = m.message_no
     GROUP BY m.lane_no";

const KEEP_COMMITS: i64 = 7 * 24 * 3_600 * 1_000_000;

/// Fails where [`Look::AtOnce`] was too bold: not all rows are as the batch thinks.
pub(crate) async fn commit(
    connection: &mut SqliteConnection,
    batch: &Batch,
    look: Look,
) -> Result<Committed, StoreError> {
    let mut done = Committed::default();
    let numbers = batch::touched(batch);
    let closed = closed(connection, &numbers).await?;
    let mut deltas = Deltas::default();

    intents(connection, look, &batch.intents, &closed, &mut deltas, &mut done).await?;
    let sorted = sort(&batch.changes, &closed, &mut done);
    let mut resolved = HashMap::new();
    for wave in &sorted.waves {
        let lost = apply(connection, look, wave).await?;
        for change in wave {
            if lost.contains(&change.key) {
                done.lost_changes.push(change.key);
                continue;
            }
            deltas.change(change);
            if change.from == DeliveryState::Ambiguous {
                resolved.insert(change.key, change.to);
            }
        }
    }
    late(connection, sorted.late, &mut done).await?;
    move_counts(connection, &deltas).await?;
    let again = resolved.iter().filter(|(_, to)| **to == DeliveryState::Pending);
    settle::reopen(connection, &again.map(|(key, _)| key.message_no).collect()).await?;
    settle::obeyed(connection, &batch.settled, resolved, batch.at).await?;
    references(connection, &batch.references).await?;
    if !batch.suspects.is_empty() {
        sqlx::query(
            "UPDATE conversations SET suspect_at = ?2
              WHERE reference_no IN (SELECT value FROM jsonb_each(?1)) AND suspect_at IS NULL",
        )
        .bind(json(&batch.suspects)?)
        .bind(batch.at.0)
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    }
    reach::from_calls(connection, &batch.reach).await?;
    greeted::greeted(connection, &batch.greeted).await?;
    commit_message::apply(connection, batch.at, &batch.messages, &mut done).await?;
    for (lane_no, status) in &batch.lane_status {
        sqlx::query("UPDATE lanes SET status = ?2 WHERE lane_no = ?1")
            .bind(lane_no)
            .bind(status)
            .execute(&mut *connection)
            .await
            .map_err(of_sqlx)?;
    }
    if !numbers.is_empty() {
        let touched = json(&numbers)?;
        // Only of closed messages can the last call in flight be what kept them open.
        if !batch.messages.is_empty() || closed.values().any(Option::is_some) {
            commit_message::reopen_or_leave(connection, &touched).await?;
        }
        let event = sqlx::query(EVENTS).bind(touched).bind(batch.at.0).execute(&mut *connection).await;
        let seq = event.map_err(of_sqlx)?.last_insert_rowid();
        if seq % 4096 == 0 {
            prune(connection, batch.at.0 - KEEP_COMMITS).await?;
        }
    }
    Ok(done)
}

/// As one row: each row that comes back is a word between two threads.
async fn closed(connection: &mut SqliteConnection, numbers: &BTreeSet<i64>) -> Result<Closed, StoreError> {
    if numbers.is_empty() {
        return Ok(Closed::new());
    }
    let found: String = sqlx::query_scalar(
        "SELECT json_group_array(json_array(m.message_no, m.closed_to))
           FROM jsonb_each(?1) AS j CROSS JOIN messages AS m ON m.message_no = j.value",
    )
    .bind(json(numbers)?)
    .fetch_one(connection)
    .await
    .map_err(of_sqlx)?;
    let found: Vec<(i64, Option<String>)> = from_json(&found)?;
    let state =
        |word: String| DeliveryState::of_word(&word).ok_or_else(|| broken("closed_to holds no state"));
    found.into_iter().map(|(no, closed_to)| Ok((no, closed_to.map(state).transpose()?))).collect()
}

/// Message, recipient, reference, and when the call is to start.
type IntentRow = (i64, i64, Option<i64>, i64);

async fn intents(
    connection: &mut SqliteConnection,
    look: Look,
    intents: &[Intent],
    closed: &Closed,
    deltas: &mut Deltas,
    done: &mut Committed,
) -> Result<(), StoreError> {
    let mut asked = HashSet::with_capacity(intents.len());
    let mut rows: Vec<IntentRow> = Vec::with_capacity(intents.len());
    for intent in intents {
        // A pending row of a closed message is counted as cancelled already; and only one call may start.
        let may = closed.get(&intent.key.message_no).is_some_and(Option::is_none);
        if may && asked.insert(intent.key) {
            rows.push((intent.key.message_no, intent.key.recipient_no, intent.reference_no, intent.at.0));
        } else {
            done.lost_intents.push(intent.key);
        }
    }
    let key = |row: &IntentRow| Key { message_no: row.0, recipient_no: row.1 };
    let lost =
        moves::lost(connection, look, || rows.iter().map(|row| (key(row), DeliveryState::Pending))).await?;
    rows.retain(|row| !lost.contains(&key(row)));
    moves::make(connection, INTENTS, &rows).await?;
    for row in &rows {
        deltas.shift(row.0, DeliveryState::Pending, DeliveryState::InFlight);
    }
    done.lost_intents.extend(lost);
    Ok(())
}

/// Writes changes and their calls; which of them did not find their row as they thought it was.
async fn apply(
    connection: &mut SqliteConnection,
    look: Look,
    changes: &[Cow<'_, Change>],
) -> Result<HashSet<Key>, StoreError> {
    let thought = || changes.iter().map(|change| (change.key, change.from));
    let lost = moves::lost(connection, look, thought).await?;
    let found = || changes.iter().filter(|change| !lost.contains(&change.key));
    let delivered: Vec<_> = found()
        .filter_map(|change| {
            let call = delivering(change)?;
            let activity_id = change.activity_id.as_deref();
            let (status, correlation) = (call.status, call.correlation.as_deref());
            let Key { message_no, recipient_no } = change.key;
            Some((
                message_no,
                recipient_no,
                activity_id,
                call.call.as_str(),
                status,
                correlation,
                call.started_at,
                change.at,
            ))
        })
        .collect();
    moves::make(connection, DELIVERED, &delivered).await?;
    let others = || found().filter(|change| delivering(change).is_none());
    let rows: Vec<_> = others()
        .map(|change| {
            (
                change.key.message_no,
                change.key.recipient_no,
                change.from,
                change.to,
                why(change).map(Why::as_str),
                change.activity_id.as_deref(),
                change.due_at.filter(|_| change.to == DeliveryState::Pending),
                change.tries,
                u8::from(change.resent),
                change.to.is_final().then_some(change.at),
                u8::from(change.attempt.is_some()),
            )
        })
        .collect();
    moves::make(connection, CHANGES, &rows).await?;
    let attempts: Vec<_> =
        others().filter_map(|change| Some(attempt_row(change.key, change.attempt.as_ref()?))).collect();
    moves::make(connection, ATTEMPTS, &attempts).await?;
    Ok(lost)
}

/// The counts have moved when the message was closed; the attempt is kept, whether its row was swept yet or not.
async fn late(
    connection: &mut SqliteConnection,
    late: Vec<Change>,
    done: &mut Committed,
) -> Result<(), StoreError> {
    for mut change in late {
        let swept = !apply(connection, Look::First, &[Cow::Borrowed(&change)]).await?.is_empty();
        if swept {
            change.from = change.to;
            if !apply(connection, Look::First, &[Cow::Borrowed(&change)]).await?.is_empty()
                && !done.lost_changes.contains(&change.key)
            {
                done.lost_changes.push(change.key);
            }
        }
    }
    Ok(())
}

type AttemptRow<'a> = (
    i64,
    i64,
    &'static str,
    i64,
    i64,
    &'static str,
    Option<u16>,
    Option<&'a str>,
    Option<&'a str>,
    Option<&'a str>,
);

fn attempt_row(key: Key, attempt: &Attempt) -> AttemptRow<'_> {
    (
        key.message_no,
        key.recipient_no,
        attempt.call.as_str(),
        attempt.started_at.0,
        attempt.ended_at.0,
        attempt.outcome,
        attempt.status,
        attempt.code.as_deref(),
        attempt.text.as_deref(),
        attempt.correlation.as_deref(),
    )
}

/// Moves the counts.
async fn move_counts(connection: &mut SqliteConnection, deltas: &Deltas) -> Result<(), StoreError> {
    if !deltas.counts.is_empty() {
        let rows: Vec<_> = deltas
            .counts
            .iter()
            .map(|(no, c)| {
                (
                    no,
                    c.pending,
                    c.in_flight,
                    c.delivered,
                    c.failed,
                    c.skipped,
                    c.ambiguous,
                    c.cancelled,
                    c.expired,
                )
            })
            .collect();
        sqlx::query(COUNTS).bind(json(&rows)?).execute(&mut *connection).await.map_err(of_sqlx)?;
    }
    if !deltas.reasons.is_empty() {
        let rows: Vec<_> = deltas.reasons.iter().map(|((no, state, why), n)| (no, state, why, n)).collect();
        sqlx::query(REASONS).bind(json(&rows)?).execute(connection).await.map_err(of_sqlx)?;
    }
    Ok(())
}

async fn references(
    connection: &mut SqliteConnection,
    references: &[nuncio_domain::batch::NewReference],
) -> Result<(), StoreError> {
    if references.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = references
        .iter()
        .map(|new| {
            (new.lane_no, new.recipient_no, &new.conversation_id, &new.service_url, new.origin, new.at)
        })
        .collect();
    sqlx::query(REFERENCES).bind(json(&rows)?).execute(connection).await.map_err(of_sqlx)?;
    Ok(())
}

/// Commits are in the order of time nearly always; the first one young enough ends it.
async fn prune(connection: &mut SqliteConnection, before: i64) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM commits WHERE seq < (SELECT seq FROM commits WHERE at >= ? ORDER BY seq LIMIT 1)",
    )
    .bind(before)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(())
}
