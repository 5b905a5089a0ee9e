//! What each activity teaches.

use nuncio_domain::places::{ChannelKind, PlaceKind, TeamState};
use nuncio_teams::cloud::{Cloud, Endpoints};
use serde_json::Value;

use super::*;

const NOW: Time = Time(1_795_341_600_000_000);
const PERSONAL: &str = "a:1Xv9QnB3pLr";
const INES: &str = "b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b";
const INCIDENTS: &str = "19:5be1c0f2a8d94e7f@thread.tacv2";
const GENERAL: &str = "19:qT7wZc2General@thread.tacv2";

fn fixture(name: &str) -> Value {
    let path = format!("{}/../../fixtures/microsoft/activities/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let fixture: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    fixture["body"].clone()
}

fn of(body: &Value) -> Option<Learned> {
    let activity: Activity = serde_json::from_value(body.clone()).unwrap();
    let service_url =
        Endpoints::of(Cloud::Public).check_service_url("https://smba.trafficmanager.net/emea/").unwrap();
    let tenant_id = activity.tenant_id().unwrap().to_uppercase();
    let verified = Verified { app_id: "x".to_owned(), tenant_id, service_url, activity, unsigned: false };
    learned(&verified, "dispatch".to_owned(), NOW, b"raw")
}

/// The word of the event; the person's reach if one is named; each channel with its name and reach.
type Short = (String, Option<Option<ReachState>>, Vec<(String, Option<String>, Option<ReachState>)>);

fn short(learned: &Learned) -> Short {
    let state = |reach: &Reach| reach.as_ref().map(|(state, _)| *state);
    (
        learned.what.clone(),
        learned.people.first().map(|person| state(&person.reach)),
        learned
            .places
            .iter()
            .map(|channel| (channel.conversation_id.clone(), channel.name.clone(), state(&channel.reach)))
            .collect(),
    )
}

#[test]
fn personal_activities() {
    let (reachable, removed) = (Some(ReachState::Reachable), Some(ReachState::Removed));
    for (name, what, reach) in [
        ("install_personal", "install", reachable),
        ("install_personal_members_added", "install", reachable),
        ("uninstall_personal", "remove", removed),
        ("message_personal", "message", reachable),
        ("card_submit", "message", reachable),
        ("card_action", "invoke", reachable),
        ("message_update", "edit", reachable),
        ("message_reaction", "reaction", reachable),
        ("message_delete", "delete", None),
        ("read_receipt", "read", None),
    ] {
        let learned = of(&fixture(name)).unwrap();
        assert_eq!(short(&learned), (what.to_owned(), Some(reach), Vec::new()), "{name}");
        let person = &learned.people[0];
        assert_eq!(person.object_id, INES, "{name}");
        assert_eq!(person.mri.as_deref(), Some("29:1kQpZfW8sYt0bXc"), "{name}");
        assert_eq!(person.conversation_id.as_deref(), Some(PERSONAL), "{name}");
        assert_eq!(learned.tenant, "6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913");
        assert_eq!(learned.service_url, "https://smba.trafficmanager.net/emea/");
        assert_eq!(learned.event.0, PERSONAL);
    }
    let learned = of(&fixture("message_personal")).unwrap();
    assert_eq!(learned.people[0].name.as_deref(), Some("Ines Moreau"));
}

#[test]
fn when_it_was_sent() {
    let mut body = fixture("install_personal");
    let mut sent_at = |timestamp: Value| {
        body["timestamp"] = timestamp;
        of(&body).unwrap().people[0].sent_at
    };
    assert_eq!(sent_at("2026-11-20T09:00:02.007+01:00".into()), times::parse("2026-11-20T08:00:02.007Z"));
    let ahead = |hours| times::text(NOW + Duration::from_hours(hours));
    assert_eq!(sent_at(ahead(24).into()), Some(NOW + Duration::from_hours(24)));
    for not_known in [Value::Null, "yesterday".into(), ahead(25).into()] {
        assert_eq!(sent_at(not_known.clone()), None, "{not_known}");
    }
}

#[test]
fn channel_activities() {
    let reachable = Some(ReachState::Reachable);
    let removed = Some(ReachState::Removed);
    let incidents = || (INCIDENTS.to_owned(), Some("Incidents".to_owned()), reachable);
    let general = |reach| (GENERAL.to_owned(), None, reach);
    let created = "19:aa02f4c9d1e84b3a@thread.tacv2".to_owned();
    for (name, what, channels) in [
        ("install_team", "install", vec![incidents(), general(reachable)]),
        ("install_team_members_added", "install", vec![incidents(), general(reachable)]),
        ("message_channel", "message", vec![(INCIDENTS.to_owned(), None, reachable)]),
        (
            "channel_created",
            "conversation",
            vec![(created, Some("Postmortems".to_owned()), reachable), general(None)],
        ),
        ("team_member_removed", "conversation", vec![general(None)]),
        ("team_bot_removed", "remove", vec![general(removed)]),
        ("uninstall_team", "remove", vec![general(removed)]),
    ] {
        let learned = of(&fixture(name)).unwrap();
        // A word in a channel says nothing of whether they can be reached in person.
        assert_eq!(short(&learned), (what.to_owned(), Some(None), channels), "{name}");
        assert_eq!(learned.people[0].conversation_id, None, "{name}");
        assert!(learned.places.iter().all(|channel| channel.team_id.as_deref() == Some(GENERAL)), "{name}");
    }
}

#[test]
fn a_team_and_what_became_of_it() {
    let team = |body: &Value| of(body).unwrap().team.unwrap();
    let became = |body: &Value| team(body).change.map(|(state, _)| state);
    let installed = team(&fixture("install_team"));
    assert_eq!(installed.team_id, GENERAL);
    assert_eq!(installed.name.as_deref(), Some("Network Operations"));
    assert_eq!(installed.group_id.as_deref(), Some("e1a4c2b0-0b76-4e0e-9a4b-3f3f2f1d7a55"));
    assert_eq!(installed.change.unwrap().0, TeamState::Active);
    let install = installed.install.unwrap();
    assert_eq!((install.by.as_deref(), install.channel.as_deref()), (Some(INES), Some(INCIDENTS)));
    assert!(team(&fixture("install_team_members_added")).install.is_some());
    assert_eq!(became(&fixture("uninstall_team")), Some(TeamState::Removed));
    assert!(team(&fixture("uninstall_team")).install.is_none());
    assert_eq!(became(&fixture("message_channel")), None);
    for (event, state) in [
        ("teamRenamed", None),
        ("teamArchived", Some(TeamState::Archived)),
        ("teamUnarchived", Some(TeamState::Active)),
        ("teamDeleted", Some(TeamState::Deleted)),
        ("teamHardDeleted", Some(TeamState::Deleted)),
        ("teamrestored", Some(TeamState::Active)),
        ("somethingNew", None),
    ] {
        let mut body = fixture("channel_created");
        body["channelData"]["eventType"] = event.into();
        assert_eq!(became(&body), state, "{event}");
        assert!(team(&body).install.is_none(), "{event}");
    }
    assert!(of(&fixture("install_personal")).unwrap().team.is_none());
}

#[test]
fn kinds_of_channels() {
    let mut body = fixture("channel_created");
    let kinds = |body: &Value| -> Vec<Option<ChannelKind>> {
        of(body).unwrap().places.iter().map(|place| place.channel_kind).collect()
    };
    assert_eq!(kinds(&body), [None, Some(ChannelKind::Standard)]);
    body["channelData"]["channel"]["type"] = "Private".into();
    assert_eq!(kinds(&body), [Some(ChannelKind::Private), Some(ChannelKind::Standard)]);
    body["channelData"]["channel"]["type"] = "somethingNew".into();
    assert_eq!(kinds(&body), [None, Some(ChannelKind::Standard)]);
}

#[test]
fn a_picked_channel_is_learned_beside_the_place() {
    let mut body = fixture("install_team");
    body["channelData"]["settings"]["selectedChannel"]["id"] = "19:picked@thread.tacv2".into();
    let ids: Vec<String> =
        of(&body).unwrap().places.into_iter().map(|channel| channel.conversation_id).collect();
    assert_eq!(ids, [INCIDENTS, "19:picked@thread.tacv2", GENERAL]);
}

#[test]
fn a_deleted_channel_takes_nothing_else_with_it() {
    let mut body = fixture("channel_created");
    body["channelData"]["eventType"] = "ChannelDeleted".into();
    let learned = of(&body).unwrap();
    assert_eq!(learned.places[0].reach.as_ref().unwrap().0, ReachState::ChatGone);
    assert_eq!(learned.places[1].reach, None);
}

#[test]
fn everyone_who_came_or_went_and_who_did_it() {
    let mut body = fixture("team_member_removed");
    let added = serde_json::json!([
        {"id": "29:1a", "aadObjectId": "C0FFEE00-0000-4000-8000-000000000001"},
        {"id": "29:1b", "aadObjectId": "c0ffee00-0000-4000-8000-000000000002", "name": "Bo"},
        {"id": "29:1c"},
        {"id": "28:another-bot", "aadObjectId": "c0ffee00-0000-4000-8000-000000000003"},
        {"id": "29:1a", "aadObjectId": "c0ffee00-0000-4000-8000-000000000001"},
    ]);
    body["membersAdded"] = added;
    let people = of(&body).unwrap().people;
    let ids: Vec<&str> = people.iter().map(|person| person.object_id.as_str()).collect();
    let [first, second] = ["c0ffee00-0000-4000-8000-000000000001", "c0ffee00-0000-4000-8000-000000000002"];
    assert_eq!(ids, [first, second, INES]);
    assert_eq!(people[0].mri.as_deref(), Some("29:1a"));
    assert_eq!(people[1].name.as_deref(), Some("Bo"));
    // In a personal conversation it is that of one of them.
    body["conversation"] = serde_json::json!({"conversationType": "personal", "id": PERSONAL});
    let people = of(&body).unwrap().people;
    assert_eq!(people[0].conversation_id.as_deref(), Some(PERSONAL));
    assert!(people[1..].iter().all(|person| person.conversation_id.is_none() && person.reach.is_none()));
}

#[test]
fn a_chat_is_a_place_and_no_reference_of_its_people() {
    for (id, kind) in
        [("19:x@thread.v2", PlaceKind::GroupChat), ("19:meeting_MjQ@thread.v2", PlaceKind::MeetingChat)]
    {
        let mut body = fixture("install_personal");
        body["conversation"] =
            serde_json::json!({"conversationType": "groupChat", "id": id, "name": "Launch"});
        let learned = of(&body).unwrap();
        let place = (id.to_owned(), Some("Launch".to_owned()), Some(ReachState::Reachable));
        assert_eq!(short(&learned), ("install".to_owned(), Some(None), vec![place]));
        assert_eq!(learned.places[0].kind, kind);
        assert_eq!(learned.people[0].conversation_id, None);
        assert!(learned.team.is_none());
    }
    let mut body = fixture("install_personal");
    body["conversation"] = serde_json::json!({"conversationType": "groupChat", "id": "?"});
    assert!(of(&body).unwrap().places.is_empty());
}

#[test]
fn events_are_told_apart() {
    let event = |name: &str| of(&fixture(name)).unwrap().event;
    // All three have the message's id.
    assert_ne!(event("message_personal"), event("message_update"));
    assert_ne!(event("message_update"), event("message_delete"));
    let mut body = fixture("install_personal");
    body.as_object_mut().unwrap().remove("id");
    assert_eq!(of(&body).unwrap().event.1, blake3::hash(b"raw").to_string());
}

#[test]
fn what_teaches_nothing_is_nothing() {
    let mut body = fixture("message_personal");
    for kind in ["typing", "somethingNew"] {
        body["type"] = kind.into();
        assert!(of(&body).is_none(), "{kind}");
    }
    let mut body = fixture("install_personal");
    body["action"] = "somethingNew".into();
    assert!(of(&body).is_none());
    // Without an object id nobody can be told from anybody.
    let mut body = fixture("message_personal");
    body["from"] = serde_json::json!({"id": "29:x"});
    assert!(of(&body).unwrap().people.is_empty());
}
