//! A refusal's status and body, to the name that Microsoft gives it (protocol section 6). Only names: what one means for
//! a delivery depends on the operation too, and is decided elsewhere (`docs/delivery.md`).

use serde_json::Value;

use crate::text::{TEXT_LIMIT, defuse};

/// One name per row of protocol section 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// 400 `BadArgument`: the payload is wrong.
    BadArgument,
    /// 400 `BadSyntax`: missing or empty body, bad ids.
    BadSyntax,
    /// 400 `MissingProperty`.
    MissingProperty,
    /// 400 about message entities: several root entities, too many citations, an empty appearance.
    MessageEntities,
    /// 401 `BotNotRegistered`: no registration for this bot.
    BotNotRegistered,
    /// 401 `AuthorizationError`: token invalid or expired.
    AuthorizationError,
    /// 401 of the gateway, without a code: wrong tenant, audience, or expired.
    AuthorizationDenied,
    /// 403 `BotDisabledByAdmin`.
    BotDisabledByAdmin,
    /// 403 `BotNotInConversationRoster`.
    BotNotInConversationRoster,
    /// 403 `ConversationBlockedByUser`.
    ConversationBlockedByUser,
    /// 403 `ForbiddenOperationException`: not installed in the person's personal scope.
    ForbiddenOperation,
    /// 403 `InvalidBotApiHost`: the tenant is on another host.
    InvalidBotApiHost,
    /// 403 `NotEnoughPermissions`.
    NotEnoughPermissions,
    /// 403 `BadArgument`, "Failed to decrypt pairwise id": the id belongs to another bot or was made by hand.
    PairwiseId,
    /// 403 `BadArgument`, "User is from different region": the service URL is that of another region.
    OtherRegion,
    /// 403 `TenantNoPermission`.
    TenantNoPermission,
    /// 403 `CapabilityOverride`.
    CapabilityOverride,
    /// 403 with sub-code `MessageWritesBlocked`: blocked or uninstalled.
    MessageWritesBlocked,
    /// 403 `BotDisabledByUser`.
    BotDisabledByUser,
    /// 404 `ActivityNotFoundInConversation`.
    ActivityNotFound,
    /// 404 `ConversationNotFound`.
    ConversationNotFound,
    /// 408 (protocol section 15).
    RequestTimeout,
    /// 412 `PreconditionFailed`: parallel operations on one conversation.
    PreconditionFailed,
    /// 413 `MessageSizeTooBig`.
    MessageSizeTooBig,
    /// 429 `Throttled`.
    Throttled,
    /// 500 `ServiceError`.
    ServiceError,
    /// 502.
    BadGateway,
    /// 503.
    ServiceUnavailable,
    /// 504.
    GatewayTimeout,
    /// None of them.
    Unknown,
}

/// The codes as they are compared: lower case, without spaces ("Bad Argument" and `BadArgument` both occur).
const CODES: [(&str, Refusal); 21] = [
    ("badargument", Refusal::BadArgument),
    ("badsyntax", Refusal::BadSyntax),
    ("missingproperty", Refusal::MissingProperty),
    ("botnotregistered", Refusal::BotNotRegistered),
    ("authorizationerror", Refusal::AuthorizationError),
    ("botdisabledbyadmin", Refusal::BotDisabledByAdmin),
    ("botnotinconversationroster", Refusal::BotNotInConversationRoster),
    ("conversationblockedbyuser", Refusal::ConversationBlockedByUser),
    ("forbiddenoperationexception", Refusal::ForbiddenOperation),
    ("invalidbotapihost", Refusal::InvalidBotApiHost),
    ("notenoughpermissions", Refusal::NotEnoughPermissions),
    ("tenantnopermission", Refusal::TenantNoPermission),
    ("capabilityoverride", Refusal::CapabilityOverride),
    ("messagewritesblocked", Refusal::MessageWritesBlocked),
    ("botdisabledbyuser", Refusal::BotDisabledByUser),
    ("activitynotfoundinconversation", Refusal::ActivityNotFound),
    ("conversationnotfound", Refusal::ConversationNotFound),
    ("preconditionfailed", Refusal::PreconditionFailed),
    ("messagesizetoobig", Refusal::MessageSizeTooBig),
    ("requestentitytoolarge", Refusal::MessageSizeTooBig),
    ("throttled", Refusal::Throttled),
];

/// The name of a refusal, its code as it was written, and its text: at most 500 characters, without control characters.
/// Any bytes are taken: HTML, nothing, garbage.
///
/// Parsing order of section 6: `error.code`; else `message` as JSON and its `subCode`; else the status alone. Texts are
/// read only where Microsoft gives no code of its own.
pub fn classify(status: u16, body: &[u8]) -> (Refusal, Option<String>, String) {
    let said = Said::read(body);
    let code = said.code.map(|code| defuse(&code, 100)).filter(|code| !code.is_empty());
    let text = defuse(&said.text, TEXT_LIMIT);
    (name(status, code.as_deref(), &text), code, text)
}

