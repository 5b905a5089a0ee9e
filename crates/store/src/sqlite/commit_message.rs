//! What an owner's batch does to messages: states, completion, closing and sweeping.

use nuncio_domain::batch::MessageChange;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Committed, DeliveryState, MessageState, Time};
use sqlx::SqliteConnection;

use crate::error::{broken, of_sqlx};

/// The rows themselves: `sweep_after` spares each chunk a walk over those before it.
pub(crate) const SWEEP: &str = "
    UPDATE deliveries SET state = ?2, due_at = NULL, done_at = ?3
     WHERE message_no = ?1 AND recipient_no IN (
           SELECT recipient_no FROM deliveries
            WHERE message_no = ?1 AND recipient_no > ?4 AND state = 'pending'
            ORDER BY recipient_no LIMIT ?5)
    RETURNING recipient_no";

pub(crate) async fn apply(
    connection: &mut SqliteConnection,
    at: Time,
    changes: &[MessageChange],
    done: &mut Committed,
) -> Result<(), StoreError> {
    for change in changes {
        match change {
            MessageChange::State { message_no, state, cause } => {
                set_state(connection, *message_no, *state, cause.as_deref(), at).await?;
            }
            MessageChange::Complete { message_no, at } => {
                if !complete(connection, *message_no, *at).await? {
                    done.not_complete.push(*message_no);
                }
            }
            MessageChange::Close { message_no, to, at } => close(connection, *message_no, *to, *at).await?,
            MessageChange::Sweep { message_no, limit, at, .. } => {
                if sweep(connection, *message_no, *limit, *at).await? {
                    done.sweep_more.push(*message_no);
                }
            }
        }
    }
    Ok(())
}

/// Clears only the control that this state obeys: another may have come in the meantime.
async fn set_state(
    connection: &mut SqliteConnection,
    message_no: i64,
    state: MessageState,
    cause: Option<&str>,
    at: Time,
) -> Result<(), StoreError> {
    let obeyed = match state {
        MessageState::Paused => r#"["pause"]"#,
        MessageState::Completed | MessageState::Cancelled => r#"["cancel", "pause", "resume", "confirm"]"#,
        MessageState::Scheduled | MessageState::Expanding | MessageState::Waiting | MessageState::Sending => {
            r#"["resume", "confirm"]"#
        }
    };
    sqlx::query(
        "UPDATE messages
            SET state = ?2, cause = ?3, completed_at = ?4,
                control = iif(control IN (SELECT value FROM jsonb_each(?5)), NULL, control)
          WHERE message_no = ?1 AND closed_to IS NULL AND state <> 'cancelled'",
    )
    .bind(message_no)
    .bind(state.as_str())
    .bind(cause)
    .bind(state.is_final().then_some(at.0))
    .bind(obeyed)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(())
}

/// Whether it is final now.
async fn complete(connection: &mut SqliteConnection, message_no: i64, at: Time) -> Result<bool, StoreError> {
    sqlx::query(
        "UPDATE messages SET state = 'completed', completed_at = ?2, control = NULL, cause = NULL
          WHERE message_no = ?1 AND audience_final = 1 AND state NOT IN ('completed', 'cancelled')
            AND EXISTS (SELECT 1 FROM message_counts AS c
                         WHERE c.message_no = messages.message_no AND c.pending = 0 AND c.in_flight = 0)",
    )
    .bind(message_no)
    .bind(at.0)
    .execute(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    // One that was final before is as done as its owner wants it.
    let state: Option<String> = sqlx::query_scalar("SELECT state FROM messages WHERE message_no = ?")
        .bind(message_no)
        .fetch_optional(connection)
        .await
        .map_err(of_sqlx)?;
    Ok(state.and_then(|state| MessageState::of_word(&state)).is_some_and(MessageState::is_final))
}

/// Counts at once, rows later. Ends the expansion too: who is not in the audience yet will not be.
async fn close(
    connection: &mut SqliteConnection,
    message_no: i64,
    to: DeliveryState,
    at: Time,
) -> Result<(), StoreError> {
    let counts = match to {
        DeliveryState::Cancelled => {
            "UPDATE message_counts SET cancelled = cancelled + pending, pending = 0 WHERE message_no = ?"
        }
        DeliveryState::Expired => {
            "UPDATE message_counts SET expired = expired + pending, pending = 0 WHERE message_no = ?"
        }
        _ => return Err(broken("a message is closed to cancelled or to expired")),
    };
    let closed = sqlx::query(
        "UPDATE messages
            SET closed_to = ?2, audience_final = 1, control = NULL, cause = NULL, sweep_after = 0,
                state = iif(?2 = 'cancelled', 'cancelled', state),
                completed_at = iif(?2 = 'cancelled', ?3, completed_at),
                swept = (SELECT c.pending = 0 FROM message_counts AS c WHERE c.message_no = messages.message_no)
          WHERE message_no = ?1 AND closed_to IS NULL AND state NOT IN ('completed', 'cancelled')",
    )
    .bind(message_no)
    .bind(to.as_str())
    .bind(at.0)
    .execute(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    if closed.rows_affected() == 1 {
        sqlx::query(counts).bind(message_no).execute(connection).await.map_err(of_sqlx)?;
    }
    Ok(())
}

/// Whether there may be more. What the rows become was decided when the message was closed.
async fn sweep(
    connection: &mut SqliteConnection,
    message_no: i64,
    limit: i64,
    at: Time,
) -> Result<bool, StoreError> {
    let found: Option<(String, i64)> = sqlx::query_as(
        "SELECT closed_to, sweep_after FROM messages
          WHERE message_no = ? AND closed_to IS NOT NULL AND swept = 0",
    )
    .bind(message_no)
    .fetch_optional(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    let Some((to, after)) = found else { return Ok(false) };
    let moved: Vec<i64> = sqlx::query_scalar(SWEEP)
        .bind(message_no)
        .bind(to)
        .bind(at.0)
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    let more = moved.len() as i64 >= limit;
    sqlx::query("UPDATE messages SET swept = ?2, sweep_after = ?3 WHERE message_no = ?1")
        .bind(message_no)
        .bind(i64::from(!more))
        .bind(moved.into_iter().max().unwrap_or(after))
        .execute(connection)
        .await
        .map_err(of_sqlx)?;
    Ok(more)
}

/// Keeps `messages.open` what it says.
pub(crate) async fn reopen_or_leave(
    connection: &mut SqliteConnection,
    numbers: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE messages
            SET open = (state NOT IN ('completed', 'cancelled') OR swept = 0
                        OR EXISTS (SELECT 1 FROM message_counts AS c
                                    WHERE c.message_no = messages.message_no AND c.in_flight > 0))
          WHERE message_no IN (SELECT value FROM jsonb_each(?))",
    )
    .bind(numbers)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(())
}
