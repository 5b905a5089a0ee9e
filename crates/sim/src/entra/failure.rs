//! What Entra says when it gives no token (protocol section 2.7).

use serde_json::{Value, json};

use super::printable;
use crate::{
    clock::{Micros, entra_time},
    exchange::Answer,
    world::Shared,
};

pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) error: &'static str,
    pub(crate) code: u32,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn missing(field: &str) -> Self {
        Self {
            status: 400,
            error: "invalid_request",
            code: 900_144,
            text: format!("The request body must contain the following parameter: '{field}'."),
        }
    }

    pub(crate) fn no_tenant(tenant: &str) -> Self {
        Self {
            status: 400,
            error: "invalid_request",
            code: 90002,
            text: format!(
                "Tenant '{}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.",
                printable(tenant)
            ),
        }
    }

    pub(crate) fn no_app(client_id: &str, tenant: &str) -> Self {
        Self {
            status: 400,
            error: "unauthorized_client",
            code: 700_016,
            text: format!(
                "Application with identifier '{}' was not found in the directory '{}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
                printable(client_id),
                printable(tenant)
            ),
        }
    }

    /// A fault at the token endpoint, by its code (`AADSTS90033`) or else by its status.
    pub(crate) fn fault(status: u16, code: Option<&str>) -> Self {
        let code = code.and_then(|code| code.trim_start_matches("AADSTS").parse().ok());
        let code = code.unwrap_or(if status == 429 { 90055 } else { 90033 });
        let (error, text) = match code {
            50196 => (
                "invalid_request",
                "The server terminated an operation because it encountered a client request loop. Please contact your app vendor.",
            ),
            90055 => ("temporarily_unavailable", "Server is busy because of too many incoming requests."),
            90033 => ("temporarily_unavailable", "A transient error has occurred. Please try again."),
            _ => ("server_error", "The request was refused."),
        };
        Self { status, error, code, text: text.to_owned() }
    }

    /// `now`: real time
    pub(crate) fn body(&self, now: Micros) -> Value {
        let Self { error, code, text, .. } = self;
        let (trace, correlation) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        let time = entra_time(now);
        json!({
            "error": error,
            "error_description": format!("AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}"),
            "error_codes": [code],
            "timestamp": time, "trace_id": trace, "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        })
    }

    pub(crate) fn answer(&self, shared: &Shared) -> Answer {
        let body = self.body(shared.clock.real());
        Answer {
            status: self.status,
            code: Some(format!("AADSTS{}", self.code)),
            body: Some(body),
            ..Answer::default()
        }
    }
}
