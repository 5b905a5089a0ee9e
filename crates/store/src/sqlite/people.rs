//! What the API reads of people, channels and chats: who they are and whether they can be reached. A name in a list that
//! nobody has is none of them (`docs/adr/0024`), nor is a thread of a channel, which has what its channel has.

use nuncio_domain::people::{PeopleFilter, Person};
use nuncio_domain::ports::StoreError;
use nuncio_domain::reach::Share;
use nuncio_domain::views::Page;
use nuncio_domain::{How, ReachState, RecipientKind, Scope, Time};
use sqlx::{Row as _, SqlitePool};

use crate::error::of_sqlx;
use crate::person_row::{PersonRow, page};
use crate::reach_terms::{MOST_OF_ONE_ID, ROWS, contradicted_by, how, share, since, state};
use crate::words::from_json;

/// Who is meant, of all or of a message's audience; the rest of the condition follows. A name that nobody has is in the
/// audience of its list and nowhere else, and so is a team.
macro_rules! those {
    ($columns:expr, $from:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM ",
            $from,
            " CROSS JOIN lanes AS l ON l.lane_no = r.lane_no
               LEFT JOIN opt_outs AS o ON o.recipient_no = r.recipient_no
              WHERE (?1 IS NULL OR l.app = ?1) AND (?2 IS NULL OR l.app = ?2) AND (?3 IS NULL OR l.tenant = ?3)
                AND (?4 IS NULL OR r.kind = ?4) AND (?5 IS NULL OR ",
            state!(),
            " = ?5) AND (?6 IS NULL OR ",
            how!(),
            " = ?6) AND (?7 IS NULL OR ",
            since!("h.rowid"),
            " >= ?7) ",
            $rest
        )
    };
}

macro_rules! person_columns {
    () => {
        concat!(
            "r.recipient_no, l.app, l.tenant, r.kind, r.key, r.name, r.upn, r.reach, r.reach_at, r.evidence, r.reach_how,
             r.reach_status, r.reach_code, r.guest, r.external, r.enabled, r.licensed, r.directory_at,
             o.since AS opted_out_at,
             EXISTS (SELECT 1 FROM conversations AS c WHERE c.recipient_no = r.recipient_no) AS has_reference, ",
            since!("h.rowid"),
            " AS since, ",
            contradicted_by!("h.rowid", "json_array(h.at, h.how, h.status, h.code, h.evidence)"),
            " AS contradicted_by"
        )
    };
}

/// The rows of a statement as one JSON array, which is one value: handing over a row of two dozen values takes longer than
/// finding it. The columns are those of `PersonRow`, in its order.
macro_rules! gathered {
    ($from:literal, $rest:literal) => {
        concat!(
            "SELECT json_group_array(json_array(p.recipient_no, p.app, p.tenant, p.kind, p.key, p.name, p.upn, p.reach,
                    p.reach_at, p.evidence, p.reach_how, p.reach_status, p.reach_code, p.guest, p.external, p.enabled,
                    p.licensed, p.directory_at, p.opted_out_at, p.has_reference, p.since, p.contradicted_by))
               FROM (",
            those!(person_columns!(), $from, $rest),
            ") AS p"
        )
    };
}

macro_rules! share_columns {
    () => {
        concat!(state!(), " AS state, ", how!(), " AS how, count(*) AS n")
    };
}

pub(crate) const PEOPLE: &str = gathered!(
    "recipients AS r",
    "AND r.kind <> 'team' AND (r.kind <> 'person' OR instr(r.key, '@') = 0) AND r.thread_no IS NULL
     AND r.recipient_no > ?8 AND r.recipient_no <= ?9 ORDER BY r.recipient_no LIMIT ?10"
);
pub(crate) const AUDIENCE: &str = gathered!(
    "deliveries AS d CROSS JOIN recipients AS r ON r.recipient_no = d.recipient_no",
    "AND d.message_no = ?8 AND d.recipient_no > ?9 AND d.recipient_no <= ?10 ORDER BY d.recipient_no LIMIT ?11"
);
/// Every lane is looked into: those of one id are few.
pub(crate) const PERSON: &str = gathered!(
    "lanes AS a CROSS JOIN json_each('[\"person\", \"channel\", \"chat\"]') AS k
      CROSS JOIN recipients AS r ON r.lane_no = a.lane_no AND r.kind = k.value AND r.key = ?8",
    "ORDER BY r.recipient_no LIMIT ?9"
);
pub(crate) const SHARES: &str = those!(
    share_columns!(),
    "recipients AS r",
    "AND r.kind <> 'team' AND (r.kind <> 'person' OR instr(r.key, '@') = 0) AND r.thread_no IS NULL
     AND r.recipient_no > ?8 AND r.recipient_no <= ?9 GROUP BY 1, 2"
);
pub(crate) const SHARES_OF_AUDIENCE: &str = those!(
    share_columns!(),
    "deliveries AS d CROSS JOIN recipients AS r ON r.recipient_no = d.recipient_no",
    "AND d.message_no = ?8 AND d.recipient_no > ?9 AND d.recipient_no <= ?10 GROUP BY 1, 2"
);

