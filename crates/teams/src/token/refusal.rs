//! What the token endpoint's refusals mean (protocol section 2.7).

use serde::Deserialize;

use super::TokenError;
use crate::http::Answer;
use crate::retry_after::RetryAfter;
use crate::text::{self, defuse};

/// The endpoint's body of an error. The AADSTS number is in `error_codes`, and in the description.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    error: Option<String>,
    error_description: Option<String>,
    error_codes: Vec<u64>,
}

/// Known numbers: what is wrong, and what to do.
fn known(code: u64) -> Option<(&'static str, &'static str)> {
    Some(match code {
        7_000_215 => ("wrong client secret", "set client_secret to the secret's value, not its id"),
        7_000_222 => ("client secret expired", "make a new one in Entra and set client_secret"),
        700_016 => ("app not found in that tenant", "check app_id, tenant_id and kind"),
        700_027 => ("certificate not registered", "register the certificate in Entra"),
        700_024 => (
            "client assertion outside its time",
            "check this computer's clock, and that the federated token is renewed",
        ),
        70_021 | 700_211 | 700_212 | 700_213 => (
            "no federated credential of the app fits the token",
            "compare its issuer, subject and audience with the app's federated credential in Entra",
        ),
        90_002 => ("tenant not found", "check tenant_id and cloud"),
        70_011 | 1_002_012 => ("bad scope", "check cloud and endpoints"),
        7_000_112 => ("app disabled", "enable the app in Entra"),
        _ => return None,
    })
}

/// Numbers that pass by themselves, whatever the status: client loop, throttled, transient.
const PASSING: [u64; 3] = [50_196, 90_055, 90_033];

/// What a refusal by the token endpoint means. `secret` is taken out of any text, should it ever be echoed.
pub(super) fn of(answer: &Answer, retry_after: Option<RetryAfter>, secret: &str) -> TokenError {
    let status = answer.status.as_u16();
    let body: Body = serde_json::from_slice(&answer.body).unwrap_or_default();
    let description = body.error_description.unwrap_or_default();
    let code = body.error_codes.first().copied().or_else(|| aadsts(&description));
    let text = short(&description, secret);
    let named = code.map(|code| format!("AADSTS{code}"));

    if matches!(status, 408 | 429 | 500..) || code.is_some_and(|code| PASSING.contains(&code)) {
        let named = named.map(|code| format!(" ({code})")).unwrap_or_default();
        return TokenError::Unreachable { cause: format!("it answered {status}{named}"), retry_after };
    }
    let (problem, fix) = match code.and_then(known) {
        Some((problem, fix)) => (problem.to_owned(), fix),
        None if (300..400).contains(&status) => (
            format!("the token endpoint answered {status}, a redirect"),
            "check endpoints.authority: redirects are not followed with a credential",
        ),
        None => {
            let error = defuse(&body.error.unwrap_or_default(), 60);
            let error = if error.is_empty() { String::new() } else { format!(" {error}") };
            (
                format!("the token endpoint answered {status}{error}"),
                "check app_id, tenant_id, the credential and cloud",
            )
        }
    };
    TokenError::Refused { code: named, problem, fix: fix.to_owned(), text }
}

