//! Where an app speaks: conversations and teams, as activities tell of them and as the API shows them
//! (`docs/protocol.md` section 4).

use crate::people::{Origin, ReachState};
use crate::reach::ReachEvidence;
use crate::time::Time;
use crate::words;

words! {
    /// What kind of conversation it is.
    pub enum PlaceKind {
        Personal = "personal",
        GroupChat = "group_chat",
        Channel = "channel",
        MeetingChat = "meeting_chat",
    }
}

words! {
    /// Who a channel is open to.
    pub enum ChannelKind {
        Standard = "standard",
        Private = "private",
        Shared = "shared",
    }
}

words! {
    /// What has become of a team. `Removed`: the app was taken out of it.
    pub enum TeamState {
        Active = "active",
        Archived = "archived",
        Deleted = "deleted",
        Removed = "removed",
    }
}

/// A channel or chat that an activity names.
#[derive(Debug, Clone)]
pub struct SeenPlace {
    pub kind: PlaceKind,
    /// Base conversation id, without `;messageid=`.
    pub conversation_id: String,
    pub name: Option<String>,
    /// The team of a channel.
    pub team_id: Option<String>,
    pub channel_kind: Option<ChannelKind>,
    pub reach: Option<(ReachState, ReachEvidence)>,
}

/// The team that an activity names.
#[derive(Debug, Clone, Default)]
pub struct SeenTeam {
    /// The conversation id of its General channel.
    pub team_id: String,
    pub name: Option<String>,
    /// By which Graph knows it.
    pub group_id: Option<String>,
    /// What the activity says became of it, with the evidence in words.
    pub change: Option<(TeamState, String)>,
    /// The app came into it.
    pub install: Option<TeamInstall>,
}

#[derive(Debug, Clone, Default)]
pub struct TeamInstall {
    /// Entra object id of who did it, if they are known.
    pub by: Option<String>,
    /// The channel that they picked.
    pub channel: Option<String>,
}

/// One conversation as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    pub reference_no: i64,
    pub recipient_no: i64,
    pub app: String,
    pub tenant: String,
    pub kind: PlaceKind,
    pub conversation_id: String,
    /// Of the person, channel or chat.
    pub name: Option<String>,
    /// Entra object id, of a personal one.
    pub person: Option<String>,
    pub team_id: Option<String>,
    pub team_name: Option<String>,
    pub channel_kind: Option<ChannelKind>,
    pub service_url: String,
    pub origin: Origin,
    pub seen_at: Time,
    /// Since Microsoft answered that it does not exist.
    pub suspect_at: Option<Time>,
    pub reach: ReachState,
    pub reach_at: Option<Time>,
    pub evidence: Option<ReachEvidence>,
}

/// One team as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    pub team_no: i64,
    pub lane_no: i64,
    pub app: String,
    pub tenant: String,
    pub team_id: String,
    pub name: Option<String>,
    pub group_id: Option<String>,
    pub state: TeamState,
    pub state_at: Option<Time>,
    pub evidence: Option<String>,
    pub installed_at: Option<Time>,
    /// Entra object id and name.
    pub installed_by: Option<(String, Option<String>)>,
    pub picked_channel: Option<String>,
    pub service_url: String,
    pub seen_at: Time,
    pub channels: Vec<Channel>,
}

/// A channel of a team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    pub conversation_id: String,
    pub name: Option<String>,
    pub kind: Option<ChannelKind>,
    pub reach: ReachState,
    pub reach_at: Option<Time>,
}

/// Which conversations.
#[derive(Debug, Clone, Default)]
pub struct ConversationFilter {
    pub kind: Option<PlaceKind>,
    pub reach: Option<ReachState>,
    pub app: Option<String>,
    pub tenant: Option<String>,
}

/// Which teams.
#[derive(Debug, Clone, Default)]
pub struct TeamFilter {
    pub state: Option<TeamState>,
    pub app: Option<String>,
    pub tenant: Option<String>,
}
