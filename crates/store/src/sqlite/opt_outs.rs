//! Who wants no messages of an app: what the API reads and notes. What people say themselves is in `own_words.rs`.

use nuncio_domain::people::{OptOut, PeopleFilter};
use nuncio_domain::ports::StoreError;
use nuncio_domain::views::Page;
use nuncio_domain::{Scope, Time};
use sqlx::{SqliteConnection, SqlitePool};

use super::keys::speaker;
use super::own_words::{opt_in, opt_out};
use crate::error::of_sqlx;
use crate::views::{opt_out as view, paged};

pub(crate) const LIST: &str = "
    SELECT o.recipient_no, l.app, l.tenant, r.key, r.name, r.upn, o.since, o.how
      FROM opt_outs AS o
     CROSS JOIN recipients AS r ON r.recipient_no = o.recipient_no
     CROSS JOIN lanes AS l ON l.lane_no = r.lane_no
     WHERE o.recipient_no > ?4
       AND (?1 IS NULL OR l.app = ?1) AND (?2 IS NULL OR l.app = ?2) AND (?3 IS NULL OR l.tenant = ?3)
     ORDER BY o.recipient_no LIMIT ?5";

pub(crate) async fn list(
    readers: &SqlitePool,
    scope: &Scope,
    filter: &PeopleFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Page<OptOut>, StoreError> {
    let rows = sqlx::query(LIST)
        .bind(&scope.app)
        .bind(&filter.app)
        .bind(&filter.tenant)
        .bind(after.unwrap_or(0))
        .bind(limit.saturating_add(1))
        .fetch_all(readers)
        .await
        .map_err(of_sqlx)?;
    paged(&rows, limit, view, |one| one.recipient_no)
}

/// Whether that is new. Of a lane that the caller has not, nothing is noted.
pub(crate) async fn set(
    connection: &mut SqliteConnection,
    scope: &Scope,
    (lane_no, person): (i64, &str),
    out: bool,
    now: Time,
) -> Result<bool, StoreError> {
    let app: Option<String> = sqlx::query_scalar("SELECT app FROM lanes WHERE lane_no = ?")
        .bind(lane_no)
        .fetch_optional(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    if !app.is_some_and(|app| scope.sees_app(&app)) {
        return Ok(false);
    }
    if out {
        // Somebody may be known to want nothing before they are known at all.
        sqlx::query(
            "INSERT INTO recipients (lane_no, kind, key) VALUES (?, 'person', ?) ON CONFLICT (lane_no, kind, key) DO NOTHING",
        )
        .bind(lane_no)
        .bind(person)
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    }
    let known: Option<i64> = sqlx::query_scalar(
        "SELECT recipient_no FROM recipients WHERE lane_no = ? AND kind = 'person' AND key = ?",
    )
    .bind(lane_no)
    .bind(person)
    .fetch_optional(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    let Some(recipient_no) = known else { return Ok(false) };
    if out {
        let how = format!("{} noted it", speaker(connection, scope.key_no).await?);
        opt_out(connection, recipient_no, now, &how).await
    } else {
        opt_in(connection, recipient_no).await
    }
}
