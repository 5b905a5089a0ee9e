//! The table of `docs/delivery.md` (Outcomes), cell by cell: every operation with every refusal that
//! `fixtures/microsoft/refusals` has, and with every way of getting no answer.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use nuncio_domain::outcome::{LaneCauseKind, Operation, Outcome};
use nuncio_domain::{FailReason as F, ReachState as R};
use nuncio_sender::outcome::{GatewayErrors, accepted, not_accepted};
use nuncio_teams::classify::classify;
use nuncio_teams::connector::{CallError, Refused, Reply};
use nuncio_teams::retry_after::RetryAfter;
use nuncio_teams::token::TokenError;
use serde_json::Value;

const OPERATIONS: [Operation; 3] = [Operation::Create, Operation::Send, Operation::NewThread];
const WAIT: Duration = Duration::from_secs(7);

/// What a refusal means; where the operation matters, for the create first.
#[derive(Clone, Copy)]
enum Cell {
    Throttled,
    Conflict,
    Unavailable,
    /// A 500, 502 or 504: what makes a message is ambiguous, unless `gateway_errors = "retry"`.
    Gateway,
    /// A 408: the same, whatever is configured.
    Unknown,
    Permanent(F, Option<R>),
    NotInRoster,
    /// 404 of the conversation; for a create there is nobody of that id.
    GoneOr(Option<R>),
    LaneWaits,
}

const TABLE: [(&str, Cell); 41] = [
    ("activity_not_found", Cell::Permanent(F::ConversationGone, None)),
    ("authorization_denied", Cell::LaneWaits),
    ("authorization_error", Cell::LaneWaits),
    ("bad_argument", Cell::Permanent(F::MessageInvalid, None)),
    ("bad_gateway", Cell::Gateway),
    ("bad_pairwise_id", Cell::Permanent(F::NotInstalled, Some(R::NeverInstalled))),
    ("bad_syntax", Cell::Permanent(F::MessageInvalid, None)),
    ("batch_forbidden", Cell::Permanent(F::NotPermitted, None)),
    ("bot_disabled_by_admin", Cell::Permanent(F::DisabledByAdmin, Some(R::AdminDisabled))),
    ("bot_disabled_by_user", Cell::Permanent(F::BlockedByUser, Some(R::Blocked))),
    ("bot_not_in_conversation_roster", Cell::NotInRoster),
    ("bot_not_registered", Cell::LaneWaits),
    ("capability_override", Cell::Permanent(F::BlockedByPolicy, Some(R::PolicyBlocked))),
    ("conversation_blocked_by_user", Cell::Permanent(F::BlockedByUser, Some(R::Blocked))),
    ("conversation_id_format", Cell::Permanent(F::MessageInvalid, None)),
    ("conversation_not_found", Cell::GoneOr(Some(R::Deleted))),
    ("creation_parameters", Cell::Permanent(F::MessageInvalid, None)),
    ("error_code_without_sub_code", Cell::Permanent(F::NotPermitted, None)),
    ("forbidden_operation", Cell::Permanent(F::NotInstalled, Some(R::NeverInstalled))),
    ("forbidden_without_body", Cell::Permanent(F::NotPermitted, None)),
    ("gateway_html", Cell::Unavailable),
    ("gateway_timeout", Cell::Gateway),
    ("invalid_bot_api_host", Cell::LaneWaits),
    ("member_not_found", Cell::GoneOr(None)),
    ("mention_entity", Cell::Permanent(F::MessageInvalid, None)),
    ("message_appearance", Cell::Permanent(F::MessageInvalid, None)),
    ("message_citations", Cell::Permanent(F::MessageInvalid, None)),
    ("message_entities", Cell::Permanent(F::MessageInvalid, None)),
    ("message_size_too_big", Cell::Permanent(F::MessageTooBig, None)),
    ("message_writes_blocked", Cell::Permanent(F::BlockedOrRemoved, Some(R::BlockedOrRemoved))),
    ("message_writes_blocked_2026", Cell::Permanent(F::BlockedOrRemoved, Some(R::BlockedOrRemoved))),
    ("missing_property", Cell::Permanent(F::MessageInvalid, None)),
    ("not_enough_permissions", Cell::Permanent(F::NotPermitted, None)),
    ("other_region", Cell::Permanent(F::NotPermitted, None)),
    ("precondition_failed", Cell::Conflict),
    ("request_entity_too_large", Cell::Permanent(F::MessageTooBig, None)),
    ("request_timeout", Cell::Unknown),
    ("service_error", Cell::Gateway),
    ("service_unavailable", Cell::Unavailable),
    ("tenant_no_permission", Cell::LaneWaits),
    ("throttled", Cell::Throttled),
];

