//! What was known of recipients before, and all changes in their order.
//!
//! Several transactions write at once and numbers become visible out of their order. So changes are read by the number of
//! their transaction, up to the oldest one that is under way: whatever is committed later comes behind.

use nuncio_domain::ports::StoreError;
use nuncio_domain::reach::{ChangeFilter, Past, Position, StateChanges};
use nuncio_domain::{How, ReachState, RecipientKind, Scope, Time};

use super::db::{Db, sql};
use crate::reach_terms::{HISTORY, OUT_OF_ORDER, ROWS, change, past, position};

pub(crate) const OF_ONE: &str = "
    SELECT h.at, h.state, h.evidence, h.how, h.status, h.code, h.contradicts, h.sent_at
      FROM reach_history AS h
     WHERE h.recipient_no = $2
       AND EXISTS (SELECT 1 FROM recipients AS r JOIN lanes AS l ON l.lane_no = r.lane_no
                    WHERE r.recipient_no = $2 AND ($1::text IS NULL OR l.app = $1))
     ORDER BY h.history_no + 0 DESC LIMIT $3";

/// What is before the first of a time.
pub(crate) const BEFORE: &str = "
    SELECT h.tx::text::bigint AS tx, h.history_no - 1 AS history_no FROM reach_history AS h
     WHERE h.at >= $1 ORDER BY h.at LIMIT 1";
pub(crate) const NEWEST: &str = "
    SELECT h.tx::text::bigint AS tx, h.history_no FROM reach_history AS h
     WHERE h.tx < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY h.tx DESC, h.history_no DESC LIMIT 1";
/// The last of the rows that are looked at, if there are so many.
pub(crate) const UNTIL: &str = "
    SELECT h.tx::text::bigint AS tx, h.history_no FROM reach_history AS h
     WHERE (h.tx, h.history_no) > ($1::text::xid8, $2) ORDER BY h.tx, h.history_no LIMIT 1 OFFSET $3";

/// Of a recipient's few rows the one before is sorted out: in the order of their key would be a walk through all.
pub(crate) const CHANGES: &str = "
    SELECT h.tx::text::bigint AS tx, h.history_no, h.at, h.state, h.evidence, h.how, h.status, h.code, l.app, l.tenant,
           r.kind, r.key, r.name, r.upn,
           (SELECT p.state FROM reach_history AS p
             WHERE p.recipient_no = h.recipient_no AND p.history_no + 0 < h.history_no AND NOT p.contradicts
             ORDER BY p.history_no + 0 DESC LIMIT 1) AS was
      FROM reach_history AS h
     CROSS JOIN LATERAL (SELECT * FROM recipients AS r WHERE r.recipient_no = h.recipient_no OFFSET 0) AS r
     CROSS JOIN LATERAL (SELECT * FROM lanes AS l WHERE l.lane_no = r.lane_no OFFSET 0) AS l
     WHERE (h.tx, h.history_no) > ($8::text::xid8, $9) AND (h.tx, h.history_no) <= ($10::text::xid8, $11)
       AND NOT h.contradicts AND ($7::bigint IS NULL OR h.at >= $7)
       AND ($1::text IS NULL OR l.app = $1) AND ($2::text IS NULL OR l.app = $2) AND ($3::text IS NULL OR l.tenant = $3)
       AND ($4::text IS NULL OR r.kind = $4) AND ($5::text IS NULL OR h.state = $5) AND ($6::text IS NULL OR h.how = $6)
     ORDER BY h.tx, h.history_no LIMIT $12";

pub(crate) async fn of_one(
    db: &mut Db<'_>,
    scope: &Scope,
    recipient_no: i64,
) -> Result<Vec<Past>, StoreError> {
    let statement = sql(OF_ONE).bind(&scope.app).bind(recipient_no).bind(HISTORY);
    db.rows(statement).await?.iter().map(past).collect()
}

pub(crate) async fn changes(
    db: &mut Db<'_>,
    scope: &Scope,
    filter: &ChangeFilter,
    after: Option<Position>,
    limit: i64,
) -> Result<StateChanges, StoreError> {
    // What is written from now on is for the next time.
    let newest = db.row(sql(NEWEST)).await?;
    let newest = newest.as_ref().map(position).transpose()?.unwrap_or_default();
    let after = match (after, filter.since) {
        (Some(after), _) => after,
        (None, None) => Position::default(),
        (None, Some(Time(since))) => {
            let before = db.row(sql(BEFORE).bind(since.saturating_sub(OUT_OF_ORDER))).await?;
            before.as_ref().map(position).transpose()?.map_or(newest, |before| before.min(newest))
        }
    };
    let until = sql(UNTIL).bind(after.0.to_string()).bind(after.1).bind(ROWS - 1);
    let until = db.row(until).await?.as_ref().map(position).transpose()?.unwrap_or(newest).min(newest);
    let statement = sql(CHANGES)
        .bind(&scope.app)
        .bind(&filter.app)
        .bind(&filter.tenant)
        .bind(filter.kind.map(RecipientKind::as_str))
        .bind(filter.state.map(ReachState::as_str))
        .bind(filter.how.map(How::as_str))
        .bind(filter.since.map(|Time(at)| at))
        .bind(after.0.to_string())
        .bind(after.1)
        .bind(until.0.to_string())
        .bind(until.1)
        .bind(limit);
    let items = db.rows(statement).await?.iter().map(change).collect::<Result<Vec<_>, _>>()?;
    Ok(StateChanges::read(items, limit, after, until, newest))
}
