//! Whether recipients can be reached: the current state, and a history of its changes
//! (`docs/delivery.md`, Reachability).

use std::collections::BTreeMap;

use nuncio_domain::batch::ReachChange;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{ReachState, Time};
use sqlx::SqliteConnection;

use super::reached;
use super::store::write;
use crate::error::of_sqlx;
use crate::reach::{Decided, again, decide};
use crate::rows::known;
use crate::words::json;

/// The last of a row: whether it was learned from an activity.
const NOW: &str = "
    UPDATE recipients
       SET reach = j.value ->> 1, reach_at = j.value ->> 2, evidence = j.value ->> 3, reach_seen = j.value ->> 4
      FROM jsonb_each(?1) AS j WHERE recipients.recipient_no = j.value ->> 0";

const HISTORY: &str = "
    INSERT INTO reach_history (recipient_no, at, state, evidence)
    SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3 FROM jsonb_each(?1) AS j";

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
           FROM jsonb_each(?1) AS j CROSS JOIN recipients AS r ON r.recipient_no = j.value",
    )
    .bind(json(&numbers)?)
    .fetch_all(&mut *connection)
    .await
    .map_err(of_sqlx)?
    .iter()
    .map(known)
    .collect::<Result<_, StoreError>>()?;
    let Decided { now, history } = decide(changes, known);
    let now: Vec<_> = now
        .values()
        .map(|change| (change.recipient_no, change.state, change.at, &change.evidence, 0))
        .collect();
    write(&mut *connection, NOW, &now).await?;
    write(&mut *connection, HISTORY, &history).await?;
    reached::note(connection, &again(&history)).await
}

/// What an activity told of a recipient.
pub(crate) struct Told<'a> {
    pub(crate) recipient_no: i64,
    /// What was known before all that is told here.
    pub(crate) before: ReachState,
    pub(crate) state: ReachState,
    pub(crate) evidence: &'a str,
    pub(crate) at: Time,
}

/// What activities told: it always holds, and holds against calls.
pub(crate) async fn from_events(
    connection: &mut SqliteConnection,
    told: &[Told<'_>],
) -> Result<(), StoreError> {
    let mut now: BTreeMap<i64, &Told<'_>> = BTreeMap::new();
    let mut history = Vec::new();
    for one in told {
        let before = now.get(&one.recipient_no).map_or(one.before, |earlier| earlier.state);
        if one.state == before && !one.state.is_refusal() {
            continue;
        }
        if one.state != before {
            history.push((one.recipient_no, one.at, one.state, one.evidence));
        }
        now.insert(one.recipient_no, one);
    }
    let now: Vec<_> =
        now.values().map(|one| (one.recipient_no, one.state, one.at, one.evidence, 1)).collect();
    write(&mut *connection, NOW, &now).await?;
    write(&mut *connection, HISTORY, &history).await?;
    reached::note(connection, &again(&history)).await
}