impl Cell {
    /// The cell for an operation; the cause of a lane is compared by its kind only, hence its text is left out.
    fn outcome(self, operation: Operation, gateway_errors: GatewayErrors) -> Option<Outcome> {
        let create = operation == Operation::Create;
        let retry_after = Some(WAIT);
        Some(match self {
            Cell::Throttled => Outcome::Throttled { retry_after },
            Cell::Conflict => Outcome::Conflict,
            Cell::Unavailable => Outcome::Unavailable { retry_after },
            Cell::Gateway if gateway_errors == GatewayErrors::Retry || create => {
                Outcome::Unavailable { retry_after: None }
            }
            Cell::Unknown if create => Outcome::Unavailable { retry_after: None },
            Cell::Gateway | Cell::Unknown => Outcome::Ambiguous,
            Cell::Permanent(reason, reach) => Outcome::Permanent { reason, reach },
            Cell::NotInRoster => Outcome::NotInRoster { reach: R::Removed },
            Cell::GoneOr(reach) if create => Outcome::Permanent { reason: F::RecipientNotFound, reach },
            Cell::GoneOr(_) => Outcome::ReferenceGone,
            Cell::LaneWaits => return None,
        })
    }
}

/// A refusal as the Connector reads it.
fn refused(fixture: &Value) -> Refused {
    let body = match &fixture["body"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let status = u16::try_from(fixture["status"].as_u64().unwrap()).unwrap();
    let (refusal, code, text) = classify(status, body.as_bytes());
    let retry_after = Some(RetryAfter::from_wait(WAIT));
    Refused { status, refusal, code, text, correlation: Some("cv.1".to_owned()), retry_after }
}

fn fixtures() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/microsoft/refusals");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        })
        .collect()
}

#[test]
fn every_operation_with_every_refusal() {
    let mut seen = BTreeSet::new();
    for (name, fixture) in fixtures() {
        let row = TABLE.iter().find(|(file, _)| *file == name);
        let (_, cell) = row.unwrap_or_else(|| panic!("give {name}.json its row in TABLE"));
        for operation in OPERATIONS {
            for gateway_errors in [GatewayErrors::Ambiguous, GatewayErrors::Retry] {
                let refused = refused(&fixture);
                let answer = not_accepted(operation, CallError::Refused(refused.clone()), gateway_errors);
                if let Some(outcome) = cell.outcome(operation, gateway_errors) {
                    assert_eq!(answer.outcome, outcome, "{name}, {operation:?}");
                } else {
                    let Outcome::LaneWaits(cause) = &answer.outcome else { panic!("{name}: {answer:?}") };
                    assert_eq!(cause.kind, LaneCauseKind::NotAuthorized, "{name}");
                    // In words, with what Microsoft said.
                    assert!(cause.text.contains(&refused.status.to_string()), "{}", cause.text);
                    assert!(cause.text.len() > 40, "{}", cause.text);
                }
                // The evidence is kept, whatever it means.
                assert_eq!(answer.status, Some(refused.status), "{name}");
                assert_eq!(answer.code, refused.code, "{name}");
                assert_eq!(answer.text.unwrap_or_default(), refused.text, "{name}");
                assert_eq!(answer.correlation.as_deref(), Some("cv.1"), "{name}");
            }
        }
        seen.insert(name);
    }
    for (name, _) in TABLE {
        assert!(seen.contains(name), "{name}.json is gone");
    }
}

