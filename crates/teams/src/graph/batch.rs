//! What the items of a batch came to.

use std::time::SystemTime;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::{CallError, accepted};
use super::operation::Operation;
use super::reply::{self, Install, Page};
use super::request::GraphRequest;
use crate::http::Answer;

/// The answer to one item, read like the answer to a call of its own.
#[derive(Debug, Clone)]
pub struct Answered {
    answer: Answer,
    operation: Operation,
    now: SystemTime,
}

impl Answered {
    /// The status.
    pub fn status(&self) -> u16 {
        self.answer.status.as_u16()
    }

    /// The headers of this item.
    pub fn headers(&self) -> &HeaderMap {
        &self.answer.headers
    }

    /// The body of this item.
    pub fn body(&self) -> &Bytes {
        &self.answer.body
    }

    /// As a page of a list. Its next page, if there is one, is had with [`Graph::resume`](super::Graph::resume).
    pub fn page<T: DeserializeOwned>(&self) -> Result<Page<T>, CallError> {
        reply::page(&self.accepted()?)
    }

    /// As one object.
    pub fn object<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        reply::object(&self.accepted()?)
    }

    /// As what an install came to.
    pub fn install(&self) -> Result<Install, CallError> {
        reply::install(self.accepted())
    }

    /// As an upgrade or a removal.
    pub fn done(&self) -> Result<(), CallError> {
        self.accepted().map(drop)
    }

    fn accepted(&self) -> Result<Answer, CallError> {
        accepted(self.answer.clone(), &self.operation, self.now)
    }
}

/// One of `responses`.
#[derive(Deserialize)]
struct Item {
    id: String,
    status: u16,
    #[serde(default)]
    headers: Option<Map<String, Value>>,
    #[serde(default)]
    body: Value,
}

/// They come in any order; what is not asked for is left out.
pub(super) fn read(
    answer: &Answer,
    requests: &[GraphRequest],
    now: SystemTime,
) -> Result<Vec<Option<Answered>>, CallError> {
    #[derive(Deserialize)]
    struct Body {
        responses: Vec<Item>,
    }
    let Body { responses } = reply::json(answer)?;
    let mut all: Vec<Option<Answered>> = vec![None; requests.len()];
    for item in responses {
        let Some(position) = item.id.parse::<usize>().ok().and_then(|id| id.checked_sub(1)) else { continue };
        let (Some(place), Some(request)) = (all.get_mut(position), requests.get(position)) else { continue };
        let Ok(status) = StatusCode::from_u16(item.status) else {
            return Err(reply::unreadable(answer, "an item whose status is none"));
        };
        let answer = Answer { status, headers: headers(item.headers), body: bytes(&item.body), cut: None };
        *place = Some(Answered { answer, operation: request.operation(), now });
    }
    Ok(all)
}

fn headers(said: Option<Map<String, Value>>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in said.into_iter().flatten() {
        let value = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        // What no header can be is no header.
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value))
        {
            headers.insert(name, value);
        }
    }
    headers
}

/// What is not JSON comes as text.
fn bytes(body: &Value) -> Bytes {
    match body {
        Value::Null => Bytes::new(),
        Value::String(text) => text.clone().into(),
        other => other.to_string().into(),
    }
}
