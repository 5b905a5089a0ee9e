//! `GET /v1/messages/{id}/deliveries`: a message's deliveries, filtered by `state` and `reason`.
//! `GET /v1/deliveries/{id}`: one, with every call that was made for it.

use axum::Json;
use axum::extract::Path;
use nuncio_api::{Delivery, DeliveryWithAttempts, List};
use nuncio_domain::views::DeliveryFilter;
use nuncio_domain::{DeliveryId, DeliveryState, FailReason, Key, SkipReason};

use super::{id, message_id};
use crate::access::{Caller, CanRead};
use crate::problem::Refusal;
use crate::query::{Paging, Params};
use crate::views;

const LARGEST_PAGE: i64 = 1000;

pub(crate) async fn list(
    caller: Caller<CanRead>,
    Path(message): Path<String>,
    params: Params,
) -> Result<Json<List<Delivery>>, Refusal> {
    let params = params.only(&["state", "reason", "cursor", "limit"])?;
    let states: Vec<&str> = DeliveryState::ALL.iter().map(|state| state.as_str()).collect();
    let reasons: Vec<&str> = FailReason::ALL
        .iter()
        .map(|reason| reason.as_str())
        .chain(SkipReason::ALL.iter().map(|reason| reason.as_str()))
        .collect();
    let filter = DeliveryFilter {
        state: params.word("state", DeliveryState::of_word, &states)?,
        reason: params.word("reason", |word| reasons.contains(&word).then(|| word.to_owned()), &reasons)?,
    };
    let message = message_id(&message)?;
    let paging = Paging::of(&caller, &format!("deliveries of {message}"), &params, LARGEST_PAGE)?;
    let page = caller
        .ledger()
        .deliveries(caller.scope(), message, &filter, paging.after, paging.limit)
        .await?
        .ok_or_else(|| Refusal::not_found("message"))?;
    Ok(Json(paging.list(page, |view| views::delivery(message, view))))
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
