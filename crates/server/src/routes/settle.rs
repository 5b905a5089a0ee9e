//! `POST /v1/messages/{id}/settle`: says of ambiguous deliveries that they arrived, or has them sent once more
//! (`docs/delivery.md`, Ambiguous).
//!
//! Answered 202 when the words are stored; the owner of the lane obeys a moment later. Saying it again changes nothing.
//! What is not ambiguous any more by then stays as it is. 409 `too_late` for a resend of a message that was cancelled or
//! is past its time.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use nuncio_api::{Code, Settle};
use nuncio_domain::DeliveryId;
use nuncio_domain::message::{SettleRequest, Settled, Verdict};

use super::message_id;
use crate::access::{Caller, CanSend};
use crate::body;
use crate::problem::Refusal;
use crate::validate::Findings;
use crate::views::shown_state;

const LARGEST: usize = 1024 * 1024;
const MOST: usize = 10_000;

pub(crate) async fn settle(
    caller: Caller<CanSend>,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Result<(StatusCode, Json<nuncio_api::Settled>), Refusal> {
    let (parts, unread) = request.into_parts();
    let asked: Settle = body::json(&body::read(&parts.headers, unread, LARGEST).await?)?;
    let id = message_id(&id)?;
    let scope = caller.scope();
    let missing = || Refusal::not_found("message");
    let view = caller.ledger().message(scope, id).await?.ok_or_else(missing)?;
    let (verdict, recipients) = check(&asked, view.message_no)?;
    let request = SettleRequest { scope, id, verdict, recipients };
    let settled = match caller.ledger().settle(request, caller.app().now()).await? {
        Settled::Taken { lane_no, settled } => {
            if settled > 0 {
                caller.wake(lane_no);
            }
            settled
        }
        Settled::TooLate { .. } => {
            let text = "the message was cancelled or is past its time, so nothing of it is sent any more; \
                        what is ambiguous can be settled as delivered";
            return Err(Refusal::new(Code::TooLate, text));
        }
        Settled::NotFound => return Err(missing()),
    };
    let state = shown_state(&view).to_string();
    Ok((StatusCode::ACCEPTED, Json(nuncio_api::Settled { id: id.to_string(), state, settled })))
}

fn check(asked: &Settle, message_no: i64) -> Result<(Verdict, Option<Vec<i64>>), Refusal> {
    let mut findings = Findings::default();
    let verdict = Verdict::of_word(&asked.verdict);
    if verdict.is_none() {
        findings.add(Code::InvalidValue, "/as", "this must be one of: delivered, resend");
    }
    if asked.all != asked.deliveries.is_empty() {
        findings.add(Code::InvalidValue, "/deliveries", "give some deliveries, or \"all\": true, not both");
    }
    if asked.deliveries.len() > MOST {
        findings.add(Code::InvalidValue, "/deliveries", "this has more than 10,000 entries");
    }
    let mut recipients = Vec::new();
    for (index, text) in asked.deliveries.iter().take(MOST).enumerate() {
        let pointer = || format!("/deliveries/{index}");
        match text.parse::<DeliveryId>() {
            Ok(delivery) if delivery.message_no == message_no => recipients.push(delivery.recipient_no),
            Ok(_) => findings.add(Code::OtherMessage, pointer(), "this is a delivery of another message"),
            Err(error) => findings.add(Code::InvalidValue, pointer(), format!("this is {error}")),
        }
    }
    findings.none()?;
    let verdict = verdict.expect("a missing word was found above");
    Ok((verdict, (!asked.all).then_some(recipients)))
}
