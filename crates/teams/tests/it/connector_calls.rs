//! Every call of the Connector: what is sent, and what is read of Microsoft's answer.

use std::sync::Arc;

use nuncio_teams::classify::Refusal;
use nuncio_teams::cloud::{Endpoints, ServiceUrl};
use nuncio_teams::connector::request::{BatchAudience, MeetingNotification, Surface, Upload};
use nuncio_teams::connector::{CallError, Connector, CreatePersonal, CreateThread};
use nuncio_teams::schema::{MessageContent, OutboundActivity};
use nuncio_teams::token::NoToken;
use serde_json::{Value, json};

use crate::fixtures::{one, request};
use crate::stand_in::{Scripted, StandIn, client};

const CHANNEL: &str = "19:5be@thread.tacv2";
const CHANNEL_PATH: &str = "/v3/conversations/19%3A5be%40thread.tacv2";
const THREAD: &str = "19:5be@thread.tacv2;messageid=17";
const THREAD_PATH: &str = "/v3/conversations/19%3A5be%40thread.tacv2%3Bmessageid%3D17";

struct World {
    teams: StandIn,
    connector: Connector,
    at: ServiceUrl,
}

impl World {
    async fn new() -> Self {
        let teams = StandIn::start().await;
        let endpoints = Endpoints::simulator(&teams.base());
        let at = endpoints.check_service_url(&format!("{}/emea/", teams.base())).unwrap();
        Self { teams, connector: Connector::new(client(), Arc::new(NoToken)), at }
    }

    /// The next answers.
    fn answers(&self, answers: &[(u16, Value)]) {
        self.teams.script(answers.iter().map(|(status, body)| match body {
            Value::Null => Scripted { status: *status, headers: Vec::new(), body: String::new() },
            body => Scripted::json(*status, body),
        }));
    }

    /// The last request: method, path and query below the service URL, body.
    fn asked(&self) -> (String, Value) {
        let seen = self.teams.seen().pop().unwrap();
        let path = seen.path.strip_prefix("/emea").unwrap();
        let query = if seen.query.is_empty() { String::new() } else { format!("?{}", seen.query) };
        (format!("{} {path}{query}", seen.method), serde_json::from_slice(&seen.body).unwrap_or_default())
    }
}

fn text(text: &str) -> OutboundActivity {
    OutboundActivity::new(MessageContent::text(text, None))
}

fn body(text: &str) -> Value {
    json!({"type": "message", "textFormat": "markdown", "text": text})
}

#[tokio::test]
async fn conversations_are_created() {
    let world = World::new().await;
    world.answers(&[(201, one("answers", "create_personal"))]);
    let create = CreatePersonal {
        bot_id: "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4".into(),
        bot_name: Some("Dispatch Bot".into()),
        member_id: "29:1kQpZfW8sYt0bXc".into(),
        tenant_id: "6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913".into(),
    };
    let reply = world.connector.create_personal(&world.at, &create).await.unwrap();
    assert_eq!(reply.id.as_deref(), Some("a:1Xv9QnB3pLr"));
    let sent = request("create_personal");
    assert_eq!(world.asked(), ("POST /v3/conversations".to_owned(), sent));

    world.answers(&[(201, one("answers", "create_thread"))]);
    let create = CreateThread {
        bot_id: create.bot_id,
        channel_id: "19:5be1c0f2a8d94e7f@thread.tacv2".into(),
        team_id: Some("19:qT7wZc2General@thread.tacv2".into()),
        tenant_id: create.tenant_id,
        activity: text("Incident 4711 opened"),
    };
    let reply = world.connector.create_thread(&world.at, &create).await.unwrap();
    assert_eq!(reply.activity_id.as_deref(), Some("1795356400456"));
    let mut sent = request("create_thread");
    sent["activity"] = body("Incident 4711 opened");
    assert_eq!(world.asked(), ("POST /v3/conversations".to_owned(), sent));
}

