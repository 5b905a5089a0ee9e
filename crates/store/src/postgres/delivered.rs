//! Deliveries that were accepted, nearly all that there is to write: the call that delivered is kept in the row of the
//! delivery, which is written anyway (`docs/adr/0037`).

use std::collections::HashSet;

use nuncio_domain::Key;
use nuncio_domain::batch::{Attempt, Change};
use nuncio_domain::ports::StoreError;

use super::commit::column;
use super::db::{Db, plain_or_null, sql};
use crate::rows;

pub(crate) const DELIVERED: &str = "
    UPDATE deliveries AS d
       SET state = 'delivered', reason = NULL, due_at = NULL, attempts = d.attempts + 1,
           activity_id = coalesce(j.activity_id, d.activity_id), call = j.call, status = j.status,
           correlation = j.correlation, started_at = j.started_at, done_at = j.done_at
      FROM (SELECT unnest($1::bigint[]) AS message_no, unnest($2::bigint[]) AS recipient_no,
                   unnest($3::text[]) AS activity_id, unnest($4::text[]) AS call, unnest($5::integer[]) AS status,
                   unnest($6::text[]) AS correlation, unnest($7::bigint[]) AS started_at,
                   unnest($8::bigint[]) AS done_at) AS j
     WHERE d.message_no = j.message_no AND d.recipient_no = j.recipient_no AND d.state = 'in_flight'
    RETURNING d.message_no, d.recipient_no";

/// Writes them with their calls; adds the keys of those whose row was in flight.
pub(crate) async fn apply(
    db: &mut Db<'_>,
    changes: &[(&Change, &Attempt)],
    moved: &mut HashSet<Key>,
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let statement = sql(DELIVERED)
        .bind(column(changes, |one| one.0.key.message_no))
        .bind(column(changes, |one| one.0.key.recipient_no))
        .bind(column(changes, |one| plain_or_null(one.0.activity_id.as_ref())))
        .bind(column(changes, |one| one.1.call.as_str()))
        .bind(column(changes, |one| one.1.status.map(i32::from)))
        .bind(column(changes, |one| plain_or_null(one.1.correlation.as_ref())))
        .bind(column(changes, |one| one.1.started_at.0))
        .bind(column(changes, |one| one.0.at.0));
    for row in &db.rows(statement).await? {
        moved.insert(rows::key(row)?);
    }
    Ok(())
}