/// What a refusal by the endpoint of a managed identity means; `place` says which endpoint. `secret` as above.
pub(super) fn of_managed_identity(
    answer: &Answer,
    retry_after: Option<RetryAfter>,
    place: &'static str,
    secret: &str,
) -> TokenError {
    /// IMDS writes as Entra does; App Service says `message`.
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Said {
        error: Option<String>,
        error_description: Option<String>,
        message: Option<String>,
    }
    let status = answer.status.as_u16();
    let said: Said = serde_json::from_slice(&answer.body).unwrap_or_default();
    let description = said.error_description.or(said.message).unwrap_or_default();
    let text = short(&description, secret);
    // 404 and 410: IMDS is being updated, for a minute or so (Microsoft, "How to use managed identities to acquire an
    // access token", error handling).
    if matches!(status, 404 | 408 | 410 | 429 | 500..) {
        return TokenError::Unreachable { cause: format!("{place} answered {status}"), retry_after };
    }
    let code = aadsts(&description);
    let has = |words: &[&str]| {
        let text = text.to_ascii_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    let (problem, fix) = if let Some((problem, fix)) = code.and_then(known) {
        (problem.to_owned(), fix)
    } else if said.error.as_deref() == Some("invalid_resource") || code == Some(500_011) {
        (
            "the tenant of the managed identity knows no such resource".to_owned(),
            "check cloud and endpoints.bot_scope",
        )
    } else if has(&["several", "multiple"]) {
        (
            "this machine has several managed identities".to_owned(),
            "name the one by its client id (identity = \"user_assigned\", or federated_by)",
        )
    } else if has(&["identity not found", "no user assigned", "no managed identity"]) {
        (
            "this machine has no such managed identity".to_owned(),
            "assign it to the machine or app in Azure; its client id is app_id, or what federated_by says",
        )
    } else if matches!(status, 401 | 403) {
        (
            format!("{place} answered {status}"),
            "IDENTITY_HEADER changes when the platform restarts the app: do not copy it, start again",
        )
    } else {
        let error = defuse(&said.error.unwrap_or_default(), 60);
        let error = if error.is_empty() { String::new() } else { format!(" {error}") };
        (
            format!("{place} answered {status}{error}"),
            "check that the managed identity is assigned to this machine",
        )
    };
    TokenError::Refused { code: code.map(|code| format!("AADSTS{code}")), problem, fix: fix.to_owned(), text }
}

/// The number in `AADSTS7000215: Invalid client secret …`.
fn aadsts(description: &str) -> Option<u64> {
    let after = description.split_once("AADSTS")?.1;
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..end].parse().ok()
}

/// Without the trace ids at the end, which change every time.
fn short(description: &str, secret: &str) -> String {
    let cut = description.split("Trace ID:").next().unwrap_or_default();
    let cut = if secret.is_empty() { cut.to_owned() } else { cut.replace(secret, "…") };
    defuse(&cut, text::TEXT_LIMIT)
}

#[cfg(test)]
mod tests {
    use ::http::{HeaderMap, StatusCode};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_answer_is_taken(
            status in 100u16..1000,
            body in proptest::collection::vec(any::<u8>(), 0..300),
            description in ".{0,100}",
        ) {
            let json = serde_json::json!({ "error_description": format!("AADSTS{description}s3cret") });
            answer(status, body);
            let error = answer(status, json.to_string());
            let shown = format!("{error} {error:?}");
            prop_assert!(!shown.contains("s3cret"));
        }
    }

    fn answer(status: u16, body: impl Into<Vec<u8>>) -> TokenError {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.into().into(),
            cut: None,
        };
        of(&answer, None, "s3cret")
    }

    #[test]
    fn an_expired_secret_says_what_to_do() {
        let error = answer(
            401,
            r#"{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys s3cret for app 'x' are expired. Trace ID: 1 Correlation ID: 2","error_codes":[7000222]}"#,
        );
        assert_eq!(
            error.to_string(),
            "client secret expired (AADSTS7000222): make a new one in Entra and set client_secret"
        );
        let TokenError::Refused { text, .. } = error else { panic!() };
        assert!(!text.contains("s3cret") && !text.contains("Trace"), "{text}");
    }

    #[test]
    fn what_passes_and_what_does_not() {
        for (status, body) in [
            (500, ""),
            (503, "<html>"),
            (429, "{}"),
            (408, ""),
            (400, r#"{"error_codes":[90033]}"#),
            (400, r#"{"error_description":"AADSTS50196: client loop"}"#),
        ] {
            assert!(answer(status, body).is_transient(), "{status} {body}");
        }
        for (status, body) in [
            (401, r#"{"error_codes":[7000215]}"#),
            (400, r#"{"error_description":"AADSTS700016: no"}"#),
            (400, "garbage"),
            (404, ""),
            (302, ""),
            (400, r#"{"error_codes":"wrong type","error":5}"#),
        ] {
            assert!(!answer(status, body).is_transient(), "{status} {body}");
        }
    }
}
