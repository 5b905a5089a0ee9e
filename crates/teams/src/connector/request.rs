//! The Connector's requests as pure functions: what would be sent, without sending it. Ids are encoded once, here.

mod batch;
mod meetings;
mod rosters;

use ::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::cloud::ServiceUrl;
use crate::http::{ContentType, Request, encoded};
use crate::schema::{OutboundActivity, bot_channel_id, thread_of};

pub use batch::{BatchAudience, batch_cancel, batch_failed_entries, batch_send, batch_state};
pub use meetings::{MeetingNotification, Surface, meeting, meeting_participant, notify_meeting};
pub use rosters::{activity_members, member, members, paged_members, team, team_channels};

/// Whom to open a 1:1 conversation with (protocol section 5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatePersonal {
    /// The app id, with or without `28:`.
    pub bot_id: String,
    /// The bot's name, where it is known.
    pub bot_name: Option<String>,
    /// The person: a `29:…` id, or a bare Entra object id.
    pub member_id: String,
    /// The person's tenant.
    pub tenant_id: String,
}

/// Where to start a new thread, and with which message (protocol section 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateThread {
    /// The app id, with or without `28:`.
    pub bot_id: String,
    /// The channel; the team's id means its General channel.
    pub channel_id: String,
    /// The team, where it is known.
    pub team_id: Option<String>,
    /// The tenant.
    pub tenant_id: String,
    /// The first message.
    pub activity: OutboundActivity,
}

/// `POST /v3/conversations` for a person.
pub fn create_personal(service_url: &ServiceUrl, create: &CreatePersonal) -> Request {
    let mut bot = json!({ "id": bot_channel_id(&create.bot_id) });
    if let Some(name) = &create.bot_name {
        bot["name"] = name.as_str().into();
    }
    let body = json!({
        "isGroup": false,
        "bot": bot,
        "members": [{ "id": create.member_id }],
        "tenantId": create.tenant_id,
        "channelData": { "tenant": { "id": create.tenant_id } },
    });
    post(service_url.join("/v3/conversations"), body.to_string().into())
}

/// `POST /v3/conversations` for a channel.
pub fn create_thread(service_url: &ServiceUrl, create: &CreateThread) -> Request {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        is_group: bool,
        bot: Value,
        tenant_id: &'a str,
        channel_data: Value,
        activity: &'a RawValue,
    }

    let mut channel_data = json!({
        "channel": { "id": thread_of(&create.channel_id) },
        "tenant": { "id": create.tenant_id },
    });
    if let Some(team_id) = &create.team_id {
        channel_data["team"] = json!({ "id": team_id });
    }
    // The message was serialised already; it is put in as it is.
    let activity: Box<RawValue> = serde_json::from_slice(&create.activity.to_bytes())
        .expect("an outbound activity is JSON by construction");
    let body = serde_json::to_vec(&Body {
        is_group: true,
        bot: json!({ "id": bot_channel_id(&create.bot_id) }),
        tenant_id: &create.tenant_id,
        channel_data,
        activity: &activity,
    })
    .expect("strings and JSON values always serialise");
    post(service_url.join("/v3/conversations"), body.into())
}

/// `POST /v3/conversations/{c}/activities`.
pub fn send(service_url: &ServiceUrl, conversation_id: &str, activity: Bytes) -> Request {
    let path = format!("/v3/conversations/{}/activities", encoded(conversation_id));
    post(service_url.join(&path), activity)
}

/// `POST /v3/conversations/{c}/activities/{a}`: an answer to that message.
pub fn reply(service_url: &ServiceUrl, conversation_id: &str, activity_id: &str, activity: Bytes) -> Request {
    post(service_url.join(&of_activity(conversation_id, activity_id)), activity)
}

/// `PUT /v3/conversations/{c}/activities/{a}`: the whole message anew.
pub fn update(
    service_url: &ServiceUrl,
    conversation_id: &str,
    activity_id: &str,
    activity: Bytes,
) -> Request {
    let url = service_url.join(&of_activity(conversation_id, activity_id));
    Request::new(Method::PUT, url).with_body(ContentType::Json, activity)
}

