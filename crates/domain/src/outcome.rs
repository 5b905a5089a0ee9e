//! What a call came to, in our words. The sender makes it of Microsoft's answer (`docs/delivery.md`, Outcomes); the
//! lane core decides what follows.

use std::time::Duration;

use crate::delivery::FailReason;
use crate::people::ReachState;
use crate::words;

words! {
    /// The calls made for a delivery.
    pub enum Operation {
        /// Create (or find) the 1:1 conversation. Repeatable: it makes no message.
        Create = "create",
        /// Post into a known conversation.
        Send = "send",
        /// Create a thread in a channel with its first post.
        NewThread = "new_thread",
        /// Have Graph install the app. Repeatable: it makes no message.
        Install = "install",
        /// Have Graph say which chat a person has with the app that is installed. Repeatable.
        FindChat = "find_chat",
        /// Ask Graph whether a person has the app. Repeatable.
        AskInstalled = "ask_installed",
    }
}

impl Operation {
    /// Only a call that makes a message can become ambiguous, and only those carry an intent.
    pub const fn makes_message(self) -> bool {
        matches!(self, Self::Send | Self::NewThread)
    }
}

/// An answer with what is kept of it. Never the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub outcome: Outcome,
    pub status: Option<u16>,
    pub code: Option<String>,
    pub text: Option<String>,
    pub correlation: Option<String>,
}

impl Answer {
    /// An answer without anything from Microsoft in it.
    pub fn bare(outcome: Outcome, text: impl Into<String>) -> Self {
        Self { outcome, status: None, code: None, text: Some(text.into()), correlation: None }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Taken. Without ids it cannot be edited or recalled later, and a 1:1 create is asked once more.
    Accepted {
        activity_id: Option<String>,
        conversation_id: Option<String>,
        service_url: Option<String>,
    },
    /// 429.
    Throttled {
        retry_after: Option<Duration>,
    },
    /// 412: other operations ran on the conversation.
    Conflict,
    /// 503, or any passing failure of a repeatable call.
    Unavailable {
        retry_after: Option<Duration>,
    },
    /// The request never left whole.
    NeverSent,
    /// Written, and no one can know whether it was taken.
    Ambiguous,
    /// 404 of the conversation; often passing.
    ReferenceGone,
    /// 403: the bot is not in the roster of this conversation.
    NotInRoster {
        reach: ReachState,
    },
    Permanent {
        reason: FailReason,
        reach: Option<ReachState>,
    },
    /// Nothing that this delivery could help: the whole lane waits and nothing is used up.
    LaneWaits(LaneCause),
}

impl Outcome {
    /// The word in the attempts table and the API.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Throttled { .. } => "throttled",
            Self::Conflict | Self::Unavailable { .. } | Self::NeverSent => "transient",
            Self::Ambiguous => "ambiguous",
            Self::ReferenceGone | Self::NotInRoster { .. } | Self::Permanent { .. } => "permanent",
            Self::LaneWaits(_) => "lane_waits",
        }
    }
}

/// Why a lane waits, in words for whoever has to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneCause {
    pub kind: LaneCauseKind,
    pub text: String,
    pub retry_after: Option<Duration>,
}

words! {
    pub enum LaneCauseKind {
        /// The token endpoint refused the credential.
        Credential = "credential",
        /// The token endpoint could not be reached.
        TokenUnavailable = "token_unavailable",
        /// The Connector refused a fresh token or the registration.
        NotAuthorized = "not_authorized",
        /// Every one of the last calls said that an administrator has disabled the bot.
        DisabledByAdmin = "disabled_by_admin",
        /// The service could not be reached, call after call.
        Unreachable = "unreachable",
        /// Call after call failed at Microsoft's side, and none was accepted.
        Failing = "failing",
        /// A 429 of the whole lane.
        Throttled = "throttled",
        /// An operator holds the lane.
        Paused = "paused",
    }
}
