//! Recipients, and whether they can be reached.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What can be said of people who muted the chat: Teams delivers to them and tells nobody.
pub const MUTED: &str = "not detectable";

/// The columns of `reachability.csv`, in their order.
pub const REACHABILITY_COLUMNS: [&str; 17] = [
    "id",
    "kind",
    "upn",
    "name",
    "app",
    "tenant",
    "state",
    "since",
    "how",
    "status",
    "code",
    "text",
    "heard_at",
    "seen",
    "contradicted_at",
    "opted_out_since",
    "has_reference",
];

/// A person, channel or chat that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The Entra object id, or the conversation id of a channel or chat.
    pub id: String,
    /// `person`, `channel` or `chat`.
    pub kind: String,
    /// The app that they are known to.
    pub app: String,
    /// Their tenant.
    pub tenant: String,
    /// Their name, where it is known.
    pub name: Option<String>,
    /// Their user principal name, where it is known.
    pub upn: Option<String>,
    /// `unknown`, `reachable`, `blocked`, `removed`, … (`docs/delivery.md`, Reachability).
    pub state: String,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// How it is known.
    pub evidence: Option<Evidence>,
    /// What is newer and contradicts it, without changing it: a call that was taken after a removal.
    #[serde(default)]
    pub contradicted_by: Option<Evidence>,
    /// What was seen of them, where the directory's word is newer and counts.
    #[serde(default)]
    pub seen: Option<Seen>,
    /// What the directory last said of them; `null` if it was never asked.
    #[serde(default)]
    pub directory: Option<Standing>,
    /// Since when they want no messages of this app, RFC 3339; `null` if they did not say so.
    pub opted_out_since: Option<String>,
    /// Whether a conversation is known: a personal one, or the channel or chat itself.
    pub has_reference: bool,
}

/// How something is known of a recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// `event` (an activity of Teams), `refusal` or `call` (what the Connector answered), `graph` (Microsoft Graph),
    /// `person` (a word of theirs).
    pub how: String,
    /// Microsoft's code, where it was an answer.
    pub code: Option<String>,
    /// What Microsoft answered, where it was an answer.
    pub status: Option<u16>,
    /// The same in words.
    pub text: String,
    /// When it was last heard, RFC 3339.
    pub at: String,
}

/// What was seen of a recipient, by events and calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The state that it amounts to.
    pub state: String,
    /// How it is known.
    pub evidence: Option<Evidence>,
}

/// What the directory says of a person. What it does not tell is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// A guest of the tenant.
    pub guest: Option<bool>,
    /// A member whose account belongs to another tenant.
    pub external: Option<bool>,
    /// Whether they can sign in.
    pub enabled: Option<bool>,
    /// Whether they have a plan with Teams.
    pub licensed: Option<bool>,
    /// When it said so, RFC 3339.
    pub at: String,
}

/// A recipient with what was known of them before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonWithHistory {
    /// The recipient.
    #[serde(flatten)]
    pub person: Person,
    /// Newest first, a thousand entries at most.
    pub history: Vec<Past>,
    /// Always [`MUTED`]: nobody can tell whether they muted the chat.
    pub muted: String,
}

/// One entry of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// The state that it amounts to.
    pub state: String,
    /// How it was known, and when.
    pub evidence: Evidence,
    /// It stands beside what was known and did not change it.
    pub contradicts: bool,
    /// Of what came later than something newer, and so changed nothing: when it was sent, by Microsoft's clock, RFC 3339.
    #[serde(default)]
    pub sent_at: Option<String>,
}

/// A recipient who came into another state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The Entra object id, or the conversation id of a channel or chat.
    pub id: String,
    /// `person`, `channel` or `chat`.
    pub kind: String,
    /// The app that they are known to.
    pub app: String,
    /// Their tenant.
    pub tenant: String,
    /// Their name, where it is known.
    pub name: Option<String>,
    /// Their user principal name, where it is known.
    pub upn: Option<String>,
    /// The state before; `null` if nothing was known.
    pub was: Option<String>,
    /// The state that they came into.
    pub state: String,
    /// How it is known, and when.
    pub evidence: Evidence,
}

/// Changes in the order in which they were stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The changes.
    pub items: Vec<Change>,
    /// Given as `cursor`, with the same filter, it leads on; `null` where there is nothing more yet.
    pub next: Option<String>,
    /// The cursor to ask with later for what has come by then.
    pub resume: String,
}

/// How many people are in each state of reachability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reachability {
    /// People known.
    pub total: i64,
    /// By state; their sum is `total`.
    pub states: BTreeMap<String, i64>,
    /// Of each state by how it is known: `event`, `refusal`, `graph`, `person`, `call`. Of `unknown` nothing is.
    #[serde(default)]
    pub how: BTreeMap<String, BTreeMap<String, i64>>,
    /// Always [`MUTED`]: nobody can count them.
    pub muted: String,
}
