//! What goes back to a client: status, body, headers.

use std::{borrow::Cow, convert::Infallible};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::{
    exchange::Cutter,
    graph::{self, Ids},
    messages::Receipt,
    op::Service,
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    /// `None`: an empty body. A text is sent as it is: no answer of Microsoft's is a JSON string.
    pub(crate) body: Option<Value>,
    pub(crate) retry_after: Option<String>,
    /// What few answers have.
    pub(crate) more: Option<Box<More>>,
    /// The messages that were taken.
    pub(crate) receipts: Vec<Receipt>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct More {
    pub(crate) headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Instead of `body`: bytes of this media type.
    pub(crate) raw: Option<(String, Bytes)>,
}

impl More {
    /// Further headers; `None` for none.
    pub(crate) fn headers(headers: &[(&'static str, &'static str)]) -> Option<Box<Self>> {
        let owned = headers.iter().map(|(name, value)| (*name, Cow::Borrowed(*value)));
        (!headers.is_empty()).then(|| Box::new(Self { headers: owned.collect(), raw: None }))
    }
}

impl Answer {
    pub(crate) fn ok(status: u16, body: Value) -> Self {
        Self { status, body: Some(body), ..Self::default() }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// With one more header.
    pub(crate) fn header(&mut self, name: &'static str, value: impl Into<Cow<'static, str>>) {
        self.more.get_or_insert_default().headers.push((name, value.into()));
    }
}

const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html; charset=us-ascii";

/// Builds the response; with a cutter only half of the body is sent before the connection closes.
/// `ids`: of a request to Graph.
pub(crate) fn respond(
    answer: &Answer,
    service: Service,
    ids: Option<&Ids>,
    half: Option<Cutter>,
) -> Response {
    let (kind, body) = match (answer.more.as_ref().and_then(|more| more.raw.as_ref()), &answer.body) {
        (Some((kind, bytes)), _) => (HeaderValue::from_str(kind).ok(), bytes.clone()),
        (None, None) => (None, Bytes::new()),
        (None, Some(Value::String(text))) => {
            (Some(HeaderValue::from_static(HTML)), Bytes::from(text.clone()))
        }
        (None, Some(body)) => {
            let json = if service == Service::Graph { graph::JSON } else { JSON };
            (Some(HeaderValue::from_static(json)), Bytes::from(body.to_string()))
        }
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    match ids {
        Some(ids) => graph::correlation(headers, ids),
        None => correlation(headers),
    }
    if service == Service::Connector {
        headers.insert(header::SERVER, HeaderValue::from_static("Microsoft-HTTPAPI/2.0"));
    }
    if let Some(kind) = kind {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    for (name, value) in answer.more.iter().flat_map(|more| &more.headers) {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(*name, value);
        }
    }
    if let Some(retry_after) = answer.retry_after.as_ref().and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(header::RETRY_AFTER, retry_after);
    }
    match half {
        None => *response.body_mut() = Body::from(body),
        Some(cutter) => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len().max(2)));
            let first = body.slice(..body.len() / 2);
            *response.body_mut() = Body::from_stream(stream::unfold(Some(first), move |first| {
                let cutter = cutter.clone();
                async move {
                    if let Some(first) = first {
                        return Some((Ok::<_, Infallible>(first), None));
                    }
                    // Once around the executor: the server flushes what it has while the body is pending.
                    tokio::task::yield_now().await;
                    cutter.cut.cancel();
                    std::future::pending().await
                }
            }));
        }
    }
    response
}

/// `MS-CV` and `ContextId`, which Connector answers carry (protocol section 5.9).
fn correlation(headers: &mut HeaderMap) {
    let id = uuid::Uuid::new_v4();
    let base = crate::signing::b64(id.as_bytes());
    let vector = format!("{base}.5.0");
    let context = format!("tcid=0,server=simulator,cv={vector}");
    if let (Ok(vector), Ok(context)) = (HeaderValue::from_str(&vector), HeaderValue::from_str(&context)) {
        headers.insert("MS-CV", vector);
        headers.insert("ContextId", context);
    }
}
