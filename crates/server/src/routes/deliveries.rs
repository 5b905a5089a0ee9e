//! `GET /v1/messages/{id}/deliveries`: a message's deliveries, filtered by `state` and `reason`.
//! `GET /v1/deliveries/{id}`: one, with every call that was made for it.

use axum::Json;
use axum::extract::Path;
use nuncio_api::{Delivery, DeliveryWithAttempts, List};
use nuncio_domain::views::DeliveryFilter;
use nuncio_domain::{DeliveryId, DeliveryState, FailReason, Key, MessageId, SkipReason};

use super::{id, message_id};
use crate::access::{Access, Caller, CanRead};
use crate::problem::Refusal;
use crate::query::{Paging, Params};
use crate::views;

const LARGEST_PAGE: i64 = 1000;

pub(crate) async fn list(
    caller: Caller<CanRead>,
    Path(message): Path<String>,
    params: Params,
) -> Result<Json<List<Delivery>>, Refusal> {
    of(&caller, message_id(&message)?, params, None).await.map(Json)
}

/// The same of any kind of message; `done` is its word for what is delivered, if it has another.
pub(super) async fn of(
    caller: &Access,
    message: MessageId,
    params: Params,
    done: Option<&'static str>,
) -> Result<List<Delivery>, Refusal> {
    let params = params.only(&["state", "reason", "cursor", "limit"])?;
    let word = |state: DeliveryState| match done {
        Some(done) if state == DeliveryState::Delivered => done,
        _ => state.as_str(),
    };
    let states: Vec<&str> = DeliveryState::ALL.iter().map(|state| word(*state)).collect();
    let of_word = |text: &str| DeliveryState::ALL.iter().copied().find(|state| word(*state) == text);
    let reasons: Vec<&str> = FailReason::ALL
        .iter()
        .map(|reason| reason.as_str())
        .chain(SkipReason::ALL.iter().map(|reason| reason.as_str()))
        .collect();
    let filter = DeliveryFilter {
        state: params.word("state", of_word, &states)?,
        reason: params.word("reason", |word| reasons.contains(&word).then(|| word.to_owned()), &reasons)?,
    };
    let paging = Paging::of(caller, &format!("deliveries of {message}"), &params, LARGEST_PAGE)?;
    let page = caller
        .ledger()
        .deliveries(caller.scope(), message, &filter, paging.after, paging.limit)
        .await?
        .ok_or_else(|| Refusal::not_found("message"))?;
    Ok(paging.list(page, |view| {
        let state = word(view.state).to_owned();
        Delivery { state, ..views::delivery(message, view) }
    }))
}

pub(crate) async fn get(
    caller: Caller<CanRead>,
    Path(text): Path<String>,
    params: Params,
) -> Result<Json<DeliveryWithAttempts>, Refusal> {
    params.only(&[])?;
    let DeliveryId { message_no, recipient_no } = id(&text, "delivery")?;
    let (message, view, attempts) = caller
        .ledger()
        .delivery(caller.scope(), Key { message_no, recipient_no })
        .await?
        .ok_or_else(|| Refusal::not_found("delivery"))?;
    Ok(Json(DeliveryWithAttempts {
        delivery: views::delivery(message, view),
        calls: attempts.into_iter().map(views::attempt).collect(),
    }))
}
