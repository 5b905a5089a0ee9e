//! What an answer means, from the operation and the answer together (`docs/delivery.md`, Outcomes).

use std::time::Duration;

use nuncio_domain::outcome::{Answer, LaneCause, LaneCauseKind, Operation, Outcome};
use nuncio_domain::{FailReason, ReachState};
use nuncio_teams::classify::Refusal;
use nuncio_teams::connector::{CallError, Refused, Reply};
use nuncio_teams::token::TokenError;

/// What 500, 502 and 504 mean for a call that makes a message: `[app.NAME] gateway_errors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GatewayErrors {
    /// Nobody can know whether it was taken: our default.
    #[default]
    Ambiguous,
    /// As Microsoft's page says: try again, which may post twice.
    Retry,
}

/// An accepted call. `used_service_url` is where it was made, kept with a new conversation unless the answer names one.
pub fn accepted(operation: Operation, reply: Reply, used_service_url: &str) -> Answer {
    let (activity_id, conversation_id) = match operation {
        Operation::Send => (reply.id, None),
        _ => (reply.activity_id, reply.id),
    };
    Answer {
        outcome: Outcome::Accepted {
            activity_id,
            conversation_id,
            service_url: Some(reply.service_url.unwrap_or_else(|| used_service_url.to_owned())),
        },
        status: Some(reply.status),
        code: None,
        text: None,
        correlation: reply.correlation,
    }
}

/// A call that was not accepted.
pub fn not_accepted(operation: Operation, error: CallError, gateway_errors: GatewayErrors) -> Answer {
    match error {
        CallError::Token(error) => Answer::bare(Outcome::LaneWaits(token_cause(&error)), error.to_string()),
        CallError::NotSent { cause } => Answer::bare(Outcome::NeverSent, cause),
        CallError::MaybeSent { cause } => Answer::bare(unknown(operation, GatewayErrors::Ambiguous), cause),
        CallError::Refused(refused) => Answer {
            outcome: refusal(operation, &refused, gateway_errors),
            status: Some(refused.status),
            code: refused.code,
            text: (!refused.text.is_empty()).then_some(refused.text),
            correlation: refused.correlation,
        },
    }
}

fn token_cause(error: &TokenError) -> LaneCause {
    match error {
        TokenError::Unreachable { retry_after, .. } => LaneCause {
            kind: LaneCauseKind::TokenUnavailable,
            text: error.to_string(),
            retry_after: retry_after.map(nuncio_teams::retry_after::RetryAfter::wait),
        },
        TokenError::Refused { .. } => {
            LaneCause { kind: LaneCauseKind::Credential, text: error.to_string(), retry_after: None }
        }
    }
}

/// Sent, and not known to be taken.
fn unknown(operation: Operation, gateway_errors: GatewayErrors) -> Outcome {
    if operation.makes_message() && gateway_errors == GatewayErrors::Ambiguous {
        Outcome::Ambiguous
    } else {
        Outcome::Unavailable { retry_after: None }
    }
}

fn permanent(reason: FailReason) -> Outcome {
    Outcome::Permanent { reason, reach: None }
}

fn of_person(reason: FailReason, reach: ReachState) -> Outcome {
    Outcome::Permanent { reason, reach: Some(reach) }
}

fn lane_waits(refused: &Refused, what: &str) -> Outcome {
    let code = refused.code.as_deref().unwrap_or("without a code");
    let text = format!("{what} (Microsoft answered {} {code})", refused.status);
    Outcome::LaneWaits(LaneCause { kind: LaneCauseKind::NotAuthorized, text, retry_after: None })
}

