//! Meetings (protocol section 5.7).

use serde_json::{Value, json};

use super::{get, post};
use crate::cloud::ServiceUrl;
use crate::http::{Request, encoded};

/// What is to be shown in a meeting, and to whom.
#[derive(Debug, Clone, PartialEq)]
pub struct MeetingNotification {
    /// `29:…` ids.
    pub recipients: Vec<String>,
    /// Where, and what.
    pub surfaces: Vec<Surface>,
}

/// A place in a meeting's window.
#[derive(Debug, Clone, PartialEq)]
pub enum Surface {
    /// The stage: a dialog's content, as the answer to `task/fetch` has it.
    Stage(Value),
    /// A mark at the icon of a tab; the tab's entity id.
    TabIcon(String),
}

/// `GET /v1/meetings/{m}`.
pub fn meeting(service_url: &ServiceUrl, meeting_id: &str) -> Request {
    get(service_url.join(&format!("/v1/meetings/{}", encoded(meeting_id))))
}

/// `GET /v1/meetings/{m}/participants/{p}`; `object_id` is the person's in Entra.
pub fn meeting_participant(
    service_url: &ServiceUrl,
    meeting_id: &str,
    object_id: &str,
    tenant_id: &str,
) -> Request {
    get(service_url.join(&format!(
        "/v1/meetings/{}/participants/{}?tenantId={}",
        encoded(meeting_id),
        encoded(object_id),
        encoded(tenant_id)
    )))
}

/// `POST /v1/meetings/{m}/notification`.
pub fn notify_meeting(
    service_url: &ServiceUrl,
    meeting_id: &str,
    notification: &MeetingNotification,
) -> Request {
    let surfaces: Vec<Value> = notification
        .surfaces
        .iter()
        .map(|surface| match surface {
            Surface::Stage(content) => {
                json!({ "surface": "meetingStage", "contentType": "task", "content": content })
            }
            Surface::TabIcon(tab) => json!({ "surface": "meetingTabIcon", "tabEntityId": tab }),
        })
        .collect();
    let body = json!({
        "type": "targetedMeetingNotification",
        "value": { "recipients": notification.recipients, "surfaces": surfaces },
    });
    let path = format!("/v1/meetings/{}/notification", encoded(meeting_id));
    post(service_url.join(&path), body.to_string().into())
}
