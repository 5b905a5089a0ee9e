//! `POST /v1/messages/{id}/retry`: a new message with the content of this one, to those whom it did not reach.
//!
//! Of a message that is still being sent, what is over by then is tried again. Who was left out of the first one stays
//! out. Answered like `POST /v1/messages`, whose `Idempotency-Key` holds here as well; the body may be left out.

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::response::Response;
use nuncio_api::Retry;

use super::{message_id, send};
use crate::access::{Caller, CanSend};
use crate::problem::Refusal;
use crate::{body, validate};

const LARGEST: usize = 16 * 1024;

pub(crate) async fn retry(
    caller: Caller<CanSend>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let (parts, unread) = request.into_parts();
    let raw = body::read(&parts.headers, unread, LARGEST).await?;
    let id = message_id(&id)?;
    // The same body for another message is another request.
    let of = format!("retry {id}\n");
    send::hand_in(&caller, &parts.headers, &[of.as_bytes(), &raw], async || {
        let asked: Retry = if raw.trim_ascii().is_empty() { Retry::default() } else { body::json(&raw)? };
        let before = caller.ledger().message(caller.scope(), id).await?;
        validate::retry(&caller, before.ok_or_else(|| Refusal::not_found("message"))?, &asked)
    })
    .await
}
