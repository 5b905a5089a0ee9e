//! Terms of statements about recipients `r` that both databases understand, and what their rows say: which state counts,
//! since when, and how it is known. `nuncio_domain::reach` has the same rules for rows that were read; a test of both
//! databases holds them together.

use nuncio_domain::directory::Standing;
use nuncio_domain::ports::StoreError;
use nuncio_domain::reach::{Known, Past, Position, Share, StateChange};
use nuncio_domain::{How, ReachEvidence, ReachState, RecipientKind};

use crate::words::{AnyRow, get, small_or_null, time, time_or_null, word, word_or_null};

/// Rows that one statement looks at (`docs/engine.md`, Tables: no read transaction longer than that).
pub(crate) const ROWS: i64 = 5_000;
/// Entries of one recipient's history that are shown.
pub(crate) const HISTORY: i64 = 1_000;
/// More apps and tenants than anybody chooses between.
pub(crate) const MOST_OF_ONE_ID: i64 = 100;
/// Changes are committed a little out of the order of their times; by more only if the clock was set.
pub(crate) const OUT_OF_ORDER: i64 = 60 * 1_000_000;

/// What the directory's word amounts to, unless something newer was seen (`Standing::counts`).
macro_rules! by_directory {
    () => {
        "CASE WHEN r.directory_at IS NULL OR r.directory_at < r.reach_at THEN NULL WHEN r.external THEN 'external'
              WHEN NOT r.enabled THEN 'account_disabled'
              WHEN NOT r.licensed AND r.guest IS NOT TRUE THEN 'unlicensed' END"
    };
}
pub(crate) use by_directory;

/// The state that counts (`Person::state`).
macro_rules! state {
    () => {
        concat!("coalesce(", crate::reach_terms::by_directory!(), ", r.reach)")
    };
}
pub(crate) use state;

/// How it is known, also where a version before 0010 of SQLite and 0006 of PostgreSQL wrote a text alone
/// (`ReachEvidence::of_text`).
macro_rules! how {
    () => {
        concat!(
            "CASE WHEN ",
            crate::reach_terms::by_directory!(),
            " IS NOT NULL THEN 'graph' WHEN r.reach_how IS NOT NULL THEN r.reach_how WHEN r.evidence IS NULL THEN NULL
              WHEN r.evidence LIKE '% answered %' THEN CASE WHEN r.reach = 'reachable' THEN 'call' ELSE 'refusal' END
              WHEN r.evidence LIKE 'they %' THEN 'person' ELSE 'event' END"
        )
    };
}
pub(crate) use how;

