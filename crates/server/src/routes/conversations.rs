//! `GET /v1/conversations`: conversations that the apps know, filtered by `kind`, `state`, `app`, `tenant`.
//! `GET /v1/conversations/{id}`: one of them, with what was known of it before; with `app` and `tenant` where several know
//! it.

use axum::Json;
use axum::extract::Path;
use nuncio_api::{Conversation, ConversationWithHistory, List};
use nuncio_domain::ReachState;
use nuncio_domain::places::{ConversationFilter, PlaceKind};

use super::{only_one, tenant};
use crate::access::{Caller, CanRead};
use crate::problem::Refusal;
use crate::query::{Paging, Params};
use crate::views;

const LARGEST_PAGE: i64 = 1000;

pub(crate) async fn list(
    caller: Caller<CanRead>,
    params: Params,
) -> Result<Json<List<Conversation>>, Refusal> {
    let params = params.only(&["kind", "state", "app", "tenant", "cursor", "limit"])?;
    let kinds: Vec<&str> = PlaceKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let states: Vec<&str> = ReachState::ALL.iter().map(|state| state.as_str()).collect();
    let filter = ConversationFilter {
        kind: params.word("kind", PlaceKind::of_word, &kinds)?,
        reach: params.word("state", ReachState::of_word, &states)?,
        app: params.owned("app"),
        tenant: tenant(&params),
    };
    let paging = Paging::of(&caller, "conversations", &params, LARGEST_PAGE)?;
    let page = caller.registry().conversations(caller.scope(), &filter, paging.after, paging.limit).await?;
    Ok(Json(paging.list(page, views::conversation)))
}

pub(crate) async fn get(
    caller: Caller<CanRead>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<ConversationWithHistory>, Refusal> {
    let params = params.only(&["app", "tenant"])?;
    let filter = ConversationFilter {
        app: params.owned("app"),
        tenant: tenant(&params),
        ..ConversationFilter::default()
    };
    let found = caller.registry().conversation(caller.scope(), &id, &filter).await?;
    let found = only_one(found, "conversation")?;
    let history = caller.registry().reach_history(caller.scope(), found.recipient_no).await?;
    Ok(Json(ConversationWithHistory {
        conversation: views::conversation(found),
        history: history.into_iter().map(views::past).collect(),
    }))
}
