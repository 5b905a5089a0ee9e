//! What an operator sees of lanes and tells them.

use nuncio_domain::message::LaneControl;
use nuncio_domain::people::LaneView;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Scope, Time};

use super::db::{Db, sql};
use crate::views::lane_view;
use crate::words::{get, time_or_null};

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

pub(crate) const HELD: &str = "
    SELECT l.paused_at, l.resumed_at, l.service_url,
           EXISTS (SELECT 1 FROM audiences AS a WHERE a.lane_no = l.lane_no AND a.looked_up < a.names) AS names
      FROM lanes AS l WHERE l.lane_no = $1";

/// What is known of a lane itself.
#[derive(Default)]
pub(crate) struct Held {
    /// Since when it is held, and when it last went on.
    pub(crate) paused_at: Option<Time>,
    pub(crate) resumed_at: Option<Time>,
    /// Whether its lists have names to be looked up.
    pub(crate) names: bool,
    /// Newest service URL seen in the tenant.
    pub(crate) service_url: Option<String>,
}

pub(crate) async fn held(db: &mut Db<'_>, lane_no: i64) -> Result<Held, StoreError> {
    let Some(row) = db.row(sql(HELD).bind(lane_no)).await? else { return Ok(Held::default()) };
    Ok(Held {
        paused_at: time_or_null(&row, "paused_at")?,
        resumed_at: time_or_null(&row, "resumed_at")?,
        names: get(&row, "names")?,
        service_url: get(&row, "service_url")?,
    })
}

pub(crate) async fn views(db: &mut Db<'_>, scope: &Scope) -> Result<Vec<LaneView>, StoreError> {
    db.rows(sql(VIEWS).bind(&scope.app)).await?.iter().map(lane_view).collect()
}
