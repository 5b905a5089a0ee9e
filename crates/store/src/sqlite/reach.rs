//! Whether recipients can be reached: the current state, and a history of its changes
//! (`docs/delivery.md`, Reachability).

use std::collections::BTreeMap;

use nuncio_domain::batch::ReachChange;
use nuncio_domain::ports::StoreError;
use nuncio_domain::reach::is_late;
use nuncio_domain::{ReachEvidence, ReachState, Time};
use sqlx::SqliteConnection;

use super::reached;
use super::store::write;
use crate::error::of_sqlx;
use crate::reach::{Decided, Entry, again, decide};
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
    INSERT INTO reach_history (recipient_no, state, at, evidence, contradicts, how, status, code, sent_at)
    SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6,
           j.value ->> 7, j.value ->> 8
      FROM jsonb_each(?1) AS j";

pub(crate) const NEWEST: &str = "
    UPDATE recipients SET reach_sent_at = j.value ->> 1
      FROM jsonb_each(?1) AS j WHERE recipients.recipient_no = j.value ->> 0";

pub(crate) const KNOWN: &str = concat!(
    "SELECT k.recipient_no, k.reach, k.reach_seen,
            iif(k.reach_seen AND k.reach <> 'reachable', (SELECT h.state FROM reach_history AS h
                 WHERE h.recipient_no = k.recipient_no AND h.sent_at IS NULL ORDER BY h.rowid DESC LIMIT 1), NULL) AS last
       FROM (SELECT r.recipient_no, ",
    state!(),
    " AS reach, r.reach_seen OR ",
    by_directory!(),
    " IS NOT NULL AS reach_seen
               FROM jsonb_each(?1) AS j CROSS JOIN recipients AS r ON r.recipient_no = j.value) AS k"
);

/// Of [`NOW`] and [`HISTORY`].
type Row<'a> =
    (i64, ReachState, Time, &'a str, bool, &'static str, Option<u16>, Option<&'a str>, Option<Time>);

fn row(recipient_no: i64, state: ReachState, at: Time, evidence: &ReachEvidence, flag: bool) -> Row<'_> {
    let ReachEvidence { how, status, code, text } = evidence;
    (recipient_no, state, at, text, flag, how.as_str(), *status, code.as_deref(), None)
}

async fn remember(connection: &mut SqliteConnection, history: &[Entry<'_>]) -> Result<(), StoreError> {
    let rows: Vec<_> = history
        .iter()
        .map(|entry| {
            let mut row = row(entry.recipient_no, entry.state, entry.at, entry.evidence, entry.contradicts);
            row.8 = entry.sent_at;
            row
        })
        .collect();
    write(&mut *connection, HISTORY, &rows).await?;
    reached::note(connection, &again(history)).await
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
    write(&mut *connection, NOW, &now).await?;
    remember(connection, &history).await
}

/// What an activity told of a recipient.
pub(crate) struct Told<'a> {
    pub(crate) recipient_no: i64,
    /// What counted before all that is told here.
    pub(crate) before: ReachState,
    pub(crate) state: ReachState,
    pub(crate) evidence: &'a ReachEvidence,
    pub(crate) at: Time,
    /// When it was sent, by Microsoft's clock.
    pub(crate) sent_at: Option<Time>,
    /// When the newest was sent that was known before all that is told here.
    pub(crate) newest: Option<Time>,
}

/// What activities told: it holds, also against calls, unless one that was sent later has come before. Which of them were
/// so late.
pub(crate) async fn from_events(
    connection: &mut SqliteConnection,
    told: &[Told<'_>],
) -> Result<Vec<bool>, StoreError> {
    let mut now: BTreeMap<i64, &Told<'_>> = BTreeMap::new();
    let mut newest: BTreeMap<i64, Time> = BTreeMap::new();
    let mut history = Vec::new();
    let mut late = Vec::with_capacity(told.len());
    for one in told {
        let before = now.get(&one.recipient_no).map_or(one.before, |earlier| earlier.state);
        let known = newest.get(&one.recipient_no).copied().or(one.newest);
        let is_late = is_late(one.sent_at, known);
        late.push(is_late);
        if one.state != before {
            history.push(Entry {
                recipient_no: one.recipient_no,
                at: one.at,
                state: one.state,
                evidence: one.evidence,
                contradicts: is_late,
                sent_at: one.sent_at.filter(|_| is_late),
            });
        }
        if is_late {
            continue;
        }
        if let Some(sent_at) = one.sent_at.filter(|sent_at| known.is_none_or(|known| *sent_at > known)) {
            newest.insert(one.recipient_no, sent_at);
        }
        if one.state != before || one.state.is_refusal() {
            now.insert(one.recipient_no, one);
        }
    }
    let now: Vec<_> =
        now.values().map(|one| row(one.recipient_no, one.state, one.at, one.evidence, true)).collect();
    let newest: Vec<_> = newest.into_iter().collect();
    write(&mut *connection, NOW, &now).await?;
    write(&mut *connection, NEWEST, &newest).await?;
    remember(connection, &history).await?;
    Ok(late)
}
