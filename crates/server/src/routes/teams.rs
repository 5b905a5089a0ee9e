//! `GET /v1/teams`: teams that the apps are or were in, filtered by `state`, `app`, `tenant`.
//! `GET /v1/teams/{id}`: one of them, by the id of its General channel or of its group in Entra; with `app` and `tenant`
//! where several know it.

use axum::Json;
use axum::extract::Path;
use nuncio_api::{List, Team};
use nuncio_domain::places::{TeamFilter, TeamState};

use super::{only_one, tenant};
use crate::access::{Caller, CanRead};
use crate::problem::Refusal;
use crate::query::{Paging, Params};
use crate::views;

/// Each comes with its channels, of which a team has up to 1,000.
const LARGEST_PAGE: i64 = 200;

pub(crate) async fn list(caller: Caller<CanRead>, params: Params) -> Result<Json<List<Team>>, Refusal> {
    let params = params.only(&["state", "app", "tenant", "cursor", "limit"])?;
    let states: Vec<&str> = TeamState::ALL.iter().map(|state| state.as_str()).collect();
    let filter = TeamFilter {
        state: params.word("state", TeamState::of_word, &states)?,
        app: params.owned("app"),
        tenant: tenant(&params),
    };
    let paging = Paging::of(&caller, "teams", &params, LARGEST_PAGE)?;
    let page = caller.registry().teams(caller.scope(), &filter, paging.after, paging.limit).await?;
    Ok(Json(paging.list(page, views::team)))
}

pub(crate) async fn get(
    caller: Caller<CanRead>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Team>, Refusal> {
    let params = params.only(&["app", "tenant"])?;
    let filter = TeamFilter { app: params.owned("app"), tenant: tenant(&params), ..TeamFilter::default() };
    let found = caller.registry().team(caller.scope(), &id, &filter).await?;
    only_one(found, "team").map(|found| Json(views::team(found)))
}