/// `DELETE /v3/conversations/{c}/activities/{a}`.
pub fn delete(service_url: &ServiceUrl, conversation_id: &str, activity_id: &str) -> Request {
    Request::new(Method::DELETE, service_url.join(&of_activity(conversation_id, activity_id)))
}

/// `PUT` or `DELETE /v3/conversations/{c}/activities/{a}/reactions/{type}`: the bot's own reaction is `there` or not.
pub fn reaction(
    service_url: &ServiceUrl,
    conversation_id: &str,
    activity_id: &str,
    reaction: &str,
    there: bool,
) -> Request {
    let path = format!("{}/reactions/{}", of_activity(conversation_id, activity_id), encoded(reaction));
    Request::new(if there { Method::PUT } else { Method::DELETE }, service_url.join(&path))
}

/// A send, update or delete of a message that one member alone sees (protocol section 5.4). To send one, the activity
/// names the member ([`OutboundActivity::to_member`]); to update or delete it, it must not.
#[must_use]
pub fn targeted(mut request: Request) -> Request {
    request.url.push_str("?isTargetedActivity=true");
    request
}

/// A file to be shown in a conversation (protocol section 5.6). Whether Teams serves these is not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload<'a> {
    /// Such as `image/png`.
    pub content_type: &'a str,
    /// The file's name.
    pub name: &'a str,
    /// What is in it.
    pub content: &'a [u8],
    /// A smaller picture of it.
    pub thumbnail: Option<&'a [u8]>,
}

/// `POST /v3/conversations/{c}/attachments`.
pub fn upload(service_url: &ServiceUrl, conversation_id: &str, upload: &Upload<'_>) -> Request {
    let mut body = json!({
        "type": upload.content_type, "name": upload.name, "originalBase64": STANDARD.encode(upload.content),
    });
    if let Some(thumbnail) = upload.thumbnail {
        body["thumbnailBase64"] = STANDARD.encode(thumbnail).into();
    }
    let path = format!("/v3/conversations/{}/attachments", encoded(conversation_id));
    post(service_url.join(&path), body.to_string().into())
}

/// `GET /v3/attachments/{id}`: its name, type and views.
pub fn attachment(service_url: &ServiceUrl, attachment_id: &str) -> Request {
    get(service_url.join(&format!("/v3/attachments/{}", encoded(attachment_id))))
}

/// `GET /v3/attachments/{id}/views/{view}`: what is in one of its views, such as `original`.
pub fn attachment_view(service_url: &ServiceUrl, attachment_id: &str, view_id: &str) -> Request {
    let path = format!("/v3/attachments/{}/views/{}", encoded(attachment_id), encoded(view_id));
    get(service_url.join(&path))
}

fn of_activity(conversation_id: &str, activity_id: &str) -> String {
    format!("/v3/conversations/{}/activities/{}", encoded(conversation_id), encoded(activity_id))
}

fn post(url: String, body: Bytes) -> Request {
    Request::new(Method::POST, url).with_body(ContentType::Json, body)
}

