//! `POST /api/messages`: takes activities from Teams (`docs/protocol.md` sections 3 and 4).
//!
//! Answered 200 without a body when what it tells is committed; 503 if that takes longer than a second (Teams sends it
//! again). Events of unknown types are 200, invokes what `invoke.rs` says. Errors are short JSON, not problem documents:
//! who posts here is Microsoft, or nobody who is owed an explanation.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use nuncio_domain::MessageId;
use nuncio_domain::people::LearnedDone;
use nuncio_teams::schema::ActivityKind;
use serde_json::json;

use super::{invoke, learn, say};
use crate::body::{self, Unread};
use crate::state::App;

/// Activities are a few KB; a message's text can have about 100.
const LARGEST: usize = 256 * 1024;

/// Whoever pressed a button sees an error after about 5 s; then it is better to be ours.
const ANSWER_WITHIN: Duration = Duration::from_millis(4_500);

pub(crate) async fn receive(State(app): State<App>, request: Request<Body>) -> Response {
    let (parts, unread) = request.into_parts();
    // First the size: nobody makes us hash megabytes.
    let raw = match body::read(&parts.headers, unread, LARGEST).await {
        Ok(raw) => raw,
        Err(Unread::TooLarge { .. }) => return short(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
        Err(Unread::TooSlow { .. } | Unread::CutOff) => {
            return short(StatusCode::REQUEST_TIMEOUT, "the body did not arrive");
        }
    };
    if !is_json(&parts.headers) {
        return short(StatusCode::UNSUPPORTED_MEDIA_TYPE, "only application/json is taken");
    }
    let heard = tokio::time::timeout(ANSWER_WITHIN, hear(&app, &parts.headers, &raw)).await;
    heard.unwrap_or_else(|_| {
        tracing::warn!("an activity was not answered in time");
        let answer = invoke::name_in(&raw).and_then(|name| invoke::failed(&name));
        let again = || short(StatusCode::SERVICE_UNAVAILABLE, "too slow: send it again");
        answer.map_or_else(again, invoke::respond)
    })
}

async fn hear(app: &App, headers: &HeaderMap, raw: &[u8]) -> Response {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let verified = match app.inbound().authenticate(authorization, raw).await {
        Ok(verified) => verified,
        Err(error) => {
            tracing::warn!(cause = ?error, "activity refused");
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::FORBIDDEN);
            return short(status, &error.to_string());
        }
    };
    let Some(known) = app.apps().iter().find(|known| known.app_id.eq_ignore_ascii_case(&verified.app_id))
    else {
        tracing::error!(app_id = verified.app_id, "activity for an app that has no name");
        return short(StatusCode::FORBIDDEN, "the activity is for another bot");
    };
    let activity = &verified.activity;

    if let Some(mut learned) = learn::learned(&verified, known.name.clone(), app.now(), raw) {
        say::add(&mut learned, activity, &known.words, MessageId(app.new_uuid()));
        let what = learned.what.clone();
        match app.learn(learned).await {
            Ok(done) => {
                let duplicate = done == LearnedDone::Duplicate;
                tracing::debug!(app = known.name, what, duplicate, "activity learned");
            }
            Err(error) => {
                tracing::warn!(app = known.name, what, %error, "activity not learned");
                let name = activity.name.as_deref().filter(|_| what == "invoke");
                let answer = name.and_then(invoke::failed);
                let again = || short(StatusCode::SERVICE_UNAVAILABLE, "not stored: send it again");
                return answer.map_or_else(again, invoke::respond);
            }
        }
    }
    match activity.kind() {
        ActivityKind::Invoke(asked) => invoke::respond(invoke::answer(&asked, &known.words.received)),
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
