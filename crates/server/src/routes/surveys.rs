//! `POST /v1/reachability/surveys`, `GET /v1/reachability/surveys`, `GET /v1/reachability/surveys/{id}`: asking Microsoft Graph
//! who has the app (`docs/adr/0027`). Nobody is disturbed.
//!
//! A survey is a message that says nothing (`runs.rs`).

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::response::Response;
use nuncio_api::{List, Survey, SurveyCounts};
use nuncio_domain::own_words::Purpose;
use nuncio_domain::views::MessageView;

use super::message_id;
use super::runs::Runs;
use crate::access::{Caller, CanRead, CanSend};
use crate::problem::Refusal;
use crate::query::Params;
use crate::times::text;
use crate::{body, validate, views};

const RUNS: Runs = Runs { purpose: Purpose::Survey, name: "surveys", one: "survey", under_way: "asking" };

pub(crate) async fn begin(caller: Caller<CanSend>, request: Request<Body>) -> Result<Response, Refusal> {
    RUNS.begin(&caller, request, async |raw| {
        let asked: nuncio_api::NewSurvey = body::json(raw)?;
        validate::survey(&caller, asked).await
    })
    .await
}

pub(crate) async fn list(caller: Caller<CanRead>, params: Params) -> Result<Json<List<Survey>>, Refusal> {
    RUNS.list(&caller, params, shown).await.map(Json)
}

pub(crate) async fn get(
    caller: Caller<CanRead>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Survey>, Refusal> {
    params.only(&[])?;
    Ok(Json(shown(RUNS.find(&caller, message_id(&id)?).await?)))
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
        state: RUNS.word(state).to_owned(),
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
