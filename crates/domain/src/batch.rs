//! What an owner writes: intents and outcomes of many deliveries in one transaction (`docs/engine.md`, Tables).

use crate::delivery::{DeliveryState, FailReason, SkipReason};
use crate::directory::Standing;
use crate::message::MessageState;
use crate::outcome::Operation;
use crate::people::{Origin, ReachState, RecipientKind, Reference};
use crate::reach::ReachEvidence;
use crate::time::Time;

/// The primary key of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub message_no: i64,
    pub recipient_no: i64,
}

/// A pending delivery with all that is needed to make its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub key: Key,
    pub thread_no: i64,
    pub kind: RecipientKind,
    /// Entra object id, or conversation id of a channel or chat.
    pub address: String,
    pub mri: Option<String>,
    /// The reference chosen for it: the newest that is not suspect (`docs/delivery.md`, Reachability).
    pub reference: Option<Reference>,
    /// How many further references are known.
    pub others: u32,
    pub reach: ReachState,
    pub reach_at: Option<Time>,
    /// What the directory says of them.
    pub standing: Standing,
    /// Named in the message's exclusions.
    pub excluded: bool,
    /// Wants no messages of this app.
    pub opted_out: bool,
    pub attempts: u32,
    /// Calls that used up a try.
    pub tries: u32,
    pub resent: bool,
    pub due_at: Option<Time>,
}

impl Row {
    /// Whether it goes into a thread of a channel and does not begin one.
    pub fn is_reply(&self) -> bool {
        self.kind == RecipientKind::Channel && self.address.contains(';')
    }

    /// Whose references and reachability these are: a thread of a channel has none of its own, they are the channel's
    /// (`docs/delivery.md`, Reachability).
    pub fn place_no(&self) -> i64 {
        if self.is_reply() { self.thread_no } else { self.key.recipient_no }
    }
}

/// A delivery whose call is about to start: `pending` to `in_flight`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    pub key: Key,
    pub reference_no: Option<i64>,
    /// When its call is to start.
    pub at: Time,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub key: Key,
    /// Must be its state still; else the change is lost and reported so.
    pub from: DeliveryState,
    pub to: DeliveryState,
    pub why: Option<Why>,
    pub attempt: Option<Attempt>,
    pub activity_id: Option<String>,
    /// When a retry is due; only with `to: Pending`.
    pub due_at: Option<Time>,
    pub tries: u32,
    pub resent: bool,
    pub at: Time,
}

/// The reason kept with a failed or skipped delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Failed(FailReason),
    Skipped(SkipReason),
}

impl Why {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed(reason) => reason.as_str(),
            Self::Skipped(reason) => reason.as_str(),
        }
    }

    /// What a delivery is then.
    pub const fn state(self) -> DeliveryState {
        match self {
            Self::Failed(_) => DeliveryState::Failed,
            Self::Skipped(_) => DeliveryState::Skipped,
        }
    }
}

/// One call made for a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub call: Operation,
    pub started_at: Time,
    pub ended_at: Time,
    pub outcome: &'static str,
    pub status: Option<u16>,
    pub code: Option<String>,
    pub text: Option<String>,
    pub correlation: Option<String>,
}

/// A conversation that a call gave us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReference {
    pub lane_no: i64,
    pub recipient_no: i64,
    pub conversation_id: String,
    pub service_url: String,
    pub origin: Origin,
    pub at: Time,
}

/// An install that is made for a message, which is the first word itself: who gets one is not welcomed
/// (`docs/delivery.md`, Installing and welcoming).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeted {
    pub lane_no: i64,
    /// What would be welcomed: the person's object id.
    pub place: String,
    pub at: Time,
    /// It came to nothing: they are welcomed when they get the app in another way.
    pub taken_back: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachChange {
    pub recipient_no: i64,
    pub state: ReachState,
    pub evidence: ReachEvidence,
    pub at: Time,
}

/// A change of a message by its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageChange {
    /// Sets the state and clears an obeyed control.
    State { message_no: i64, state: MessageState, cause: Option<String> },
    /// `completed`, if nothing is pending or in flight any more; else lost.
    Complete { message_no: i64, at: Time },
    /// Ends it: counts move from pending to `cancelled` or `expired` at once, the rows follow by
    /// [`MessageChange::Sweep`]. A cancelled message becomes `cancelled`, an expired one is completed later.
    Close { message_no: i64, to: DeliveryState, at: Time },
    /// Moves up to `limit` pending rows of a closed message, leaving the counts alone.
    Sweep { message_no: i64, to: DeliveryState, limit: i64, at: Time },
}

impl MessageChange {
    pub const fn message_no(&self) -> i64 {
        match self {
            Self::State { message_no, .. }
            | Self::Complete { message_no, .. }
            | Self::Close { message_no, .. }
            | Self::Sweep { message_no, .. } => *message_no,
        }
    }
}

