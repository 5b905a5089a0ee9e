//! Who can be reached again, for messages that wait for somebody (`when_unreachable: wait`). Noted by whoever learns it,
//! made due by the owner of the lane.

use std::time::Duration;

use nuncio_domain::Time;
use nuncio_domain::message::WHENEVER;
use nuncio_domain::ports::StoreError;
use sqlx::{SqliteConnection, SqlitePool};

use crate::error::of_sqlx;
use crate::words::json;

/// A delivery may begin to wait a moment after its recipient was heard of: a call takes up to 30 s.
const KEEP: Duration = Duration::from_mins(1);

pub(crate) const NOTE: &str = "
    INSERT INTO reached (lane_no, recipient_no, at)
    SELECT r.lane_no, r.recipient_no, j.value ->> 1
      FROM jsonb_each(?1) AS j CROSS JOIN recipients AS r ON r.recipient_no = j.value ->> 0
     WHERE EXISTS (SELECT 1 FROM messages AS m INDEXED BY messages_wait
                    WHERE m.lane_no = r.lane_no AND m.open = 1 AND m.when_unreachable = 'wait')
    ON CONFLICT (lane_no, recipient_no) DO UPDATE SET at = excluded.at";

/// Threads of channels can be reached again when their channel can.
pub(crate) const NOTE_THREADS: &str = "
    INSERT INTO reached (lane_no, recipient_no, at)
    SELECT r.lane_no, r.recipient_no, j.value ->> 1
      FROM jsonb_each(?1) AS j CROSS JOIN recipients AS r INDEXED BY recipients_of_thread ON r.thread_no = j.value ->> 0
     WHERE EXISTS (SELECT 1 FROM messages AS m INDEXED BY messages_wait
                    WHERE m.lane_no = r.lane_no AND m.open = 1 AND m.when_unreachable = 'wait')
    ON CONFLICT (lane_no, recipient_no) DO UPDATE SET at = excluded.at";

/// The lanes in the array in which somebody is noted.
pub(crate) const LANES: &str = "
    SELECT j.value FROM jsonb_each(?1) AS j
     WHERE EXISTS (SELECT 1 FROM reached AS q WHERE q.lane_no = j.value)";

pub(crate) const WAITING: &str = "
    SELECT d.message_no, d.recipient_no
      FROM messages AS m INDEXED BY messages_wait
     CROSS JOIN reached AS q ON q.lane_no = m.lane_no
     CROSS JOIN deliveries AS d ON d.message_no = m.message_no AND d.recipient_no = q.recipient_no
     WHERE m.lane_no = ?1 AND m.open = 1 AND m.when_unreachable = 'wait' AND m.closed_to IS NULL
       AND d.state = 'pending' AND d.due_at = ?2";

pub(crate) const MAKE_DUE: &str = "
    UPDATE deliveries SET due_at = ?2
      FROM jsonb_each(?1) AS j
     WHERE deliveries.message_no = j.value ->> 0 AND deliveries.recipient_no = j.value ->> 1";

/// (recipient, when) of those who can be reached again.
pub(crate) async fn note(connection: &mut SqliteConnection, who: &[(i64, Time)]) -> Result<(), StoreError> {
    if who.is_empty() {
        return Ok(());
    }
    for statement in [NOTE, NOTE_THREADS] {
        sqlx::query(statement).bind(json(who)?).execute(&mut *connection).await.map_err(of_sqlx)?;
    }
    Ok(())
}

/// Of these lanes those whose owner has somebody to look for.
pub(crate) async fn lanes(connection: &mut SqliteConnection, lanes: &[i64]) -> Result<Vec<i64>, StoreError> {
    sqlx::query_scalar(LANES).bind(json(lanes)?).fetch_all(connection).await.map_err(of_sqlx)
}

/// Whether anybody is noted, which needs no writer.
pub(crate) async fn is_any(readers: &SqlitePool, lane_no: i64) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM reached WHERE lane_no = ?)")
        .bind(lane_no)
        .fetch_one(readers)
        .await
        .map_err(of_sqlx)
}

/// How many deliveries became due.
pub(crate) async fn make_due(
    connection: &mut SqliteConnection,
    lane_no: i64,
    now: Time,
) -> Result<i64, StoreError> {
    let keys: Vec<(i64, i64)> = sqlx::query_as(WAITING)
        .bind(lane_no)
        .bind(WHENEVER.0)
        .fetch_all(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    if !keys.is_empty() {
        let due = sqlx::query(MAKE_DUE).bind(json(&keys)?).bind(now.0);
        due.execute(&mut *connection).await.map_err(of_sqlx)?;
    }
    let met: Vec<i64> = keys.iter().map(|(_, recipient_no)| *recipient_no).collect();
    sqlx::query(
        "DELETE FROM reached WHERE lane_no = ?1 AND (at < ?2 OR recipient_no IN (SELECT value FROM jsonb_each(?3)))",
    )
    .bind(lane_no)
    .bind((now - KEEP).0)
    .bind(json(&met)?)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(keys.len() as i64)
}
