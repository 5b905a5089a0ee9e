//! What an operator sees of lanes and tells them.

use nuncio_domain::message::LaneControl;
use nuncio_domain::people::LaneView;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Scope, Time};
use sqlx::{SqliteConnection, SqlitePool};

use crate::error::of_sqlx;
use crate::views::lane_view;

const VIEWS: &str = "
    SELECT l.lane_no, l.app, l.tenant, l.service_url, l.paused_at, l.status,
           (SELECT count(*) FROM messages AS m INDEXED BY messages_open
             WHERE m.lane_no = l.lane_no AND m.open = 1 AND m.state NOT IN ('completed', 'cancelled')) AS open_messages
      FROM lanes AS l WHERE ?1 IS NULL OR l.app = ?1 ORDER BY l.lane_no";

/// Whether the caller has such a lane. One that is held already is held since when it was.
pub(crate) async fn control(
    connection: &mut SqliteConnection,
    scope: &Scope,
    lane_no: i64,
    control: LaneControl,
    now: Time,
) -> Result<bool, StoreError> {
    let statement = match control {
        LaneControl::Pause => {
            "UPDATE lanes SET paused_at = coalesce(paused_at, ?3), control_rev = control_rev + 1
              WHERE lane_no = ?1 AND (?2 IS NULL OR app = ?2)"
        }
        LaneControl::Resume => {
            "UPDATE lanes SET paused_at = NULL, resumed_at = ?3, control_rev = control_rev + 1
              WHERE lane_no = ?1 AND (?2 IS NULL OR app = ?2)"
        }
    };
    let done = sqlx::query(statement)
        .bind(lane_no)
        .bind(&scope.app)
        .bind(now.0)
        .execute(connection)
        .await
        .map_err(of_sqlx)?;
    Ok(done.rows_affected() == 1)
}

pub(crate) async fn views(readers: &SqlitePool, scope: &Scope) -> Result<Vec<LaneView>, StoreError> {
    sqlx::query(VIEWS)
        .bind(&scope.app)
        .fetch_all(readers)
        .await
        .map_err(of_sqlx)?
        .iter()
        .map(lane_view)
        .collect()
}
