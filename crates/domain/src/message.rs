//! What is asked for: a message, its content, its audience and its policy (`docs/product.md`, HTTP).

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use crate::batch::Key;
use crate::delivery::DeliveryState;
use crate::directory::{DirectoryPerson, DirectorySource, Include, Wanted};
use crate::ids::{DeliveryId, MessageId};
use crate::install::InstallPolicy;
use crate::own_words::Purpose;
use crate::people::RecipientKind;
use crate::scope::Scope;
use crate::time::Time;
use crate::words;

words! {
    /// Priority class. Urgent goes strictly first, normal to bulk 4 : 1 (`docs/delivery.md`, Priority).
    pub enum Class {
        Urgent = "urgent",
        Normal = "normal",
        Bulk = "bulk",
    }
}

words! {
    /// What happens to a delivery of which nobody can know whether Microsoft took it.
    pub enum OnAmbiguous {
        Hold = "hold",
        Resend = "resend",
    }
}

words! {
    /// What happens to whom nobody can reach now (`docs/delivery.md`, Reachability).
    pub enum WhenUnreachable {
        /// It fails or is skipped.
        Fail = "fail",
        /// It waits until they can be reached, or the message expires.
        Wait = "wait",
    }
}

/// The cause of a message of which only deliveries are left whose recipients cannot be reached now.
pub const UNREACHABLE: &str = "recipients_unreachable";

/// When a delivery is due that waits for its recipient: whenever that one can be reached.
pub const WHENEVER: Time = Time::MAX;

words! {
    /// The stored state of a message. `Waiting` goes with a cause.
    pub enum MessageState {
        Scheduled = "scheduled",
        Expanding = "expanding",
        Waiting = "waiting",
        Sending = "sending",
        Paused = "paused",
        Completed = "completed",
        Cancelled = "cancelled",
    }
}

impl MessageState {
    /// Whether the owner has nothing more to do for it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

words! {
    /// What a caller can tell a running message to do. Kept in the message until its owner has obeyed.
    pub enum Control {
        Cancel = "cancel",
        Pause = "pause",
        Resume = "resume",
        /// Go on although the audience is larger than `max_recipients`.
        Confirm = "confirm",
    }
}

/// What is said. Either text or a card: Microsoft splits an activity with both into two posts without a usable id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    #[serde(flatten)]
    pub body: Body,
    /// The line of the toast and the activity feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// The member of a card action's data that carries the delivery's id, so that whoever presses it shows that they have
/// the card (`docs/delivery.md`, Ambiguous).
pub const DELIVERY_MEMBER: &str = "nuncio";

/// Content of an open message, with its activity serialised once for all who get it.
#[derive(Debug)]
pub struct Spoken {
    content: Content,
    /// Between each two of these belongs the id of the delivery.
    wire: OnceLock<Vec<Arc<str>>>,
}

impl Spoken {
    pub fn new(content: Content) -> Self {
        Self { content, wire: OnceLock::new() }
    }

