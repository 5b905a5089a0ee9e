//! What the API reads of teams and their channels.

use nuncio_domain::Scope;
use nuncio_domain::places::{Team, TeamFilter, TeamState};
use nuncio_domain::ports::StoreError;
use nuncio_domain::views::Page;
use sqlx::SqlitePool;

use crate::error::of_sqlx;
use crate::views::{paged, put_channels, team};
use crate::words::json;

/// Those of a scope and filter; the rest of the condition follows.
macro_rules! teams {
    ($rest:literal) => {
        concat!(
            "SELECT t.*, l.app, l.tenant, p.key AS by_key, p.name AS by_name
               FROM teams AS t
              CROSS JOIN lanes AS l ON l.lane_no = t.lane_no
               LEFT JOIN recipients AS p ON p.recipient_no = t.installed_by
              WHERE (?1 IS NULL OR l.app = ?1) AND (?2 IS NULL OR l.app = ?2) AND (?3 IS NULL OR l.tenant = ?3)
                AND (?4 IS NULL OR t.state = ?4) ",
            $rest
        )
    };
}

const LIST: &str = teams!("AND t.team_no > ?5 ORDER BY t.team_no LIMIT ?6");
const ONE: &str = teams!("AND (t.team_id = ?5 OR t.group_id = lower(?5)) ORDER BY t.team_no LIMIT ?6");

/// General first, then as they came to be known.
pub(crate) const CHANNELS: &str = "
    SELECT j.value ->> 0 AS team_no, r.key, r.name, r.channel_kind, r.reach, r.reach_at
      FROM jsonb_each(?1) AS j
     CROSS JOIN recipients AS r INDEXED BY recipients_of_team
        ON r.lane_no = j.value ->> 1 AND r.team_id = j.value ->> 2
     WHERE r.kind = 'channel'
     ORDER BY j.id, r.key <> r.team_id, r.recipient_no";

/// More apps and tenants than anybody chooses between.
const MOST_OF_ONE_ID: i64 = 100;

pub(crate) async fn list(
    readers: &SqlitePool,
    scope: &Scope,
    filter: &TeamFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Page<Team>, StoreError> {
    let rows = bound(sqlx::query(LIST), scope, filter)
        .bind(after.unwrap_or(0))
        .bind(limit.saturating_add(1))
        .fetch_all(readers)
        .await
        .map_err(of_sqlx)?;
    let mut page = paged(&rows, limit, team, |team| team.team_no)?;
    with_channels(readers, &mut page.items).await?;
    Ok(page)
}

pub(crate) async fn one(
    readers: &SqlitePool,
    scope: &Scope,
    id: &str,
    filter: &TeamFilter,
) -> Result<Vec<Team>, StoreError> {
    let rows = bound(sqlx::query(ONE), scope, filter)
        .bind(id)
        .bind(MOST_OF_ONE_ID)
        .fetch_all(readers)
        .await
        .map_err(of_sqlx)?;
    let mut teams = rows.iter().map(team).collect::<Result<Vec<_>, _>>()?;
    with_channels(readers, &mut teams).await?;
    Ok(teams)
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

fn bound<'q>(query: Query<'q>, scope: &'q Scope, filter: &'q TeamFilter) -> Query<'q> {
    query.bind(&scope.app).bind(&filter.app).bind(&filter.tenant).bind(filter.state.map(TeamState::as_str))
}

async fn with_channels(readers: &SqlitePool, teams: &mut [Team]) -> Result<(), StoreError> {
    let wanted: Vec<(i64, i64, &str)> =
        teams.iter().map(|team| (team.team_no, team.lane_no, team.team_id.as_str())).collect();
    let rows = sqlx::query(CHANNELS).bind(json(&wanted)?).fetch_all(readers).await.map_err(of_sqlx)?;
    put_channels(&rows, teams)
}
