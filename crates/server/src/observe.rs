//! Around every request: its id, one log line, headers that every answer has, and what is answered after a panic.

use std::any::Any;
use std::fmt::Write as _;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use nuncio_api::{Code, REQUEST_ID};
use tracing::Instrument as _;

use crate::problem::Refusal;
use crate::state::App;

const LONGEST_ID: usize = 64;

/// The middleware. What is logged is the route's template, never the path or the query: they name people.
pub(crate) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = given_id(&request).unwrap_or_else(|| made_id(&app));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let begin = app.now();

    let span = tracing::info_span!("request", request_id = %id);
    let mut response = next.run(request).instrument(span).await;

    tracing::info!(
        %method,
        route = route.as_ref().map_or("-", MatchedPath::as_str),
        status = response.status().as_u16(),
        ms = u64::try_from(app.now().since(begin).as_millis()).unwrap_or(u64::MAX),
        request_id = %id,
        "answered"
    );
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(HeaderName::from_static(REQUEST_ID), value);
    }
    response
}

/// One that a proxy gave is kept, if it can do no harm in a log.
fn given_id(request: &Request) -> Option<String> {
    let text = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!text.is_empty() && text.len() <= LONGEST_ID && text.chars().all(harmless)).then(|| text.to_owned())
}

fn made_id(app: &App) -> String {
    app.random()[..8].iter().fold(String::with_capacity(16), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

/// The panic hook has written where it was; its text may hold anything and is not answered.
pub(crate) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    Refusal::new(Code::Internal, "the request could not be worked on").into_response()
}
