//! The client's calls against the simulator: what one writes, the other reads.

use std::sync::Arc;

use nuncio_teams::classify::Refusal;
use nuncio_teams::cloud::{Endpoints, ServiceUrl};
use nuncio_teams::connector::request::{BatchAudience, MeetingNotification, Surface, Upload};
use nuncio_teams::connector::{CallError, Connector, CreatePersonal, CreateThread};
use nuncio_teams::http::HttpClient;
use nuncio_teams::schema::{MessageContent, OutboundActivity};
use nuncio_teams::token::{Credential, EntraTokens};
use nuncio_testkit::wait_until;
use secrecy::SecretString;
use serde_json::json;

use crate::world::{APP_ID, LONG, Plan, SECRET, World};

/// The client beside the server that the world has.
struct Client {
    world: World,
    connector: Connector,
    at: ServiceUrl,
}

impl Client {
    async fn new(people: u32) -> Self {
        let world = Plan::people(people).start().await;
        let endpoints = Endpoints::simulator(&world.sim.base);
        let http = HttpClient::builder().proxy(None).build().unwrap();
        let credential = Credential::Secret(SecretString::from(SECRET));
        let tenant = world.sim.tenant.clone();
        let tokens = EntraTokens::new(http.clone(), &endpoints, Some(&tenant), APP_ID, credential);
        let at = endpoints.default_service_url().unwrap().unwrap();
        Self { world, connector: Connector::new(http, Arc::new(tokens)), at }
    }

    async fn chat_with(&self, person: &str) -> String {
        let create = CreatePersonal {
            bot_id: APP_ID.into(),
            bot_name: None,
            member_id: person.into(),
            tenant_id: self.world.sim.tenant.clone(),
        };
        self.connector.create_personal(&self.at, &create).await.unwrap().id.unwrap()
    }
}