    /// The serialised form for one delivery; `make` is asked once, for the parts between which its id belongs.
    pub fn wire(&self, key: Key, make: impl FnOnce(&Content) -> Vec<Arc<str>>) -> Arc<str> {
        match self.wire.get_or_init(|| make(&self.content)).as_slice() {
            [whole] => Arc::clone(whole),
            parts => {
                let id = DeliveryId { message_no: key.message_no, recipient_no: key.recipient_no };
                parts.join(id.to_string().as_str()).into()
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// Markdown, as far as Teams renders it (`docs/protocol.md` section 9).
    Text(String),
    /// The content of an Adaptive Card.
    Card(serde_json::Value),
}

/// One of the places that an audience is read from; a message runs through its sources one after another
/// (`docs/adr/0011`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Members of a stored list, `audience_members.list_no`.
    List(i64),
    /// Members of an uploaded list, once all its names are looked up; those may be newer than the message.
    Uploaded(i64),
    /// People with a personal reference whose state is not removed or never installed.
    Installed,
    /// People whom the directory names; they become members of this list, page by page, before it is read.
    Directory { list_no: i64, from: DirectorySource },
    /// People whom the directory names and who are not to get it: they become exclusions of the message. First of all
    /// sources, so that nobody has a delivery before all of them are known; the list has nothing but its cursor.
    Excluded { list_no: i64, from: DirectorySource },
    /// Recipients of an earlier message whose deliveries came to this.
    Retry {
        message_no: i64,
        states: Vec<DeliveryState>,
        /// Of failed and skipped ones only those with one of these reasons; none named means all.
        reasons: Vec<String>,
    },
}

/// Which deliveries of an earlier message are tried again, as a new message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    pub of: MessageId,
    /// Never [`DeliveryState::Delivered`], and nothing that is not final.
    pub states: Vec<DeliveryState>,
    /// Of failed and skipped ones only those with one of these reasons; none named means all.
    pub reasons: Vec<String>,
}

/// A recipient named by the caller.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Named {
    pub kind: RecipientKind,
    /// The Entra object id in lower case, or the conversation id. Of somebody in an uploaded list whom the directory does
    /// not know, the name (`docs/adr/0024`), which is the only one with an `@` that a person has.
    pub key: String,
}

impl Named {
    /// The channel of the thread that this names, if it is a thread (`docs/protocol.md` section 5.2).
    pub fn channel_of_thread(&self) -> Option<&str> {
        let parts = (self.kind == RecipientKind::Channel).then(|| self.key.split_once(";messageid="));
        parts.flatten().map(|(channel, _)| channel)
    }
}

/// A message as its caller asked for it, checked and ready to be stored.
#[derive(Debug, Clone)]
pub struct NewMessage {
    pub id: MessageId,
    pub lane_no: i64,
    pub class: Class,
    pub content: Content,
    pub label: Option<String>,
    /// Recipients by name, in the order given; may hold the same one twice, which is counted, not sent twice.
    pub named: Vec<Named>,
    /// Whether everyone with the app installed is meant as well.
    pub installed: bool,
    /// Numbers of uploaded lists, each once.
    pub lists: Vec<i64>,
    /// Whom the directory is to be asked for, each once.
    pub directory: Vec<DirectorySource>,
    /// What the directory said of people who are named.
    pub resolved: Vec<DirectoryPerson>,
    /// Kinds of people whom it is also for.
    pub include: Include,
    /// Those of an earlier message whom it did not reach. Such a message always tries, whatever was refused lately.
    pub retries: Option<Retries>,
    /// People (Entra ids) who are not to get it although the audience has them.
    pub exclude: Vec<String>,
    pub purpose: Purpose,
    /// Who is given the app first.
    pub install: InstallPolicy,
    /// Groups whose people are not to get it either, each once.
    pub exclude_groups: Vec<DirectorySource>,
    pub on_ambiguous: Option<OnAmbiguous>,
    pub when_unreachable: WhenUnreachable,
    /// More than this wait for [`Control::Confirm`].
    pub max_recipients: i64,
    pub send_at: Option<Time>,
    pub expires_at: Time,
    pub created_at: Time,
    pub idempotency: Option<Idempotency>,
}

/// What makes a repeated request the same request; kept for 24 h per API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    pub key: String,
    /// blake3 of the body as it came.
    pub body_hash: [u8; 32],
}

/// What came of handing a message in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    Stored,
    /// The same request was accepted before; this is the message it made.
    Repeated(MessageId),
    /// The idempotency key was used with another body.
    KeyReused,
}

