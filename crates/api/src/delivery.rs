//! Deliveries, their attempts, and the report.

use serde::{Deserialize, Serialize};

/// The columns of `report.csv`, in their order.
pub const REPORT_COLUMNS: [&str; 13] = [
    "person_id",
    "upn",
    "name",
    "outcome",
    "reason",
    "status",
    "code",
    "text",
    "correlation_id",
    "activity_id",
    "attempts",
    "first_at",
    "last_at",
];

/// One message to one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// `dlv_…`
    pub id: String,
    /// `msg_…`
    pub message: String,
    /// `person`, `channel` or `chat`.
    pub kind: String,
    /// The Entra object id, or the conversation id of a channel or chat.
    pub recipient: String,
    /// Their name, where it is known.
    pub name: Option<String>,
    /// Their user principal name, where it is known.
    pub upn: Option<String>,
    /// `pending`, `in_flight`, `delivered`, `failed`, `skipped`, `ambiguous`, `cancelled`, `expired`.
    pub state: String,
    /// Why it failed or was skipped.
    pub reason: Option<String>,
    /// What Microsoft answered last.
    pub status: Option<u16>,
    /// Microsoft's code.
    pub code: Option<String>,
    /// Microsoft's text.
    pub text: Option<String>,
    /// What Microsoft's support asks for.
    pub correlation_id: Option<String>,
    /// Microsoft's id of what was posted.
    pub activity_id: Option<String>,
    /// How many calls were made.
    pub attempts: i64,
    /// When the next try is due, RFC 3339.
    pub due_at: Option<String>,
    /// When the first call was made, RFC 3339.
    pub first_at: Option<String>,
    /// When the last one was, RFC 3339.
    pub last_at: Option<String>,
    /// What settled it after it was ambiguous.
    #[serde(default)]
    pub settled: Option<Word>,
}

/// The word by which an ambiguous delivery was settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// `delivered` or `resend`.
    #[serde(rename = "as")]
    pub verdict: String,
    /// Who said so, or what showed it.
    pub evidence: String,
    /// When it was said, RFC 3339.
    pub at: String,
}

/// A delivery with every call that was made for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryWithAttempts {
    /// The delivery.
    #[serde(flatten)]
    pub delivery: Delivery,
    /// Its calls, first one first.
    pub calls: Vec<Attempt>,
}

/// One call made for a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// 1 is the first.
    pub n: i64,
    /// `create`, `send`, `new_thread`.
    pub call: String,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    pub ended_at: String,
    /// What it came to.
    pub outcome: String,
    /// What Microsoft answered.
    pub status: Option<u16>,
    /// Microsoft's code.
    pub code: Option<String>,
    /// Microsoft's text.
    pub text: Option<String>,
    /// What Microsoft's support asks for.
    pub correlation_id: Option<String>,
}
