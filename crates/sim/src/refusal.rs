//! What the Connector answers when it refuses (protocol section 6). The bodies equal `fixtures/microsoft/refusals`.

use serde_json::{Value, json};

use crate::answer::{Answer, More};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// With a text of its own, because Microsoft's is scenario specific.
    BadArgument(&'static str),
    BadSyntax,
    /// The same code with a text that was seen.
    BadSyntaxAs(&'static str),
    MissingProperty,
    BotNotRegistered,
    AuthorizationDenied,
    AuthorizationError,
    BotDisabledByAdmin,
    BotNotInConversationRoster,
    BotDisabledByUser,
    ConversationBlockedByUser,
    ForbiddenOperation,
    NotEnoughPermissions,
    /// Of an operation that this bot may not use.
    Forbidden,
    BadPairwiseId,
    TenantNoPermission,
    /// The second form of "blocked or uninstalled": errorCode 209.
    MessageWritesBlocked,
    ActivityNotFound,
    ConversationNotFound,
    MemberNotFound,
    /// Of a batch, an attachment, a meeting: which code Microsoft has, nobody says.
    OperationNotFound,
    MessageSizeTooBig,
    /// The other code of 413: of a body that is not even read.
    RequestEntityTooLarge,
    Throttled,
    NoSuchPath,
    /// With the methods that the path has.
    MethodNotAllowed(&'static str),
    UnsupportedMediaType,
    /// What the web server in front refuses by itself, in HTML.
    BadUrl,
    UrlTooLong,
}

impl Refusal {
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::BadArgument(_)
            | Self::BadSyntax
            | Self::BadSyntaxAs(_)
            | Self::MissingProperty
            | Self::BadUrl => 400,
            Self::BotNotRegistered | Self::AuthorizationDenied | Self::AuthorizationError => 401,
            Self::BotDisabledByAdmin
            | Self::BotDisabledByUser
            | Self::NotEnoughPermissions
            | Self::Forbidden
            | Self::BotNotInConversationRoster
            | Self::ConversationBlockedByUser
            | Self::ForbiddenOperation
            | Self::BadPairwiseId
            | Self::TenantNoPermission
            | Self::MessageWritesBlocked => 403,
            Self::ActivityNotFound
            | Self::ConversationNotFound
            | Self::MemberNotFound
            | Self::OperationNotFound
            | Self::NoSuchPath => 404,
            Self::MethodNotAllowed(_) => 405,
            Self::MessageSizeTooBig | Self::RequestEntityTooLarge => 413,
            Self::UrlTooLong => 414,
            Self::UnsupportedMediaType => 415,
            Self::Throttled => 429,
        }
    }

    /// The code that the journal shows; `None` where the body has none.
    pub(crate) fn code(self) -> Option<&'static str> {
        Some(match self {
            Self::BadArgument(_) | Self::BadPairwiseId => "BadArgument",
            Self::BadSyntax | Self::BadSyntaxAs(_) => "BadSyntax",
            Self::MissingProperty => "MissingProperty",
            Self::BotNotRegistered => "BotNotRegistered",
            Self::AuthorizationError => "AuthorizationError",
            Self::BotDisabledByAdmin => "BotDisabledByAdmin",
            Self::BotDisabledByUser => "BotDisabledByUser",
            Self::NotEnoughPermissions => "NotEnoughPermissions",
            Self::Forbidden => "Forbidden",
            Self::BotNotInConversationRoster => "BotNotInConversationRoster",
            Self::ConversationBlockedByUser => "ConversationBlockedByUser",
            Self::ForbiddenOperation => "ForbiddenOperationException",
            Self::TenantNoPermission => "TenantNoPermission",
            Self::MessageWritesBlocked => "MessageWritesBlocked",
            Self::ActivityNotFound => "ActivityNotFoundInConversation",
            Self::ConversationNotFound => "ConversationNotFound",
            Self::MemberNotFound => "MemberNotFoundInConversation",
            Self::OperationNotFound => "NotFound",
            Self::MessageSizeTooBig => "MessageSizeTooBig",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::Throttled => "Throttled",
            Self::AuthorizationDenied
            | Self::NoSuchPath
            | Self::MethodNotAllowed(_)
            | Self::UnsupportedMediaType
            | Self::BadUrl
            | Self::UrlTooLong => return None,
        })
    }

    fn message(self) -> &'static str {
        match self {
            Self::BadArgument(text) | Self::BadSyntaxAs(text) => text,
            Self::BadSyntax => "Bad syntax.",
            Self::MissingProperty => "A required property is missing.",
            Self::BotNotRegistered => "No registration found for this bot.",
            Self::AuthorizationDenied | Self::AuthorizationError => {
                "Authorization has been denied for this request."
            }
            Self::BotDisabledByAdmin => "The tenant admin disabled this bot",
            Self::BotDisabledByUser => "The user disabled this bot",
            Self::NotEnoughPermissions => "The bot does not have enough permissions.",
            Self::Forbidden => "Forbidden",
            Self::BotNotInConversationRoster => "The bot is not part of the conversation roster.",
            Self::ConversationBlockedByUser => "User blocked the conversation with the bot.",
            Self::ForbiddenOperation => "Bot isn't installed in user's personal scope",
            Self::BadPairwiseId => "Failed to decrypt pairwise id",
            Self::TenantNoPermission => "The tenant has no permission for this bot.",
            Self::MessageWritesBlocked => MESSAGE_WRITES_BLOCKED,
            Self::ActivityNotFound | Self::ConversationNotFound => "Conversation not found.",
            Self::MemberNotFound => "Member not found in conversation.",
            Self::OperationNotFound => "Not found.",
            Self::MessageSizeTooBig | Self::RequestEntityTooLarge => "Message size too large.",
            Self::Throttled => "Too many requests.",
            Self::NoSuchPath => "No HTTP resource was found that matches the request URI.",
            Self::MethodNotAllowed(_) => "The requested resource does not support this http method.",
            Self::UnsupportedMediaType => {
                "The request entity's media type is not supported for this resource."
            }
            Self::BadUrl => BAD_URL,
            Self::UrlTooLong => URL_TOO_LONG,
        }
    }

    /// What it has besides the headers that every answer has.
    fn headers(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::MessageWritesBlocked => WRITES_BLOCKED_HEADERS.to_vec(),
            Self::MethodNotAllowed(allowed) => vec![("allow", allowed)],
            _ => Vec::new(),
        }
    }

    pub(crate) fn body(self) -> Value {
        match self {
            Self::MessageWritesBlocked => json!({"errorCode": 209, "message": self.message()}),
            // A text is sent as it is, as HTML.
            Self::BadUrl | Self::UrlTooLong => self.message().into(),
            _ => match self.code() {
                Some(code) => coded(code, self.message()),
                None => json!({"message": self.message()}),
            },
        }
    }
}

