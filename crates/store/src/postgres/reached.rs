//! Who can be reached again, for messages that wait for somebody (`when_unreachable: wait`). Noted by whoever learns it,
//! made due by the owner of the lane.

use std::time::Duration;

use nuncio_domain::Time;
use nuncio_domain::message::WHENEVER;
use nuncio_domain::ports::StoreError;

use super::commit::column;
use super::db::{Db, sql};
use crate::words::get;

/// A delivery may begin to wait a moment after its recipient was heard of: a call takes up to 30 s.
const KEEP: Duration = Duration::from_mins(1);

pub(crate) const NOTE: &str = "
    INSERT INTO reached (lane_no, recipient_no, at)
    SELECT r.lane_no, r.recipient_no, j.at
      FROM unnest($1::bigint[], $2::bigint[]) AS j (recipient_no, at)
      JOIN recipients AS r ON r.recipient_no = j.recipient_no
     WHERE (SELECT true FROM messages AS m WHERE m.lane_no = r.lane_no AND m.open AND m.when_unreachable = 'wait' LIMIT 1)
    ON CONFLICT (lane_no, recipient_no) DO UPDATE SET at = excluded.at";

/// Threads of channels can be reached again when their channel can.
pub(crate) const NOTE_THREADS: &str = "
    INSERT INTO reached (lane_no, recipient_no, at)
    SELECT r.lane_no, r.recipient_no, j.at
      FROM unnest($1::bigint[], $2::bigint[]) AS j (recipient_no, at)
     CROSS JOIN LATERAL (SELECT b.lane_no, b.recipient_no FROM recipients AS b
                          WHERE b.thread_no = j.recipient_no OFFSET 0) AS r
     WHERE (SELECT true FROM messages AS m WHERE m.lane_no = r.lane_no AND m.open AND m.when_unreachable = 'wait' LIMIT 1)
    ON CONFLICT (lane_no, recipient_no) DO UPDATE SET at = excluded.at";

pub(crate) const MAKE_DUE: &str = "
    UPDATE deliveries AS d SET due_at = $2
      FROM (SELECT m.message_no, q.recipient_no
              FROM messages AS m JOIN reached AS q ON q.lane_no = m.lane_no
             WHERE m.lane_no = $1 AND m.open AND m.when_unreachable = 'wait' AND m.closed_to IS NULL OFFSET 0) AS q
     WHERE d.message_no = q.message_no AND d.recipient_no = q.recipient_no
       AND d.state = 'pending' AND d.due_at + 0 = $3
    RETURNING d.recipient_no";

pub(crate) const ANY: &str = "SELECT EXISTS (SELECT 1 FROM reached WHERE lane_no = $1) AS reached";

const TAKE: &str = "DELETE FROM reached WHERE lane_no = $1 AND (at < $2 OR recipient_no = ANY ($3))";

/// (recipient, when) of those who can be reached again.
pub(crate) async fn note(db: &mut Db<'_>, who: &[(i64, Time)]) -> Result<(), StoreError> {
    if who.is_empty() {
        return Ok(());
    }
    // In the order of their key, as every writer of them takes it.
    let mut who = who.to_vec();
    who.sort_unstable();
    who.dedup_by_key(|(recipient_no, _)| *recipient_no);
    for statement in [NOTE, NOTE_THREADS] {
        db.run(sql(statement).bind(column(&who, |row| row.0)).bind(column(&who, |row| row.1.0))).await?;
    }
    Ok(())
}

pub(crate) async fn is_any(db: &mut Db<'_>, lane_no: i64) -> Result<bool, StoreError> {
    get(&db.one(sql(ANY).bind(lane_no)).await?, "reached")
}

/// How many deliveries became due.
pub(crate) async fn make_due(db: &mut Db<'_>, lane_no: i64, now: Time) -> Result<i64, StoreError> {
    let statement = sql(MAKE_DUE).bind(lane_no).bind(now.0).bind(WHENEVER.0);
    let met = db.rows(statement).await?;
    let met = met.iter().map(|row| get(row, "recipient_no")).collect::<Result<Vec<i64>, _>>()?;
    db.run(sql(TAKE).bind(lane_no).bind((now - KEEP).0).bind(&met)).await?;
    Ok(met.len() as i64)
}
