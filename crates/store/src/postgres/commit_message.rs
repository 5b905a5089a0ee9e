//! What an owner's batch does to messages: states, completion, closing and sweeping.

use nuncio_domain::batch::MessageChange;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Committed, DeliveryState, MessageState, Time};

use super::db::{Db, plain, sql};
use crate::error::broken;
use crate::words::{get, word};

/// The rows themselves: `sweep_after` spares each chunk a walk over those before it.
pub(crate) const SWEEP: &str = "
    UPDATE deliveries AS d SET state = $2, due_at = NULL, done_at = $3
      FROM (SELECT message_no, recipient_no FROM deliveries
             WHERE message_no = $1 AND recipient_no > $4 AND state = 'pending'
             ORDER BY message_no, recipient_no LIMIT $5) AS j
     WHERE d.message_no = j.message_no AND d.recipient_no = j.recipient_no
    RETURNING d.recipient_no";

pub(crate) const REOPEN_OR_LEAVE: &str = "
    UPDATE messages AS m
       SET open = (m.state NOT IN ('completed', 'cancelled') OR NOT m.swept
                   OR EXISTS (SELECT 1 FROM message_counts AS c WHERE c.message_no = m.message_no AND c.in_flight > 0))
      FROM unnest($1::bigint[]) AS j (message_no) WHERE m.message_no = j.message_no";

pub(crate) async fn apply(
    db: &mut Db<'_>,
    at: Time,
    changes: &[MessageChange],
    done: &mut Committed,
) -> Result<(), StoreError> {
    for change in changes {
        match change {
            MessageChange::State { message_no, state, cause } => {
                set_state(db, *message_no, *state, cause.as_deref(), at).await?;
            }
            MessageChange::Complete { message_no, at } => {
                if !complete(db, *message_no, *at).await? {
                    done.not_complete.push(*message_no);
                }
            }
            MessageChange::Close { message_no, to, at } => close(db, *message_no, *to, *at).await?,
            MessageChange::Sweep { message_no, limit, at, .. } => {
                if sweep(db, *message_no, *limit, *at).await? {
                    done.sweep_more.push(*message_no);
                }
            }
        }
    }
    Ok(())
}

/// Clears only the control that this state obeys: another may have come in the meantime.
async fn set_state(
    db: &mut Db<'_>,
    message_no: i64,
    state: MessageState,
    cause: Option<&str>,
    at: Time,
) -> Result<(), StoreError> {
    let obeyed: &[&str] = match state {
        MessageState::Paused => &["pause"],
        MessageState::Completed | MessageState::Cancelled => &["cancel", "pause", "resume", "confirm"],
        MessageState::Scheduled | MessageState::Expanding | MessageState::Waiting | MessageState::Sending => {
            &["resume", "confirm"]
        }
    };
    let statement = sql("UPDATE messages
            SET state = $2, cause = $3, completed_at = $4,
                control = CASE WHEN control = ANY ($5) THEN NULL ELSE control END
          WHERE message_no = $1 AND closed_to IS NULL AND state <> 'cancelled'")
    .bind(message_no)
    .bind(state.as_str())
    .bind(cause.map(plain))
    .bind(state.is_final().then_some(at.0))
    .bind(obeyed);
    db.run(statement).await.map(|_| ())
}

/// Whether it is final now.
async fn complete(db: &mut Db<'_>, message_no: i64, at: Time) -> Result<bool, StoreError> {
    let statement = sql("UPDATE messages AS m
            SET state = 'completed', completed_at = $2, control = NULL, cause = NULL
          WHERE message_no = $1 AND audience_final AND state NOT IN ('completed', 'cancelled')
            AND EXISTS (SELECT 1 FROM message_counts AS c
                         WHERE c.message_no = m.message_no AND c.pending = 0 AND c.in_flight = 0)");
    db.run(statement.bind(message_no).bind(at.0)).await?;
    // One that was final before is as done as its owner wants it.
    let row = db.row(sql("SELECT state FROM messages WHERE message_no = $1").bind(message_no)).await?;
    let state = row.map(|row| word(&row, "state", MessageState::of_word)).transpose()?;
    Ok(state.is_some_and(MessageState::is_final))
}

/// Counts at once, rows later. Ends the expansion too: who is not in the audience yet will not be.
async fn close(db: &mut Db<'_>, message_no: i64, to: DeliveryState, at: Time) -> Result<(), StoreError> {
    let counts = match to {
        DeliveryState::Cancelled => {
            "UPDATE message_counts SET cancelled = cancelled + pending, pending = 0 WHERE message_no = $1"
        }
        DeliveryState::Expired => {
            "UPDATE message_counts SET expired = expired + pending, pending = 0 WHERE message_no = $1"
        }
        _ => return Err(broken("a message is closed to cancelled or to expired")),
    };
    let statement = sql("UPDATE messages AS m
            SET closed_to = $2, audience_final = true, control = NULL, cause = NULL, sweep_after = 0,
                state = CASE WHEN $2 = 'cancelled' THEN 'cancelled' ELSE state END,
                completed_at = CASE WHEN $2 = 'cancelled' THEN $3 ELSE completed_at END,
                swept = (SELECT c.pending = 0 FROM message_counts AS c WHERE c.message_no = m.message_no)
          WHERE message_no = $1 AND closed_to IS NULL AND state NOT IN ('completed', 'cancelled')");
    if db.run(statement.bind(message_no).bind(to.as_str()).bind(at.0)).await? == 1 {
        db.run(sql(counts).bind(message_no)).await?;
    }
    Ok(())
}

/// Whether there may be more. What the rows become was decided when the message was closed.
async fn sweep(db: &mut Db<'_>, message_no: i64, limit: i64, at: Time) -> Result<bool, StoreError> {
    let found = sql("SELECT closed_to, sweep_after FROM messages
                      WHERE message_no = $1 AND closed_to IS NOT NULL AND NOT swept");
    let Some(found) = db.row(found.bind(message_no)).await? else { return Ok(false) };
    let after: i64 = get(&found, "sweep_after")?;
    let statement = sql(SWEEP)
        .bind(message_no)
        .bind(get::<&str>(&found, "closed_to")?)
        .bind(at.0)
        .bind(after)
        .bind(limit);
    let moved = db.rows(statement).await?;
    let more = moved.len() as i64 >= limit;
    let mut last = after;
    for row in &moved {
        last = last.max(get(row, "recipient_no")?);
    }
    let swept = sql("UPDATE messages SET swept = $2, sweep_after = $3 WHERE message_no = $1");
    db.run(swept.bind(message_no).bind(!more).bind(last)).await?;
    Ok(more)
}

/// Keeps `messages.open` what it says.
pub(crate) async fn reopen_or_leave(db: &mut Db<'_>, numbers: &[i64]) -> Result<(), StoreError> {
    db.run(sql(REOPEN_OR_LEAVE).bind(numbers)).await.map(|_| ())
}
