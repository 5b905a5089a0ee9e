//! What the API reads of teams and their channels.

use nuncio_domain::Scope;
use nuncio_domain::places::{Team, TeamFilter, TeamState};
use nuncio_domain::ports::StoreError;
use nuncio_domain::views::Page;

use super::commit::column;
use super::db::{Db, Statement, plain, sql};
use crate::views::{paged, put_channels, team};

/// Those of a scope and filter; the rest of the condition follows.
macro_rules! teams {
    ($rest:literal) => {
        concat!(
            "SELECT t.*, l.app, l.tenant, p.key AS by_key, p.name AS by_name
               FROM teams AS t
               CROSS JOIN LATERAL (SELECT * FROM lanes AS l WHERE l.lane_no = t.lane_no OFFSET 0) AS l
               LEFT JOIN recipients AS p ON p.recipient_no = t.installed_by
              WHERE ($1::text IS NULL OR l.app = $1) AND ($2::text IS NULL OR l.app = $2)
                AND ($3::text IS NULL OR l.tenant = $3) AND ($4::text IS NULL OR t.state = $4) ",
            $rest
        )
    };
}

pub(crate) const LIST: &str = teams!("AND t.team_no > $5 ORDER BY t.team_no LIMIT $6");
const ONE: &str = teams!("AND (t.team_id = $5 OR t.group_id = lower($5)) ORDER BY t.team_no LIMIT $6");

/// General first, then as they came to be known.
pub(crate) const CHANNELS: &str = "
    SELECT j.team_no, r.key, r.name, r.channel_kind, r.reach, r.reach_at
      FROM unnest($1::bigint[], $2::bigint[], $3::text[]) WITH ORDINALITY AS j (team_no, lane_no, team_id, place)
     CROSS JOIN LATERAL (SELECT * FROM recipients AS r WHERE r.lane_no = j.lane_no AND r.team_id = j.team_id OFFSET 0) AS r
     WHERE r.kind = 'channel'
     ORDER BY j.place, r.key <> r.team_id, r.recipient_no";

/// More apps and tenants than anybody chooses between.
const MOST_OF_ONE_ID: i64 = 100;

pub(crate) async fn list(
    db: &mut Db<'_>,
    scope: &Scope,
    filter: &TeamFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Page<Team>, StoreError> {
    let statement = bound(sql(LIST), scope, filter).bind(after.unwrap_or(0)).bind(limit.saturating_add(1));
    let mut page = paged(&db.rows(statement).await?, limit, team, |team| team.team_no)?;
    with_channels(db, &mut page.items).await?;
    Ok(page)
}

pub(crate) async fn one(
    db: &mut Db<'_>,
    scope: &Scope,
    id: &str,
    filter: &TeamFilter,
) -> Result<Vec<Team>, StoreError> {
    let statement = bound(sql(ONE), scope, filter).bind(plain(id)).bind(MOST_OF_ONE_ID);
    let mut teams = db.rows(statement).await?.iter().map(team).collect::<Result<Vec<_>, _>>()?;
    with_channels(db, &mut teams).await?;
    Ok(teams)
}

fn bound<'q>(statement: Statement<'q>, scope: &'q Scope, filter: &'q TeamFilter) -> Statement<'q> {
    statement
        .bind(&scope.app)
        .bind(&filter.app)
        .bind(&filter.tenant)
        .bind(filter.state.map(TeamState::as_str))
}

async fn with_channels(db: &mut Db<'_>, teams: &mut [Team]) -> Result<(), StoreError> {
    let statement = sql(CHANNELS)
        .bind(column(teams, |team| team.team_no))
        .bind(column(teams, |team| team.lane_no))
        .bind(column(teams, |team| team.team_id.clone()));
    put_channels(&db.rows(statement).await?, teams)
}
