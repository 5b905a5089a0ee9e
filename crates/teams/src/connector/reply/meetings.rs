//! Meetings (protocol section 5.7).

use serde::Deserialize;
use serde_json::Value;

use crate::schema::{ChannelAccount, ConversationAccount, InMeeting};

/// A meeting.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct MeetingInfo {
    /// When, where and what.
    pub details: MeetingDetails,
    /// Its chat.
    pub conversation: ConversationAccount,
    /// Who called it.
    pub organizer: ChannelAccount,
}

/// When, where and what a meeting is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MeetingDetails {
    /// Its id.
    pub id: Option<String>,
    /// Its id in Graph.
    pub ms_graph_resource_id: Option<String>,
    /// ISO 8601.
    pub scheduled_start_time: Option<String>,
    /// ISO 8601.
    pub scheduled_end_time: Option<String>,
    /// The link that people join with.
    pub join_url: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Such as `Scheduled`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// Someone in a meeting.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct MeetingParticipant {
    /// Who.
    pub user: ChannelAccount,
    /// In which role, and whether they are in it now.
    pub meeting: InMeeting,
    /// The meeting's chat.
    pub conversation: ConversationAccount,
}

/// Someone whom a notification did not reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Unnotified {
    /// Their `29:…` id.
    pub recipient_mri: Option<String>,
    /// Microsoft's code.
    pub error_code: Option<String>,
    /// Why, in words.
    pub failure_reason: Option<String>,
}

/// Whom a notification did not reach, from the body of 207; 202 has none.
pub(crate) fn unnotified(body: &Value) -> Vec<Unnotified> {
    let all = body["recipientsFailureInfo"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(|one| Unnotified::deserialize(one).ok()).collect()
}