fn name(status: u16, code: Option<&str>, text: &str) -> Refusal {
    // These statuses say all there is to say, whatever the body.
    match status {
        408 => return Refusal::RequestTimeout,
        412 => return Refusal::PreconditionFailed,
        413 => return Refusal::MessageSizeTooBig,
        429 => return Refusal::Throttled,
        500 => return Refusal::ServiceError,
        502 => return Refusal::BadGateway,
        503 => return Refusal::ServiceUnavailable,
        504 => return Refusal::GatewayTimeout,
        400..500 => {}
        _ => return Refusal::Unknown,
    }
    let known = code.and_then(|code| {
        let code: String =
            code.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
        CODES.iter().find(|(name, _)| *name == code).map(|(_, refusal)| *refusal)
    });
    match known {
        Some(Refusal::BadArgument) if status == 403 && mentions(text, &["pairwise"]) => Refusal::PairwiseId,
        Some(Refusal::BadArgument) if status == 403 && mentions(text, &["different region"]) => {
            Refusal::OtherRegion
        }
        Some(Refusal::BadArgument | Refusal::BadSyntax)
            if status == 400 && mentions(text, &["root message entit", "citation", "appearance"]) =>
        {
            Refusal::MessageEntities
        }
        Some(refusal) => refusal,
        None if status == 401 => Refusal::AuthorizationDenied,
        None if status == 400 && mentions(text, &["root message entit", "citation", "appearance"]) => {
            Refusal::MessageEntities
        }
        None => Refusal::Unknown,
    }
}

fn mentions(text: &str, words: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    words.iter().any(|word| text.contains(word))
}

/// What a body says, whatever its shape.
#[derive(Default)]
struct Said {
    code: Option<String>,
    text: String,
}