/// One transaction of a committer. All its parts are applied in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    pub at: Time,
    pub intents: Vec<Intent>,
    pub changes: Vec<Change>,
    pub references: Vec<NewReference>,
    /// References that a 404 made suspect.
    pub suspects: Vec<i64>,
    pub greeted: Vec<Greeted>,
    pub reach: Vec<ReachChange>,
    pub messages: Vec<MessageChange>,
    /// (lane_no, status as JSON)
    pub lane_status: Vec<(i64, String)>,
    /// Numbers of [`Settlement`](crate::message::Settlement)s that are obeyed with this.
    pub settled: Vec<i64>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.intents.is_empty()
            && self.changes.is_empty()
            && self.references.is_empty()
            && self.suspects.is_empty()
            && self.greeted.is_empty()
            && self.reach.is_empty()
            && self.messages.is_empty()
            && self.lane_status.is_empty()
            && self.settled.is_empty()
    }

    /// Appends another batch; its parts come after ours. What it takes to tell them apart again.
    pub fn append(&mut self, mut other: Self) -> Seam {
        let seam = Seam {
            at: other.at,
            intents: other.intents.len(),
            changes: other.changes.len(),
            references: other.references.len(),
            suspects: other.suspects.len(),
            greeted: other.greeted.len(),
            reach: other.reach.len(),
            messages: other.messages.len(),
            lane_status: other.lane_status.len(),
            settled: other.settled.len(),
        };
        self.at = self.at.max(other.at);
        self.intents.append(&mut other.intents);
        self.changes.append(&mut other.changes);
        self.references.append(&mut other.references);
        self.suspects.append(&mut other.suspects);
        self.greeted.append(&mut other.greeted);
        self.reach.append(&mut other.reach);
        self.messages.append(&mut other.messages);
        self.lane_status.append(&mut other.lane_status);
        self.settled.append(&mut other.settled);
        seam
    }

    /// The first of the batches that were appended to an empty one; what is left begins with the next.
    #[must_use]
    pub fn take_first(&mut self, seam: &Seam) -> Self {
        Self {
            at: seam.at,
            intents: self.intents.drain(..seam.intents).collect(),
            changes: self.changes.drain(..seam.changes).collect(),
            references: self.references.drain(..seam.references).collect(),
            suspects: self.suspects.drain(..seam.suspects).collect(),
            greeted: self.greeted.drain(..seam.greeted).collect(),
            reach: self.reach.drain(..seam.reach).collect(),
            messages: self.messages.drain(..seam.messages).collect(),
            lane_status: self.lane_status.drain(..seam.lane_status).collect(),
            settled: self.settled.drain(..seam.settled).collect(),
        }
    }
}

/// Where a batch ends that was appended to another: its time, and how much it has of everything.
#[derive(Debug)]
pub struct Seam {
    at: Time,
    intents: usize,
    changes: usize,
    references: usize,
    suspects: usize,
    greeted: usize,
    reach: usize,
    messages: usize,
    lane_status: usize,
    settled: usize,
}

/// Channels and chats as the owner of a lane finds them: order is promised there, and Microsoft's windows bind there
/// (`docs/engine.md`, Pace).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inherited {
    /// Deliveries with a due time, soonest first: all of them, since each holds what comes after it there. A thread has
    /// one of them for each class, unless they are resends.
    pub retries: Vec<Row>,
    /// (thread, when it ended) of calls, in the order of time.
    pub calls: Vec<(i64, Time)>,
}

/// A call that was accepted, told by an owner that has lost its lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    pub key: Key,
    /// When the call started. An intent that is later than this is one of a newer attempt, which is not meant.
    pub started_at: Time,
    pub activity_id: Option<String>,
}

/// What a committed batch left out because the row was not in the state that it was thought to be in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    pub lost_intents: Vec<Key>,
    pub lost_changes: Vec<Key>,
    /// Messages whose [`MessageChange::Complete`] did not hold.
    pub not_complete: Vec<i64>,
    /// Messages whose [`MessageChange::Sweep`] moved as many rows as it was allowed: there may be more.
    pub sweep_more: Vec<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(of: i64) -> Batch {
        let key = Key { message_no: of, recipient_no: of };
        let (at, some) = (Time(100 - of), of as usize);
        let (state, to) = (MessageState::Sending, DeliveryState::Failed);
        let change = Change {
            key,
            from: DeliveryState::InFlight,
            to,
            why: None,
            attempt: None,
            activity_id: None,
            due_at: None,
            tries: 0,
            resent: false,
            at,
        };
        let reference = NewReference {
            lane_no: of,
            recipient_no: of,
            conversation_id: "a:1".to_owned(),
            service_url: String::new(),
            origin: Origin::Created,
            at,
        };
        let evidence = ReachEvidence::answer(ReachState::Blocked, Operation::Send, Some(403), None);
        Batch {
            at,
            intents: vec![Intent { key, reference_no: None, at }; some],
            changes: vec![change; 2 * some],
            references: vec![reference; some],
            suspects: vec![of; 3],
            greeted: vec![Greeted { lane_no: of, place: "x".to_owned(), at, taken_back: false }; some],
            reach: vec![ReachChange { recipient_no: of, state: ReachState::Blocked, evidence, at }],
            messages: vec![MessageChange::State { message_no: of, state, cause: None }; some],
            lane_status: vec![(of, "{}".to_owned())],
            settled: vec![of; some],
        }
    }

    #[test]
    fn what_was_appended_comes_apart_again() {
        let parts = [batch(1), Batch::default(), batch(3), batch(2)];
        let mut whole = Batch::default();
        let seams: Vec<Seam> = parts.iter().map(|part| whole.append(part.clone())).collect();
        assert_eq!((whole.at, whole.intents.len(), whole.changes.len()), (Time(99), 6, 12));
        for (part, seam) in parts.iter().zip(&seams) {
            assert_eq!(whole.take_first(seam), *part);
        }
        assert!(whole.is_empty());
    }
}
