//! What was known of recipients before, and all changes in their order.

use nuncio_domain::ports::StoreError;
use nuncio_domain::reach::{ChangeFilter, Past, Position, StateChanges};
use nuncio_domain::{How, ReachState, RecipientKind, Scope, Time};
use sqlx::SqlitePool;

use crate::error::of_sqlx;
use crate::reach_terms::{HISTORY, OUT_OF_ORDER, ROWS, change, past};

pub(crate) const OF_ONE: &str = "
    SELECT h.at, h.state, h.evidence, h.how, h.status, h.code, h.contradicts, h.sent_at
      FROM reach_history AS h
     WHERE h.recipient_no = ?2
       AND EXISTS (SELECT 1 FROM recipients AS r JOIN lanes AS l ON l.lane_no = r.lane_no
                    WHERE r.recipient_no = ?2 AND (?1 IS NULL OR l.app = ?1))
     ORDER BY h.rowid DESC LIMIT ?3";

/// The row before the first of a time.
pub(crate) const BEFORE: &str =
    "SELECT h.rowid - 1 FROM reach_history AS h WHERE h.at >= ?1 ORDER BY h.at, h.rowid LIMIT 1";
pub(crate) const NEWEST: &str = "SELECT h.rowid FROM reach_history AS h ORDER BY h.rowid DESC LIMIT 1";
/// The last of the rows that are looked at, if there are so many.
pub(crate) const UNTIL: &str =
    "SELECT h.rowid FROM reach_history AS h WHERE h.rowid > ?1 ORDER BY h.rowid LIMIT 1 OFFSET ?2";

pub(crate) const CHANGES: &str = "
    SELECT 0 AS tx, h.rowid AS history_no, h.at, h.state, h.evidence, h.how, h.status, h.code, l.app, l.tenant, r.kind,
           r.key, r.name, r.upn,
           (SELECT p.state FROM reach_history AS p
             WHERE p.recipient_no = h.recipient_no AND p.rowid < h.rowid AND NOT p.contradicts
             ORDER BY p.rowid DESC LIMIT 1) AS was
      FROM reach_history AS h
     CROSS JOIN recipients AS r ON r.recipient_no = h.recipient_no
     CROSS JOIN lanes AS l ON l.lane_no = r.lane_no
     WHERE h.rowid > ?8 AND h.rowid <= ?9 AND NOT h.contradicts AND (?7 IS NULL OR h.at >= ?7)
       AND (?1 IS NULL OR l.app = ?1) AND (?2 IS NULL OR l.app = ?2) AND (?3 IS NULL OR l.tenant = ?3)
       AND (?4 IS NULL OR r.kind = ?4) AND (?5 IS NULL OR h.state = ?5) AND (?6 IS NULL OR h.how = ?6)
     ORDER BY h.rowid LIMIT ?10";

pub(crate) async fn of_one(
    readers: &SqlitePool,
    scope: &Scope,
    recipient_no: i64,
) -> Result<Vec<Past>, StoreError> {
    let statement = sqlx::query(OF_ONE).bind(&scope.app).bind(recipient_no).bind(HISTORY);
    statement.fetch_all(readers).await.map_err(of_sqlx)?.iter().map(past).collect()
}

pub(crate) async fn changes(
    readers: &SqlitePool,
    scope: &Scope,
    filter: &ChangeFilter,
    after: Option<Position>,
    limit: i64,
) -> Result<StateChanges, StoreError> {
    // What is written from now on is for the next time.
    let newest: Option<i64> = sqlx::query_scalar(NEWEST).fetch_optional(readers).await.map_err(of_sqlx)?;
    let newest = newest.unwrap_or(0);
    let after = match (after, filter.since) {
        (Some(Position(_, after)), _) => after,
        (None, None) => 0,
        (None, Some(Time(since))) => {
            let before = sqlx::query_scalar(BEFORE).bind(since.saturating_sub(OUT_OF_ORDER));
            before.fetch_optional(readers).await.map_err(of_sqlx)?.unwrap_or(newest)
        }
    };
    let until: Option<i64> = sqlx::query_scalar(UNTIL)
        .bind(after)
        .bind(ROWS - 1)
        .fetch_optional(readers)
        .await
        .map_err(of_sqlx)?;
    let until = until.unwrap_or(newest).min(newest);
    let rows = sqlx::query(CHANGES)
        .bind(&scope.app)
        .bind(&filter.app)
        .bind(&filter.tenant)
        .bind(filter.kind.map(RecipientKind::as_str))
        .bind(filter.state.map(ReachState::as_str))
        .bind(filter.how.map(How::as_str))
        .bind(filter.since.map(|Time(at)| at))
        .bind(after)
        .bind(until)
        .bind(limit)
        .fetch_all(readers)
        .await
        .map_err(of_sqlx)?;
    let items = rows.iter().map(change).collect::<Result<Vec<_>, _>>()?;
    Ok(StateChanges::read(items, limit, Position(0, after), Position(0, until), Position(0, newest)))
}
