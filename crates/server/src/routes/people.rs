//! `GET /v1/people`: people, channels and chats that the apps have met, filtered by `kind`, `state`, `app`, `tenant`.
//! `GET /v1/reachability`: how many people are in each state, filtered by `app` and `tenant`.

use axum::Json;
use nuncio_api::{List, MUTED, Person, Reachability};
use nuncio_domain::people::PeopleFilter;
use nuncio_domain::{ReachState, RecipientKind};

use super::tenant;
use crate::access::{Caller, CanRead};
use crate::problem::Refusal;
use crate::query::{Paging, Params};
use crate::views;

const LARGEST_PAGE: i64 = 1000;

pub(crate) async fn list(caller: Caller<CanRead>, params: Params) -> Result<Json<List<Person>>, Refusal> {
    let params = params.only(&["kind", "state", "app", "tenant", "cursor", "limit"])?;
    let kinds: Vec<&str> = RecipientKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let states: Vec<&str> = ReachState::ALL.iter().map(|state| state.as_str()).collect();
    let filter = PeopleFilter {
        kind: params.word("kind", RecipientKind::of_word, &kinds)?,
        reach: params.word("state", ReachState::of_word, &states)?,
        app: params.owned("app"),
        tenant: tenant(&params),
    };
    let paging = Paging::of(&caller, "people", &params, LARGEST_PAGE)?;
    let page = caller.registry().people(caller.scope(), &filter, paging.after, paging.limit).await?;
    Ok(Json(paging.list(page, views::person)))
}

pub(crate) async fn reachability(
    caller: Caller<CanRead>,
    params: Params,
) -> Result<Json<Reachability>, Refusal> {
    let params = params.only(&["app", "tenant"])?;
    let filter = PeopleFilter {
        kind: Some(RecipientKind::Person),
        reach: None,
        app: params.owned("app"),
        tenant: tenant(&params),
    };
    let counts = caller.registry().reachability(caller.scope(), &filter).await?;
    Ok(Json(Reachability {
        total: counts.iter().map(|(_, count)| count).sum(),
        states: counts.into_iter().map(|(state, count)| (state.to_string(), count)).collect(),
        muted: MUTED.to_owned(),
    }))
}
