//! Why a call to Graph has no success to show.

use std::time::SystemTime;

use ::http::{HeaderName, header};
use serde_json::Value;

use super::classify::{GraphRefusal, classify};
use super::operation::Operation;
use crate::cloud::LinkError;
use crate::http::{Answer, CallFailure};
use crate::retry_after::RetryAfter;
use crate::text::{TEXT_LIMIT, defuse};
use crate::token::TokenError;

/// Why there is nothing to show. Every call to Graph can be repeated (`docs/delivery.md`, Outcomes).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// There was no token, so there was no call (or, after a 401, no second one).
    #[error(transparent)]
    Token(TokenError),
    /// The call brought no answer.
    #[error(transparent)]
    Failed(#[from] CallFailure),
    /// Graph answered something else than 2xx.
    #[error(transparent)]
    Refused(Box<GraphError>),
    /// A round of changes cannot go on from its link: everything must be read anew (protocol section 7.2, Delta).
    #[error("the link to the changes is too old, everything must be read anew: {0}")]
    ResyncNeeded(Box<GraphError>),
    /// The answer is longer than is read. Ask for smaller pages, or for fewer properties.
    #[error("the answer is longer than is read: ask for smaller pages or fewer properties")]
    TooLong,
    /// A success whose body is cut off, or is not what was asked for.
    #[error("the answer {status} cannot be read: {cause}")]
    Unreadable {
        /// The status.
        status: u16,
        /// What is wrong with it.
        cause: String,
    },
    /// A page without `value`: it says neither who is in it nor that nobody is.
    #[error("a page without `value`")]
    NoValue,
    /// The last page of a round of changes names no link to the next round.
    #[error("a round of changes that ends without a link to the next")]
    NoDeltaLink,
    /// The page's link to the next one is not followed. What was read up to here is not everything.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A page links to one that was read already. What was read up to here may not be everything.
    #[error("the pages go round in a circle")]
    LinkRepeats,
}

impl CallError {
    /// What Graph answered, where it refused.
    pub fn refused(&self) -> Option<&GraphError> {
        match self {
            CallError::Refused(error) | CallError::ResyncNeeded(error) => Some(error),
            _ => None,
        }
    }
}

/// A refusal of Graph (protocol section 8, error envelope).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("refused with {status}{}{}{text}",
    code.as_deref().map(|code| format!(" {code}")).unwrap_or_default(),
    if text.is_empty() { "" } else { ": " })]
pub struct GraphError {
    /// The status.
    pub status: u16,
    /// What it is called.
    pub refusal: GraphRefusal,
    /// `error.code` as it was written.
    pub code: Option<String>,
    /// `error.message`, else the body: at most 500 characters, without control characters.
    pub text: String,
    /// The innermost code of `innerError`.
    pub inner_code: Option<String>,
    /// Graph's name for this exchange.
    pub request_id: Option<String>,
    /// Our name for it, or what Graph made of having none.
    pub client_request_id: Option<String>,
    /// How long we are asked to wait.
    pub retry_after: Option<RetryAfter>,
    /// What is said of limits.
    pub throttle: Throttle,
}

impl GraphError {
    pub(super) fn read(answer: &Answer, operation: &Operation, now: SystemTime) -> Self {
        let status = answer.status.as_u16();
        let said = Said::read(&answer.body);
        let id = |name: &'static str, inner: Option<String>| {
            text_of(answer, name).or(inner).map(|id| defuse(&id, 100)).filter(|id| !id.is_empty())
        };
        Self {
            status,
            refusal: classify(operation.kind, status, &said),
            request_id: id("request-id", said.request_id),
            client_request_id: id("client-request-id", said.client_request_id),
            code: said.code,
            text: said.text,
            inner_code: said.inner_code,
            retry_after: answer.retry_after(now),
            throttle: Throttle::read(answer),
        }
    }
}

fn text_of(answer: &Answer, name: &'static str) -> Option<String> {
    answer.header(HeaderName::from_static(name)).map(str::to_owned)
}

/// What an answer says of limits (protocol section 7.2, Headers). The directory alone says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Throttle {
    /// The resource units that the request cost.
    pub units: Option<u32>,
    /// Which part of the limit is used, from 0.8 to 1.8; not said below that.
    pub percentage: Option<f64>,
    /// Whose limit it is: `<Scope>/<Limit>/<app id>/<tenant id or another>`.
    pub scope: Option<String>,
    /// Why, in a word.
    pub information: Option<String>,
}

impl Throttle {
    pub(super) fn read(answer: &Answer) -> Self {
        let text =
            |name| text_of(answer, name).map(|text| defuse(&text, 200)).filter(|text| !text.is_empty());
        Self {
            units: text("x-ms-resource-unit").and_then(|units| units.parse().ok()),
            percentage: text("x-ms-throttle-limit-percentage")
                .and_then(|part| part.parse().ok())
                .filter(|part: &f64| part.is_finite()),
            scope: text("x-ms-throttle-scope"),
            information: text("x-ms-throttle-information"),
        }
    }
}

/// What the body of a refusal says, whatever its shape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// `error.code`, at most 100 characters.
    pub code: Option<String>,
    /// The innermost code of `innerError`, likewise.
    pub inner_code: Option<String>,
    /// `error.message` and that of `innerError` where it says more; else the body.
    pub text: String,
    request_id: Option<String>,
    client_request_id: Option<String>,
}

