//! What the API reads of people, channels and chats: who they are and whether they can be reached. A name in a list that
//! nobody has is none of them (`docs/adr/0024`).

use nuncio_domain::people::{PeopleFilter, Person};
use nuncio_domain::ports::StoreError;
use nuncio_domain::reach::Share;
use nuncio_domain::views::Page;
use nuncio_domain::{How, ReachState, RecipientKind, Scope, Time};
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row as _};

use super::db::{Db, Statement, plain, sql};
use crate::error::{broken, of_sqlx};
use crate::found_row::Flag;
use crate::person_row::{PersonRow, page};
use crate::reach_terms::{MOST_OF_ONE_ID, ROWS, contradicted_by, how, share, since, state};
use crate::words::get;

/// Who is meant, of all or of a message's audience; the rest of the condition follows. The lane is looked up for each:
/// beginning with the lanes, all their people would be sorted for each page.
macro_rules! those {
    ($columns:expr, $from:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM ",
            $from,
            " CROSS JOIN LATERAL (SELECT * FROM lanes AS l WHERE l.lane_no = r.lane_no OFFSET 0) AS l
               LEFT JOIN opt_outs AS o ON o.recipient_no = r.recipient_no
              WHERE ($1::text IS NULL OR l.app = $1) AND ($2::text IS NULL OR l.app = $2)
                AND ($3::text IS NULL OR l.tenant = $3)
                AND ($4::text IS NULL OR r.kind = $4) AND ($5::text IS NULL OR ",
            state!(),
            " = $5) AND ($6::text IS NULL OR ",
            how!(),
            " = $6) AND ($7::bigint IS NULL OR ",
            since!("h.history_no + 0"),
            " >= $7) ",
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
            since!("h.history_no + 0"),
            " AS since, ",
            contradicted_by!(
                "h.history_no + 0",
                "json_build_array(h.at, h.how, h.status, h.code, h.evidence)::text"
            ),
            " AS contradicted_by"
        )
    };
}

macro_rules! share_columns {
    () => {
        concat!(state!(), " AS state, ", how!(), " AS how, count(*) AS n")
    };
}

pub(crate) const PEOPLE: &str = those!(
    person_columns!(),
    "recipients AS r",
    "AND r.kind <> 'team' AND (r.kind <> 'person' OR strpos(r.key, '@') = 0) AND r.thread_no IS NULL
     AND r.recipient_no > $8 AND r.recipient_no <= $9 ORDER BY r.recipient_no LIMIT $10"
);
pub(crate) const AUDIENCE: &str = those!(
    person_columns!(),
    "deliveries AS d CROSS JOIN LATERAL (SELECT * FROM recipients AS r WHERE r.recipient_no = d.recipient_no OFFSET 0) AS r",
    "AND d.message_no = $8 AND d.recipient_no > $9 AND d.recipient_no <= $10
     ORDER BY d.message_no, d.recipient_no LIMIT $11"
);
pub(crate) const PERSON: &str =
    those!(person_columns!(), "recipients AS r", "AND r.key = $8 ORDER BY r.recipient_no + 0 LIMIT $9");
pub(crate) const SHARES: &str = those!(
    share_columns!(),
    "recipients AS r",
    "AND r.kind <> 'team' AND (r.kind <> 'person' OR strpos(r.key, '@') = 0) AND r.thread_no IS NULL
     AND r.recipient_no > $8 AND r.recipient_no <= $9 GROUP BY 1, 2"
);
pub(crate) const SHARES_OF_AUDIENCE: &str = those!(
    share_columns!(),
    "deliveries AS d CROSS JOIN LATERAL (SELECT * FROM recipients AS r WHERE r.recipient_no = d.recipient_no OFFSET 0) AS r",
    "AND d.message_no = $8 AND d.recipient_no > $9 AND d.recipient_no <= $10 GROUP BY 1, 2"
);

/// The last of the rows that are looked at, if there are so many.
pub(crate) const UNTIL: &str = "
    SELECT r.recipient_no FROM recipients AS r WHERE r.recipient_no > $1 ORDER BY r.recipient_no LIMIT 1 OFFSET $2";
pub(crate) const UNTIL_OF_AUDIENCE: &str = "
    SELECT d.recipient_no FROM deliveries AS d
     WHERE d.message_no = $1 AND d.recipient_no > $2 ORDER BY d.message_no, d.recipient_no LIMIT 1 OFFSET $3";

pub(crate) const LAST: &str =
    "SELECT r.recipient_no FROM recipients AS r ORDER BY r.recipient_no DESC LIMIT 1";

