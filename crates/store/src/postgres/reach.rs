//! Whether recipients can be reached: the current state, and a history of its changes
//! (`docs/delivery.md`, Reachability).

use std::collections::HashMap;

use nuncio_domain::batch::ReachChange;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{ReachState, Time};

use super::commit::column;
use super::db::{Db, plain, sql};
use super::reached;
use crate::reach::{Decided, Known, again, decide};
use crate::rows::known;

/// A recipient has few rows of history, which are sorted: in the order of their key would be a walk through all.
macro_rules! known_of {
    ($lock:literal) => {
        concat!(
            "SELECT r.recipient_no, r.reach, r.reach_seen, CASE WHEN r.reach_seen AND r.reach <> 'reachable' THEN
                    (SELECT h.state FROM reach_history AS h WHERE h.recipient_no = r.recipient_no
                      ORDER BY h.history_no + 0 DESC LIMIT 1) END AS last
               FROM unnest($1::bigint[]) AS j (recipient_no) JOIN recipients AS r ON r.recipient_no = j.recipient_no ",
            $lock
        )
    };
}

pub(crate) const KNOWN: &str = known_of!("");
const KNOWN_AND_LOCKED: &str = known_of!("FOR NO KEY UPDATE OF r");

pub(crate) const NOW: &str = "
    UPDATE recipients AS r SET reach = j.reach, reach_at = j.at, evidence = j.evidence, reach_seen = false
      FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[]) AS j (recipient_no, reach, at, evidence)
     WHERE r.recipient_no = j.recipient_no";

const HISTORY: &str = "
    INSERT INTO reach_history (recipient_no, at, state, evidence)
    SELECT recipient_no, at, state, evidence
      FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) WITH ORDINALITY
        AS j (recipient_no, at, state, evidence, place)
     ORDER BY place";

/// What calls told. Several may speak of one recipient, so they are gone through here and written as arrays.
pub(crate) async fn from_calls(db: &mut Db<'_>, changes: &[ReachChange]) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    // Nearly always it is known that those who took a message can be reached; that locks nothing.
    let before = read(db, KNOWN, changes).await?;
    let old = |change: &ReachChange| {
        before.get(&change.recipient_no).is_none_or(|known| known.is_old_news(change.state))
    };
    if changes.iter().all(old) {
        return Ok(());
    }
    // An activity may tell something else at this moment.
    let known = read(db, KNOWN_AND_LOCKED, changes).await?;
    let Decided { now, history } = decide(changes, known);
    if !now.is_empty() {
        let rows: Vec<&ReachChange> = now.into_values().collect();
        let statement = sql(NOW)
            .bind(column(&rows, |change| change.recipient_no))
            .bind(column(&rows, |change| change.state.as_str()))
            .bind(column(&rows, |change| change.at.0))
            .bind(column(&rows, |change| plain(&change.evidence)));
        db.run(statement).await?;
    }
    if !history.is_empty() {
        let statement = sql(HISTORY)
            .bind(column(&history, |row| row.0))
            .bind(column(&history, |row| row.1.0))
            .bind(column(&history, |row| row.2.as_str()))
            .bind(column(&history, |row| plain(row.3)));
        db.run(statement).await?;
    }
    reached::note(db, &again(&history)).await
}

async fn read(
    db: &mut Db<'_>,
    statement: &'static str,
    changes: &[ReachChange],
) -> Result<HashMap<i64, Known>, StoreError> {
    let mut numbers = column(changes, |change| change.recipient_no);
    numbers.sort_unstable();
    numbers.dedup();
    db.rows(sql(statement).bind(numbers)).await?.iter().map(known).collect()
}

/// What an activity told: it always holds, and holds against calls.
pub(crate) async fn from_event(
    db: &mut Db<'_>,
    recipient_no: i64,
    before: ReachState,
    (state, evidence): (ReachState, &str),
    at: Time,
) -> Result<(), StoreError> {
    if state == before && !state.is_refusal() {
        return Ok(());
    }
    let now = sql("UPDATE recipients SET reach = $2, reach_at = $3, evidence = $4, reach_seen = true
                    WHERE recipient_no = $1");
    db.run(now.bind(recipient_no).bind(state.as_str()).bind(at.0).bind(plain(evidence))).await?;
    if state != before {
        let history =
            sql("INSERT INTO reach_history (recipient_no, at, state, evidence) VALUES ($1, $2, $3, $4)");
        db.run(history.bind(recipient_no).bind(at.0).bind(state.as_str()).bind(plain(evidence))).await?;
        if state == ReachState::Reachable {
            return reached::note(db, &[(recipient_no, at)]).await;
        }
    }
    Ok(())
}