impl Said {
    /// Any bytes are taken: HTML, nothing, garbage.
    pub fn read(body: &[u8]) -> Self {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            return Self { text: defuse(&String::from_utf8_lossy(body), TEXT_LIMIT), ..Self::default() };
        };
        let error = &json["error"];
        let Some(error) = error.as_object() else {
            let text = match &json {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            return Self { text: defuse(&text, TEXT_LIMIT), ..Self::default() };
        };
        let text = |value: Option<&Value>, limit| {
            value.and_then(Value::as_str).map(|text| defuse(text, limit)).filter(|text| !text.is_empty())
        };
        let mut said = Self {
            code: text(error.get("code"), 100),
            text: text(error.get("message"), TEXT_LIMIT).unwrap_or_default(),
            ..Self::default()
        };
        // "Look for the most nested code that you understand" (Microsoft, "Microsoft Graph error responses"). Both
        // spellings occur.
        let mut inner = error;
        while let Some(next) = inner.get("innerError").or_else(|| inner.get("innererror")) {
            let Some(next) = next.as_object() else { break };
            said.inner_code = text(next.get("code"), 100).or(said.inner_code);
            said.request_id = text(next.get("request-id"), 100).or(said.request_id);
            said.client_request_id = text(next.get("client-request-id"), 100).or(said.client_request_id);
            if let Some(more) = text(next.get("message"), TEXT_LIMIT)
                && !said.text.contains(&more)
            {
                said.text = defuse(&format!("{} {more}", said.text), TEXT_LIMIT);
            }
            inner = next;
        }
        said
    }
}

/// A success goes on; anything else is a refusal of `operation`.
pub(super) fn accepted(answer: Answer, operation: &Operation, now: SystemTime) -> Result<Answer, CallError> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    let error = Box::new(GraphError::read(&answer, operation, now));
    Err(match error.refusal {
        GraphRefusal::Gone => CallError::ResyncNeeded(error),
        _ => CallError::Refused(error),
    })
}

/// Does it hold JSON?
pub(super) fn is_json(answer: &Answer) -> bool {
    answer.header(header::CONTENT_TYPE).is_none_or(|kind| kind.contains("json"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ::http::{HeaderMap, HeaderValue, Method, StatusCode};
    use proptest::prelude::*;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: impl Into<Vec<u8>>) -> Answer {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect();
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: body.into().into(), cut: None }
    }

    fn read(answer: &Answer) -> GraphError {
        GraphError::read(answer, &Operation::of(&Method::GET, "/users"), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_throttled_one() {
        let error = read(&answer(
            429,
            &[
                ("retry-after", "7"),
                ("request-id", "aa11"),
                ("client-request-id", "bb22"),
                ("x-ms-resource-unit", "2"),
                ("x-ms-throttle-limit-percentage", "1.2"),
                ("x-ms-throttle-scope", "Tenant_Application/ReadWrite/app/tenant"),
                ("x-ms-throttle-information", "ResourceUnitLimitExceeded"),
            ],
            r#"{"error":{"code":"TooManyRequests","message":"Too many requests.","innerError":{"code":"429","request-id":"cc"}}}"#,
        ));
        assert_eq!(error.refusal, GraphRefusal::Throttled);
        assert_eq!(error.retry_after.unwrap().wait(), Duration::from_secs(7));
        assert_eq!(error.request_id.as_deref(), Some("aa11"));
        assert_eq!(error.client_request_id.as_deref(), Some("bb22"));
        assert_eq!(error.inner_code.as_deref(), Some("429"));
        let throttle = &error.throttle;
        assert_eq!((throttle.units, throttle.percentage), (Some(2), Some(1.2)));
        assert_eq!(throttle.scope.as_deref(), Some("Tenant_Application/ReadWrite/app/tenant"));
        assert_eq!(throttle.information.as_deref(), Some("ResourceUnitLimitExceeded"));
        assert_eq!(error.to_string(), "refused with 429 TooManyRequests: Too many requests.");
    }

    #[test]
    fn retry_after_as_a_date() {
        let error = GraphError::read(
            &answer(429, &[("retry-after", "Thu, 01 Jan 1970 00:01:00 GMT")], ""),
            &Operation::of(&Method::GET, "/users"),
            SystemTime::UNIX_EPOCH,
        );
        assert_eq!(error.retry_after.unwrap().wait(), Duration::from_mins(1));
    }

    #[test]
    fn both_spellings_and_the_innermost_code() {
        for name in ["innerError", "innererror"] {
            let body = format!(
                r#"{{"error":{{"code":"Forbidden","message":"Forbidden","{name}":{{"code":"A","message":"why","request-id":"r","{name}":{{"code":"B"}}}}}}}}"#
            );
            let error = read(&answer(403, &[], body));
            assert_eq!((error.code.as_deref(), error.inner_code.as_deref()), (Some("Forbidden"), Some("B")));
            assert_eq!(error.request_id.as_deref(), Some("r"));
            assert_eq!(error.text, "Forbidden why");
        }
    }

    #[test]
    fn every_shape_of_body() {
        for (body, code, text) in [
            ("", None, ""),
            ("null", None, ""),
            ("<html>\r\nno", None, "<html> no"),
            ("[1]", None, "[1]"),
            (r#"{"error":"invalid"}"#, None, r#"{"error":"invalid"}"#),
            (r#"{"error":{}}"#, None, ""),
            (r#"{"error":{"code":"","message":5}}"#, None, ""),
            ("\u{feff}{\"error\":{\"code\":\"X\",\"message\":\"a\\u0000b\"}}", Some("X"), "a b"),
            (r#"{"error":{"code":"X","innerError":[]}}"#, Some("X"), ""),
        ] {
            let error = read(&answer(400, &[], body));
            assert_eq!((error.code.as_deref(), error.text.as_str()), (code, text), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(status in 100u16..1000, body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            "[\\[\\]{}\":,error1]{0,40}".prop_map(String::into_bytes),
        ]) {
            let error = read(&answer(status, &[], body));
            prop_assert!(error.text.chars().count() <= 500);
            prop_assert!(!error.text.chars().any(char::is_control));
        }
    }
}