fn get(url: String) -> Request {
    Request::new(Method::GET, url)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cloud::{Cloud, Endpoints};
    use crate::schema::MessageContent;

    fn service_url() -> ServiceUrl {
        Endpoints::of(Cloud::Public).check_service_url("https://smba.trafficmanager.net/emea/").unwrap()
    }

    fn body(request: &Request) -> Value {
        serde_json::from_slice(&request.body.as_ref().unwrap().1).unwrap()
    }

    #[test]
    fn a_personal_conversation() {
        let request = create_personal(
            &service_url(),
            &CreatePersonal {
                bot_id: "3c9e7a52".into(),
                bot_name: Some("Dispatch Bot".into()),
                member_id: "29:1kQpZfW8sYt0bXc".into(),
                tenant_id: "6f2d1c84".into(),
            },
        );
        assert_eq!(request.url, "https://smba.trafficmanager.net/emea/v3/conversations");
        assert_eq!(
            body(&request),
            json!({"isGroup": false, "bot": {"id": "28:3c9e7a52", "name": "Dispatch Bot"},
                   "members": [{"id": "29:1kQpZfW8sYt0bXc"}], "tenantId": "6f2d1c84",
                   "channelData": {"tenant": {"id": "6f2d1c84"}}})
        );
    }

    #[test]
    fn a_thread_in_a_channel() {
        let request = create_thread(
            &service_url(),
            &CreateThread {
                bot_id: "28:3c9e7a52".into(),
                channel_id: "19:5be@thread.tacv2".into(),
                team_id: Some("19:qT7@thread.tacv2".into()),
                tenant_id: "6f2d1c84".into(),
                activity: OutboundActivity::new(MessageContent::text("Incident 4711 opened", None)),
            },
        );
        assert_eq!(
            body(&request),
            json!({"isGroup": true, "bot": {"id": "28:3c9e7a52"}, "tenantId": "6f2d1c84",
                   "channelData": {"channel": {"id": "19:5be@thread.tacv2"},
                                   "team": {"id": "19:qT7@thread.tacv2"}, "tenant": {"id": "6f2d1c84"}},
                   "activity": {"type": "message", "textFormat": "markdown", "text": "Incident 4711 opened"}})
        );
    }

    #[test]
    fn ids_are_encoded() {
        let url = |request: Request| request.url;
        assert_eq!(
            url(send(&service_url(), "19:5be@thread.tacv2;messageid=17", Bytes::new())),
            "https://smba.trafficmanager.net/emea/v3/conversations/19%3A5be%40thread.tacv2%3Bmessageid%3D17/activities"
        );
        assert_eq!(
            url(member(&service_url(), "19:5be@thread.tacv2;messageid=17", "ines/x@contoso.com")),
            "https://smba.trafficmanager.net/emea/v3/conversations/19%3A5be%40thread.tacv2/members/ines%2Fx%40contoso.com"
        );
        assert_eq!(
            url(paged_members(&service_url(), "a:1", 500, Some("a+b/="))),
            "https://smba.trafficmanager.net/emea/v3/conversations/a%3A1/pagedmembers?pageSize=500&continuationToken=a%2Bb%2F%3D"
        );
    }

    proptest! {
        #[test]
        fn no_id_changes_the_path(id in prop_oneof![".{0,30}", "[./%\\\\?#]{0,6}"]) {
            let at = &service_url();
            for (request, expected) in [
                (send(at, &id, Bytes::new()), "v3/conversations/*/activities"),
                (reply(at, &id, &id, Bytes::new()), "v3/conversations/*/activities/*"),
                (update(at, &id, &id, Bytes::new()), "v3/conversations/*/activities/*"),
                (delete(at, &id, &id), "v3/conversations/*/activities/*"),
                (reaction(at, &id, &id, &id, true), "v3/conversations/*/activities/*/reactions/*"),
                (activity_members(at, &id, &id), "v3/conversations/*/activities/*/members"),
                (members(at, &id), "v3/conversations/*/members"),
                (member(at, &id, &id), "v3/conversations/*/members/*"),
                (team(at, &id), "v3/teams/*"),
                (team_channels(at, &id), "v3/teams/*/conversations"),
                (attachment_view(at, &id, &id), "v3/attachments/*/views/*"),
                (batch_state(at, &id), "v3/batch/conversation/*"),
                (meeting(at, &id), "v1/meetings/*"),
            ] {
                let url = reqwest::Url::parse(&request.url).unwrap();
                let segments: Vec<_> = url.path_segments().unwrap().collect();
                prop_assert_eq!(segments[0], "emea");
                let expected: Vec<_> = expected.split('/').collect();
                prop_assert_eq!(segments.len() - 1, expected.len(), "{}", request.url);
                for (segment, expected) in segments[1..].iter().zip(expected) {
                    prop_assert!(expected == "*" || *segment == expected, "{}", request.url);
                }
                prop_assert_eq!(url.query(), None);
            }
        }
    }
}
