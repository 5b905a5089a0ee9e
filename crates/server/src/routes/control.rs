//! `POST /v1/messages/{id}/cancel`, `/pause`, `/resume`, `/confirm`: tells a message what to do.
//!
//! Answered 202 when the word is stored; the owner of the lane obeys a moment later, so the state in the answer may
//! still be the old one. 409 `too_late` where it means nothing any more.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use nuncio_api::{Accepted, Code};
use nuncio_domain::Control;
use nuncio_domain::message::{ControlRequest, Controlled};

use super::message_id;
use crate::access::{Access, Caller, CanSend};
use crate::problem::Refusal;
use crate::views::shown_state;

type Answer = Result<(StatusCode, Json<Accepted>), Refusal>;

pub(crate) async fn cancel(caller: Caller<CanSend>, Path(id): Path<String>) -> Answer {
    control(&caller, &id, Control::Cancel).await
}

pub(crate) async fn pause(caller: Caller<CanSend>, Path(id): Path<String>) -> Answer {
    control(&caller, &id, Control::Pause).await
}

pub(crate) async fn resume(caller: Caller<CanSend>, Path(id): Path<String>) -> Answer {
    control(&caller, &id, Control::Resume).await
}

pub(crate) async fn confirm(caller: Caller<CanSend>, Path(id): Path<String>) -> Answer {
    control(&caller, &id, Control::Confirm).await
}

async fn control(access: &Access, id: &str, control: Control) -> Answer {
    let id = message_id(id)?;
    let scope = access.scope();
    match access.ledger().control(ControlRequest { scope, id, control }, access.app().now()).await? {
        Controlled::Taken { lane_no } => access.wake(lane_no),
        Controlled::TooLate { state } => {
            let text = format!("the message is {state}, so it cannot be told to {control}");
            return Err(Refusal::new(Code::TooLate, text));
        }
        Controlled::NotFound => return Err(Refusal::not_found("message")),
    }
    let view = access.ledger().message(scope, id).await?.ok_or_else(|| Refusal::not_found("message"))?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { id: id.to_string(), state: shown_state(&view).to_string() })))
}
