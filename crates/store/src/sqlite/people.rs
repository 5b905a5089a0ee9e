//! What the API reads of people and channels. A name in a list that nobody has is none of them (`docs/adr/0024`).

use nuncio_domain::people::{PeopleFilter, Person};
use nuncio_domain::ports::StoreError;
use nuncio_domain::views::Page;
use nuncio_domain::{ReachState, RecipientKind, Scope};
use sqlx::SqlitePool;

use crate::error::of_sqlx;
use crate::views::{paged, person};
use crate::words::{get, word};

pub(crate) async fn people(
    readers: &SqlitePool,
    scope: &Scope,
    filter: &PeopleFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Page<Person>, StoreError> {
    let rows = sqlx::query(
        "SELECT r.recipient_no, l.app, l.tenant, r.kind, r.key, r.name, r.upn, r.reach, r.reach_at, r.evidence, o.since AS opted_out_at,
                EXISTS (SELECT 1 FROM conversations AS c WHERE c.recipient_no = r.recipient_no) AS has_reference
           FROM recipients AS r CROSS JOIN lanes AS l ON l.lane_no = r.lane_no
           LEFT JOIN opt_outs AS o ON o.recipient_no = r.recipient_no
          WHERE (?1 IS NULL OR l.app = ?1) AND (?2 IS NULL OR l.app = ?2) AND (?3 IS NULL OR l.tenant = ?3)
            AND (?4 IS NULL OR r.kind = ?4) AND (?5 IS NULL OR r.reach = ?5) AND r.recipient_no > ?6
            AND (r.kind <> 'person' OR instr(r.key, '@') = 0)
          ORDER BY r.recipient_no LIMIT ?7",
    )
    .bind(&scope.app)
    .bind(&filter.app)
    .bind(&filter.tenant)
    .bind(filter.kind.map(RecipientKind::as_str))
    .bind(filter.reach.map(ReachState::as_str))
    .bind(after.unwrap_or(0))
    .bind(limit.saturating_add(1))
    .fetch_all(readers)
    .await
    .map_err(of_sqlx)?;
    paged(&rows, limit, person, |person| person.recipient_no)
}

/// Of people unless another kind is asked for.
pub(crate) async fn reachability(
    readers: &SqlitePool,
    scope: &Scope,
    filter: &PeopleFilter,
) -> Result<Vec<(ReachState, i64)>, StoreError> {
    sqlx::query(
        "SELECT r.reach, count(*) AS n
           FROM lanes AS l CROSS JOIN recipients AS r ON r.lane_no = l.lane_no AND r.kind = ?4
          WHERE (?1 IS NULL OR l.app = ?1) AND (?2 IS NULL OR l.app = ?2) AND (?3 IS NULL OR l.tenant = ?3)
            AND (?5 IS NULL OR r.reach = ?5) AND (r.kind <> 'person' OR instr(r.key, '@') = 0)
          GROUP BY r.reach ORDER BY r.reach",
    )
    .bind(&scope.app)
    .bind(&filter.app)
    .bind(&filter.tenant)
    .bind(filter.kind.unwrap_or(RecipientKind::Person).as_str())
    .bind(filter.reach.map(ReachState::as_str))
    .fetch_all(readers)
    .await
    .map_err(of_sqlx)?
    .iter()
    .map(|row| Ok((word(row, "reach", ReachState::of_word)?, get(row, "n")?)))
    .collect()
}
