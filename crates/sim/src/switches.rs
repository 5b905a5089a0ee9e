//! Switches for what Microsoft does not document: which of several answers the Connector gives. `docs/simulator.md`
//! lists them; the default of each is the first.

use serde::{Deserialize, Serialize};

/// How a post to somebody who blocked the bot is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BlockedAs {
    /// 403 `ConversationBlockedByUser`
    #[default]
    Code,
    /// 403 with errorCode 209
    #[serde(rename = "209")]
    WritesBlocked,
    /// 403 `BotDisabledByUser`, named once by a Microsoft moderator
    DisabledByUser,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UninstalledAs {
    /// 403 `BotNotInConversationRoster`
    #[default]
    Code,
    #[serde(rename = "209")]
    WritesBlocked,
    /// 201, as one report has it (protocol section 4.4)
    Accepted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UninstalledCreate {
    #[default]
    Created,
    Forbidden,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TeamOnlyAs {
    #[default]
    Accepted,
    Blocked,
}

/// The chat that a create makes after the person deleted theirs (protocol section 10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChatDeletedCreate {
    #[default]
    New,
    /// The old one is there again, under its id.
    Same,
}

/// What a person in one of the states without a documented answer gets (protocol section 10, last row).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PersonAnswer {
    /// As for a person who has the app.
    Accepted,
    /// Create: 403 `ForbiddenOperationException`; send: 403 `BotNotInConversationRoster`.
    NotInstalled,
    /// Create: 201; send: 403 `ConversationBlockedByUser`.
    Blocked,
    /// Create: 201; send: 403 with errorCode 209.
    #[serde(rename = "209")]
    WritesBlocked,
    /// 403 `BotDisabledByAdmin`
    DisabledByAdmin,
    /// 403 `NotEnoughPermissions`
    NotPermitted,
    /// 404 `ConversationNotFound`
    NotFound,
}

/// How a token that is not good is refused (protocol section 6 has both).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefusedTokenAs {
    /// The gateway's body, which has no code.
    #[default]
    Gateway,
    /// 401 `AuthorizationError`
    Code,
}

/// How much of a message is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ContentChecks {
    /// Every rule that Microsoft documents is enforced with 400.
    #[default]
    Strict,
    /// Only the rows of protocol section 6.
    Lenient,
}

/// A mention whose mark is not in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnmatchedMention {
    /// As documented: no mention comes of it.
    #[default]
    Ignored,
    /// As reported (OfficeDev/BotBuilder-MicrosoftTeams#199).
    Refused,
}

/// What a batch is answered with (protocol section 5.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BatchAnswer {
    /// `{"operationId": "…"}`
    #[default]
    Object,
    /// `"…"`
    Text,
}

/// What it means when somebody who blocked the bot writes to it or clicks on a card (protocol section 4.4: no event
/// tells of it; an interaction is the sign that the bot is not blocked any more).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BlockedActs {
    /// The person unblocked it first.
    #[default]
    Unblocks,
    /// It cannot be done.
    Refused,
}

/// A post into an archived team.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ArchivedAs {
    /// 403 with errorCode 209
    #[default]
    #[serde(rename = "209")]
    WritesBlocked,
    /// 403 `NotEnoughPermissions`
    NotPermitted,
}

/// A post into a thread of a channel whose first message was deleted or never was. Microsoft does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MissingRootAs {
    /// 404 `ConversationNotFound`
    #[default]
    NotFound,
    /// 404 `ActivityNotFoundInConversation`
    ActivityNotFound,
    /// 201, as for any thread
    Accepted,
}

/// What Graph answers to installing for a guest, somebody without a licence, or a disabled account (protocol section 8:
/// "expect 403 or 404").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InstallAnswer {
    /// 403 `Forbidden`
    #[default]
    Forbidden,
    /// 404 `NotFound`
    NotFound,
    /// 201, as for anybody
    Accepted,
}

/// How Graph's 429 say when to come again (protocol section 7.2 and its page on throttling).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RetryAfterAs {
    /// Whole seconds, rounded up
    #[default]
    Seconds,
    /// `2.128`, as the page's sample has it
    Fraction,
    /// Not at all
    None,
}

/// A link to the next difference that has expired (page "Use delta query to track changes": a reset is 410, "an expired
/// token" some 40x).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeltaExpiredAs {
    /// 410, with where to begin anew in `Location`
    #[default]
    Gone,
    /// 400 `syncStateNotFound`, without
    BadRequest,
}

/// Why the difference of the directory says that something is gone (protocol section 7.2, delta).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RemovedReason {
    /// It can be restored.
    #[default]
    Changed,
    /// For good
    Deleted,
}
