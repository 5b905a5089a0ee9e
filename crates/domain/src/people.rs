//! Recipients, how to reach them, and what is known of whether they can be reached
//! (`docs/delivery.md`, Reachability).

use crate::batch::Key;
use crate::directory::Standing;
use crate::own_words::Say;
use crate::places::{SeenPlace, SeenTeam};
use crate::reach::{How, Known, ReachEvidence};
use crate::scope::Scope;
use crate::time::Time;
use crate::words;

words! {
    pub enum RecipientKind {
        Person = "person",
        Channel = "channel",
        Chat = "chat",
        /// A team as a whole, by the object id of its group in Entra: where the app is installed, never who is spoken to.
        Team = "team",
    }
}

words! {
    pub enum ReachState {
        Unknown = "unknown",
        Reachable = "reachable",
        Blocked = "blocked",
        Removed = "removed",
        BlockedOrRemoved = "blocked_or_removed",
        NeverInstalled = "never_installed",
        AdminDisabled = "admin_disabled",
        PolicyBlocked = "policy_blocked",
        Unlicensed = "unlicensed",
        AccountDisabled = "account_disabled",
        Deleted = "deleted",
        ChatGone = "chat_gone",
        External = "external",
    }
}

impl ReachState {
    /// Whether a young refusal of this kind spares us the call (`skipped: unreachable`).
    pub const fn is_refusal(self) -> bool {
        !matches!(self, Self::Unknown | Self::Reachable | Self::ChatGone)
    }

    /// Whether the app is there, as far as this state tells.
    pub const fn installed(self) -> Option<bool> {
        match self {
            Self::Reachable | Self::Blocked => Some(true),
            Self::Removed | Self::NeverInstalled => Some(false),
            _ => None,
        }
    }
}

words! {
    /// How a conversation reference came to us; the order is the order of trust when choosing one.
    pub enum Origin {
        /// From an activity that Teams sent.
        Inbound = "inbound",
        /// From a conversation that we created.
        Created = "created",
        /// Graph's chat id.
        Graph = "graph",
    }
}

/// Where to speak to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub reference_no: i64,
    pub conversation_id: String,
    pub service_url: String,
    pub suspect: bool,
}

/// One app in one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub lane_no: i64,
    /// The name of the app in the configuration.
    pub app: String,
    pub tenant: String,
    /// Newest service URL seen in this tenant.
    pub service_url: Option<String>,
}

/// One lane as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneView {
    pub lane: Lane,
    /// Since when an operator holds it.
    pub paused_at: Option<Time>,
    /// Messages that are not final.
    pub open_messages: i64,
    /// Its owner's words of it, JSON: pace, cause, cool-downs.
    pub status: Option<String>,
}

/// Somebody who wants no messages of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOut {
    pub recipient_no: i64,
    pub app: String,
    pub tenant: String,
    /// Entra object id.
    pub person: String,
    pub name: Option<String>,
    pub upn: Option<String>,
    pub since: Time,
    /// How it is known: their own word, or that of whoever noted it.
    pub how: String,
}

/// What an activity shows of a post of ours that may be ambiguous (`docs/delivery.md`, Ambiguous).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// A button of ours was pressed that carries this delivery's id; the person is the one of the activity.
    Pressed(Key),
    /// An activity id that they answered to or have read: its milliseconds tell when it was posted.
    Names { conversation_id: String, activity_id: String },
}

/// What an activity told us, to be stored in one transaction before it is answered.
#[derive(Debug, Clone, Default)]
pub struct Learned {
    pub app: String,
    pub tenant: String,
    pub service_url: String,
    pub at: Time,
    /// (conversation id, activity id): the same pair again is dropped (Teams sends again after 15 s).
    pub event: (String, String),
    /// What it was, in a word, for the event row: `install`, `remove`, `message`, …
    pub what: String,
    /// The people that it is from or about.
    pub people: Vec<SeenPerson>,
    /// Channels and chats named by it.
    pub places: Vec<SeenPlace>,
    pub team: Option<SeenTeam>,
    /// More of it, for the event row.
    pub detail: Option<serde_json::Value>,
    /// What it may make us say.
    pub say: Option<Say>,
    /// What it shows of posts of ours; where that settles an ambiguous delivery, its owner is left word.
    pub evidence: Vec<Evidence>,
    /// Where the app was taken away: a person's object id or a team's id, as in
    /// [`Welcome::place`](crate::own_words::Welcome).
    pub left: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub struct SeenPerson {
    /// Entra object id, lower case.
    pub object_id: String,
    /// `29:…`, valid for this bot only.
    pub mri: Option<String>,
    pub name: Option<String>,
    pub upn: Option<String>,
    /// The personal conversation, if the activity was in one.
    pub conversation_id: Option<String>,
    /// What the activity says of their reachability, with the evidence.
    pub reach: Option<(ReachState, ReachEvidence)>,
    /// When the activity was sent, by Microsoft's clock; `None` where it does not say.
    pub sent_at: Option<Time>,
}

/// Whether an activity was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LearnedDone {
    New {
        lane_no: i64,
        /// Something is to be said or settled because of it: the owner of the lane is to be woken.
        said: bool,
    },
    Duplicate,
}

/// One person, channel or chat as the API shows them. What counts of them is [`Person::state`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub recipient_no: i64,
    pub app: String,
    pub tenant: String,
    pub kind: RecipientKind,
    pub key: String,
    pub name: Option<String>,
    pub upn: Option<String>,
    /// What was seen of them: by events, and by what calls came to.
    pub reach: ReachState,
    /// When that was last heard.
    pub reach_at: Option<Time>,
    pub evidence: Option<ReachEvidence>,
    /// What the directory says of them.
    pub standing: Standing,
    /// Since when they are in the state that counts.
    pub since: Option<Time>,
    /// What contradicts it and is newer: a call that was taken after a removal.
    pub contradicted_by: Option<Known>,
    /// Since when they want no messages of this app.
    pub opted_out_at: Option<Time>,
    /// Whether a conversation is known: a personal one, or the channel or chat itself.
    pub has_reference: bool,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct PeopleFilter {
    pub kind: Option<RecipientKind>,
    /// The state that counts.
    pub reach: Option<ReachState>,
    pub how: Option<How>,
    /// In their state since then or later.
    pub since: Option<Time>,
    /// The number of a message whose audience they are in.
    pub message_no: Option<i64>,
    pub app: Option<String>,
    pub tenant: Option<String>,
}

impl PeopleFilter {
    /// Whether there may be somebody whom it leaves out, of all or of a message's audience.
    pub const fn chooses(&self, scope: &Scope) -> bool {
        self.kind.is_some()
            || self.reach.is_some()
            || self.how.is_some()
            || self.since.is_some()
            || self.app.is_some()
            || self.tenant.is_some()
            || scope.app.is_some()
    }
}
