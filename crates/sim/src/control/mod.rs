//! The control API under `/sim/` (product.md, "Simulator"). JSON throughout; errors are `{"error": "…"}`.

mod acting;
mod activities;
pub(crate) mod bots;
mod cards;
mod channel_life;
mod chat_life;
mod chats;
mod events;
mod faults;
mod graph;
mod groups;
mod keys;
mod observe;
mod outage;
mod page;
mod people;
mod person_life;
mod reset;
mod settings;
mod stage;
mod team_life;
mod teams;
mod time;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, patch, post},
};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{server::Asked, world::Shared};

pub(crate) fn router(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/sim/info", get(info))
        .route("/sim/reset", post(reset::reset))
        .route("/sim/settings", get(settings::show).patch(settings::change))
        .route("/sim/bots", get(bots::list).post(bots::register))
        .route("/sim/bots/{app_id}", patch(bots::change).delete(bots::remove))
        .route("/sim/people", get(people::list))
        .route("/sim/people/{id}", patch(people::change).get(people::one))
        .route("/sim/people/{id}/says", post(acting::says))
        .route("/sim/people/{id}/edits", post(acting::edits))
        .route("/sim/people/{id}/deletes", post(acting::deletes))
        .route("/sim/people/{id}/undeletes", post(acting::undeletes))
        .route("/sim/people/{id}/reacts", post(acting::reacts))
        .route("/sim/people/{id}/acts", post(cards::acts))
        .route("/sim/people/{id}/invokes", post(cards::invokes))
        .route("/sim/people/{id}/reads", post(acting::reads))
        .route("/sim/people/{id}/installs", post(person_life::installs))
        .route("/sim/people/{id}/removes", post(person_life::removes))
        .route("/sim/people/{id}/upgrades", post(person_life::upgrades))
        .route("/sim/teams", get(teams::list))
        .route("/sim/teams/{id}/channels", post(channel_life::create))
        .route("/sim/teams/{id}/channels/{channel}/{what}", post(channel_life::change))
        .route("/sim/teams/{id}/{what}", post(team_life::change))
        .route("/sim/chats", get(chats::list).post(chats::add))
        .route("/sim/chats/{id}", get(chats::one))
        .route("/sim/chats/{id}/{what}", post(chat_life::change))
        .route("/sim/groups", get(groups::list).post(groups::add))
        .route("/sim/groups/{id}", delete(groups::remove))
        .route("/sim/groups/{id}/members", post(groups::change))
        .route("/sim/graph", post(graph::change))
        .route("/sim/policy-install", post(events::policy_install))
        .route("/sim/events", get(events::show))
        .route("/sim/activities", post(activities::send))
        .route("/sim/faults", get(faults::list).post(faults::add).delete(faults::clear))
        .route("/sim/faults/held", get(faults::held))
        .route("/sim/faults/release", post(faults::release))
        .route("/sim/faults/{id}", delete(faults::remove))
        .route("/sim/outage", get(outage::show).post(outage::begin).delete(outage::end))
        .route("/sim/counts", get(observe::counts))
        .route("/sim/journal", get(observe::journal))
        .route("/sim/told", get(page::told))
        .route("/sim/conversations", get(page::conversations))
        .route("/sim/conversations/{id}", get(page::conversation))
        .route("/sim/conversations/{id}/members", get(page::members))
        .route("/sim/conversations/{id}/messages", get(observe::messages))
        .route("/sim/keys", get(keys::list))
        .route("/sim/keys/rotate", post(keys::rotate))
        .route("/sim/keys/{kid}", patch(keys::change))
        .route("/sim/time", get(time::show).patch(time::change))
        .route("/sim/time/advance", post(time::advance))
        .route("/sim/{*rest}", axum::routing::any(unknown))
        .method_not_allowed_fallback(other_method)
        .layer(middleware::from_fn_with_state(Arc::clone(shared), authorise))
}

/// Why a control request is refused.
pub(crate) struct ControlError(StatusCode, String);