/// The last of the rows that are looked at, if there are so many.
pub(crate) const UNTIL: &str = "SELECT r.recipient_no FROM recipients AS r WHERE r.recipient_no > ?1 ORDER BY r.recipient_no LIMIT 1 OFFSET ?2";
pub(crate) const UNTIL_OF_AUDIENCE: &str = "
    SELECT d.recipient_no FROM deliveries AS d
     WHERE d.message_no = ?1 AND d.recipient_no > ?2 ORDER BY d.recipient_no LIMIT 1 OFFSET ?3";

pub(crate) const LAST: &str = "SELECT coalesce(max(r.recipient_no), 0) FROM recipients AS r";

pub(crate) async fn people(
    readers: &SqlitePool,
    scope: &Scope,
    filter: &PeopleFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Page<Person>, StoreError> {
    let after = after.unwrap_or(0);
    // Without a condition every row is one of the page.
    let end = if filter.chooses(scope) { until(readers, filter, after).await? } else { None };
    let statement = of(filter, scope, PEOPLE, AUDIENCE)
        .bind(after)
        .bind(end.unwrap_or(i64::MAX))
        .bind(limit.saturating_add(1));
    Ok(page(read(readers, statement).await?, limit, end))
}

pub(crate) async fn between(
    readers: &SqlitePool,
    scope: &Scope,
    filter: &PeopleFilter,
    (above, up_to): (i64, i64),
) -> Result<Vec<Person>, StoreError> {
    let statement = of(filter, scope, PEOPLE, AUDIENCE).bind(above).bind(up_to).bind(i64::MAX);
    read(readers, statement).await
}

pub(crate) async fn one(
    readers: &SqlitePool,
    scope: &Scope,
    key: &str,
    filter: &PeopleFilter,
) -> Result<Vec<Person>, StoreError> {
    let statement = bound(sqlx::query(PERSON), scope, filter).bind(key).bind(MOST_OF_ONE_ID);
    read(readers, statement).await
}

/// Runs a statement that gives one array.
async fn read(readers: &SqlitePool, statement: Query<'_>) -> Result<Vec<Person>, StoreError> {
    let row = statement.fetch_one(readers).await.map_err(of_sqlx)?;
    let rows: Vec<PersonRow> = from_json(row.try_get(0).map_err(of_sqlx)?)?;
    rows.into_iter().map(PersonRow::person).collect()
}

pub(crate) async fn shares(
    readers: &SqlitePool,
    scope: &Scope,
    filter: &PeopleFilter,
) -> Result<Vec<Share>, StoreError> {
    let mut parts = Vec::new();
    let mut after = 0;
    loop {
        let end = until(readers, filter, after).await?;
        let statement = of(filter, scope, SHARES, SHARES_OF_AUDIENCE);
        let statement = statement.bind(after).bind(end.unwrap_or(i64::MAX));
        for row in &statement.fetch_all(readers).await.map_err(of_sqlx)? {
            parts.push(share(row)?);
        }
        match end {
            Some(end) => after = end,
            None => return Ok(crate::reach_terms::gathered(parts)),
        }
    }
}

async fn until(readers: &SqlitePool, filter: &PeopleFilter, after: i64) -> Result<Option<i64>, StoreError> {
    let statement = match filter.message_no {
        None => sqlx::query_scalar(UNTIL),
        Some(message_no) => sqlx::query_scalar(UNTIL_OF_AUDIENCE).bind(message_no),
    };
    statement.bind(after).bind(ROWS - 1).fetch_optional(readers).await.map_err(of_sqlx)
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// The statement about everybody, or that about a message's audience, which has the message's number before the rest.
fn of<'q>(
    filter: &'q PeopleFilter,
    scope: &'q Scope,
    all: &'static str,
    audience: &'static str,
) -> Query<'q> {
    match filter.message_no {
        None => bound(sqlx::query(all), scope, filter),
        Some(message_no) => bound(sqlx::query(audience), scope, filter).bind(message_no),
    }
}

fn bound<'q>(query: Query<'q>, scope: &'q Scope, filter: &'q PeopleFilter) -> Query<'q> {
    query
        .bind(&scope.app)
        .bind(&filter.app)
        .bind(&filter.tenant)
        .bind(filter.kind.map(RecipientKind::as_str))
        .bind(filter.reach.map(ReachState::as_str))
        .bind(filter.how.map(How::as_str))
        .bind(filter.since.map(|Time(at)| at))
}
