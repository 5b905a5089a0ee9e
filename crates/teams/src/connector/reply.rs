//! What the Connector answers.

mod batch;
mod meetings;
mod rosters;

use std::time::SystemTime;

use serde_json::Value;

use crate::classify::{Refusal, classify};
use crate::http::Answer;
use crate::retry_after::RetryAfter;
use crate::token::TokenError;

pub(super) use batch::operation_id;
pub use batch::{BatchState, FailedEntries, FailedEntry};
pub(super) use meetings::unnotified;
pub use meetings::{MeetingDetails, MeetingInfo, MeetingParticipant, Unnotified};
pub(super) use rosters::channels;
pub use rosters::{MembersPage, Pages, TeamDetails};

/// The Connector accepted (2xx).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 200, 201 or 202.
    pub status: u16,
    /// Of the message or conversation. Without one the message is accepted, but cannot be edited or recalled.
    pub id: Option<String>,
    /// Of the first message of a new thread.
    pub activity_id: Option<String>,
    /// A service URL that came along; unchecked.
    pub service_url: Option<String>,
    /// Microsoft's name for this exchange.
    pub correlation: Option<String>,
    /// False when the body was cut off or is no JSON object; an empty body counts as readable only in that it says
    /// nothing, so it is false too.
    pub readable: bool,
}

impl Reply {
    pub(super) fn read(answer: &Answer) -> Self {
        let body: Option<Value> =
            serde_json::from_slice(&answer.body).ok().filter(|body: &Value| body.is_object());
        let text = |name: &str| {
            body.as_ref()
                .and_then(|body| body[name].as_str())
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
        };
        Self {
            status: answer.status.as_u16(),
            id: text("id"),
            activity_id: text("activityId"),
            service_url: text("serviceUrl"),
            correlation: answer.correlation(),
            readable: body.is_some(),
        }
    }
}

/// Why a call has no success to show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There was no token, so there was no call (or, after a 401, no second one).
    #[error(transparent)]
    Token(TokenError),
    /// Nobody can have acted on it.
    #[error("never sent: {cause}")]
    NotSent {
        /// What went wrong.
        cause: String,
    },
    /// It may have been acted on.
    #[error("maybe sent: {cause}")]
    MaybeSent {
        /// What went wrong.
        cause: String,
    },
    /// The Connector answered something else than 2xx.
    #[error(transparent)]
    Refused(Refused),
}

/// A refusal: what is kept of it is never the message that it was about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("refused with {status}{}{}{text}",
    code.as_deref().map(|code| format!(" {code}")).unwrap_or_default(),
    if text.is_empty() { "" } else { ": " })]
pub struct Refused {
    /// The status.
    pub status: u16,
    /// Microsoft's name for it.
    pub refusal: Refusal,
    /// The code as it was written.
    pub code: Option<String>,
    /// The text, at most 500 characters, without control characters.
    pub text: String,
    /// Microsoft's name for this exchange.
    pub correlation: Option<String>,
    /// How long we are asked to wait.
    pub retry_after: Option<RetryAfter>,
}

impl Refused {
    pub(super) fn read(answer: &Answer, now: SystemTime) -> Self {
        let status = answer.status.as_u16();
        let (refusal, code, text) = classify(status, &answer.body);
        Self {
            status,
            refusal,
            code,
            text,
            correlation: answer.correlation(),
            retry_after: answer.retry_after(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ::http::{HeaderMap, HeaderValue, StatusCode};
    use proptest::prelude::*;

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: impl Into<Vec<u8>>) -> Answer {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect();
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: body.into().into(), cut: None }
    }

    proptest! {
        #[test]
        fn any_body_is_taken(body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            "[\\[\\]{}\":,id1]{0,40}".prop_map(String::into_bytes),
        ]) {
            let answer = answer(201, &[], body);
            Reply::read(&answer);
            Refused::read(&answer, SystemTime::UNIX_EPOCH);
            let _ = serde_json::from_slice::<MembersPage>(&answer.body);
        }
    }

    #[test]
    fn replies() {
        let reply = Reply::read(&answer(
            201,
            &[("ms-cv", "cv.1"), ("contextid", "tcid=0")],
            r#"{"id":"19:c;messageid=1","activityId":"1","serviceUrl":"https://x/"}"#,
        ));
        assert_eq!(reply.id.as_deref(), Some("19:c;messageid=1"));
        assert_eq!(reply.activity_id.as_deref(), Some("1"));
        assert_eq!(reply.service_url.as_deref(), Some("https://x/"));
        assert_eq!(reply.correlation.as_deref(), Some("cv.1"));
        assert!(reply.readable);

        for body in ["", "<html>", "[]", "{\"id\":\"1"] {
            let reply = Reply::read(&answer(202, &[], body));
            assert_eq!((reply.status, reply.id, reply.readable), (202, None, false), "{body}");
        }
        let split = Reply::read(&answer(201, &[], r#"{"id":""}"#));
        assert_eq!((split.id, split.readable), (None, true));
    }

    #[test]
    fn a_throttled_one() {
        let refused = Refused::read(
            &answer(
                429,
                &[("retry-after", "7"), ("contextid", "tcid=0,cv=x")],
                r#"{"error":{"code":"Throttled","message":"Too many requests."}}"#,
            ),
            SystemTime::UNIX_EPOCH,
        );
        assert_eq!(refused.retry_after.unwrap().wait(), Duration::from_secs(7));
        assert_eq!(refused.refusal, Refusal::Throttled);
        assert_eq!(refused.correlation.as_deref(), Some("tcid=0,cv=x"));
        assert_eq!(refused.to_string(), "refused with 429 Throttled: Too many requests.");
    }
}
