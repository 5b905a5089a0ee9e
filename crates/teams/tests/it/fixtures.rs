//! Golden round trips: what Teams sends is read and written back without losing anything.

use std::path::Path;

use nuncio_teams::connector::MembersPage;
use nuncio_teams::schema::{Activity, ActivityKind, ChannelAccount, ConversationKind, InstallationAction};
use serde_json::{Value, json};

fn read(folder: &str) -> Vec<(String, Value)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/microsoft").join(folder);
    let mut all: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        })
        .collect();
    all.sort_by(|(one, _), (two, _)| one.cmp(two));
    assert!(!all.is_empty());
    all
}

fn one(folder: &str, name: &str) -> Value {
    read(folder).into_iter().find(|(file, _)| file == name).unwrap().1["body"].clone()
}

#[test]
fn activities_survive_a_round_trip() {
    for (name, fixture) in read("activities") {
        let activity: Activity = serde_json::from_value(fixture["body"].clone()).unwrap();
        assert_eq!(serde_json::to_value(&activity).unwrap(), fixture["body"], "{name}");
        assert!(activity.tenant_id().is_some() && activity.conversation_kind().is_some(), "{name}");
        assert!(!matches!(activity.kind(), ActivityKind::Other(_)), "{name}");
    }
}

#[test]
fn unknown_fields_survive_at_every_level() {
    let body = json!({
        "type": "message", "novel": {"a": [1, 2.5, null]}, "from": {"id": "29:x", "novel": true},
        "conversation": {"id": "a:1", "novel": 1}, "recipient": {"role": "bot"},
        "membersAdded": [{"id": "29:x", "novel": 1}], "attachments": [{"thumbnailUrl": "u"}],
        "entities": [{"type": "mention", "mentioned": {"id": "28:b"}, "text": "<at>b</at>"}],
        "channelData": {
            "meeting": {"id": "m"}, "tenant": {"id": "t", "novel": 1}, "team": {"id": "19:t", "novel": 1},
            "channel": {"id": "19:c", "type": "shared", "novel": 1}, "app": {"id": "a", "version": "1", "novel": 1},
            "settings": {"selectedChannel": {"id": "19:c", "novel": 1}, "novel": 1}, "source": {"name": "m", "novel": 1},
            "membershipSource": {"sourceType": "team"}, "sharedWithTeams": [{"id": "19:o"}],
        },
    });
    let activity: Activity = serde_json::from_value(body.clone()).unwrap();
    assert_eq!(serde_json::to_value(activity).unwrap(), body);
}

#[test]
fn kinds_of_the_fixtures() {
    let activity = |name: &str| -> Activity { serde_json::from_value(one("activities", name)).unwrap() };

    let install = activity("install_personal");
    assert_eq!(install.kind(), ActivityKind::Installation(InstallationAction::Add));
    assert_eq!(install.conversation_kind(), Some(ConversationKind::Personal));
    let uninstall = activity("uninstall_team");
    assert_eq!(uninstall.kind(), ActivityKind::Installation(InstallationAction::Remove));
    assert_eq!(uninstall.conversation_kind(), Some(ConversationKind::Channel));

    let added = activity("install_personal_members_added");
    let ActivityKind::ConversationUpdate(update) = added.kind() else { panic!() };
    assert!(update.bot_added);
    assert_eq!(update.members_added.len(), 1);
    let removed = activity("team_bot_removed");
    let ActivityKind::ConversationUpdate(update) = removed.kind() else { panic!() };
    assert!(update.bot_removed && update.members_removed.is_empty());
    let removed = activity("team_member_removed");
    let ActivityKind::ConversationUpdate(update) = removed.kind() else { panic!() };
    assert!(!update.bot_removed && update.members_removed.len() == 1);
    let created = activity("channel_created");
    let ActivityKind::ConversationUpdate(update) = created.kind() else { panic!() };
    assert_eq!(update.event_type, Some("channelCreated"));

    assert_eq!(activity("read_receipt").kind(), ActivityKind::Event("application/vnd.microsoft.readReceipt"));
    assert_eq!(activity("card_action").kind(), ActivityKind::Invoke("adaptiveCard/action"));
    assert_eq!(activity("message_reaction").kind(), ActivityKind::MessageReaction);
}

#[test]
fn members() {
    let page: MembersPage = serde_json::from_value(one("answers", "paged_members")).unwrap();
    assert!(!page.members.is_empty());
    assert!(page.members.iter().any(|member| member.object_id().is_some()));
    let body = one("answers", "member");
    let member: ChannelAccount = serde_json::from_value(body.clone()).unwrap();
    assert_eq!(serde_json::to_value(&member).unwrap(), body);
    assert!(member.object_id().is_some() && member.user_principal_name().is_some());
}
