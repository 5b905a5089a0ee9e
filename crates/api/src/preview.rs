//! What a message would come to: `POST /v1/audiences/preview`, asked with the body of a message.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Whom a message would reach, whom not and why, and when it would be done. As of now: nothing is stored or sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// The app that would send.
    pub app: String,
    /// The tenant that it would be sent in.
    pub tenant: String,
    /// Whether all of the audience was read. If not, every count is of what was, and nothing is said of the end.
    pub complete: bool,
    /// The parts that were not read to their end, and why.
    pub incomplete: Vec<Unread>,
    /// Distinct recipients: the sum of `would_send.total`, `would_wait` and all of `would_fail` and `would_skip`.
    pub audience: i64,
    /// How many times someone is named who is in the audience already.
    pub duplicates_removed: i64,
    /// Whom a call would be made for.
    pub would_send: WouldSend,
    /// Who cannot be reached now and would be waited for (`when_unreachable`): until they can be, or the message expires.
    pub would_wait: i64,
    /// Entries of lists that are not exactly one person: `recipient_not_found`, without a call.
    pub would_fail: BTreeMap<String, i64>,
    /// Whom no call would be made for, by reason: those of `skipped_by_reason` of a message.
    pub would_skip: BTreeMap<String, i64>,
    /// People with whom no conversation is known and of whom nothing, or a refusal, says that they never had the app.
    /// They are counted above as well.
    pub needs_install: i64,
    /// People who had the app and have removed it. They are counted above as well.
    pub removed: i64,
    /// The audience by what is known of whether each can be reached.
    pub by_state: BTreeMap<String, i64>,
    /// Calls to Microsoft, if none has to be repeated.
    pub calls: Calls,
    /// More recipients than this wait for a confirmation.
    pub max_recipients: i64,
    /// Whether the message would wait for one.
    pub needs_confirmation: bool,
    /// Calls per second that the lane allows itself now; `null` without a limit.
    pub rate_per_s: Option<f64>,
    /// Deliveries of other messages in the lane, which this one waits for or takes turns with.
    pub ahead: Ahead,
    /// When it would begin, RFC 3339; `null` while nobody can know, see `cause`.
    pub begins_at: Option<String>,
    /// From then to its last call; `null` if part of the audience was not read, or the lane has no limit.
    pub duration_s: Option<f64>,
    /// When its last call would be made, RFC 3339; of those who can be reached now.
    pub estimated_end: Option<String>,
    /// RFC 3339.
    pub expires_at: String,
    /// Whether it would expire before it is done; `null` where `estimated_end` is.
    pub expires_before_end: Option<bool>,
    /// Since when an operator holds the lane, RFC 3339.
    pub paused_since: Option<String>,
    /// Why nothing goes out of the lane now, in a word: `paused`, `throttled`, `credential`, …
    pub cause: Option<String>,
    /// The same for people, and what to do.
    pub cause_text: Option<String>,
    /// Until when the lane waits, RFC 3339.
    pub cooling_until: Option<String>,
    /// Up to 10 recipients of each reason of `would_fail` and `would_skip`, and of `would_wait`, `first_contact`, `needs_install` and `removed`.
    pub sample: BTreeMap<String, Vec<Sampled>>,
}

/// Whom a call would be made for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WouldSend {
    /// All of them.
    pub total: i64,
    /// Those with whom a conversation is known; channels and chats are one themselves.
    pub known: i64,
    /// People with whom one has to be created first. Microsoft may refuse that for who never had the app.
    pub first_contact: i64,
}

/// Calls by what they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Creating conversations.
    pub create: i64,
    /// Sending.
    pub send: i64,
    /// Installing the app through Microsoft Graph.
    pub install: i64,
    /// Pages of the directory, which the message would read again.
    pub graph_pages: i64,
}

/// Deliveries of other messages, by priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// They go before everything else.
    pub urgent: i64,
    /// Four for each bulk one.
    pub normal: i64,
    /// One for each four normal ones.
    pub bulk: i64,
}

/// A part of the directory that was not read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// `everyone`, `group`, `team`, or `list` (of which names are still being looked up).
    pub source: String,
    /// The Entra object id of the group or team.
    pub id: Option<String>,
    /// Why, and what to do.
    pub text: String,
}

/// Somebody of a group of recipients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampled {
    /// Entra object id, or conversation id.
    pub id: String,
    /// `person`, `channel`, `chat` or `team`.
    pub kind: String,
    /// As last seen.
    pub name: Option<String>,
    /// The sign-in name.
    pub upn: Option<String>,
}
