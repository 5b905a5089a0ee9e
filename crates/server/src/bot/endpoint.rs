//! `POST /api/messages`: takes activities from Teams (`docs/protocol.md` sections 3 and 4).
//!
//! Answered 200 without a body when what it tells is committed; 503 if that takes longer than a second (Teams sends it
//! again). Events of unknown types are 200, invokes 501: none is handled yet. Answers are short JSON, not problem
//! documents: who posts here is Microsoft, or nobody who is owed an explanation.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use nuncio_domain::people::LearnedDone;
use nuncio_teams::schema::ActivityKind;
use serde_json::json;

use super::learn;
use crate::body::{self, Unread};
use crate::state::App;

/// Activities are a few KB; a message's text can have about 100.
const LARGEST: usize = 256 * 1024;

pub(crate) async fn receive(State(app): State<App>, request: Request<Body>) -> Response {
    let (parts, unread) = request.into_parts();
    // First the size: nobody makes us hash megabytes.
    let raw = match body::read(&parts.headers, unread, LARGEST).await {
        Ok(raw) => raw,
        Err(Unread::TooLarge { .. }) => return short(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
        Err(Unread::TooSlow | Unread::CutOff) => {
            return short(StatusCode::REQUEST_TIMEOUT, "the body did not arrive");
        }
    };
    if !is_json(&parts.headers) {
        return short(StatusCode::UNSUPPORTED_MEDIA_TYPE, "only application/json is taken");
    }
    let authorization = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let verified = match app.inbound().authenticate(authorization, &raw).await {
        Ok(verified) => verified,
        Err(error) => {
            tracing::warn!(cause = ?error, "activity refused");
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::FORBIDDEN);
            return short(status, &error.to_string());
        }
    };
    let Some(name) = app
        .apps()
        .iter()
        .find(|known| known.app_id.eq_ignore_ascii_case(&verified.app_id))
        .map(|known| known.name.clone())
    else {
        tracing::error!(app_id = verified.app_id, "activity for an app that has no name");
        return short(StatusCode::FORBIDDEN, "the activity is for another bot");
    };

    if let Some(learned) = learn::learned(&verified, name, app.now(), &raw) {
        let (app_name, what) = (learned.app.clone(), learned.what.clone());
        match app.learn(learned).await {
            Ok(done) => {
                let duplicate = done == LearnedDone::Duplicate;
                tracing::debug!(app = app_name, what, duplicate, "activity learned");
            }
            Err(error) => {
                tracing::warn!(app = app_name, what, %error, "activity not learned");
                return short(StatusCode::SERVICE_UNAVAILABLE, "not stored: send it again");
            }
        }
    }
    match verified.activity.kind() {
        ActivityKind::Invoke(_) => StatusCode::NOT_IMPLEMENTED.into_response(),
        _ => StatusCode::OK.into_response(),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn short(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "error": text }))).into_response()
}
