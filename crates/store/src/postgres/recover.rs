//! Taking over from an owner that died: what it had in flight (`docs/delivery.md`, Ambiguous).

use nuncio_domain::ports::StoreError;
use nuncio_domain::{Batch, DeliveryState, Time};

use super::commit::commit;
use super::db::{Db, sql};
use super::tids::Tids;
use crate::rows::change;

/// A walk through the open messages that have anything in flight: no index for it.
pub(crate) const IN_FLIGHT: &str = "
    SELECT d.message_no, d.recipient_no, d.started_at, d.tries::bigint, d.resent, m.class, m.on_ambiguous, m.closed_to,
           r.kind, r.key
      FROM (SELECT * FROM messages WHERE lane_no = $1 AND open OFFSET 0) AS m
     CROSS JOIN LATERAL (SELECT 1 FROM message_counts AS c WHERE c.message_no = m.message_no AND c.in_flight > 0 OFFSET 0) AS c
     CROSS JOIN LATERAL (SELECT * FROM deliveries AS d
                          WHERE d.message_no = m.message_no AND d.state = 'in_flight' OFFSET 0) AS d
      JOIN recipients AS r ON r.recipient_no = d.recipient_no";

/// How many became ambiguous, and how many are sent again.
pub(crate) async fn recover(db: &mut Db<'_>, lane_no: i64, now: Time) -> Result<(i64, i64), StoreError> {
    // Longer than a batch may take: it reads all deliveries of the messages that were being sent.
    db.word("SET LOCAL statement_timeout = '5min'".to_owned()).await?;
    let rows = db.rows(sql(IN_FLIGHT).bind(lane_no)).await?;
    let changes = rows.iter().map(|row| change(row, now)).collect::<Result<Vec<_>, _>>()?;
    let resent = changes.iter().filter(|change| change.to == DeliveryState::Pending).count() as i64;
    let ambiguous = changes.len() as i64 - resent;
    commit(db, &Tids::default(), &Batch { at: now, changes, ..Batch::default() }).await?;
    Ok((ambiguous, resent))
}
