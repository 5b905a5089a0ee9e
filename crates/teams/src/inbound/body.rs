//! The body of an activity: read with a bound, and bound to its token.

use super::InboundError;
use crate::schema::{Activity, bot_channel_id};

/// No activity nests this deep; what does is meant to exhaust whoever reads it.
const DEEPEST: usize = 64;

/// Reads the body, which is bounded in length by the caller and in depth here.
pub(super) fn parse(body: &[u8]) -> Result<Activity, InboundError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if deeper_than(body, DEEPEST) {
        return Err(InboundError::BodyTooDeep);
    }
    serde_json::from_slice(body).map_err(|_| InboundError::Body)
}

/// Counts open brackets outside of strings, without building anything.
fn deeper_than(json: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Check 0: the activity is addressed to the bot that the token is for.
pub(super) fn check_recipient(activity: &Activity, app_id: &str) -> Result<(), InboundError> {
    let recipient = activity.recipient.as_ref().and_then(|recipient| recipient.id.as_deref());
    match recipient {
        Some(id) if id.eq_ignore_ascii_case(&bot_channel_id(app_id)) => Ok(()),
        _ => Err(InboundError::Recipient),
    }
}

/// Check 7: the same service URL without regard to case and to one slash at the end.
pub(super) fn same_service_url(claimed: &str, named: &str) -> bool {
    let bare = |url: &str| url.strip_suffix('/').unwrap_or(url).to_owned();
    !claimed.is_empty() && bare(claimed).eq_ignore_ascii_case(&bare(named))
}

/// Check 0: the tenant; where it is named twice, both must agree.
pub(super) fn tenant(activity: &Activity) -> Result<Option<&str>, InboundError> {
    match (activity.channel_data_tenant(), activity.conversation_tenant()) {
        (Some(one), Some(two)) if !one.eq_ignore_ascii_case(two) => Err(InboundError::TenantMismatch),
        (one, two) => Ok(one.or(two)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn depth() {
        let nested =
            |depth: usize| format!("{}1{}", "{\"value\":[".repeat(depth / 2), "]}".repeat(depth / 2));
        assert!(parse(nested(64).as_bytes()).is_ok());
        assert_eq!(parse(nested(66).as_bytes()), Err(InboundError::BodyTooDeep));
        // Brackets in a text are no depth, also behind an escaped quote.
        let text = json!({ "text": "\\\"[[[[".repeat(50) }).to_string();
        assert!(parse(text.as_bytes()).is_ok());
        let open = "[".repeat(100_000);
        assert_eq!(parse(open.as_bytes()), Err(InboundError::BodyTooDeep));
    }

    #[test]
    fn what_is_no_activity() {
        for body in
            ["", "null", "[]", "5", "<html>", "{\"type\":5}", "{\"type\":\"a\",\"type\":\"b\"}", "{} {}"]
        {
            assert_eq!(parse(body.as_bytes()), Err(InboundError::Body), "{body}");
        }
        assert!(parse(b"\xef\xbb\xbf{}").is_ok());
    }

    #[test]
    fn service_urls_that_are_the_same() {
        for (claimed, named, same) in [
            ("https://a/b/", "https://a/b/", true),
            ("https://a/b", "https://A/B/", true),
            ("https://a/b//", "https://a/b", false),
            ("https://a/b", "https://a/c", false),
            ("", "", false),
            ("", "/", false),
        ] {
            assert_eq!(same_service_url(claimed, named), same, "{claimed} {named}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(body in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = parse(&body);
        }

        #[test]
        fn anything_like_json_is_taken(body in "[\\[\\]{}\":,\\\\a1 ]{0,300}") {
            let _ = parse(body.as_bytes());
        }
    }
}
