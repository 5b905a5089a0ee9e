//! Teams, channels and their members.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::or_default;

/// A team.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Team {
    /// The id of its group in Entra.
    pub id: Option<String>,
    /// Its name.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// `19:…`, as the Connector calls it.
    pub internal_id: Option<String>,
    /// Whether nobody can write in it.
    pub is_archived: Option<bool>,
    /// `public`, `private`, `hiddenMembership`.
    pub visibility: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A channel.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Channel {
    /// `19:…`
    pub id: Option<String>,
    /// Its name.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// `standard`, `private`, `shared`.
    pub membership_type: Option<String>,
    /// Whether nobody can write in it.
    pub is_archived: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A member of a team, channel or chat.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConversationMember {
    /// Of the membership, not of the person; opaque.
    pub id: Option<String>,
    /// The person's object id.
    pub user_id: Option<String>,
    /// Their tenant, which in shared channels may be another one.
    pub tenant_id: Option<String>,
    /// Their name.
    pub display_name: Option<String>,
    /// Their mail address.
    pub email: Option<String>,
    /// `owner`, `guest`; none for a plain member.
    #[serde(deserialize_with = "or_default")]
    pub roles: Vec<String>,
    /// Such as `#microsoft.graph.aadUserConversationMember`.
    #[serde(rename = "@odata.type")]
    pub odata_type: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
