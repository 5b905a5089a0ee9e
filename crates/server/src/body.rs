//! Reading bodies: bounded in size and time, and strict JSON with a pointer to what is wrong.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use nuncio_api::Code;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::problem::Refusal;

/// A body has to have arrived after this.
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);
/// A body that is too large is read and dropped up to this many times its limit: a client that is still writing
/// would see a reset instead of the answer.
const DRAINED: usize = 8;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    TooLarge { limit: usize },
    TooSlow { within: Duration },
    CutOff,
}

/// The whole body, if it is no longer than `limit`.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Unread> {
    read_within(headers, body, limit, ARRIVES_WITHIN).await
}

/// The same, with a time of its own.
pub(crate) async fn read_within(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    within: Duration,
) -> Result<Bytes, Unread> {
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    if announced.is_some_and(|length: usize| length > limit * DRAINED) {
        return Err(Unread::TooLarge { limit });
    }
    tokio::time::timeout(within, collect(body, limit)).await.unwrap_or(Err(Unread::TooSlow { within }))
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Unread> {
    let mut kept = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::CutOff)?.into_data() else { continue };
        length += data.len();
        if length > limit * DRAINED {
            break;
        }
        if length <= limit {
            kept.extend_from_slice(&data);
        }
    }
    if length > limit { Err(Unread::TooLarge { limit }) } else { Ok(kept.freeze()) }
}

impl From<Unread> for Refusal {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge { limit } => {
                Self::new(Code::BodyTooLarge, format!("the body is larger than {limit} bytes"))
            }
            Unread::TooSlow { within } => {
                let text = format!("the body did not arrive within {} s", within.as_secs());
                Self::new(Code::RequestTimeout, text)
            }
            Unread::CutOff => Self::new(Code::RequestTimeout, "the body broke off"),
        }
    }
}

/// Reads a strict JSON object. Texts name types and places and never repeat a value of the body.
pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    // A struct could also be read from an array of its fields.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(Refusal::at(Code::InvalidRequest, "", "this must be an object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| refuse(&error))?;
    reader.end().map_err(|error| {
        Refusal::at(
            Code::InvalidJson,
            "",
            format!("something follows the JSON at line {}, column {}", error.line(), error.column()),
        )
    })?;
    Ok(value)
}

fn refuse(error: &serde_path_to_error::Error<serde_json::Error>) -> Refusal {
    let inner = error.inner();
    if !inner.is_data() {
        let text = format!("not JSON at line {}, column {}", inner.line(), inner.column());
        return Refusal::at(Code::InvalidJson, "", text);
    }
    let pointer = pointer(error.path());
    let text = inner.to_string();
    if text.starts_with("unknown field") {
        let name = pointer.rsplit('/').next().unwrap_or_default();
        return Refusal::at(Code::UnknownField, pointer.clone(), format!("there is no field `{name}` here"));
    }
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    // `invalid type: string "…", expected a boolean`: only what comes last may be repeated.
    let text = if let Some((_, expected)) = text.rsplit_once(", expected ") {
        format!("this must be {expected}")
    } else if text.starts_with("missing field") || text.starts_with("duplicate field") {
        text.to_owned()
    } else {
        "this has the wrong form".to_owned()
    };
    Refusal::at(Code::InvalidRequest, pointer, text)
}

/// RFC 6901.
fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        pointer.push('/');
        match segment {
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Unknown => pointer.push('?'),
        }
    }
    pointer
}
