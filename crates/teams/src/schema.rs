//! Activities, as Teams sends them (protocol section 4) and as a bot sends them (sections 5.1 to 5.3).
//!
//! Every known field is optional, as on the wire; what is not known is kept in `extra` and written back. A field that is
//! `null` is read as absent.

mod answer;
mod content;
mod ids;
mod invoke;
mod kind;
mod meeting;
mod mention;
mod message;
mod team_event;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use answer::{InvokeAnswer, TaskSize};
pub use content::{ContentError, MessageContent, OutboundActivity};
pub use ids::{bot_channel_id, thread_of};
pub use invoke::{CardAction, Feedback, FileConsent, Invoke, Task};
pub use kind::{ActivityKind, ConversationKind, ConversationUpdate, InstallationAction, Reactions};
pub use meeting::{InMeeting, Meeting, Participant};
pub use mention::Mention;
pub use team_event::{MembershipSource, TeamEvent};

/// One event: a message, a change of members, an installation … (protocol section 4.0).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Activity {
    /// `message`, `conversationUpdate`, `installationUpdate`, `invoke` …
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub activity_type: Option<String>,
    /// Messages: epoch milliseconds as text; events: `f:` and something unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// ISO 8601, by Microsoft's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// By the person's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_timestamp: Option<String>,
    /// IANA name of the person's time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_timezone: Option<String>,
    /// `msteams`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<String>,
    /// Where to answer; unchecked here (see [`crate::cloud::Endpoints::check_service_url`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_url: Option<String>,
    /// Who caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<ChannelAccount>,
    /// Where it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationAccount>,
    /// The bot, `28:` and its app id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<ChannelAccount>,
    /// Such as `en-GB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Of an installation update: `add`, `remove`, `add-upgrade`, `remove-upgrade`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Of an invoke or event: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The data of an invoke, event or card submit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `plain`, `markdown`, `xml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_format: Option<String>,
    /// The line of the toast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The message that this answers, or whose card was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to_id: Option<String>,
    /// Who came; may include the bot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members_added: Option<Vec<ChannelAccount>>,
    /// Who left; may include the bot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members_removed: Option<Vec<ChannelAccount>>,
    /// Cards, files, the HTML form of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Vec<Attachment>>,
    /// Client information, mentions …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entities: Option<Vec<Entity>>,
    /// What Teams adds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_data: Option<ChannelData>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A person or bot, as one bot sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChannelAccount {
    /// `29:…` for people (encrypted per bot, of no use to another one), `28:…` for bots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The Entra object id. See [`ChannelAccount::object_id`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aad_object_id: Option<String>,
    /// Everything else. The roster adds `objectId`, `userPrincipalName`, `email`, `tenantId`, `userRole` … here.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ChannelAccount {
    /// The Entra object id: `aadObjectId` or, as the roster sometimes writes it, `objectId` (protocol section 5.5).
    pub fn object_id(&self) -> Option<&str> {
        self.aad_object_id.as_deref().or_else(|| self.extra_str("objectId"))
    }

    /// The user principal name, in a roster's answer.
    pub fn user_principal_name(&self) -> Option<&str> {
        self.extra_str("userPrincipalName")
    }

    /// Another text field of this account.
    pub fn extra_str(&self, name: &str) -> Option<&str> {
        self.extra.get(name).and_then(Value::as_str)
    }
}

/// A conversation, as an activity names it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConversationAccount {
    /// Its id; in a channel with `;messageid=` of the thread (see [`thread_of`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A channel's or chat's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `personal`, `groupChat`, `channel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_type: Option<String>,
    /// True for group chats and channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_group: Option<bool>,
    /// The tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What Teams adds to an activity.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChannelData {
    /// The most reliable place of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<IdInfo>,
    /// The team; its id is that of the General channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<TeamInfo>,
    /// The channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelInfo>,
    /// What happened, compared without regard to case (protocol section 4.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// The channel that was picked at installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
    /// The Teams app, in 1:1 conversations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<AppInfo>,
    /// Where it came from, such as `message`, `compose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceInfo>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Something that has an id: a tenant, a selected channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IdInfo {
    /// The id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A team.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TeamInfo {
    /// `19:…`, the General channel's id too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The group in Entra, by which Graph knows the team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aad_group_id: Option<String>,
    /// The team's tenant, in shared channels possibly another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChannelInfo {
    /// `19:…@thread.tacv2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name; General has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `standard`, `shared`, `private`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub channel_type: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Settings of an installation into a team.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// The channel that was picked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_channel: Option<IdInfo>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The Teams app that an activity belongs to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppInfo {
    /// Its id in the catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Where an activity came from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceInfo {
    /// Such as `message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A card, a file, the HTML form of a text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Attachment {
    /// Such as `application/vnd.microsoft.card.adaptive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The card, or text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Value>,
    /// Where a file is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_url: Option<String>,
    /// A file's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `clientInfo`, `mention` and others; only the type is common to all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entity {
    /// Which.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub entity_type: Option<String>,
    /// Its fields.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
