//! What the API reads: messages, deliveries and attempts, as stored.

use std::collections::BTreeMap;

use crate::batch::Key;
use crate::delivery::{Counts, DeliveryState};
use crate::ids::MessageId;
use crate::message::{Class, Content, Control, MessageState, OnAmbiguous, Verdict, WhenUnreachable};
use crate::people::RecipientKind;
use crate::time::Time;

/// A page of a list and where the next begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// To be given as `after` for the next page; `None` at the end.
    pub next: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MessageView {
    pub message_no: i64,
    pub id: MessageId,
    pub app: String,
    pub tenant: String,
    pub lane_no: i64,
    pub class: Class,
    pub state: MessageState,
    /// Why it waits, or that of its lane.
    pub cause: Option<String>,
    pub control: Option<Control>,
    pub label: Option<String>,
    pub content: Content,
    pub on_ambiguous: Option<OnAmbiguous>,
    pub when_unreachable: WhenUnreachable,
    pub counts: Counts,
    pub duplicates_removed: i64,
    pub audience_final: bool,
    pub failed_by_reason: BTreeMap<String, i64>,
    pub skipped_by_reason: BTreeMap<String, i64>,
    pub send_at: Option<Time>,
    pub expires_at: Time,
    pub created_at: Time,
    pub completed_at: Option<Time>,
    /// The lane's status as its owner last wrote it, JSON.
    pub lane_status: Option<String>,
    /// The message whose deliveries it tries again.
    pub retries: Option<MessageId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryView {
    pub key: Key,
    pub kind: RecipientKind,
    pub address: String,
    pub name: Option<String>,
    pub upn: Option<String>,
    /// A pending row of a cancelled or completed message shows as what the message made of it.
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub activity_id: Option<String>,
    pub attempts: i64,
    pub due_at: Option<Time>,
    pub first_at: Option<Time>,
    pub last_at: Option<Time>,
    /// Of the last attempt.
    pub status: Option<u16>,
    pub code: Option<String>,
    pub text: Option<String>,
    pub correlation: Option<String>,
    /// What settled it after it was ambiguous.
    pub settled: Option<SettledView>,
}

/// The word that was obeyed of an ambiguous delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledView {
    pub verdict: Verdict,
    /// Who said so, or what showed it, in words.
    pub evidence: String,
    /// When it was said.
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptView {
    pub n: i64,
    pub call: String,
    pub started_at: Time,
    pub ended_at: Time,
    pub outcome: String,
    pub status: Option<u16>,
    pub code: Option<String>,
    pub text: Option<String>,
    pub correlation: Option<String>,
}

/// Which deliveries to list.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    pub state: Option<DeliveryState>,
    pub reason: Option<String>,
}

/// Which messages to list; newest first.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    pub state: Option<MessageState>,
    pub label: Option<String>,
}
