//! `POST /v1/installs`, `GET /v1/installs`, `GET /v1/installs/{id}`, `…/recipients`, `…/report.csv`: having the app installed
//! for people, in teams and in group chats, through Microsoft Graph (`docs/adr/0027`).
//!
//! A run is a message that says nothing: its id is one of a message, `Idempotency-Key` is taken as for one, and
//! `/v1/messages/{id}/pause`, `/resume`, `/confirm`, `/cancel` and `/retry` are for runs too. What is delivered of a message
//! is installed of a run.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::response::Response;
use nuncio_api::{Delivery, Install, InstallCounts, List};
use nuncio_domain::own_words::Purpose;
use nuncio_domain::views::{MessageFilter, MessageView};
use nuncio_domain::{MessageId, MessageState};

use super::send::hand_in;
use super::{deliveries, message_id, report};
use crate::access::{Access, Caller, CanRead, CanSend};
use crate::problem::Refusal;
use crate::query::{Paging, Params};
use crate::times::text;
use crate::{body, validate, views};

const LARGEST: usize = 1024 * 1024;
const LARGEST_PAGE: i64 = 200;
/// What [`MessageState::Sending`] is called here, and a delivery that is delivered.
const INSTALLING: &str = "installing";
const INSTALLED: &str = "installed";

pub(crate) async fn install(caller: Caller<CanSend>, request: Request<Body>) -> Result<Response, Refusal> {
    let (parts, unread) = request.into_parts();
    let raw = body::read(&parts.headers, unread, LARGEST).await?;
    // A key that was used for a message is not one for an install.
    hand_in(&caller, &parts.headers, &[b"install", &raw], async || {
        let asked: nuncio_api::NewInstall = body::json(&raw)?;
        validate::install_run(&caller, &asked).await
    })
    .await
}

pub(crate) async fn list(caller: Caller<CanRead>, params: Params) -> Result<Json<List<Install>>, Refusal> {
    let params = params.only(&["state", "label", "cursor", "limit"])?;
    let words: Vec<&str> = MessageState::ALL.iter().map(|state| word(*state)).collect();
    let of_word = |text: &str| MessageState::ALL.iter().copied().find(|state| word(*state) == text);
    let filter = MessageFilter {
        purpose: Some(Purpose::Install),
        state: params.word("state", of_word, &words)?,
        label: params.owned("label"),
    };
    let paging = Paging::of(&caller, "installs", &params, LARGEST_PAGE)?;
    let page = caller.ledger().messages(caller.scope(), &filter, paging.after, paging.limit).await?;
    Ok(Json(paging.list(page, shown)))
}

pub(crate) async fn get(
    caller: Caller<CanRead>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Install>, Refusal> {
    params.only(&[])?;
    Ok(Json(shown(find(&caller, message_id(&id)?).await?)))
}

pub(crate) async fn recipients(
    caller: Caller<CanRead>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<List<Delivery>>, Refusal> {
    let id = message_id(&id)?;
    find(&caller, id).await?;
    deliveries::of(&caller, id, params, Some(INSTALLED)).await.map(Json)
}

pub(crate) async fn csv(
    caller: Caller<CanRead>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Refusal> {
    params.only(&[])?;
    let id = message_id(&id)?;
    find(&caller, id).await?;
    report::of(&caller, id, Some(INSTALLED)).await
}

async fn find(access: &Access, id: MessageId) -> Result<MessageView, Refusal> {
    let view = access.ledger().message(access.scope(), id).await?;
    view.filter(|view| view.purpose == Purpose::Install).ok_or_else(|| Refusal::not_found("install run"))
}

fn word(state: MessageState) -> &'static str {
    if state == MessageState::Sending { INSTALLING } else { state.as_str() }
}

fn shown(view: MessageView) -> Install {
    let counts = InstallCounts {
        audience: view.counts.audience(),
        pending: view.counts.pending,
        installed: view.counts.delivered,
        failed: view.counts.failed,
        skipped: view.counts.skipped,
        cancelled: view.counts.cancelled,
        expired: view.counts.expired,
    };
    let (state, (cause, cause_text)) = views::why_install_waits(&view);
    Install {
        id: view.id.to_string(),
        app: view.app,
        tenant: view.tenant,
        state: word(state).to_owned(),
        cause,
        cause_text,
        requested: view.control.map(|control| control.to_string()),
        label: view.label,
        install: view.install.to_string(),
        counts,
        audience_final: view.audience_final,
        duplicates_removed: view.duplicates_removed,
        failed_by_reason: view.failed_by_reason,
        skipped_by_reason: view.skipped_by_reason,
        send_at: view.send_at.map(text),
        expires_at: text(view.expires_at),
        created_at: text(view.created_at),
        completed_at: view.completed_at.map(text),
        retries: view.retries.map(|id| id.to_string()),
    }
}
