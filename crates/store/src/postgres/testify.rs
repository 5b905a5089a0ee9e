//! What calls came to whose process was taken over while they were under way (`docs/delivery.md`, Ambiguous). It has no
//! part in what the deliveries are any more, so it leaves word for the new owner like anyone else.

use nuncio_domain::Time;
use nuncio_domain::batch::Late;
use nuncio_domain::message::Verdict;
use nuncio_domain::ports::StoreError;

use super::control::raise;
use super::db::{Db, plain, sql};
use crate::words::get;

/// An intent names a moment up to so much ahead (`docs/delivery.md`, Intents); one that is later is of a newer attempt.
const AHEAD_US: i64 = 25_000;

/// Those in flight are meant too: the new owner makes them ambiguous before it looks for words.
pub(crate) const TESTIFY: &str = "
    INSERT INTO settlements (message_no, recipient_no, lane_no, verdict, activity_id, evidence, at)
    SELECT d.message_no, d.recipient_no, d.lane_no, $5, j.activity_id, $6, $7
      FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[])
           AS j (message_no, recipient_no, started_at, activity_id)
     CROSS JOIN LATERAL (SELECT message_no, recipient_no, lane_no FROM deliveries AS d
                          WHERE d.message_no = j.message_no AND d.recipient_no = j.recipient_no
                            AND d.state IN ('ambiguous', 'in_flight') AND d.started_at <= j.started_at OFFSET 0) AS d
     WHERE NOT EXISTS (SELECT 1 FROM settlements AS s
                        WHERE s.message_no = d.message_no AND s.recipient_no = d.recipient_no
                          AND s.verdict = $5 AND s.done_at IS NULL OFFSET 0)
    RETURNING lane_no";

/// How many are settled by it.
pub(crate) async fn testify(db: &mut Db<'_>, accepted: &[Late], now: Time) -> Result<i64, StoreError> {
    let ids: Vec<Option<String>> =
        accepted.iter().map(|late| late.activity_id.as_deref().map(|id| plain(id).into_owned())).collect();
    let statement = sql(TESTIFY)
        .bind(accepted.iter().map(|late| late.key.message_no).collect::<Vec<_>>())
        .bind(accepted.iter().map(|late| late.key.recipient_no).collect::<Vec<_>>())
        .bind(accepted.iter().map(|late| late.started_at.0 + AHEAD_US).collect::<Vec<_>>())
        .bind(ids)
        .bind(Verdict::Delivered.as_str())
        .bind("the process that made the call was taken over, and said so afterwards")
        .bind(now.0);
    let mut lanes: Vec<i64> =
        db.rows(statement).await?.iter().map(|row| get(row, "lane_no")).collect::<Result<_, _>>()?;
    let settled = lanes.len() as i64;
    lanes.sort_unstable();
    lanes.dedup();
    for lane_no in lanes {
        raise(db, lane_no).await?;
    }
    Ok(settled)
}
