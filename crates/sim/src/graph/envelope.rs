//! How an answer of Graph's looks: its headers, and the envelope of its errors (protocol section 8, end).

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    answer::Answer,
    clock::{Micros, graph_time},
};

/// Media type of Graph's JSON, as its pages show it.
pub(crate) const JSON: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// By what a request and its answer are known, and the link that was asked.
#[derive(Clone)]
pub(crate) struct Ids {
    pub(crate) request: String,
    pub(crate) client_request: String,
    /// `http://127.0.0.1:4100/v1.0/users?$top=5`
    pub(crate) url: String,
}

impl Ids {
    pub(super) fn new(headers: &HeaderMap, url: String) -> Self {
        let request = Uuid::new_v4().to_string();
        let given = headers.get("client-request-id").and_then(|id| id.to_str().ok());
        let client_request = given.filter(|id| Uuid::parse_str(id).is_ok()).unwrap_or(&request).to_owned();
        Self { request, client_request, url }
    }
}

/// What every answer of Graph's carries.
pub(crate) fn correlation(headers: &mut HeaderMap, ids: &Ids) {
    const DIAGNOSTIC: &str = r#"{"ServerInfo":{"DataCenter":"Simulator","Slice":"E","Ring":"1","ScaleUnit":"000","RoleInstance":"SIM00000"}}"#;
    for (name, value) in [("request-id", &ids.request), ("client-request-id", &ids.client_request)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers.insert("x-ms-ags-diagnostic", HeaderValue::from_static(DIAGNOSTIC));
    headers.insert("odata-version", HeaderValue::from_static("4.0"));
    headers.insert("cache-control", HeaderValue::from_static("no-cache"));
    headers.insert("strict-transport-security", HeaderValue::from_static("max-age=31536000"));
}

/// Why Graph refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Code and message of `innerError`, where it has them.
    pub(super) inner: Option<Box<(&'static str, String)>>,
    /// Where to go instead.
    pub(super) location: Option<String>,
}

impl Problem {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), inner: None, location: None }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// As the directory refuses a query that it does not take.
    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(400, "Request_UnsupportedQuery", message)
    }

    /// As the directory says that something is not there.
    pub(super) fn no_resource(id: &str) -> Self {
        let id = printable(id);
        let message = format!(
            "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
        );
        Self::new(404, "Request_ResourceNotFound", message)
    }

    /// As the services of Teams say it. The text is a guess.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "NotFound", message)
    }

    pub(super) fn within(mut self, code: &'static str, message: &str) -> Self {
        self.inner = Some(Box::new((code, message.to_owned())));
        self
    }

    /// `now`: real time
    pub(super) fn answer(&self, ids: &Ids, now: Micros) -> Answer {
        let inner = self.inner.as_deref().map(|(code, message)| (*code, message.as_str()));
        let mut answer = Answer {
            code: Some(self.code.to_owned()),
            ..Answer::ok(self.status, body(self.code, &self.message, inner, ids, now))
        };
        if let Some(location) = &self.location {
            answer.header("location", location.clone());
        }
        answer
    }
}

fn body(code: &str, message: &str, inner: Option<(&str, &str)>, ids: &Ids, now: Micros) -> Value {
    let mut deeper = json!({
        "date": graph_time(now), "request-id": ids.request, "client-request-id": ids.client_request,
    });
    if let Some((code, message)) = inner {
        deeper["code"] = code.into();
        deeper["message"] = message.into();
    }
    json!({"error": {"code": code, "message": message, "innerError": deeper}})
}

/// 429 as the page "Microsoft Graph throttling guidance" shows it.
pub(super) fn throttled(ids: &Ids, now: Micros) -> Answer {
    let inner = Some(("429", "Please retry after"));
    let mut body = body("TooManyRequests", "Please retry again later.", inner, ids, now);
    body["error"]["innerError"]["status"] = "429".into();
    Answer { code: Some("TooManyRequests".to_owned()), ..Answer::ok(429, body) }
}

/// The body for a fault's status, or for a code of its own.
pub(crate) fn fault(status: u16, code: Option<&str>, ids: &Ids, now: Micros) -> Value {
    if status == 429 && code.is_none_or(|code| code == "TooManyRequests") {
        return throttled(ids, now).body.unwrap_or_default();
    }
    let (usual, message) = match status {
        400 => ("BadRequest", "Bad Request"),
        401 => ("InvalidAuthenticationToken", "Access token validation failure."),
        403 => ("Forbidden", "Forbidden"),
        404 => ("NotFound", "NotFound"),
        409 => ("Conflict", "Conflict"),
        410 => ("syncStateNotFound", "The sync state is not found."),
        412 => ("PreconditionFailed", "PreconditionFailed"),
        500 => ("InternalServerError", "An internal server error occurred."),
        502 => ("BadGateway", "Bad Gateway"),
        503 => ("ServiceUnavailable", "The service is unavailable."),
        504 => ("GatewayTimeout", "The gateway timed out."),
        _ => ("UnknownError", "Simulated fault."),
    };
    body(code.unwrap_or(usual), message, None, ids, now)
}

/// What a caller sent, short enough and harmless to repeat.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