#[tokio::test]
async fn messages_are_answered_changed_and_taken_away() {
    let world = World::new().await;
    let World { connector, at, .. } = &world;
    world.answers(&[(201, one("answers", "send"))]);
    let reply = connector.reply(at, THREAD, "17", &text("yes")).await.unwrap();
    assert_eq!(reply.id.as_deref(), Some("1795356500001"));
    assert_eq!(world.asked(), (format!("POST {THREAD_PATH}/activities/17"), body("yes")));

    world.answers(&[(200, one("answers", "update"))]);
    let reply = connector.update(at, "a:1", "17", &text("done")).await.unwrap();
    assert_eq!(reply.id.as_deref(), Some("1795356500001"));
    assert_eq!(world.asked(), ("PUT /v3/conversations/a%3A1/activities/17".to_owned(), body("done")));

    world.answers(&[(200, Value::Null)]);
    let reply = connector.delete(at, "a:1", "17").await.unwrap();
    assert_eq!((reply.status, reply.id, reply.readable), (200, None, false));
    assert_eq!(world.asked().0, "DELETE /v3/conversations/a%3A1/activities/17");

    for (there, method) in [(true, "PUT"), (false, "DELETE")] {
        connector.react(at, THREAD, "17", "1f440_eyes", there).await.unwrap();
        assert_eq!(world.asked().0, format!("{method} {THREAD_PATH}/activities/17/reactions/1f440_eyes"));
    }

    world.answers(&[(404, json!({"error": {"code": "ActivityNotFoundInConversation", "message": "m"}}))]);
    let Err(CallError::Refused(refused)) = connector.delete(at, "a:1", "17").await else { panic!() };
    assert_eq!(refused.refusal, Refusal::ActivityNotFound);
}

#[tokio::test]
async fn targeted_messages_say_so() {
    let world = World::new().await;
    let World { connector, at, .. } = &world;
    world.answers(&[(201, json!({"id": "17"}))]);
    connector.send_targeted(at, CHANNEL, &text("for you").to_member("29:x")).await.unwrap();
    let mut sent = body("for you");
    sent["recipient"] = json!({"id": "29:x"});
    assert_eq!(world.asked(), (format!("POST {CHANNEL_PATH}/activities?isTargetedActivity=true"), sent));
    connector.update_targeted(at, CHANNEL, "17", &text("anew")).await.unwrap();
    assert_eq!(
        world.asked(),
        (format!("PUT {CHANNEL_PATH}/activities/17?isTargetedActivity=true"), body("anew"))
    );
    connector.delete_targeted(at, CHANNEL, "17").await.unwrap();
    assert_eq!(world.asked().0, format!("DELETE {CHANNEL_PATH}/activities/17?isTargetedActivity=true"));
}

#[tokio::test]
async fn rosters_and_teams_are_read() {
    let world = World::new().await;
    let World { connector, at, .. } = &world;
    world.answers(&[(200, one("answers", "members"))]);
    let members = connector.members(at, THREAD).await.unwrap();
    assert_eq!(members[0].name.as_deref(), Some("Ines Moreau"));
    // Who is in a thread is who is in its channel.
    assert_eq!(world.asked().0, format!("GET {CHANNEL_PATH}/members"));
    assert_eq!(connector.activity_members(at, THREAD, "17").await.unwrap(), members);
    assert_eq!(world.asked().0, format!("GET {THREAD_PATH}/activities/17/members"));
    world.answers(&[(200, one("answers", "member"))]);
    let member = connector.member(at, CHANNEL, "ines/x@contoso.example").await.unwrap();
    assert!(member.object_id().is_some());
    assert_eq!(world.asked().0, format!("GET {CHANNEL_PATH}/members/ines%2Fx%40contoso.example"));

    world.answers(&[(200, one("answers", "team"))]);
    let team = connector.team(at, "19:qT7@thread.tacv2").await.unwrap();
    assert_eq!((team.name.as_deref(), team.member_count), (Some("Network Operations"), Some(53)));
    assert_eq!(world.asked().0, "GET /v3/teams/19%3AqT7%40thread.tacv2");
    world.answers(&[(200, one("answers", "team_conversations"))]);
    let channels = connector.team_channels(at, "19:qT7@thread.tacv2").await.unwrap();
    let names: Vec<_> = channels.iter().map(|channel| channel.name.as_deref()).collect();
    assert_eq!(names, [None, Some("Incidents")]);
    assert_eq!(world.asked().0, "GET /v3/teams/19%3AqT7%40thread.tacv2/conversations");
    world.answers(&[(200, json!({}))]);
    let error = connector.team_channels(at, "19:t").await.unwrap_err();
    assert!(matches!(error, CallError::MaybeSent { .. }), "a read that can be repeated: {error}");
}