/// A JSON text inside the JSON, with the line ends of the documented sample.
const MESSAGE_WRITES_BLOCKED: &str = "{\r\n  \"subCode\": \"MessageWritesBlocked\",\r\n  \"details\": \"Thread is blocked from message writes.\",\r\n  \"errorCode\": null,\r\n  \"errorSubCode\": null\r\n}";

/// As the documented sample shows them.
pub(crate) const WRITES_BLOCKED_HEADERS: [(&str, &str); 3] = [
    ("cache-control", "no-store, must-revalidate, no-cache"),
    ("pragma", "no-cache"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
];

const BAD_URL: &str = "<!DOCTYPE HTML>\r\n<HTML><HEAD><TITLE>Bad Request</TITLE></HEAD>\r\n<BODY><h2>Bad Request - Invalid URL</h2></BODY></HTML>\r\n";
const URL_TOO_LONG: &str = "<!DOCTYPE HTML>\r\n<HTML><HEAD><TITLE>Bad Request</TITLE></HEAD>\r\n<BODY><h2>Bad Request - URL too long</h2></BODY></HTML>\r\n";

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status(),
            code: refusal.code().map(str::to_owned),
            body: Some(refusal.body()),
            more: More::headers(&refusal.headers()),
            ..Self::default()
        }
    }
}

/// 403 `InvalidBotApiHost`: the tenant is one of GCC and its calls belong to `host`.
pub(crate) fn invalid_host(host: &str) -> Answer {
    let code = "InvalidBotApiHost";
    let text = format!("Invalid bot api host. For GCC tenants, please call https://{host}.");
    Answer { code: Some(code.to_owned()), ..Answer::ok(403, coded(code, &text)) }
}

fn coded(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message}})
}

/// The body for a fault's status: Microsoft's own where the table has one, else the given code with its text.
pub(crate) fn fault_body(status: u16, code: Option<&str>) -> Value {
    let known = [
        Refusal::BotNotRegistered,
        Refusal::AuthorizationError,
        Refusal::BotDisabledByAdmin,
        Refusal::BotDisabledByUser,
        Refusal::BotNotInConversationRoster,
        Refusal::ConversationBlockedByUser,
        Refusal::ForbiddenOperation,
        Refusal::NotEnoughPermissions,
        Refusal::Forbidden,
        Refusal::MissingProperty,
        Refusal::TenantNoPermission,
        Refusal::MessageWritesBlocked,
        Refusal::ActivityNotFound,
        Refusal::ConversationNotFound,
        Refusal::MemberNotFound,
        Refusal::MessageSizeTooBig,
        Refusal::RequestEntityTooLarge,
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
                "InvalidBotApiHost" => {
                    "Invalid bot api host. For GCC tenants, please call https://smba.infra.gcc.teams.microsoft.com."
                }
                "PreconditionFailed" => "Precondition failed, please try again.",
                "ServiceError" if status == 502 => "Bad gateway.",
                "ServiceError" => "An internal error occurred.",
                "CapabilityOverride" => "Capability override.",
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
