//! Taking over from an owner that died: what it had in flight (`docs/delivery.md`, Ambiguous).

use nuncio_domain::ports::StoreError;
use nuncio_domain::{Batch, DeliveryState, Time};
use sqlx::SqliteConnection;

use super::commit::commit;
use super::moves::Look;
use crate::error::of_sqlx;
use crate::rows::change;

/// A walk through the open messages that have anything in flight: no index for it, 0.24 s per million rows.
pub(crate) const IN_FLIGHT: &str = "
    SELECT d.message_no, d.recipient_no, d.started_at, d.tries, d.resent, m.class, m.on_ambiguous, m.closed_to,
           r.kind, r.key
      FROM messages AS m INDEXED BY messages_open
     CROSS JOIN message_counts AS c ON c.message_no = m.message_no AND c.in_flight > 0
     CROSS JOIN deliveries AS d ON d.message_no = m.message_no AND d.state = 'in_flight'
     CROSS JOIN recipients AS r ON r.recipient_no = d.recipient_no
     WHERE m.lane_no = ?1 AND m.open = 1";

/// How many became ambiguous, and how many are sent again.
pub(crate) async fn recover(
    connection: &mut SqliteConnection,
    lane_no: i64,
    now: Time,
) -> Result<(i64, i64), StoreError> {
    let rows = sqlx::query(IN_FLIGHT).bind(lane_no).fetch_all(&mut *connection).await.map_err(of_sqlx)?;
    let changes = rows.iter().map(|row| change(row, now)).collect::<Result<Vec<_>, _>>()?;
    let resent = changes.iter().filter(|change| change.to == DeliveryState::Pending).count() as i64;
    let ambiguous = changes.len() as i64 - resent;
    commit(connection, &Batch { at: now, changes, ..Batch::default() }, Look::First).await?;
    Ok((ambiguous, resent))
}