impl Said {
    fn read(body: &[u8]) -> Self {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let Ok(json) = serde_json::from_slice::<Value>(body) else {
            return Self { code: None, text: String::from_utf8_lossy(body).into_owned() };
        };
        let error = &json["error"];
        if let Some(code) = error["code"].as_str() {
            let text = error["message"].as_str().unwrap_or_default();
            return Self { code: Some(code.to_owned()), text: text.to_owned() };
        }
        // The number alone says nothing (209 is also reported for a disabled bot); it is kept as evidence.
        let number = json["errorCode"].as_i64().map(|number| number.to_string());
        let message = json["message"].as_str().or_else(|| error["message"].as_str());
        let Some(message) = message else {
            let text = match &json {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            return Self { code: number, text };
        };
        if let Ok(inner) = serde_json::from_str::<Value>(message)
            && let Some(sub_code) = inner["subCode"].as_str()
        {
            let text = inner["details"].as_str().unwrap_or(message);
            return Self { code: Some(sub_code.to_owned()), text: text.to_owned() };
        }
        Self { code: number, text: message.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// File by file; a new fixture fails here until it is given its name.
    const FIXTURES: [(&str, Refusal); 41] = [
        ("activity_not_found", Refusal::ActivityNotFound),
        ("authorization_denied", Refusal::AuthorizationDenied),
        ("authorization_error", Refusal::AuthorizationError),
        ("bad_argument", Refusal::BadArgument),
        ("bad_gateway", Refusal::BadGateway),
        ("bad_pairwise_id", Refusal::PairwiseId),
        ("bad_syntax", Refusal::BadSyntax),
        ("bot_disabled_by_admin", Refusal::BotDisabledByAdmin),
        ("bot_disabled_by_user", Refusal::BotDisabledByUser),
        ("bot_not_in_conversation_roster", Refusal::BotNotInConversationRoster),
        ("bot_not_registered", Refusal::BotNotRegistered),
        ("conversation_blocked_by_user", Refusal::ConversationBlockedByUser),
        ("conversation_not_found", Refusal::ConversationNotFound),
        ("forbidden_operation", Refusal::ForbiddenOperation),
        ("gateway_timeout", Refusal::GatewayTimeout),
        ("invalid_bot_api_host", Refusal::InvalidBotApiHost),
        ("member_not_found", Refusal::Unknown),
        ("message_size_too_big", Refusal::MessageSizeTooBig),
        ("message_writes_blocked", Refusal::MessageWritesBlocked),
        ("message_writes_blocked_2026", Refusal::MessageWritesBlocked),
        ("missing_property", Refusal::MissingProperty),
        ("not_enough_permissions", Refusal::NotEnoughPermissions),
        ("other_region", Refusal::OtherRegion),
        ("precondition_failed", Refusal::PreconditionFailed),
        ("service_error", Refusal::ServiceError),
        ("service_unavailable", Refusal::ServiceUnavailable),
        ("tenant_no_permission", Refusal::TenantNoPermission),
        ("throttled", Refusal::Throttled),
        ("capability_override", Refusal::CapabilityOverride),
        ("error_code_without_sub_code", Refusal::Unknown),
        ("forbidden_without_body", Refusal::Unknown),
        ("gateway_html", Refusal::ServiceUnavailable),
        ("message_entities", Refusal::MessageEntities),
        ("request_timeout", Refusal::RequestTimeout),
        ("creation_parameters", Refusal::BadSyntax),
        ("conversation_id_format", Refusal::BadSyntax),
        ("batch_forbidden", Refusal::Unknown),
        ("message_citations", Refusal::MessageEntities),
        ("message_appearance", Refusal::MessageEntities),
        ("mention_entity", Refusal::BadArgument),
        ("request_entity_too_large", Refusal::MessageSizeTooBig),
    ];

    #[test]
    fn every_fixture_has_its_name() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/microsoft/refusals");
        let mut seen = Vec::new();
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let fixture: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let body = match &fixture["body"] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let status = fixture["status"].as_u64().unwrap() as u16;
            let (refusal, code, text) = classify(status, body.as_bytes());
            let expected = FIXTURES.iter().find(|(file, _)| *file == name);
            let (_, expected) = expected.unwrap_or_else(|| panic!("give {name}.json its name in FIXTURES"));
            assert_eq!(refusal, *expected, "{name}: {code:?} {text}");
            seen.push(name);
        }
        for (file, _) in FIXTURES {
            assert!(seen.iter().any(|name| name == file), "{file}.json is gone");
        }
        for (code, refusal) in CODES {
            assert!(FIXTURES.iter().any(|(_, known)| *known == refusal), "{code} has no fixture");
        }
    }

    #[test]
    fn every_shape_of_body() {
        for (status, body, refusal, code, text) in [
            (403, "", Refusal::Unknown, None, ""),
            (403, "null", Refusal::Unknown, None, ""),
            (403, "[1,2]", Refusal::Unknown, None, "[1,2]"),
            (403, "\"No.\"", Refusal::Unknown, None, "No."),
            (403, "<html>\r\n<b>no</b></html>", Refusal::Unknown, None, "<html> <b>no</b></html>"),
            (401, "<html>", Refusal::AuthorizationDenied, None, "<html>"),
            (403, "{\"error\":{\"code\":\"Novel\",\"message\":\"m\"}}", Refusal::Unknown, Some("Novel"), "m"),
            (403, "{\"error\":{\"code\":7}}", Refusal::Unknown, None, "{\"error\":{\"code\":7}}"),
            (
                403,
                "{\"errorCode\":209,\"message\":\"tenant admin disabled\"}",
                Refusal::Unknown,
                Some("209"),
                "tenant admin disabled",
            ),
            (
                400,
                "{\"error\":{\"code\":\"Bad Argument\",\"message\":\"Unknown attachment type\"}}",
                Refusal::BadArgument,
                Some("Bad Argument"),
                "Unknown attachment type",
            ),
            (
                400,
                "{\"error\":{\"code\":\"BadRequest\",\"message\":\"Multiple root message entities\"}}",
                Refusal::MessageEntities,
                Some("BadRequest"),
                "Multiple root message entities",
            ),
            (429, "<html>slow down", Refusal::Throttled, None, "<html>slow down"),
            (
                404,
                "{\"error\":{\"code\":\"conversationnotfound\"}}",
                Refusal::ConversationNotFound,
                Some("conversationnotfound"),
                "",
            ),
            (404, "", Refusal::Unknown, None, ""),
            (302, "", Refusal::Unknown, None, ""),
            (
                403,
                "\u{feff}{\"error\":{\"code\":\"BotDisabledByAdmin\",\"message\":\"a\\u0000b\\nc\"}}",
                Refusal::BotDisabledByAdmin,
                Some("BotDisabledByAdmin"),
                "a b c",
            ),
        ] {
            let result = classify(status, body.as_bytes());
            assert_eq!(result, (refusal, code.map(str::to_owned), text.to_owned()), "{status} {body}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(status in 100u16..1000, body in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let (_, _, text) = classify(status, &body);
            prop_assert!(text.chars().count() <= 500);
            prop_assert!(!text.chars().any(char::is_control));
        }

        #[test]
        fn any_message_is_taken(message in ".{0,200}") {
            let body = serde_json::json!({"errorCode": 209, "message": message}).to_string();
            classify(403, body.as_bytes());
        }
    }
}
