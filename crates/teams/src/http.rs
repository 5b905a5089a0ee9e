//! The one HTTP client. Redirects are never followed and nothing is ever repeated by itself: a redirect would carry the
//! token to an unchecked host, and a repeated post is a second message in somebody's chat.
//!
//! What a failure says is whether the request can have reached anyone: [`CallFailure::NotSent`] or
//! [`CallFailure::MaybeSent`] (`docs/delivery.md`, Outcomes).

mod body;
mod client;

use std::fmt;
use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::retry_after::RetryAfter;
use crate::text;

pub use client::{HttpClient, HttpClientBuilder, HttpClientError};

/// Answers are read to 1 MiB at most.
pub const ANSWER_LIMIT: usize = 1024 * 1024;
/// How long connecting may take, DNS and TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a whole call may take.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Pooled connections are replaced this often, so that a changed DNS answer is noticed.
pub const REPLACE_AFTER: Duration = Duration::from_mins(5);

/// A request without what sends it: what the pure request builders make.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The whole URL. It never holds a secret.
    pub url: String,
    /// Headers of this request alone; not `Authorization`, which is the client's to add.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body with its content type; none for GET.
    pub body: Option<(ContentType, Bytes)>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, url: String) -> Self {
        Self { method, url, headers: Vec::new(), body: None }
    }

    /// With this body.
    #[must_use]
    pub fn with_body(mut self, content_type: ContentType, body: Bytes) -> Self {
        self.body = Some((content_type, body));
        self
    }

    /// With one more header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// Without the body and headers (they may hold a secret or a message) and without the URL (it may name a person).
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).finish_non_exhaustive()
    }
}

/// `text` as one segment of a path, or one value of a query or form.
pub(crate) fn encoded(text: &str) -> String {
    /// The characters that RFC 3986 calls unreserved stay.
    const REST: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    match text {
        // These would make another path of it, percent-encoded too. Written so they stay one segment, and whoever
        // reads it finds an id that does not exist.
        "" => "-".to_owned(),
        "." => "%252E".to_owned(),
        ".." => "%252E%252E".to_owned(),
        _ => utf8_percent_encode(text, REST).to_string(),
    }
}

/// What a request body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentType {
    /// `application/json`
    Json,
    /// `application/x-www-form-urlencoded`
    Form,
}

/// An answer whose status and headers were read; its body as far as it could be.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or its beginning.
    pub body: Bytes,
    /// Why the body ends too early: too long, cut off, timed out. `None` when it is whole.
    pub cut: Option<String>,
}

/// Without headers and body: the token endpoint's body is a token.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status.as_u16())
            .field("length", &self.body.len())
            .field("cut", &self.cut)
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: impl Into<HeaderName>) -> Option<&str> {
        self.headers.get(name.into())?.to_str().ok()
    }

    /// How long we are asked to wait.
    pub fn retry_after(&self, now: SystemTime) -> Option<RetryAfter> {
        RetryAfter::parse(self.header(::http::header::RETRY_AFTER)?, now)
    }

    /// Microsoft's name for this exchange: `MS-CV`, else `ContextId`, else `x-ms-request-id` (protocol section 5.9).
    pub fn correlation(&self) -> Option<String> {
        ["ms-cv", "contextid", "x-ms-request-id"]
            .into_iter()
            .find_map(|name| self.header(HeaderName::from_static(name)))
            .map(|value| text::defuse(value, 200))
            .filter(|value| !value.is_empty())
    }
}

/// A call that brought no answer. The texts name causes, never addresses, bodies or headers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// Nobody can have acted on it: DNS, connect, TLS, pool, or the body was not taken whole.
    #[error("never sent: {cause}")]
    NotSent {
        /// What went wrong.
        cause: String,
    },
    /// It was written, and the other side may have acted on it.
    #[error("maybe sent: {cause}")]
    MaybeSent {
        /// What went wrong.
        cause: String,
    },
}