/// The table. Reasons are those of `docs/product.md`; the states of people those of `docs/delivery.md`, Reachability.
fn refusal(operation: Operation, refused: &Refused, gateway_errors: GatewayErrors) -> Outcome {
    let retry_after: Option<Duration> = refused.retry_after.map(nuncio_teams::retry_after::RetryAfter::wait);
    match refused.refusal {
        Refusal::Throttled => Outcome::Throttled { retry_after },
        Refusal::PreconditionFailed => Outcome::Conflict,
        Refusal::ServiceUnavailable => Outcome::Unavailable { retry_after },
        Refusal::RequestTimeout => unknown(operation, GatewayErrors::Ambiguous),
        Refusal::ServiceError | Refusal::BadGateway | Refusal::GatewayTimeout => {
            unknown(operation, gateway_errors)
        }

        Refusal::BotNotRegistered => lane_waits(
            refused,
            "no bot is registered for this app id: check app_id and the Teams channel of the bot",
        ),
        Refusal::AuthorizationError | Refusal::AuthorizationDenied => lane_waits(
            refused,
            "a fresh token was refused: check app_id, tenant_id, kind and cloud, and that the bot is enabled for Teams",
        ),
        Refusal::TenantNoPermission => {
            lane_waits(refused, "the tenant does not let this app in: its administrator must allow it")
        }
        // The sender has called the host that the text names, if that is one of the cloud's.
        Refusal::InvalidBotApiHost => lane_waits(
            refused,
            "this tenant is on another host, and what Microsoft's text names was refused too or is not of the app's cloud: check cloud (\"gcc\" for a GCC tenant)",
        ),

        Refusal::ConversationBlockedByUser | Refusal::BotDisabledByUser => {
            of_person(FailReason::BlockedByUser, ReachState::Blocked)
        }
        Refusal::MessageWritesBlocked => {
            of_person(FailReason::BlockedOrRemoved, ReachState::BlockedOrRemoved)
        }
        Refusal::BotNotInConversationRoster => Outcome::NotInRoster { reach: ReachState::Removed },
        Refusal::ForbiddenOperation => of_person(FailReason::NotInstalled, ReachState::NeverInstalled),
        // The id belongs to another bot, or the person was never met: nothing installed either way.
        Refusal::PairwiseId => of_person(FailReason::NotInstalled, ReachState::NeverInstalled),
        Refusal::BotDisabledByAdmin => of_person(FailReason::DisabledByAdmin, ReachState::AdminDisabled),
        Refusal::CapabilityOverride => of_person(FailReason::BlockedByPolicy, ReachState::PolicyBlocked),
        // The sender has called the cloud's own service URL too, where that is another one.
        Refusal::NotEnoughPermissions | Refusal::OtherRegion => permanent(FailReason::NotPermitted),

        Refusal::ConversationNotFound => match operation {
            // Nobody of that id: there is no conversation to have been lost.
            Operation::Send | Operation::NewThread => Outcome::ReferenceGone,
            _ => of_person(FailReason::RecipientNotFound, ReachState::Deleted),
        },
        Refusal::ActivityNotFound => permanent(FailReason::ConversationGone),
        Refusal::MessageSizeTooBig => permanent(FailReason::MessageTooBig),
        Refusal::BadArgument | Refusal::BadSyntax | Refusal::MissingProperty | Refusal::MessageEntities => {
            permanent(FailReason::MessageInvalid)
        }
        Refusal::Unknown => by_status(operation, refused.status),
    }
}

/// A refusal that names nothing known.
fn by_status(operation: Operation, status: u16) -> Outcome {
    match status {
        401 => Outcome::LaneWaits(LaneCause {
            kind: LaneCauseKind::NotAuthorized,
            text: "a fresh token was refused".to_owned(),
            retry_after: None,
        }),
        403 => permanent(FailReason::NotPermitted),
        404 if operation == Operation::Create => permanent(FailReason::RecipientNotFound),
        404 => Outcome::ReferenceGone,
        400..500 => permanent(FailReason::MessageInvalid),
        // A redirect is never followed with a token, and no status below 200 or above 504 tells what was done.
        300..400 => permanent(FailReason::UpstreamError),
        _ => unknown(operation, GatewayErrors::Ambiguous),
    }
}
