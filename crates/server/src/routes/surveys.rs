//! `POST /v1/reachability/surveys`, `GET /v1/reachability/surveys`, `GET /v1/reachability/surveys/{id}`: asking Microsoft Graph
//! who has the app (`docs/adr/0027`). Nobody is disturbed.
//!
//! A survey is a message that says nothing: its id is one of a message, `Idempotency-Key` is taken as for one, and
//! `/v1/messages/{id}/pause`, `/resume`, `/confirm` and `/cancel` are for surveys too.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::response::Response;
use nuncio_api::{List, Survey, SurveyCounts};
use nuncio_domain::MessageState;
use nuncio_domain::own_words::Purpose;
use nuncio_domain::views::{MessageFilter, MessageView};

use super::message_id;
use super::send::hand_in;
use crate::access::{Caller, CanRead, CanSend};
use crate::problem::Refusal;
use crate::query::{Paging, Params};
use crate::times::text;
use crate::{body, validate, views};

const LARGEST: usize = 1024 * 1024;
const LARGEST_PAGE: i64 = 200;
/// What [`MessageState::Sending`] is called here.
const ASKING: &str = "asking";

pub(crate) async fn begin(caller: Caller<CanSend>, request: Request<Body>) -> Result<Response, Refusal> {
    let (parts, unread) = request.into_parts();
    let raw = body::read(&parts.headers, unread, LARGEST).await?;
    // A key that was used for a message is not one for a survey.
    hand_in(&caller, &parts.headers, &[b"survey", &raw], async || {
        let asked: nuncio_api::NewSurvey = body::json(&raw)?;
        validate::survey(&caller, asked).await
    })
    .await
}

pub(crate) async fn list(caller: Caller<CanRead>, params: Params) -> Result<Json<List<Survey>>, Refusal> {
    let params = params.only(&["state", "label", "cursor", "limit"])?;
    let words: Vec<&str> = MessageState::ALL.iter().map(|state| word(*state)).collect();
    let of_word = |text: &str| MessageState::ALL.iter().copied().find(|state| word(*state) == text);
    let filter = MessageFilter {
        purpose: Some(Purpose::Survey),
        state: params.word("state", of_word, &words)?,
        label: params.owned("label"),
    };
    let paging = Paging::of(&caller, "surveys", &params, LARGEST_PAGE)?;
    let page = caller.ledger().messages(caller.scope(), &filter, paging.after, paging.limit).await?;
    Ok(Json(paging.list(page, shown)))
}

pub(crate) async fn get(
    caller: Caller<CanRead>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Survey>, Refusal> {
    params.only(&[])?;
    let view = caller.ledger().message(caller.scope(), message_id(&id)?).await?;
    let view = view.filter(|view| view.purpose == Purpose::Survey);
    Ok(Json(shown(view.ok_or_else(|| Refusal::not_found("survey"))?)))
}

fn word(state: MessageState) -> &'static str {
    if state == MessageState::Sending { ASKING } else { state.as_str() }
}

fn shown(view: MessageView) -> Survey {
    let counts = SurveyCounts {
        audience: view.counts.audience(),
        pending: view.counts.pending,
        asked: view.counts.delivered,
        failed: view.counts.failed,
        skipped: view.counts.skipped,
        cancelled: view.counts.cancelled,
        expired: view.counts.expired,
    };
    let (state, (cause, cause_text)) = views::why_install_waits(&view);
    Survey {
        id: view.id.to_string(),
        app: view.app,
        tenant: view.tenant,
        state: word(state).to_owned(),
        cause,
        cause_text,
        requested: view.control.map(|control| control.to_string()),
        label: view.label,
        counts,
        audience_final: view.audience_final,
        failed_by_reason: view.failed_by_reason,
        skipped_by_reason: view.skipped_by_reason,
        expires_at: text(view.expires_at),
        created_at: text(view.created_at),
        completed_at: view.completed_at.map(text),
    }
}
