//! Conversations and teams.

use serde::{Deserialize, Serialize};

use crate::people::{Evidence, Past};

/// A conversation that an app knows: with one person, of a group or meeting, or a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// The conversation id, as Teams has it.
    pub id: String,
    /// `personal`, `group_chat`, `meeting_chat` or `channel`.
    pub kind: String,
    /// The app that knows it.
    pub app: String,
    /// Its tenant.
    pub tenant: String,
    /// The name of the person, chat or channel, where it is known.
    pub name: Option<String>,
    /// Entra object id of the person, in a personal one.
    pub person: Option<String>,
    /// The team of a channel.
    pub team: Option<TeamName>,
    /// `standard`, `private` or `shared`, of a channel of which it is known.
    pub channel_kind: Option<String>,
    /// Where Microsoft takes messages for it; `null` if none is known.
    pub service_url: Option<String>,
    /// Whether the app is there; `null` where nothing tells.
    pub installed: Option<bool>,
    /// Whether it can be posted to: `reachable`, `removed`, `chat_gone`, … (`docs/delivery.md`, Reachability).
    pub state: String,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// How that is known.
    pub evidence: Option<Evidence>,
    /// How the conversation is known: `inbound` from an activity, `created` by us, `graph`.
    pub known_from: String,
    /// When it was last heard of, RFC 3339.
    pub seen_at: String,
    /// Since when Microsoft says that it does not exist; `null` if it does not say so.
    pub suspect_since: Option<String>,
}

/// A conversation with what was known of it before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationWithHistory {
    /// The conversation.
    #[serde(flatten)]
    pub conversation: Conversation,
    /// Of the person, channel or chat; newest first, a thousand entries at most.
    pub history: Vec<Past>,
}

/// A team by id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamName {
    /// The conversation id of its General channel.
    pub id: String,
    /// Its name, where it is known.
    pub name: Option<String>,
}

/// A team that an app is or was in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// The conversation id of its General channel.
    pub id: String,
    /// The app that knows it.
    pub app: String,
    /// Its tenant.
    pub tenant: String,
    /// Its name, where it is known.
    pub name: Option<String>,
    /// The id of its group in Entra, by which Graph knows it.
    pub group_id: Option<String>,
    /// `active`, `archived`, `deleted`, or `removed` when the app was taken out of it.
    pub state: String,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// How it is known.
    pub evidence: Option<String>,
    /// When the app came into it, RFC 3339; `null` if that was not seen.
    pub installed_at: Option<String>,
    /// Who installed it, if that was told.
    pub installed_by: Option<PersonName>,
    /// The channel that was picked at installation.
    pub picked_channel: Option<String>,
    /// Where Microsoft takes messages for it; `null` if none is known.
    pub service_url: Option<String>,
    /// When it was last heard of, RFC 3339.
    pub seen_at: String,
    /// Its channels, as far as they were heard of; General first.
    pub channels: Vec<TeamChannel>,
}

/// A person by id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonName {
    /// The Entra object id.
    pub id: String,
    /// Their name, where it is known.
    pub name: Option<String>,
}

/// A channel of a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamChannel {
    /// Its conversation id.
    pub id: String,
    /// Its name, where it is known. Teams names General nowhere; it is `General` here.
    pub name: Option<String>,
    /// `standard`, `private` or `shared`, where it is known.
    pub kind: Option<String>,
    /// Whether it can be posted to.
    pub state: String,
    /// Since when, RFC 3339.
    pub since: Option<String>,
}