#[tokio::test]
async fn pages_of_members_end_where_a_token_comes_again() {
    let world = World::new().await;
    let page = |name: &str, token: Option<&str>| {
        (200, json!({"members": [{"id": format!("29:{name}")}], "continuationToken": token}))
    };
    let busy = (429, json!({"error": {"code": "Throttled", "message": "m"}}));
    world.answers(&[
        page("one", Some("a+b/=")),
        busy,
        page("two", Some("c")),
        page("three", Some("a+b/=")),
        page("never", None),
    ]);
    let mut pages = world.connector.all_members(&world.at, THREAD, 200);
    let mut ids = Vec::new();
    let mut refused = 0;
    while let Some(page) = pages.next().await {
        match page {
            Ok(members) => ids.extend(members.into_iter().filter_map(|member| member.id)),
            Err(CallError::Refused(error)) => {
                assert_eq!(error.refusal, Refusal::Throttled);
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((ids.join(" ").as_str(), refused), ("29:one 29:two 29:three", 1));
    let asked: Vec<String> = world.teams.seen().into_iter().map(|seen| seen.query).collect();
    let second = "pageSize=200&continuationToken=a%2Bb%2F%3D";
    assert_eq!(asked, ["pageSize=200", second, second, "pageSize=200&continuationToken=c"]);
}

#[tokio::test]
async fn batches_in_both_spellings() {
    let world = World::new().await;
    let World { connector, at, .. } = &world;
    let people = ["29:x".to_owned(), "b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b".to_owned()];
    let channels = [CHANNEL.to_owned()];
    for (audience, path, rest) in [
        (
            BatchAudience::Users(&people),
            "users",
            json!({"members": [{"id": "29:x"}, {"id": "b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b"}]}),
        ),
        (BatchAudience::Tenant, "tenant", json!({})),
        (BatchAudience::Team("19:t"), "team", json!({"teamId": "19:t"})),
        (BatchAudience::Channels(&channels), "channels", json!({"members": [{"id": CHANNEL}]})),
    ] {
        for answer in [json!("operation/1"), json!({"operationId": "operation/1"})] {
            world.answers(&[(201, answer)]);
            let id = connector.batch_send(at, "t", audience, &text("to all")).await.unwrap();
            assert_eq!(id, "operation/1");
        }
        let mut sent = rest;
        sent["tenantId"] = "t".into();
        sent["activity"] = body("to all");
        assert_eq!(world.asked(), (format!("POST /v3/batch/conversation/{path}"), sent));
    }
    world.answers(&[(200, json!({"state": "Running", "stateMap": {"201": 40}, "totalEntriesCount": 50}))]);
    let state = connector.batch_state(at, "operation/1").await.unwrap();
    assert_eq!((state.status_map["201"], state.total_entries_count), (40, Some(50)));
    assert_eq!(world.asked().0, "GET /v3/batch/conversation/operation%2F1");
    world.answers(&[(
        200,
        json!({"continuationToken": "c", "failedEntryResponses": [{"Id": "29:x", "error": "no"}]}),
    )]);
    let failed = connector.batch_failed_entries(at, "operation/1", Some("b&c")).await.unwrap();
    assert_eq!(failed.failed_entry_responses[0].entry_id.as_deref(), Some("29:x"));
    assert_eq!(
        world.asked().0,
        "GET /v3/batch/conversation/failedentries/operation%2F1?continuationToken=b%26c"
    );
    world.answers(&[(200, Value::Null)]);
    connector.batch_cancel(at, "operation/1").await.unwrap();
    assert_eq!(world.asked().0, "DELETE /v3/batch/conversation/operation%2F1");
}

#[tokio::test]
async fn files_go_up_and_come_back() {
    let world = World::new().await;
    let World { connector, at, .. } = &world;
    world.answers(&[(200, json!({"id": "f/1"}))]);
    let mut upload = Upload { content_type: "image/png", name: "a.png", content: b"abc", thumbnail: None };
    assert_eq!(connector.upload(at, "a:1", &upload).await.unwrap().id.as_deref(), Some("f/1"));
    let mut sent = json!({"type": "image/png", "name": "a.png", "originalBase64": "YWJj"});
    assert_eq!(world.asked(), ("POST /v3/conversations/a%3A1/attachments".to_owned(), sent.clone()));
    upload.thumbnail = Some(b"a");
    connector.upload(at, "a:1", &upload).await.unwrap();
    sent["thumbnailBase64"] = "YQ==".into();
    assert_eq!(world.asked().1, sent);
    assert_eq!(connector.attachment(at, "f/1").await.unwrap()["id"], "f/1");
    assert_eq!(world.asked().0, "GET /v3/attachments/f%2F1");
    let view = connector.attachment_view(at, "f/1", "original").await.unwrap();
    assert_eq!(view, "{\"id\":\"f/1\"}");
    assert_eq!(world.asked().0, "GET /v3/attachments/f%2F1/views/original");
}

#[tokio::test]
async fn meetings() {
    let world = World::new().await;
    let World { connector, at, .. } = &world;
    world.answers(&[(
        200,
        json!({"details": {"id": "MCMx", "title": "Incident 4711", "type": "Scheduled", "msGraphResourceId": "g"},
               "conversation": {"id": "19:meeting_x@thread.v2", "isGroup": true}, "organizer": {"id": "29:x"}}),
    )]);
    let meeting = connector.meeting(at, "MCMx=").await.unwrap();
    assert_eq!(meeting.details.title.as_deref(), Some("Incident 4711"));
    assert_eq!(meeting.conversation.id.as_deref(), Some("19:meeting_x@thread.v2"));
    assert_eq!(world.asked().0, "GET /v1/meetings/MCMx%3D");
    world.answers(&[(
        200,
        json!({"user": {"id": "29:x", "aadObjectId": "o"}, "meeting": {"role": "Organizer", "inMeeting": true},
               "conversation": {"id": "19:meeting_x@thread.v2"}}),
    )]);
    let participant = connector.meeting_participant(at, "MCMx=", "o", "t").await.unwrap();
    assert!(participant.meeting.in_meeting && participant.user.object_id() == Some("o"));
    assert_eq!(world.asked().0, "GET /v1/meetings/MCMx%3D/participants/o?tenantId=t");

    let notification = MeetingNotification {
        recipients: vec!["29:x".into()],
        surfaces: vec![Surface::Stage(json!({"value": {}})), Surface::TabIcon("tab".into())],
    };
    world.answers(&[(202, Value::Null)]);
    assert!(connector.notify_meeting(at, "MCMx=", &notification).await.unwrap().is_empty());
    assert_eq!(
        world.asked(),
        (
            "POST /v1/meetings/MCMx%3D/notification".to_owned(),
            json!({"type": "targetedMeetingNotification", "value": {"recipients": ["29:x"], "surfaces": [
                {"surface": "meetingStage", "contentType": "task", "content": {"value": {}}},
                {"surface": "meetingTabIcon", "tabEntityId": "tab"},
            ]}})
        )
    );
    let failed = json!({"recipientsFailureInfo": [{"recipientMri": "29:x", "errorCode": "BadArgument", "failureReason": "no"}]});
    world.answers(&[(207, failed)]);
    let failed = connector.notify_meeting(at, "MCMx=", &notification).await.unwrap();
    assert_eq!(failed[0].recipient_mri.as_deref(), Some("29:x"));
}
