//! `GET /v1/messages`: messages, newest first, filtered by `state` and `label`.
//! `GET /v1/messages/{id}`: one, with its content.

use axum::Json;
use axum::extract::Path;
use nuncio_api::{List, Message};
use nuncio_domain::MessageState;
use nuncio_domain::views::MessageFilter;

use super::message_id;
use crate::access::{Caller, CanRead};
use crate::problem::Refusal;
use crate::query::{Paging, Params};
use crate::views;

const LARGEST_PAGE: i64 = 200;

pub(crate) async fn list(caller: Caller<CanRead>, params: Params) -> Result<Json<List<Message>>, Refusal> {
    let params = params.only(&["state", "label", "cursor", "limit"])?;
    let words: Vec<&str> = MessageState::ALL.iter().map(|state| state.as_str()).collect();
    let filter = MessageFilter {
        purpose: None,
        state: params.word("state", MessageState::of_word, &words)?,
        label: params.owned("label"),
    };
    let paging = Paging::of(&caller, "messages", &params, LARGEST_PAGE)?;
    let page = caller.ledger().messages(caller.scope(), &filter, paging.after, paging.limit).await?;
    let now = caller.app().now();
    Ok(Json(paging.list(page, |view| views::message(view, now, false))))
}

pub(crate) async fn get(
    caller: Caller<CanRead>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Message>, Refusal> {
    params.only(&[])?;
    let view = caller.ledger().message(caller.scope(), message_id(&id)?).await?;
    let view = view.ok_or_else(|| Refusal::not_found("message"))?;
    Ok(Json(views::message(view, caller.app().now(), true)))
}
