//! Whether recipients can be reached: the current state, and a history of its changes
//! (`docs/delivery.md`, Reachability).

use std::collections::HashMap;

use nuncio_domain::batch::ReachChange;
use nuncio_domain::ports::StoreError;
use nuncio_domain::reach::is_late;
use nuncio_domain::{ReachEvidence, ReachState, Time};

use super::commit::column;
use super::db::{Db, plain, plain_or_null, sql};
use super::reached;
use crate::reach::{Decided, Entry, Known, again, decide};
use crate::reach_terms::{by_directory, state};
use crate::rows::known;

/// A recipient has few rows of history, which are sorted: in the order of their key would be a walk through all.
macro_rules! known_of {
    ($lock:literal) => {
        concat!(
            "SELECT r.recipient_no, ",
            state!(),
            " AS reach, r.reach_seen OR ",
            by_directory!(),
            " IS NOT NULL AS reach_seen,
                    CASE WHEN r.reach_seen AND r.reach <> 'reachable' OR ",
            by_directory!(),
            " IS NOT NULL THEN
                    (SELECT h.state FROM reach_history AS h
                      WHERE h.recipient_no = r.recipient_no AND h.sent_at IS NULL
                      ORDER BY h.history_no + 0 DESC LIMIT 1) END AS last
               FROM unnest($1::bigint[]) AS j (recipient_no) JOIN recipients AS r ON r.recipient_no = j.recipient_no ",
            $lock
        )
    };
}

pub(crate) const KNOWN: &str = known_of!("");
const KNOWN_AND_LOCKED: &str = known_of!("FOR NO KEY UPDATE OF r");

pub(crate) const NOW: &str = "
    UPDATE recipients AS r
       SET reach = j.reach, reach_at = j.at, evidence = j.evidence, reach_seen = false, reach_how = j.how,
           reach_status = j.status, reach_code = j.code
      FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[])
        AS j (recipient_no, reach, at, evidence, how, status, code)
     WHERE r.recipient_no = j.recipient_no";

const HISTORY: &str = "
    INSERT INTO reach_history (recipient_no, state, at, evidence, how, status, code, contradicts, sent_at)
    SELECT recipient_no, state, at, evidence, how, status, code, contradicts, sent_at
      FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::boolean[],
                  $9::bigint[])
        WITH ORDINALITY AS j (recipient_no, state, at, evidence, how, status, code, contradicts, sent_at, place)
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
            .bind(column(&rows, |change| plain(&change.evidence.text)))
            .bind(column(&rows, |change| change.evidence.how.as_str()))
            .bind(column(&rows, |change| change.evidence.status.map(i64::from)))
            .bind(column(&rows, |change| plain_or_null(change.evidence.code.as_ref())));
        db.run(statement).await?;
    }
    write(db, &history).await
}

async fn write(db: &mut Db<'_>, entries: &[Entry<'_>]) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let statement = sql(HISTORY)
        .bind(column(entries, |entry| entry.recipient_no))
        .bind(column(entries, |entry| entry.state.as_str()))
        .bind(column(entries, |entry| entry.at.0))
        .bind(column(entries, |entry| plain(&entry.evidence.text)))
        .bind(column(entries, |entry| entry.evidence.how.as_str()))
        .bind(column(entries, |entry| entry.evidence.status.map(i64::from)))
        .bind(column(entries, |entry| plain_or_null(entry.evidence.code.as_ref())))
        .bind(column(entries, |entry| entry.contradicts))
        .bind(column(entries, |entry| entry.sent_at.map(|Time(at)| at)));
    db.run(statement).await?;
    reached::note(db, &again(entries)).await
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

/// When an activity was sent, by Microsoft's clock, and when the newest was that is known.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sent {
    pub(crate) at: Option<Time>,
    pub(crate) newest: Option<Time>,
}

/// What an activity told: it holds, also against calls, unless one that was sent later has come before; whether it was so
/// late. `before` is what counted.
pub(crate) async fn from_event(
    db: &mut Db<'_>,
    recipient_no: i64,
    before: ReachState,
    (state, evidence): (ReachState, &ReachEvidence),
    at: Time,
    sent: Sent,
) -> Result<bool, StoreError> {
    let entry = Entry { recipient_no, at, state, evidence, contradicts: false, sent_at: None };
    if is_late(sent.at, sent.newest) {
        if state != before {
            write(db, &[Entry { contradicts: true, sent_at: sent.at, ..entry }]).await?;
        }
        return Ok(true);
    }
    if let Some(Time(sent_at)) = sent.at.filter(|_| sent.at > sent.newest) {
        let newest = sql("UPDATE recipients SET reach_sent_at = $2 WHERE recipient_no = $1");
        db.run(newest.bind(recipient_no).bind(sent_at)).await?;
    }
    if state == before && !state.is_refusal() {
        return Ok(false);
    }
    let now = sql("UPDATE recipients
                      SET reach = $2, reach_at = $3, evidence = $4, reach_seen = true, reach_how = $5, reach_status = $6,
                          reach_code = $7
                    WHERE recipient_no = $1")
        .bind(recipient_no)
        .bind(state.as_str())
        .bind(at.0)
        .bind(plain(&evidence.text))
        .bind(evidence.how.as_str())
        .bind(evidence.status.map(i64::from))
        .bind(plain_or_null(evidence.code.as_ref()));
    db.run(now).await?;
    if state != before {
        write(db, &[entry]).await?;
    }
    Ok(false)
}