impl ControlError {
    fn bad(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, text.into())
    }

    fn not_found(text: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, text.into())
    }

    fn conflict(text: impl Into<String>) -> Self {
        Self(StatusCode::CONFLICT, text.into())
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

type Result<T> = std::result::Result<T, ControlError>;

/// Reads a body; an empty one is `{}`. Unknown fields are refused by the types.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let body = if body.is_empty() { b"{}" } else { body };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(with_path)?;
    reader.end().map_err(|error| ControlError::bad(error.to_string()))?;
    Ok(read)
}

/// `do.status: invalid type …`
fn with_path<E: std::error::Error>(error: serde_path_to_error::Error<E>) -> ControlError {
    let path = error.path().to_string();
    let error = error.into_inner();
    // `?`: it broke off before any field had a name.
    let nowhere = path == "." || path == "?";
    ControlError::bad(if nowhere { error.to_string() } else { format!("{path}: {error}") })
}

/// Reads a query, refusing unknown names.
fn query<T: DeserializeOwned>(
    query: std::result::Result<axum::extract::Query<T>, axum::extract::rejection::QueryRejection>,
) -> Result<T> {
    query.map(|query| query.0).map_err(|error| ControlError::bad(error.body_text()))
}

async fn authorise(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if let Some(key) = &shared.control_key {
        let given = request.headers().get("x-control-key").map(http::HeaderValue::as_bytes);
        if given != Some(key.as_bytes()) {
            let text = "this simulator wants its control key in the header x-control-key";
            return ControlError(StatusCode::UNAUTHORIZED, text.into()).into_response();
        }
    }
    if !same_origin(request.headers()) {
        let text = "a page of another origin may not drive the simulator";
        return ControlError(StatusCode::FORBIDDEN, text.into()).into_response();
    }
    next.run(request).await
}

/// A browser names the page that asks in `Origin`; programs send none. Without this, any web page that is open on this
/// machine could send a request here.
fn same_origin(headers: &http::HeaderMap) -> bool {
    let host = headers.get(http::header::HOST).map(http::HeaderValue::as_bytes);
    headers.get(http::header::ORIGIN).is_none_or(|origin| {
        let origin = origin.as_bytes();
        let authority = [&b"http://"[..], b"https://"].iter().find_map(|scheme| origin.strip_prefix(*scheme));
        authority.is_some() && authority == host
    })
}

/// The header `Allow` beside it says which.
async fn other_method() -> ControlError {
    ControlError(
        StatusCode::METHOD_NOT_ALLOWED,
        "this control path takes other methods; see docs/simulator.md".into(),
    )
}

async fn unknown() -> ControlError {
    ControlError::not_found("no such control path; see docs/simulator.md")
}

pub(crate) async fn about(State(shared): State<Arc<Shared>>, Asked(base): Asked) -> String {
    format!(
        "A simulator of Microsoft's side of Teams. Nothing here is Microsoft.\n\n\
         token endpoint  {base}/{tenant}/oauth2/v2.0/token\n\
         OpenID metadata {base}/v1/.well-known/openidconfiguration\n\
         service URL     {service}\n\
         Graph           {base}/v1.0\n\
         page            {base}/sim\n\
         control API     {base}/sim/counts and others, see docs/simulator.md\n",
        tenant = shared.tenant_id,
        service = shared.service_url,
    )
}

/// `GET /sim/info`
async fn info(State(shared): State<Arc<Shared>>, Asked(base): Asked) -> Json<serde_json::Value> {
    let tls = shared.tls.as_ref().map(|tls| json!({"base": tls.base, "ca_certificate": tls.ca}));
    Json(json!({
        "base": shared.base, "tls": tls, "service_url": shared.service_url, "graph": format!("{base}/v1.0"),
        "tenant_id": shared.tenant_id,
        "tenant_name": shared.world().org.tenant_name,
        "version": env!("CARGO_PKG_VERSION"),
        "identity_endpoint": format!("{base}/msi/token"), "identity_header": shared.identity_header,
    }))
}
