//! What the Connector answers when it refuses (protocol section 6). The bodies equal `fixtures/microsoft/refusals`.

use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// With a text of its own, because Microsoft's is scenario specific.
    BadArgument(&'static str),
    BadSyntax,
    BotNotRegistered,
    AuthorizationDenied,
    BotDisabledByAdmin,
    BotNotInConversationRoster,
    ConversationBlockedByUser,
    ForbiddenOperation,
    BadPairwiseId,
    TenantNoPermission,
    /// The second form of "blocked or uninstalled": errorCode 209.
    MessageWritesBlocked,
    ActivityNotFound,
    ConversationNotFound,
    MemberNotFound,
    MessageSizeTooBig,
    Throttled,
    NoSuchPath,
    MethodNotAllowed,
}

impl Refusal {
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::BadArgument(_) | Self::BadSyntax => 400,
            Self::BotNotRegistered | Self::AuthorizationDenied => 401,
            Self::BotDisabledByAdmin
            | Self::BotNotInConversationRoster
            | Self::ConversationBlockedByUser
            | Self::ForbiddenOperation
            | Self::BadPairwiseId
            | Self::TenantNoPermission
            | Self::MessageWritesBlocked => 403,
            Self::ActivityNotFound | Self::ConversationNotFound | Self::MemberNotFound | Self::NoSuchPath => {
                404
            }
            Self::MethodNotAllowed => 405,
            Self::MessageSizeTooBig => 413,
            Self::Throttled => 429,
        }
    }

    /// The code that the journal shows; `None` where the body has none.
    pub(crate) fn code(self) -> Option<&'static str> {
        Some(match self {
            Self::BadArgument(_) | Self::BadPairwiseId => "BadArgument",
            Self::BadSyntax => "BadSyntax",
            Self::BotNotRegistered => "BotNotRegistered",
            Self::BotDisabledByAdmin => "BotDisabledByAdmin",
            Self::BotNotInConversationRoster => "BotNotInConversationRoster",
            Self::ConversationBlockedByUser => "ConversationBlockedByUser",
            Self::ForbiddenOperation => "ForbiddenOperationException",
            Self::TenantNoPermission => "TenantNoPermission",
            Self::MessageWritesBlocked => "MessageWritesBlocked",
            Self::ActivityNotFound => "ActivityNotFoundInConversation",
            Self::ConversationNotFound => "ConversationNotFound",
            Self::MemberNotFound => "MemberNotFoundInConversation",
            Self::MessageSizeTooBig => "MessageSizeTooBig",
            Self::Throttled => "Throttled",
            Self::AuthorizationDenied | Self::NoSuchPath | Self::MethodNotAllowed => return None,
        })
    }

    fn message(self) -> &'static str {
        match self {
            Self::BadArgument(text) => text,
            Self::BadSyntax => "Bad syntax.",
            Self::BotNotRegistered => "No registration found for this bot.",
            Self::AuthorizationDenied => "Authorization has been denied for this request.",
            Self::BotDisabledByAdmin => "The tenant admin disabled this bot",
            Self::BotNotInConversationRoster => "The bot is not part of the conversation roster.",
            Self::ConversationBlockedByUser => "User blocked the conversation with the bot.",
            Self::ForbiddenOperation => "Bot isn't installed in user's personal scope",
            Self::BadPairwiseId => "Failed to decrypt pairwise id",
            Self::TenantNoPermission => "The tenant has no permission for this bot.",
            Self::MessageWritesBlocked => MESSAGE_WRITES_BLOCKED,
            Self::ActivityNotFound | Self::ConversationNotFound => "Conversation not found.",
            Self::MemberNotFound => "Member not found in conversation.",
            Self::MessageSizeTooBig => "Message size too large.",
            Self::Throttled => "Too many requests.",
            Self::NoSuchPath => "No HTTP resource was found that matches the request URI.",
            Self::MethodNotAllowed => "The requested resource does not support this http method.",
        }
    }

    pub(crate) fn body(self) -> Value {
        match self {
            Self::MessageWritesBlocked => json!({"errorCode": 209, "message": self.message()}),
            _ => match self.code() {
                Some(code) => coded(code, self.message()),
                None => json!({"message": self.message()}),
            },
        }
    }
}

/// A JSON text inside the JSON, with the line ends of the documented sample.
const MESSAGE_WRITES_BLOCKED: &str = "{\r\n  \"subCode\": \"MessageWritesBlocked\",\r\n  \"details\": \"Thread is blocked from message writes.\",\r\n  \"errorCode\": null,\r\n  \"errorSubCode\": null\r\n}";

fn coded(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message}})
}

/// The body for a fault's status: Microsoft's own where the table has one, else the given code with its text.
pub(crate) fn fault_body(status: u16, code: Option<&str>) -> Value {
    let known = [
        Refusal::BotNotRegistered,
        Refusal::BotDisabledByAdmin,
        Refusal::BotNotInConversationRoster,
        Refusal::ConversationBlockedByUser,
        Refusal::ForbiddenOperation,
        Refusal::TenantNoPermission,
        Refusal::MessageWritesBlocked,
        Refusal::ActivityNotFound,
        Refusal::ConversationNotFound,
        Refusal::MemberNotFound,
        Refusal::MessageSizeTooBig,
        Refusal::Throttled,
        Refusal::BadSyntax,
    ];
    if let Some(code) = code {
        if code == "209" {
            return Refusal::MessageWritesBlocked.body();
        }
        if let Some(refusal) = known.iter().find(|refusal| refusal.code() == Some(code)) {
            return refusal.body();
        }
        return coded(
            code,
            match code {
                "BadArgument" if status == 403 => "Failed to decrypt pairwise id",
                "BadArgument" => "Unknown attachment type",
                "BotDisabledByUser" => "The user disabled this bot",
                "InvalidBotApiHost" => {
                    "Invalid bot api host. For GCC tenants, please call https://smba.infra.gcc.teams.microsoft.com."
                }
                "NotEnoughPermissions" => "The bot does not have enough permissions.",
                "PreconditionFailed" => "Precondition failed, please try again.",
                "MissingProperty" => "A required property is missing.",
                "AuthorizationError" => "Authorization has been denied for this request.",
                "ServiceError" if status == 502 => "Bad gateway.",
                "ServiceError" => "An internal error occurred.",
                _ => "Simulated fault.",
            },
        );
    }
    match status {
        400 => Refusal::BadSyntax.body(),
        401 => Refusal::AuthorizationDenied.body(),
        404 => Refusal::ConversationNotFound.body(),
        412 => fault_body(412, Some("PreconditionFailed")),
        413 => Refusal::MessageSizeTooBig.body(),
        429 => Refusal::Throttled.body(),
        500 | 502 => fault_body(status, Some("ServiceError")),
        503 => json!({"message": "Service is unavailable."}),
        504 => json!({"message": "Gateway Timeout."}),
        _ => json!({}),
    }
}
