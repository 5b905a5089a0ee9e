//! `GET /v1/opt-outs`: who wants no messages, filtered by `app` and `tenant`.
//! `POST /v1/opt-outs`: notes that people want none; saying it again changes nothing, so that a request that failed on
//! its way is simply sent again. `DELETE /v1/opt-outs/{user}`: takes it back, also a person's own word, and is therefore
//! for administrators; 204 whether it was there or not.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use futures_util::future::try_join_all;
use nuncio_api::{Code, List, NewOptOuts, OptOut, OptOutsNoted};
use nuncio_domain::people::PeopleFilter;

use super::tenant;
use crate::access::{Access, Caller, CanRead, CanSend, IsAdmin};
use crate::problem::Refusal;
use crate::query::{Paging, Params};
use crate::validate::{Asked, Findings, audience, find_lane, guid};
use crate::{body, views};

const LARGEST: usize = 1024 * 1024;
const LARGEST_PAGE: i64 = 1000;
/// So many share a transaction of the store.
const TOGETHER: usize = 256;

pub(crate) async fn list(caller: Caller<CanRead>, params: Params) -> Result<Json<List<OptOut>>, Refusal> {
    let params = params.only(&["app", "tenant", "cursor", "limit"])?;
    let filter =
        PeopleFilter { app: params.owned("app"), tenant: tenant(&params), ..PeopleFilter::default() };
    let paging = Paging::of(&caller, "opt-outs", &params, LARGEST_PAGE)?;
    let page = caller.registry().opt_outs(caller.scope(), &filter, paging.after, paging.limit).await?;
    Ok(Json(paging.list(page, views::opt_out)))
}

pub(crate) async fn add(
    caller: Caller<CanSend>,
    request: Request<Body>,
) -> Result<Json<OptOutsNoted>, Refusal> {
    let (parts, unread) = request.into_parts();
    let asked: NewOptOuts = body::json(&body::read(&parts.headers, unread, LARGEST).await?)?;
    let mut findings = Findings::default();
    let users = audience::people(&mut findings, "/users", &asked.users);
    if asked.users.is_empty() {
        findings.add(Code::InvalidValue, "/users", "this names nobody");
    }
    let lane = Asked { app: asked.app.as_deref(), tenant: asked.tenant.as_deref(), mark: '/' };
    let lane_no = lane_no(&caller, findings, lane).await?;
    let now = caller.app().now();
    let mut noted = 0;
    for users in users.chunks(TOGETHER) {
        let all: Vec<_> = users
            .iter()
            .map(|user| caller.registry().set_opt_out(caller.scope(), lane_no, user, true, now))
            .collect();
        noted += try_join_all(all).await?.into_iter().map(i64::from).sum::<i64>();
    }
    Ok(Json(OptOutsNoted { noted }))
}

pub(crate) async fn remove(
    caller: Caller<IsAdmin>,
    Path(user): Path<String>,
    params: Params,
) -> Result<StatusCode, Refusal> {
    let params = params.only(&["app", "tenant"])?;
    let user = guid(&user).ok_or_else(|| Refusal::not_found("person"))?;
    let lane = Asked { app: params.get("app"), tenant: params.get("tenant"), mark: '?' };
    let lane_no = lane_no(&caller, Findings::default(), lane).await?;
    caller.registry().set_opt_out(caller.scope(), lane_no, &user, false, caller.app().now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn lane_no(access: &Access, mut findings: Findings, asked: Asked<'_>) -> Result<i64, Refusal> {
    let lane = find_lane(&mut findings, access, asked).await?;
    findings.none()?;
    let (app, tenant) = lane.expect("a missing lane was found above");
    Ok(access.app().lane_no(&app, &tenant).await?)
}