/// A message that its owner still has to work on.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenMessage {
    pub message_no: i64,
    pub id: MessageId,
    pub class: Class,
    pub state: MessageState,
    pub control: Option<Control>,
    pub content: Content,
    pub purpose: Purpose,
    pub install: InstallPolicy,
    /// Its audience grows until `send_at`, and is expanded then.
    pub gathers: bool,
    pub on_ambiguous: Option<OnAmbiguous>,
    pub when_unreachable: WhenUnreachable,
    /// Why it waits.
    pub cause: Option<String>,
    pub audience_final: bool,
    pub include: Include,
    pub send_at: Option<Time>,
    pub expires_at: Time,
    pub created_at: Time,
    /// It tries again what an earlier message came to, and so always tries.
    pub retries: bool,
}

/// What the owner of a lane finds when it looks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Opened {
    pub messages: Vec<OpenMessage>,
    /// An operator holds the whole lane.
    pub paused: bool,
    /// When an operator last let the lane go on: cool-downs and rests that began before are over.
    pub resumed_at: Option<Time>,
    /// Words about ambiguous deliveries, oldest first, that were not obeyed yet.
    pub settlements: Vec<Settlement>,
    /// Uploaded lists with names that were not looked up yet.
    pub names_of: Vec<i64>,
    /// Somebody for whom a delivery waits can be reached now.
    pub reached: bool,
    /// Newest service URL seen in the tenant: first contacts of what was found go there.
    pub service_url: Option<String>,
}

/// What one chunk of expansion did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expanded {
    pub added: i64,
    pub duplicates: i64,
    /// No source has anything left.
    pub done: bool,
    /// Done, but with more recipients than `max_recipients`: the message waits for a confirmation.
    pub confirm: bool,
    /// It goes on when this page of the directory is there.
    pub wants: Option<Wanted>,
    /// It goes on when the names of this uploaded list are looked up.
    pub names_of: Option<i64>,
}

/// Who asked for what, for [`crate::ports::Ledger::control`].
#[derive(Debug, Clone)]
pub struct ControlRequest<'a> {
    pub scope: &'a Scope,
    pub id: MessageId,
    pub control: Control,
}

/// What came of a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controlled {
    /// Stored; the owner of this lane is to be woken.
    Taken {
        lane_no: i64,
    },
    /// The message is past it (completed, cancelled, or not in a state in which this means anything).
    TooLate {
        state: MessageState,
    },
    NotFound,
}

words! {
    /// What an ambiguous delivery is settled as (`docs/delivery.md`, Ambiguous).
    pub enum Verdict {
        /// It arrived.
        Delivered = "delivered",
        /// It is sent once more, as a new attempt of the same delivery.
        Resend = "resend",
    }
}

impl Verdict {
    /// What a delivery that is still ambiguous becomes.
    pub const fn becomes(self) -> DeliveryState {
        match self {
            Self::Delivered => DeliveryState::Delivered,
            Self::Resend => DeliveryState::Pending,
        }
    }
}

/// Whose ambiguous deliveries a person settles, for [`crate::ports::Ledger::settle`].
#[derive(Debug, Clone)]
pub struct SettleRequest<'a> {
    pub scope: &'a Scope,
    pub id: MessageId,
    pub verdict: Verdict,
    /// Recipient numbers; `None` for all that are ambiguous.
    pub recipients: Option<Vec<i64>>,
}

/// What came of a request to settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Left for the owner of this lane, which is to be woken: so many deliveries are ambiguous and named.
    Taken {
        lane_no: i64,
        settled: i64,
    },
    /// Nothing can be sent of a message that was cancelled or has expired.
    TooLate {
        state: MessageState,
    },
    NotFound,
}

/// A word about one ambiguous delivery, said by a person or by evidence, left for its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    pub settlement_no: i64,
    pub key: Key,
    pub verdict: Verdict,
    /// The post, where the evidence names it.
    pub activity_id: Option<String>,
    pub tries: u32,
}

words! {
    /// What an operator tells a whole lane.
    pub enum LaneControl {
        /// Nothing new starts.
        Pause = "pause",
        /// It goes on, also out of a cool-down.
        Resume = "resume",
    }
}
