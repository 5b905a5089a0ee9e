//! What can be asked for after a message was sent: settling what is ambiguous, trying again what was not delivered.

use serde::{Deserialize, Serialize};

use crate::is_default;

/// `POST /v1/messages/{id}/settle`. Either `deliveries` or `all`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// `delivered`: they have it. `resend`: it is sent once more, which those who have it already see twice.
    #[serde(rename = "as")]
    pub verdict: String,
    /// Which ones, `dlv_…`; at most 10,000. Those that are not ambiguous are left as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<String>,
    /// All that are ambiguous now.
    #[serde(default, skip_serializing_if = "is_default")]
    pub all: bool,
}

/// The answer 202: the word is left for the owner of the lane, who obeys a moment later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// `msg_…`
    pub id: String,
    /// The message's state; a resend opens a completed one again.
    pub state: String,
    /// How many deliveries are ambiguous and meant.
    pub settled: i64,
}

/// `POST /v1/messages/{id}/retry`: a new message with the same content, to those whom that one did not reach. It always
/// tries, whatever was refused lately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// What their deliveries came to: `failed` (default), `skipped`, `cancelled`, `expired`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<String>,
    /// Of failed and skipped ones only those with one of these reasons; without any, all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// As for a message; default that of the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// As for a message; default that of the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// As for a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_recipients: Option<i64>,
    /// As for a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_at: Option<String>,
    /// As for a message; not that of the first one, which may be past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}