#[test]
fn statuses_that_name_nothing() {
    for (status, cell) in [
        (302, Cell::Permanent(F::UpstreamError, None)),
        (400, Cell::Permanent(F::MessageInvalid, None)),
        (403, Cell::Permanent(F::NotPermitted, None)),
        (404, Cell::GoneOr(None)),
        (405, Cell::Permanent(F::MessageInvalid, None)),
        (409, Cell::Permanent(F::MessageInvalid, None)),
        (413, Cell::Permanent(F::MessageTooBig, None)),
        (422, Cell::Permanent(F::MessageInvalid, None)),
        (501, Cell::Unknown),
        (599, Cell::Unknown),
    ] {
        for operation in OPERATIONS {
            for gateway_errors in [GatewayErrors::Ambiguous, GatewayErrors::Retry] {
                let refused = refused(&serde_json::json!({ "status": status, "body": null }));
                let answer = not_accepted(operation, CallError::Refused(refused), gateway_errors);
                let expected = cell.outcome(operation, gateway_errors).unwrap();
                assert_eq!(answer.outcome, expected, "{status}, {operation:?}");
            }
        }
    }
}

#[test]
fn calls_without_an_answer() {
    for operation in OPERATIONS {
        for gateway_errors in [GatewayErrors::Ambiguous, GatewayErrors::Retry] {
            let not_sent = CallError::NotSent { cause: "connection refused".to_owned() };
            assert_eq!(not_accepted(operation, not_sent, gateway_errors).outcome, Outcome::NeverSent);
            // What was cut off may have arrived, and no configuration makes it otherwise.
            let cut = CallError::MaybeSent { cause: "reset".to_owned() };
            let expected = if operation.makes_message() {
                Outcome::Ambiguous
            } else {
                Outcome::Unavailable { retry_after: None }
            };
            assert_eq!(not_accepted(operation, cut, gateway_errors).outcome, expected);

            let unreachable = TokenError::Unreachable {
                cause: "it answered 503".to_owned(),
                retry_after: Some(RetryAfter::from_wait(WAIT)),
            };
            let wrong = TokenError::Refused {
                code: Some("AADSTS7000215".to_owned()),
                problem: "wrong client secret".to_owned(),
                fix: "set another".to_owned(),
                text: String::new(),
            };
            for (error, kind, retry_after) in [
                (unreachable, LaneCauseKind::TokenUnavailable, Some(WAIT)),
                (wrong, LaneCauseKind::Credential, None),
            ] {
                let text = error.to_string();
                let answer = not_accepted(operation, CallError::Token(error), gateway_errors);
                let Outcome::LaneWaits(cause) = answer.outcome else { panic!() };
                assert_eq!((cause.kind, cause.retry_after, cause.text), (kind, retry_after, text));
            }
        }
    }
}

#[test]
fn accepted_with_and_without_ids() {
    let reply = |id: Option<&str>, activity_id: Option<&str>| Reply {
        status: 201,
        id: id.map(str::to_owned),
        activity_id: activity_id.map(str::to_owned),
        service_url: None,
        correlation: None,
        readable: id.is_some(),
    };
    let ids = |operation, reply| match accepted(operation, reply, "https://used/").outcome {
        Outcome::Accepted { activity_id, conversation_id, service_url } => {
            assert_eq!(service_url.as_deref(), Some("https://used/"));
            (activity_id, conversation_id)
        }
        other => panic!("{other:?}"),
    };
    let some = |id: &str| Some(id.to_owned());
    assert_eq!(ids(Operation::Send, reply(Some("1"), None)), (some("1"), None));
    assert_eq!(
        ids(Operation::NewThread, reply(Some("19:c;messageid=1"), Some("1"))),
        (some("1"), some("19:c;messageid=1"))
    );
    assert_eq!(ids(Operation::Create, reply(Some("a:1"), None)), (None, some("a:1")));
    // Accepted it is, under an id that nobody knows; a create is then asked once more.
    for operation in OPERATIONS {
        assert_eq!(ids(operation, reply(None, None)), (None, None));
    }
    let named = Reply { service_url: Some("https://named/".to_owned()), ..reply(Some("a:1"), None) };
    let Outcome::Accepted { service_url, .. } = accepted(Operation::Create, named, "https://used/").outcome
    else {
        panic!()
    };
    assert_eq!(service_url.as_deref(), Some("https://named/"));
}
