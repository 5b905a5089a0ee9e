//! Whether recipients can be reached: the current state, and a history of its changes
//! (`docs/delivery.md`, Reachability).

use nuncio_domain::batch::ReachChange;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{ReachState, Time};
use sqlx::SqliteConnection;

use crate::error::of_sqlx;
use crate::reach::{Decided, decide};
use crate::rows::known;
use crate::words::json;

/// What calls told. Several may speak of one recipient, so they are gone through here and written as arrays.
pub(crate) async fn from_calls(
    connection: &mut SqliteConnection,
    changes: &[ReachChange],
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = changes.iter().map(|change| change.recipient_no).collect();
    let known = sqlx::query(
        "SELECT r.recipient_no, r.reach, r.reach_seen,
                iif(r.reach_seen AND r.reach <> 'reachable', (SELECT h.state FROM reach_history AS h
                     WHERE h.recipient_no = r.recipient_no ORDER BY h.rowid DESC LIMIT 1), NULL) AS last
           FROM json_each(?1) AS j CROSS JOIN recipients AS r ON r.recipient_no = j.value",
    )
    .bind(json(&numbers)?)
    .fetch_all(&mut *connection)
    .await
    .map_err(of_sqlx)?
    .iter()
    .map(known)
    .collect::<Result<_, StoreError>>()?;
    let Decided { now, history } = decide(changes, known);
    if !now.is_empty() {
        let rows: Vec<_> = now
            .values()
            .map(|change| (change.recipient_no, change.state, change.at, &change.evidence))
            .collect();
        sqlx::query(
            "UPDATE recipients
                SET reach = j.value ->> 1, reach_at = j.value ->> 2, evidence = j.value ->> 3, reach_seen = 0
               FROM json_each(?1) AS j WHERE recipients.recipient_no = j.value ->> 0",
        )
        .bind(json(&rows)?)
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    }
    if !history.is_empty() {
        sqlx::query(
            "INSERT INTO reach_history (recipient_no, at, state, evidence)
             SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3 FROM json_each(?1) AS j",
        )
        .bind(json(&history)?)
        .execute(connection)
        .await
        .map_err(of_sqlx)?;
    }
    Ok(())
}

/// What an activity told: it always holds, and holds against calls.
pub(crate) async fn from_event(
    connection: &mut SqliteConnection,
    recipient_no: i64,
    before: ReachState,
    (state, evidence): (ReachState, &str),
    at: Time,
) -> Result<(), StoreError> {
    if state == before && !state.is_refusal() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE recipients SET reach = ?2, reach_at = ?3, evidence = ?4, reach_seen = 1 WHERE recipient_no = ?1",
    )
    .bind(recipient_no)
    .bind(state.as_str())
    .bind(at.0)
    .bind(evidence)
    .execute(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    if state != before {
        sqlx::query("INSERT INTO reach_history (recipient_no, at, state, evidence) VALUES (?1, ?2, ?3, ?4)")
            .bind(recipient_no)
            .bind(at.0)
            .bind(state.as_str())
            .bind(evidence)
            .execute(connection)
            .await
            .map_err(of_sqlx)?;
    }
    Ok(())
}
