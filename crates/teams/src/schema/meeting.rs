//! Events of meetings (protocol section 4.6).

use serde::Deserialize;
use serde_json::Value;

use super::ChannelAccount;

/// The value of `meetingStart` and `meetingEnd`. Teams writes these names with a capital.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Meeting {
    /// The id by which the meeting calls know it.
    pub id: Option<String>,
    /// Such as `Scheduled`.
    pub meeting_type: Option<String>,
    /// The link that people join with.
    pub join_url: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// ISO 8601; of `meetingStart`.
    pub start_time: Option<String>,
    /// ISO 8601; of `meetingEnd`.
    pub end_time: Option<String>,
}

/// One of those who joined or left.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Participant {
    /// Who.
    pub user: ChannelAccount,
    /// In which role, and whether they are in it now.
    pub meeting: InMeeting,
}

/// What someone is in a meeting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InMeeting {
    /// Whether they are in the meeting.
    pub in_meeting: bool,
    /// Such as `Organizer`, `Presenter`, `Attendee`.
    pub role: Option<String>,
}

/// Everything that can be read of the value; nothing of one of another shape.
pub(super) fn meeting(value: Option<&Value>) -> Meeting {
    value.and_then(|value| Meeting::deserialize(value).ok()).unwrap_or_default()
}

/// The participants that can be read.
pub(super) fn participants(value: Option<&Value>) -> Vec<Participant> {
    let members = value.and_then(|value| value["members"].as_array()).map(Vec::as_slice).unwrap_or_default();
    members.iter().filter_map(|member| Participant::deserialize(member).ok()).collect()
}