pub(crate) async fn people(
    db: &mut Db<'_>,
    scope: &Scope,
    filter: &PeopleFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Page<Person>, StoreError> {
    let after = after.unwrap_or(0);
    // Without a condition every row is one of the page.
    let end = if filter.chooses(scope) { until(db, filter, after).await? } else { None };
    let statement = of(filter, scope, PEOPLE, AUDIENCE)
        .bind(after)
        .bind(end.unwrap_or(i64::MAX))
        .bind(limit.saturating_add(1));
    let people = db.rows(statement).await?.iter().map(person).collect::<Result<_, _>>()?;
    Ok(page(people, limit, end))
}

pub(crate) async fn between(
    db: &mut Db<'_>,
    scope: &Scope,
    filter: &PeopleFilter,
    (above, up_to): (i64, i64),
) -> Result<Vec<Person>, StoreError> {
    let statement = of(filter, scope, PEOPLE, AUDIENCE).bind(above).bind(up_to).bind(i64::MAX);
    db.rows(statement).await?.iter().map(person).collect()
}

pub(crate) async fn last(db: &mut Db<'_>) -> Result<i64, StoreError> {
    let row = db.row(sql(LAST)).await?;
    row.map_or(Ok(0), |row| get(&row, "recipient_no"))
}

pub(crate) async fn one(
    db: &mut Db<'_>,
    scope: &Scope,
    key: &str,
    filter: &PeopleFilter,
) -> Result<Vec<Person>, StoreError> {
    let statement = bound(sql(PERSON), scope, filter).bind(plain(key)).bind(MOST_OF_ONE_ID);
    db.rows(statement).await?.iter().map(person).collect()
}

/// The columns of a row, one after the other.
struct Cells<'r>(&'r PgRow, std::ops::RangeFrom<usize>);

impl<'r> Cells<'r> {
    fn next<T: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>>(&mut self) -> Result<T, StoreError> {
        let index = self.1.next().unwrap_or(usize::MAX);
        self.0.try_get(index).map_err(of_sqlx)
    }

    fn word<T>(&mut self, of: fn(&str) -> Option<T>) -> Result<Option<T>, StoreError> {
        let text: Option<&str> = self.next()?;
        text.map(|text| of(text).ok_or_else(|| broken("a word of a person is not known"))).transpose()
    }

    fn flag(&mut self) -> Result<Option<Flag>, StoreError> {
        Ok(self.next::<Option<bool>>()?.map(Flag))
    }
}

fn person(row: &PgRow) -> Result<Person, StoreError> {
    let null = || broken("a person has no kind or no state");
    let mut cells = Cells(row, 0..);
    // In the order of the columns, which is that in which the fields are written here.
    let row = PersonRow {
        recipient_no: cells.next()?,
        app: cells.next()?,
        tenant: cells.next()?,
        kind: cells.word(RecipientKind::of_word)?.ok_or_else(null)?,
        key: cells.next()?,
        name: cells.next()?,
        upn: cells.next()?,
        reach: cells.word(ReachState::of_word)?.ok_or_else(null)?,
        reach_at: cells.next()?,
        evidence: cells.next()?,
        how: cells.word(How::of_word)?,
        status: small(cells.next()?)?,
        code: cells.next()?,
        guest: cells.flag()?,
        external: cells.flag()?,
        enabled: cells.flag()?,
        licensed: cells.flag()?,
        directory_at: cells.next()?,
        opted_out_at: cells.next()?,
        has_reference: Flag(cells.next()?),
        since: cells.next()?,
        contradicted_by: cells.next()?,
    };
    row.person()
}

fn small(status: Option<i64>) -> Result<Option<u16>, StoreError> {
    let small = |status| u16::try_from(status).map_err(|_| broken("a status is out of its range"));
    status.map(small).transpose()
}

pub(crate) async fn shares(
    db: &mut Db<'_>,
    scope: &Scope,
    filter: &PeopleFilter,
) -> Result<Vec<Share>, StoreError> {
    let mut parts = Vec::new();
    let mut after = 0;
    loop {
        let end = until(db, filter, after).await?;
        let statement = of(filter, scope, SHARES, SHARES_OF_AUDIENCE);
        for row in &db.rows(statement.bind(after).bind(end.unwrap_or(i64::MAX))).await? {
            parts.push(share(row)?);
        }
        match end {
            Some(end) => after = end,
            None => return Ok(crate::reach_terms::gathered(parts)),
        }
    }
}

async fn until(db: &mut Db<'_>, filter: &PeopleFilter, after: i64) -> Result<Option<i64>, StoreError> {
    let statement = match filter.message_no {
        None => sql(UNTIL),
        Some(message_no) => sql(UNTIL_OF_AUDIENCE).bind(message_no),
    };
    let last = db.row(statement.bind(after).bind(ROWS - 1)).await?;
    last.map(|row| get(&row, "recipient_no")).transpose()
}

/// The statement about everybody, or that about a message's audience, which has the message's number before the rest.
fn of<'q>(
    filter: &'q PeopleFilter,
    scope: &'q Scope,
    all: &'static str,
    audience: &'static str,
) -> Statement<'q> {
    match filter.message_no {
        None => bound(sql(all), scope, filter),
        Some(message_no) => bound(sql(audience), scope, filter).bind(message_no),
    }
}

fn bound<'q>(statement: Statement<'q>, scope: &'q Scope, filter: &'q PeopleFilter) -> Statement<'q> {
    statement
        .bind(&scope.app)
        .bind(&filter.app)
        .bind(&filter.tenant)
        .bind(filter.kind.map(RecipientKind::as_str))
        .bind(filter.reach.map(ReachState::as_str))
        .bind(filter.how.map(How::as_str))
        .bind(filter.since.map(|Time(at)| at))
}
