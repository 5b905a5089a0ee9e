//! What nearly every call comes to: a post that was accepted the first time. All that there is to say of it finds room in the
//! row of its delivery, which is written anyway, and there is no row of `attempts` for it: that one and its key took a fifth
//! of what a delivery cost the database (`docs/adr/0037`).

use std::collections::HashSet;

use nuncio_domain::batch::{Attempt, Change};
use nuncio_domain::outcome::Operation;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{DeliveryState, Key};

use super::commit::column;
use super::db::{Db, plain_or_null, sql};
use crate::rows;

/// The word for `Outcome::Accepted`.
const ACCEPTED: &str = "accepted";

pub(crate) const DELIVERED: &str = "
    UPDATE deliveries AS d
       SET state = 'delivered', reason = NULL, activity_id = coalesce(j.activity_id, d.activity_id), due_at = NULL,
           tries = 0, resent = false, done_at = j.done_at, attempts = d.attempts + 1, called_at = j.called_at,
           status = j.status, correlation = j.correlation
      FROM (SELECT unnest($1::bigint[]) AS message_no, unnest($2::bigint[]) AS recipient_no,
                   unnest($3::text[]) AS activity_id, unnest($4::bigint[]) AS done_at, unnest($5::bigint[]) AS called_at,
                   unnest($6::integer[]) AS status, unnest($7::text[]) AS correlation) AS j
     WHERE d.message_no = j.message_no AND d.recipient_no = j.recipient_no AND d.state = 'in_flight'
    RETURNING d.message_no, d.recipient_no";

/// The attempt of such a change.
pub(crate) fn at_once(change: &Change) -> Option<&Attempt> {
    let first = change.from == DeliveryState::InFlight
        && change.to == DeliveryState::Delivered
        && change.tries == 0
        && !change.resent;
    change.attempt.as_ref().filter(|attempt| {
        first
            && attempt.call == Operation::Send
            && attempt.outcome == ACCEPTED
            && attempt.ended_at == change.at
            && attempt.code.is_none()
            && attempt.text.is_none()
    })
}

/// Writes them; adds the keys of those whose row was in flight.
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
        .bind(column(changes, |one| one.0.at.0))
        .bind(column(changes, |one| one.1.started_at.0))
        .bind(column(changes, |one| one.1.status.map(i32::from)))
        .bind(column(changes, |one| plain_or_null(one.1.correlation.as_ref())));
    for row in &db.rows(statement).await? {
        moved.insert(rows::key(row)?);
    }
    Ok(())
}
