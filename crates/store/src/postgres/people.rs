//! What the API reads of people and channels. A name in a list that nobody has is none of them (`docs/adr/0024`).

use nuncio_domain::people::{PeopleFilter, Person};
use nuncio_domain::ports::StoreError;
use nuncio_domain::views::Page;
use nuncio_domain::{ReachState, RecipientKind, Scope};

use super::db::{Db, sql};
use crate::views::{paged, person};
use crate::words::{get, word};

/// The lane is looked up for each: beginning with the lanes, all their people would be sorted for each page.
pub(crate) const PEOPLE: &str = "
    SELECT r.recipient_no, l.app, l.tenant, r.kind, r.key, r.name, r.upn, r.reach, r.reach_at, r.evidence,
           o.since AS opted_out_at,
           EXISTS (SELECT 1 FROM conversations AS c WHERE c.recipient_no = r.recipient_no) AS has_reference
      FROM recipients AS r CROSS JOIN LATERAL (SELECT * FROM lanes AS l WHERE l.lane_no = r.lane_no OFFSET 0) AS l
      LEFT JOIN opt_outs AS o ON o.recipient_no = r.recipient_no
     WHERE ($1::text IS NULL OR l.app = $1) AND ($2::text IS NULL OR l.app = $2) AND ($3::text IS NULL OR l.tenant = $3)
       AND ($4::text IS NULL OR r.kind = $4) AND ($5::text IS NULL OR r.reach = $5) AND r.recipient_no > $6
       AND (r.kind <> 'person' OR strpos(r.key, '@') = 0)
     ORDER BY r.recipient_no LIMIT $7";

macro_rules! reachability {
    ($kind:literal) => {
        concat!(
            "SELECT r.reach, count(*) AS n
               FROM lanes AS l JOIN recipients AS r ON r.lane_no = l.lane_no AND ",
            $kind,
            " WHERE ($1::text IS NULL OR l.app = $1) AND ($2::text IS NULL OR l.app = $2)
                AND ($3::text IS NULL OR l.tenant = $3) AND ($4::text IS NULL OR r.reach = $4)
                AND (r.kind <> 'person' OR strpos(r.key, '@') = 0)
              GROUP BY r.reach ORDER BY r.reach"
        )
    };
}

pub(crate) const REACHABILITY: &str = reachability!("r.kind = 'person'");
/// Of channels and chats, which are few beside the people.
const REACHABILITY_OF: &str = reachability!("r.kind = $5");

pub(crate) async fn people(
    db: &mut Db<'_>,
    scope: &Scope,
    filter: &PeopleFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Page<Person>, StoreError> {
    let statement = sql(PEOPLE)
        .bind(&scope.app)
        .bind(&filter.app)
        .bind(&filter.tenant)
        .bind(filter.kind.map(RecipientKind::as_str))
        .bind(filter.reach.map(ReachState::as_str))
        .bind(after.unwrap_or(0))
        .bind(limit.saturating_add(1));
    paged(&db.rows(statement).await?, limit, person, |person| person.recipient_no)
}

/// Of people unless another kind is asked for.
pub(crate) async fn reachability(
    db: &mut Db<'_>,
    scope: &Scope,
    filter: &PeopleFilter,
) -> Result<Vec<(ReachState, i64)>, StoreError> {
    let people = filter.kind.unwrap_or(RecipientKind::Person) == RecipientKind::Person;
    let statement = sql(if people { REACHABILITY } else { REACHABILITY_OF })
        .bind(&scope.app)
        .bind(&filter.app)
        .bind(&filter.tenant)
        .bind(filter.reach.map(ReachState::as_str));
    let statement = match filter.kind {
        Some(kind) if !people => statement.bind(kind.as_str()),
        _ => statement,
    };
    db.rows(statement)
        .await?
        .iter()
        .map(|row| Ok((word(row, "reach", ReachState::of_word)?, get(row, "n")?)))
        .collect()
}