fn text(text: &str) -> OutboundActivity {
    OutboundActivity::new(MessageContent::text(text, None))
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, CallError>) -> (u16, Refusal) {
    match result {
        Err(CallError::Refused(refused)) => (refused.status, refused.refusal),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_message_from_its_beginning_to_its_end() {
    let client = Client::new(2).await;
    let Client { world, connector, at } = &client;
    let person = world.sim.people("installed").await.remove(0);
    let chat = client.chat_with(&person).await;
    let sent = connector.send(at, &chat, &text("first")).await.unwrap().id.unwrap();
    let answer = connector.reply(at, &chat, &sent, &text("an answer")).await.unwrap();
    assert!(answer.id.is_some_and(|id| id != sent));
    let updated = connector.update(at, &chat, &sent, &text("changed")).await.unwrap();
    assert_eq!(updated.id.as_deref(), Some(sent.as_str()));
    connector.react(at, &chat, &sent, "like", true).await.unwrap();
    connector.react(at, &chat, &sent, "like", false).await.unwrap();
    let seen_by = connector.activity_members(at, &chat, &sent).await.unwrap();
    assert!(seen_by.iter().any(|member| member.object_id() == Some(&person)), "{seen_by:?}");
    let said: Vec<String> = world
        .sim
        .said(&chat)
        .await
        .iter()
        .map(|activity| activity["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said, ["changed", "an answer"]);
    connector.delete(at, &chat, &sent).await.unwrap();
    assert_eq!(
        refused(connector.update(at, &chat, &sent, &text("late")).await),
        (404, Refusal::ActivityNotFound)
    );
    let targeted = connector.send_targeted(at, &chat, &text("not in 1:1").to_member(&person)).await;
    assert_eq!(refused(targeted).0, 400);
    client.world.end().await;
}

#[tokio::test]
async fn teams_and_rosters() {
    let client = Client::new(3).await;
    let Client { world, connector, at } = &client;
    let general = world.team_installs().await;
    let team = connector.team(at, &general).await.unwrap();
    assert_eq!(team.id.as_deref(), Some(general.as_str()));
    assert!(team.aad_group_id.is_some() && team.name.is_some(), "{team:?}");
    let channels = connector.team_channels(at, &general).await.unwrap();
    assert!(channels.iter().any(|channel| channel.id.as_deref() == Some(&general) && channel.name.is_none()));
    assert_eq!(team.channel_count, Some(channels.len() as u64));

    let create = CreateThread {
        bot_id: APP_ID.into(),
        channel_id: general.clone(),
        team_id: Some(general.clone()),
        tenant_id: world.sim.tenant.clone(),
        activity: text("a thread"),
    };
    let thread = connector.create_thread(at, &create).await.unwrap().id.unwrap();
    let members = connector.members(at, &thread).await.unwrap();
    let mut pages = connector.all_members(at, &thread, 50);
    let mut paged = Vec::new();
    while let Some(page) = pages.next().await {
        paged.extend(page.unwrap());
    }
    assert_eq!(paged.len(), members.len());
    let someone = &members[0];
    for id in [someone.id.as_deref(), someone.object_id(), someone.user_principal_name()] {
        let found = connector.member(at, &thread, id.unwrap()).await.unwrap();
        assert_eq!(found.object_id(), someone.object_id(), "by {id:?}");
    }

    // One member alone sees it.
    let member = someone.id.clone().unwrap();
    let sent = connector.send_targeted(at, &general, &text("for you").to_member(&member)).await.unwrap();
    let id = sent.id.unwrap();
    assert_eq!(
        refused(connector.update(at, &general, &id, &text("to all")).await),
        (404, Refusal::ActivityNotFound)
    );
    connector.update_targeted(at, &general, &id, &text("for you, anew")).await.unwrap();
    connector.delete_targeted(at, &general, &id).await.unwrap();
    client.world.end().await;
}

#[tokio::test]
async fn ids_that_would_be_another_path_are_nobodys() {
    let client = Client::new(1).await;
    let Client { connector, at, .. } = &client;
    for id in ["", ".", "..", "../../sim", "a:1/../..", "%2e%2e", "?x=", "#", "a:1?isTargetedActivity=true"] {
        let (status, _) = refused(connector.send(at, id, &text("x")).await);
        assert!(matches!(status, 400 | 403 | 404), "{id}: {status}");
        assert!(matches!(refused(connector.team(at, id).await).0, 400 | 403 | 404), "{id}");
    }
    client.world.end().await;
}

#[tokio::test]
async fn batches_in_both_spellings() {
    let client = Client::new(3).await;
    let Client { world, connector, at } = &client;
    let people = world.sim.people("installed").await;
    let tenant = &world.sim.tenant;
    // Not everybody can be reached.
    world.sim.patch(&format!("people/{}", people[0]), &json!({"state": "blocked"})).await;
    let send =
        || async { connector.batch_send(at, tenant, BatchAudience::Users(&people), &text("to all")).await };
    assert_eq!(refused(send().await).0, 403, "few may use it");
    for settings in [
        json!({"batch": true}),
        json!({"batch_answer": "text", "batch_state_map": true, "batch_entry_id_short": true}),
    ] {
        world.sim.patch("settings", &settings).await;
        let operation = send().await.unwrap();
        let done = wait_until(
            async || {
                let state = connector.batch_state(at, &operation).await.unwrap();
                assert_eq!(state.total_entries_count, Some(3));
                state.status_map.values().sum::<u64>() == 3
            },
            LONG,
        );
        assert!(done.await);
        let state = connector.batch_state(at, &operation).await.unwrap();
        assert_eq!(
            (state.status_map.get("201"), state.status_map.get("403")),
            (Some(&2), Some(&1)),
            "{state:?}"
        );
        let failed = connector.batch_failed_entries(at, &operation, None).await.unwrap();
        let [entry] = &failed.failed_entry_responses[..] else { panic!("{failed:?}") };
        assert!(entry.entry_id.is_some() && entry.error.is_some(), "{entry:?}");
        connector.batch_cancel(at, &operation).await.unwrap();
    }
    client.world.end().await;
}

#[tokio::test]
async fn files_and_meetings() {
    let client = Client::new(2).await;
    let Client { world, connector, at } = &client;
    let people = world.sim.people("installed").await;
    let chat = client.chat_with(&people[0]).await;
    let upload = Upload { content_type: "image/png", name: "a.png", content: b"\x89PNG", thumbnail: None };
    assert_eq!(refused(connector.upload(at, &chat, &upload).await).0, 404, "not where it is not served");
    world.sim.patch("settings", &json!({"attachments": true})).await;
    let id = connector.upload(at, &chat, &upload).await.unwrap().id.unwrap();
    assert_eq!(connector.attachment(at, &id).await.unwrap()["name"], "a.png");
    assert_eq!(connector.attachment_view(at, &id, "original").await.unwrap(), upload.content);

    let order = json!({"name": "Weekly", "members": people, "kind": "meeting", "apps": [APP_ID]});
    let made = world.sim.post("chats", &order).await;
    let id = made["meeting_id"].as_str().unwrap();
    let meeting = connector.meeting(at, id).await.unwrap();
    assert_eq!(meeting.details.title.as_deref(), Some("Weekly"));
    assert_eq!(meeting.conversation.id.as_deref(), made["id"].as_str());
    let tenant = &world.sim.tenant;
    let participant = connector.meeting_participant(at, id, &people[1], tenant).await.unwrap();
    assert_eq!(participant.user.object_id(), Some(people[1].as_str()));
    let mut notification = MeetingNotification {
        recipients: vec![participant.user.id.unwrap()],
        surfaces: vec![Surface::TabIcon("tab".to_owned())],
    };
    assert_eq!(connector.notify_meeting(at, id, &notification).await.unwrap(), []);
    notification.recipients.push("29:nobody".to_owned());
    let failed = connector.notify_meeting(at, id, &notification).await.unwrap();
    assert_eq!(failed[0].recipient_mri.as_deref(), Some("29:nobody"), "{failed:?}");
    client.world.end().await;
}
