//! What an operator sees of lanes and tells them.

use nuncio_domain::message::LaneControl;
use nuncio_domain::people::LaneView;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Scope, Time};

use super::db::{Db, sql};
use crate::views::lane_view;
use crate::words::time_or_null;

pub(crate) const VIEWS: &str = "
    SELECT l.lane_no, l.app, l.tenant, l.service_url, l.paused_at, l.status,
           (SELECT count(*) FROM messages AS m
             WHERE m.lane_no = l.lane_no AND m.open AND m.state NOT IN ('completed', 'cancelled')) AS open_messages
      FROM lanes AS l WHERE $1::text IS NULL OR l.app = $1 ORDER BY l.lane_no";

/// Whether the caller has such a lane. One that is held already is held since when it was.
pub(crate) async fn control(
    db: &mut Db<'_>,
    scope: &Scope,
    lane_no: i64,
    control: LaneControl,
    now: Time,
) -> Result<bool, StoreError> {
    let statement = match control {
        LaneControl::Pause => {
            "UPDATE lanes SET paused_at = coalesce(paused_at, $3), control_rev = control_rev + 1
              WHERE lane_no = $1 AND ($2::text IS NULL OR app = $2)"
        }
        LaneControl::Resume => {
            "UPDATE lanes SET paused_at = NULL, resumed_at = $3, control_rev = control_rev + 1
              WHERE lane_no = $1 AND ($2::text IS NULL OR app = $2)"
        }
    };
    Ok(db.run(sql(statement).bind(lane_no).bind(&scope.app).bind(now.0)).await? == 1)
}

/// Since when a lane is held, and when it last went on.
pub(crate) async fn held(db: &mut Db<'_>, lane_no: i64) -> Result<(Option<Time>, Option<Time>), StoreError> {
    let row = db.row(sql("SELECT paused_at, resumed_at FROM lanes WHERE lane_no = $1").bind(lane_no)).await?;
    let Some(row) = row else { return Ok((None, None)) };
    Ok((time_or_null(&row, "paused_at")?, time_or_null(&row, "resumed_at")?))
}

pub(crate) async fn views(db: &mut Db<'_>, scope: &Scope) -> Result<Vec<LaneView>, StoreError> {
    db.rows(sql(VIEWS).bind(&scope.app)).await?.iter().map(lane_view).collect()
}
