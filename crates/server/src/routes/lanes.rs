//! `GET /v1/lanes`, `GET /v1/lanes/{id}`: one app in one tenant each, with its pace, what it waits for, and when the app's
//! credential ends.
//! `POST /v1/lanes/{id}/pause`, `/resume`: the kill switch, for administrators. While a lane is held nothing new starts in
//! it; what is in flight comes to its end, and times go on to run out. Resuming also ends a cool-down: it overrides the
//! time that Microsoft asked the lane to wait.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use nuncio_api::{Lane, List};
use nuncio_domain::LaneId;
use nuncio_domain::message::LaneControl;
use nuncio_domain::people::LaneView;

use super::id;
use crate::access::{Access, Caller, CanRead, IsAdmin};
use crate::problem::Refusal;
use crate::query::Params;
use crate::views;

pub(crate) async fn list(caller: Caller<CanRead>, params: Params) -> Result<Json<List<Lane>>, Refusal> {
    params.only(&[])?;
    let lanes = caller.registry().lane_views(caller.scope()).await?;
    Ok(Json(List { items: lanes.into_iter().map(|lane| shown(&caller, lane)).collect(), next: None }))
}

pub(crate) async fn get(
    caller: Caller<CanRead>,
    Path(text): Path<String>,
    params: Params,
) -> Result<Json<Lane>, Refusal> {
    params.only(&[])?;
    one(&caller, id(&text, "lane")?).await.map(Json)
}

async fn one(access: &Access, LaneId(lane_no): LaneId) -> Result<Lane, Refusal> {
    let lanes = access.registry().lane_views(access.scope()).await?;
    let lane = lanes.into_iter().find(|view| view.lane.lane_no == lane_no);
    lane.map(|lane| shown(access, lane)).ok_or_else(|| Refusal::not_found("lane"))
}

fn shown(access: &Access, view: LaneView) -> Lane {
    let app = access.app().apps().iter().find(|app| app.name == view.lane.app);
    views::lane(view, app.and_then(|app| app.credential), access.app().now())
}

type Answer = Result<(StatusCode, Json<Lane>), Refusal>;

pub(crate) async fn pause(caller: Caller<IsAdmin>, Path(text): Path<String>) -> Answer {
    control(&caller, &text, LaneControl::Pause).await
}

pub(crate) async fn resume(caller: Caller<IsAdmin>, Path(text): Path<String>) -> Answer {
    control(&caller, &text, LaneControl::Resume).await
}

async fn control(access: &Access, text: &str, control: LaneControl) -> Answer {
    let lane: LaneId = id(text, "lane")?;
    let now = access.app().now();
    if !access.ledger().control_lane(access.scope(), lane.0, control, now).await? {
        return Err(Refusal::not_found("lane"));
    }
    access.wake(lane.0);
    Ok((StatusCode::ACCEPTED, Json(one(access, lane).await?)))
}