/// Since when. A refusal that is heard again is young again, and so is what the directory says again: when it began is in
/// the history. `$order`: the number of its rows.
macro_rules! since {
    ($order:literal) => {
        concat!(
            "CASE WHEN ",
            crate::reach_terms::state!(),
            " IN ('unknown', 'reachable') THEN r.reach_at
                  ELSE coalesce((SELECT h.at FROM reach_history AS h
                                  WHERE h.recipient_no = r.recipient_no AND NOT h.contradicts
                                    AND h.state = ",
            crate::reach_terms::state!(),
            " ORDER BY ",
            $order,
            " DESC LIMIT 1), CASE WHEN ",
            crate::reach_terms::by_directory!(),
            " IS NULL THEN r.reach_at ELSE r.directory_at END) END"
        )
    };
}
pub(crate) use since;

/// What the history says last, if it only stands beside the state; what was overtaken is no contradiction. `$array` makes
/// JSON of a row.
macro_rules! contradicted_by {
    ($order:literal, $array:literal) => {
        concat!(
            "CASE WHEN ",
            crate::reach_terms::by_directory!(),
            " IS NOT NULL OR r.reach_seen AND r.reach NOT IN ('unknown', 'reachable') THEN
                  (SELECT CASE WHEN h.contradicts THEN ",
            $array,
            " END FROM reach_history AS h WHERE h.recipient_no = r.recipient_no AND h.sent_at IS NULL ORDER BY ",
            $order,
            " DESC LIMIT 1) END"
        )
    };
}
pub(crate) use contradicted_by;

/// An entry for everybody of whom the directory now says something else. `$different` compares what may be null.
macro_rules! noted {
    ($at:literal, $from:literal, $order:literal, $different:literal) => {
        concat!(
            "INSERT INTO reach_history (recipient_no, at, state, evidence, how)
             SELECT s.recipient_no, s.at, coalesce(s.says, s.reach),
                    CASE s.says WHEN 'external' THEN 'the directory says that the account is another tenant''s'
                                WHEN 'account_disabled' THEN 'the directory says that the account is disabled'
                                WHEN 'unlicensed' THEN 'the directory says that they have no plan with Teams'
                                ELSE 'the directory says so no more' END, 'graph'
               FROM (SELECT r.recipient_no, r.reach, ",
            $at,
            " AS at, ",
            crate::reach_terms::by_directory!(),
            " AS says,
                            (SELECT h.state FROM reach_history AS h
                              WHERE h.recipient_no = r.recipient_no AND NOT h.contradicts
                              ORDER BY ",
            $order,
            " DESC LIMIT 1) AS was FROM ",
            $from,
            ") AS s
              WHERE CASE WHEN s.says IS NULL
                         THEN s.was IN ('external', 'account_disabled', 'unlicensed') AND s.was <> s.reach
                         ELSE s.says ",
            $different,
            " s.was END"
        )
    };
}
pub(crate) use noted;

/// What a recipient's row says of how they are known.
pub(crate) fn evidence(row: &impl AnyRow, state: ReachState) -> Result<Option<ReachEvidence>, StoreError> {
    let columns = ["reach_how", "reach_status", "reach_code", "evidence"];
    of_columns(row, state, columns)
}

fn of_columns(
    row: &impl AnyRow,
    state: ReachState,
    [how, status, code, text]: [&str; 4],
) -> Result<Option<ReachEvidence>, StoreError> {
    let Some(text) = get::<Option<String>>(row, text)? else { return Ok(None) };
    let Some(how) = word_or_null(row, how, How::of_word)? else {
        return Ok(Some(ReachEvidence::of_text(state, text)));
    };
    Ok(Some(ReachEvidence { how, status: small_or_null(row, status)?, code: get(row, code)?, text }))
}

/// What an entry of the history says.
fn known(row: &impl AnyRow, state: ReachState) -> Result<Known, StoreError> {
    let evidence = of_columns(row, state, ["how", "status", "code", "evidence"])?;
    let evidence = evidence.ok_or_else(|| crate::error::broken("an entry of the history has no evidence"))?;
    Ok(Known { evidence, at: time(row, "at")? })
}

pub(crate) fn standing(row: &impl AnyRow) -> Result<Standing, StoreError> {
    Ok(Standing {
        guest: get(row, "guest")?,
        external: get(row, "external")?,
        enabled: get(row, "enabled")?,
        licensed: get(row, "licensed")?,
        at: time_or_null(row, "directory_at")?,
    })
}

pub(crate) fn share(row: &impl AnyRow) -> Result<Share, StoreError> {
    Ok(Share {
        state: word(row, "state", ReachState::of_word)?,
        how: word_or_null(row, "how", How::of_word)?,
        count: get(row, "n")?,
    })
}

/// Shares of the same state and kind of evidence put together, in their order.
pub(crate) fn gathered(parts: Vec<Share>) -> Vec<Share> {
    let mut whole = std::collections::BTreeMap::new();
    for part in parts {
        *whole.entry((part.state, part.how)).or_insert(0) += part.count;
    }
    whole.into_iter().map(|((state, how), count)| Share { state, how, count }).collect()
}

pub(crate) fn past(row: &impl AnyRow) -> Result<Past, StoreError> {
    let state = word(row, "state", ReachState::of_word)?;
    Ok(Past {
        state,
        known: known(row, state)?,
        contradicts: get(row, "contradicts")?,
        sent_at: time_or_null(row, "sent_at")?,
    })
}

pub(crate) fn position(row: &impl AnyRow) -> Result<Position, StoreError> {
    Ok(Position(get(row, "tx")?, get(row, "history_no")?))
}

pub(crate) fn change(row: &impl AnyRow) -> Result<StateChange, StoreError> {
    let state = word(row, "state", ReachState::of_word)?;
    Ok(StateChange {
        position: position(row)?,
        app: get(row, "app")?,
        tenant: get(row, "tenant")?,
        kind: word(row, "kind", RecipientKind::of_word)?,
        key: get(row, "key")?,
        name: get(row, "name")?,
        upn: get(row, "upn")?,
        was: word_or_null(row, "was", ReachState::of_word)?,
        state,
        known: known(row, state)?,
    })
}
