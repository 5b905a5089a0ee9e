//! Whether recipients can be reached: the current state, and a history of its changes
//! (`docs/delivery.md`, Reachability).

use std::collections::BTreeMap;

use nuncio_domain::batch::ReachChange;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{ReachEvidence, ReachState, Time};
use sqlx::SqliteConnection;

use super::reached;
use super::store::write;
use crate::error::of_sqlx;
use crate::reach::{Decided, again, decide};
use crate::reach_terms::{by_directory, state};
use crate::rows::known;
use crate::words::json;

/// The fifth of a row: whether it was learned from an activity.
const NOW: &str = "
    UPDATE recipients
       SET reach = j.value ->> 1, reach_at = j.value ->> 2, evidence = j.value ->> 3, reach_seen = j.value ->> 4,
           reach_how = j.value ->> 5, reach_status = j.value ->> 6, reach_code = j.value ->> 7
      FROM jsonb_each(?1) AS j WHERE recipients.recipient_no = j.value ->> 0";

/// The fifth of a row: whether it stands beside what is known.
const HISTORY: &str = "
    INSERT INTO reach_history (recipient_no, state, at, evidence, contradicts, how, status, code)
    SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6,
           j.value ->> 7
      FROM jsonb_each(?1) AS j";

pub(crate) const KNOWN: &str = concat!(
    "SELECT k.recipient_no, k.reach, k.reach_seen,
            iif(k.reach_seen AND k.reach <> 'reachable', (SELECT h.state FROM reach_history AS h
                 WHERE h.recipient_no = k.recipient_no ORDER BY h.rowid DESC LIMIT 1), NULL) AS last
       FROM (SELECT r.recipient_no, ",
    state!(),
    " AS reach, r.reach_seen OR ",
    by_directory!(),
    " IS NOT NULL AS reach_seen
               FROM jsonb_each(?1) AS j CROSS JOIN recipients AS r ON r.recipient_no = j.value) AS k"
);

/// Of [`NOW`] and [`HISTORY`].
type Row<'a> = (i64, ReachState, Time, &'a str, bool, &'static str, Option<u16>, Option<&'a str>);

fn row(recipient_no: i64, state: ReachState, at: Time, evidence: &ReachEvidence, flag: bool) -> Row<'_> {
    let ReachEvidence { how, status, code, text } = evidence;
    (recipient_no, state, at, text, flag, how.as_str(), *status, code.as_deref())
}

/// What calls told. Several may speak of one recipient, so they are gone through here and written as arrays.
pub(crate) async fn from_calls(
    connection: &mut SqliteConnection,
    changes: &[ReachChange],
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = changes.iter().map(|change| change.recipient_no).collect();
    let known = sqlx::query(KNOWN)
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
        .map(|change| row(change.recipient_no, change.state, change.at, &change.evidence, false))
        .collect();
    let history: Vec<_> = history
        .iter()
        .map(|entry| row(entry.recipient_no, entry.state, entry.at, entry.evidence, entry.contradicts))
        .collect();
    write(&mut *connection, NOW, &now).await?;
    write(&mut *connection, HISTORY, &history).await?;
    reached::note(connection, &again(history.iter().map(|entry| (entry.0, entry.1, entry.2)))).await
}

/// What an activity told of a recipient.
pub(crate) struct Told<'a> {
    pub(crate) recipient_no: i64,
    /// What counted before all that is told here.
    pub(crate) before: ReachState,
    pub(crate) state: ReachState,
    pub(crate) evidence: &'a ReachEvidence,
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
            history.push(row(one.recipient_no, one.state, one.at, one.evidence, false));
        }
        now.insert(one.recipient_no, one);
    }
    let now: Vec<_> =
        now.values().map(|one| row(one.recipient_no, one.state, one.at, one.evidence, true)).collect();
    write(&mut *connection, NOW, &now).await?;
    write(&mut *connection, HISTORY, &history).await?;
    reached::note(connection, &again(history.iter().map(|entry| (entry.0, entry.1, entry.2)))).await
}
