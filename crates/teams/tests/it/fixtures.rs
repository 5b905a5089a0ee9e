//! Golden round trips: what Teams sends is read and written back without losing anything.

use std::path::Path;

use nuncio_teams::connector::MembersPage;
use nuncio_teams::schema::{Activity, ChannelAccount};
use serde_json::{Value, json};

pub(crate) fn read(folder: &str) -> Vec<(String, Value)> {
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

pub(crate) fn one(folder: &str, name: &str) -> Value {
    read(folder).into_iter().find(|(file, _)| file == name).unwrap().1["body"].clone()
}

/// The request that an answer belongs to.
pub(crate) fn request(name: &str) -> Value {
    read("answers").into_iter().find(|(file, _)| file == name).unwrap().1["request"].clone()
}

#[test]
fn activities_survive_a_round_trip() {
    for (name, fixture) in read("activities") {
        let activity: Activity = serde_json::from_value(fixture["body"].clone()).unwrap();
        assert_eq!(serde_json::to_value(&activity).unwrap(), fixture["body"], "{name}");
        assert!(activity.tenant_id().is_some() && activity.conversation_kind().is_some(), "{name}");
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
fn members() {
    let page: MembersPage = serde_json::from_value(one("answers", "paged_members")).unwrap();
    assert!(!page.members.is_empty());
    assert!(page.members.iter().any(|member| member.object_id().is_some()));
    let body = one("answers", "member");
    let member: ChannelAccount = serde_json::from_value(body.clone()).unwrap();
    assert_eq!(serde_json::to_value(&member).unwrap(), body);
    assert!(member.object_id().is_some() && member.user_principal_name().is_some());
}
