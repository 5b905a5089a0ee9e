//! Messages as they are answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::request::ContentRequest;

/// The answer 202: the message is stored, or the control is. What follows is seen in the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// `msg_…`
    pub id: String,
    /// The message's state.
    pub state: String,
}

/// A message and what became of it so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `msg_…`
    pub id: String,
    /// The app that sends.
    pub app: String,
    /// The tenant that it is sent in.
    pub tenant: String,
    /// `scheduled`, `expanding`, `waiting` (see `cause`), `sending`, `paused`, `completed`, `cancelled`.
    pub state: String,
    /// Why it is not going on, in a word: `confirm`, `directory` (Microsoft Graph refuses to name its audience), `install` (Microsoft Graph refuses to install the app), `recipients_unreachable` (nobody is left but those who cannot be reached now), or what its lane waits for (`credential`, `throttled`, …).
    pub cause: Option<String>,
    /// The same for people, and what to do.
    pub cause_text: Option<String>,
    /// A control that is accepted and not yet obeyed: `cancel`, `pause`, `resume`, `confirm`.
    pub requested: Option<String>,
    /// The caller's own word.
    pub label: Option<String>,
    /// `urgent`, `normal` or `bulk`.
    pub priority: String,
    /// The ledger.
    pub counts: Counts,
    /// Whether the audience is complete; until then its count grows.
    pub audience_final: bool,
    /// How many times someone was named who was in the audience already.
    pub duplicates_removed: i64,
    /// Deliveries that a person has to look at: the ambiguous ones.
    pub needs_attention: i64,
    /// The failed ones by reason.
    pub failed_by_reason: BTreeMap<String, i64>,
    /// The skipped ones by reason.
    pub skipped_by_reason: BTreeMap<String, i64>,
    /// What its lane sends now, in messages per second; while it is sending.
    pub rate_per_s: Option<f64>,
    /// When it would be done at that rate, RFC 3339.
    pub eta: Option<String>,
    /// Until when Microsoft asked its lane to wait, RFC 3339.
    pub cooling_until: Option<String>,
    /// RFC 3339; `null` means at once.
    pub send_at: Option<String>,
    /// RFC 3339.
    pub expires_at: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub completed_at: Option<String>,
    /// Who is given the app first: `never`, `if_never_installed`, `also_if_removed`.
    #[serde(default)]
    pub install: String,
    /// `msg_…` of the message whose deliveries it tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<String>,
    /// What is said; not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentRequest>,
}

impl Message {
    /// Whether nothing more happens to it by itself.
    pub fn is_final(&self) -> bool {
        matches!(self.state.as_str(), "completed" | "cancelled")
    }
}

/// Every recipient is in exactly one of these; `audience` is their sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Distinct recipients.
    pub audience: i64,
    /// Still to be called.
    pub pending: i64,
    /// A call is being made.
    pub in_flight: i64,
    /// Microsoft took it.
    pub delivered: i64,
    /// Refused; see `failed_by_reason`.
    pub failed: i64,
    /// No call was made; see `skipped_by_reason`.
    pub skipped: i64,
    /// Microsoft may have taken it, and no one can know.
    pub ambiguous: i64,
    /// Cancelled before a call.
    pub cancelled: i64,
    /// Its time ran out before a call succeeded.
    pub expired: i64,
}
