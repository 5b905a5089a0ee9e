//! `POST /v1/installs`, `GET /v1/installs`, `GET /v1/installs/{id}`, `…/recipients`, `…/report.csv`: having the app installed
//! for people, in teams and in group chats, through Microsoft Graph (`docs/adr/0027`).
//!
//! A run is a message that says nothing (`runs.rs`); it is also tried again like one, with `/v1/messages/{id}/retry`. What is
//! delivered of a message is installed of a run.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::response::Response;
use nuncio_api::{Delivery, Install, InstallCounts, List};
use nuncio_domain::own_words::Purpose;
use nuncio_domain::views::MessageView;

use super::runs::Runs;
use super::{deliveries, message_id, report};
use crate::access::{Caller, CanRead, CanSend};
use crate::problem::Refusal;
use crate::query::Params;
use crate::times::text;
use crate::{body, validate, views};

/// What a delivery is called that is delivered.
const INSTALLED: &str = "installed";
const RUNS: Runs =
    Runs { purpose: Purpose::Install, name: "installs", one: "install run", under_way: "installing" };

pub(crate) async fn install(caller: Caller<CanSend>, request: Request<Body>) -> Result<Response, Refusal> {
    RUNS.begin(&caller, request, async |raw| {
        let asked: nuncio_api::NewInstall = body::json(raw)?;
        validate::install_run(&caller, &asked).await
    })
    .await
}

pub(crate) async fn list(caller: Caller<CanRead>, params: Params) -> Result<Json<List<Install>>, Refusal> {
    RUNS.list(&caller, params, shown).await.map(Json)
}

pub(crate) async fn get(
    caller: Caller<CanRead>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Install>, Refusal> {
    params.only(&[])?;
    Ok(Json(shown(RUNS.find(&caller, message_id(&id)?).await?)))
}

pub(crate) async fn recipients(
    caller: Caller<CanRead>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<List<Delivery>>, Refusal> {
    let id = message_id(&id)?;
    RUNS.find(&caller, id).await?;
    deliveries::of(&caller, id, params, Some(INSTALLED)).await.map(Json)
}

pub(crate) async fn csv(
    caller: Caller<CanRead>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Refusal> {
    params.only(&[])?;
    let id = message_id(&id)?;
    RUNS.find(&caller, id).await?;
    report::of(&caller, id, Some(INSTALLED)).await
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
        state: RUNS.word(state).to_owned(),
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
