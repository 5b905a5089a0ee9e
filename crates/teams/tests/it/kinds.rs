//! What each fixture of an activity is about: every type, event and invoke of protocol section 4 has one.

use nuncio_teams::schema::{Activity, ActivityKind, ConversationKind, InstallationAction, Invoke, TeamEvent};
use serde_json::json;

use crate::fixtures::{one, read};

fn activity(name: &str) -> Activity {
    serde_json::from_value(one("activities", name)).unwrap()
}

/// The kind in a word or two; where it happened; who came and who went.
fn told(activity: &Activity) -> (String, Option<ConversationKind>) {
    let what = match activity.kind() {
        ActivityKind::Message if activity.submitted().is_some() => "submitted".to_owned(),
        ActivityKind::Message => format!("message: {}", activity.text_to_bot()),
        ActivityKind::MessageUpdate => "edit".to_owned(),
        ActivityKind::MessageUndelete => "undelete".to_owned(),
        ActivityKind::MessageDelete => "delete".to_owned(),
        ActivityKind::MessageReaction(reactions) => {
            format!("+{} -{}", reactions.added.join(","), reactions.removed.join(","))
        }
        ActivityKind::ConversationUpdate(update) => {
            let bot = if update.bot_added {
                " +bot"
            } else if update.bot_removed {
                " -bot"
            } else {
                ""
            };
            let people = update.members_added.len() as i64 - update.members_removed.len() as i64;
            let people = if people == 0 { String::new() } else { format!(" {people:+}") };
            format!("{}{bot}{people}", update.event.map_or("update", TeamEvent::as_str))
        }
        ActivityKind::Installation(action) => match action {
            InstallationAction::Add => "add".to_owned(),
            InstallationAction::Remove => "remove".to_owned(),
            InstallationAction::AddUpgrade => "add-upgrade".to_owned(),
            InstallationAction::RemoveUpgrade => "remove-upgrade".to_owned(),
            InstallationAction::Other => "?".to_owned(),
        },
        ActivityKind::Invoke(invoke) => asked(&invoke),
        ActivityKind::ReadReceipt(last) => format!("read {}", last.unwrap_or_default()),
        ActivityKind::MeetingStart(meeting) => format!("start {}", meeting.start_time.unwrap()),
        ActivityKind::MeetingEnd(meeting) => format!("end {}", meeting.end_time.unwrap()),
        ActivityKind::MeetingJoin(all) => {
            assert!(all.iter().all(|one| one.meeting.in_meeting && one.user.object_id().is_some()));
            format!("join {}", all.len())
        }
        ActivityKind::MeetingLeave(all) => {
            assert!(all.iter().all(|one| !one.meeting.in_meeting && one.meeting.role.is_some()));
            format!("leave {}", all.len())
        }
        ActivityKind::Event(name) => format!("event {name}"),
        ActivityKind::Other(name) => format!("other {name}"),
    };
    (what, activity.conversation_kind())
}

fn asked(invoke: &Invoke<'_>) -> String {
    match invoke {
        Invoke::CardAction(action) => {
            let how = if action.automatic { "refresh" } else { "press" };
            format!("{how} {} {}", action.verb.as_deref().unwrap(), action.data.len())
        }
        Invoke::TaskFetch(task) => format!("fetch {}", task.data["ask"].as_str().unwrap()),
        Invoke::TaskSubmit(task) => {
            format!("submit {} {}", task.data["reason"].as_str().unwrap(), task.context["theme"])
        }
        Invoke::FeedbackForm(feedback) => format!("form {}", feedback.reaction.as_deref().unwrap()),
        Invoke::Feedback(feedback) => {
            assert!(feedback.text.as_deref().unwrap().contains("too long"));
            format!("feedback {}", feedback.reaction.as_deref().unwrap())
        }
        Invoke::FileConsent(consent) => {
            assert_eq!(consent.context["file"], "report");
            format!("file {} {}", consent.accepted, consent.upload_info.is_some())
        }
        Invoke::ConnectorCard => "connector card".to_owned(),
        Invoke::SignIn => "sign in".to_owned(),
        Invoke::Malformed(name) => format!("malformed {name}"),
        Invoke::Other(name) => format!("unknown {name}"),
    }
}

#[test]
fn every_fixture_is_what_its_name_says() {
    use ConversationKind::{Channel, GroupChat, Personal};
    let expected = [
        ("card_action", "press ack 1", Personal),
        ("card_action_automatic", "refresh refresh 0", Personal),
        ("card_submit", "submitted", Personal),
        ("channel_created", "channelCreated", Channel),
        ("channel_deleted", "channelDeleted", Channel),
        ("channel_member_added", "channelMemberAdded +1", Channel),
        ("channel_member_removed", "channelMemberRemoved -1", Channel),
        ("channel_renamed", "channelRenamed", Channel),
        ("channel_restored", "channelRestored", Channel),
        ("channel_shared", "channelShared", Channel),
        ("channel_unshared", "channelUnshared", Channel),
        ("config_fetch", "unknown config/fetch", Personal),
        ("connector_card_action", "connector card", Personal),
        ("file_consent_accept", "file true true", Personal),
        ("file_consent_decline", "file false false", Personal),
        ("group_chat_member_removed", "teamMemberRemoved -1", GroupChat),
        ("group_chat_members_added", "update +2", GroupChat),
        ("install_group_chat", "add", GroupChat),
        ("install_group_chat_members_added", "update +bot", GroupChat),
        ("install_personal", "add", Personal),
        ("install_personal_members_added", "update +bot +1", Personal),
        ("install_personal_upgrade", "add-upgrade", Personal),
        ("install_team", "add", Channel),
        ("install_team_members_added", "teamMemberAdded +bot", Channel),
        ("meeting_end", "end 2026-11-20T10:30:00.0Z", GroupChat),
        ("meeting_participant_join", "join 2", GroupChat),
        ("meeting_participant_leave", "leave 2", GroupChat),
        ("meeting_start", "start 2026-11-20T10:00:00.0Z", GroupChat),
        ("message_channel", "message: status", Channel),
        ("message_delete", "delete", Personal),
        ("message_fetch_task", "form like", Personal),
        ("message_fetch_task_without_data", "form like", Personal),
        ("message_group_chat", "message: ask Pavel Novak to call", GroupChat),
        ("message_personal", "message: stop alerts", Personal),
        ("message_reaction", "+like -", Personal),
        ("message_reaction_removed", "+1f440_eyes -like", Personal),
        ("message_submit_action", "feedback dislike", Personal),
        ("message_undelete", "undelete", Personal),
        ("message_update", "edit", Personal),
        ("read_receipt", "read 1795350000123", Personal),
        ("sign_in_failure", "sign in", Personal),
        ("sign_in_token_exchange", "sign in", Personal),
        ("sign_in_verify_state", "sign in", Personal),
        ("task_fetch", "fetch details", Personal),
        ("task_submit", "submit seen \"dark\"", Personal),
        ("team_archived", "teamArchived", Channel),
        ("team_bot_removed", "teamMemberRemoved -bot", Channel),
        ("team_deleted", "teamDeleted", Channel),
        ("team_hard_deleted", "teamHardDeleted", Channel),
        ("team_member_added", "teamMemberAdded +2", Channel),
        ("team_member_removed", "teamMemberRemoved -1", Channel),
        ("team_renamed", "teamRenamed", Channel),
        ("team_restored", "teamRestored", Channel),
        ("team_unarchived", "teamUnarchived", Channel),
        ("uninstall_group_chat", "remove", GroupChat),
        ("uninstall_personal", "remove", Personal),
        ("uninstall_personal_upgrade", "remove-upgrade", Personal),
        ("uninstall_team", "remove", Channel),
    ];
    for (name, what, place) in expected {
        assert_eq!(told(&activity(name)), (what.to_owned(), Some(place)), "{name}");
    }
    for (name, _) in read("activities") {
        let known = expected.iter().any(|(known, ..)| *known == name);
        assert!(known, "say here what {name}.json is about");
    }
}

#[test]
fn channel_data_of_shared_channels_and_meetings() {
    let shared = activity("channel_shared").channel_data.unwrap();
    assert_eq!(shared.shared_with_teams()[0].name.as_deref(), Some("Purchasing"));
    assert!(shared.unshared_from_teams().is_empty());
    let unshared = activity("channel_unshared").channel_data.unwrap();
    assert!(unshared.unshared_from_teams()[0].aad_group_id.is_some());
    let source = activity("channel_member_added").channel_data.unwrap().membership_source().unwrap();
    assert_eq!(source.membership_type.as_deref(), Some("transitive"));
    let start = activity("meeting_start");
    let ActivityKind::MeetingStart(meeting) = start.kind() else { panic!() };
    assert_eq!(start.channel_data.as_ref().unwrap().meeting_id(), meeting.id.as_deref());
    assert_eq!(meeting.title.as_deref(), Some("Incident 4711"));
}

#[test]
fn everyone_who_is_mentioned() {
    let ids: Vec<String> = activity("message_group_chat").mentions().map(str::to_owned).collect();
    assert_eq!(ids, ["28:3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4", "29:1mPavel"]);
}

#[test]
fn what_is_unknown_stays_what_it_is() {
    let activity = |value| serde_json::from_value::<Activity>(value).unwrap();
    assert_eq!(activity(json!({"type": "typing"})).kind(), ActivityKind::Other("typing"));
    let event = activity(json!({"type": "event", "name": "application/vnd.microsoft.novel"}));
    assert_eq!(event.kind(), ActivityKind::Event("application/vnd.microsoft.novel"));
    let update = activity(json!({"type": "conversationUpdate", "channelData": {"eventType": "teamPainted"}}));
    let ActivityKind::ConversationUpdate(update) = update.kind() else { panic!() };
    assert_eq!(update.event, Some(TeamEvent::Other("teamPainted")));
    // Values of another shape lose nothing but themselves.
    let meeting = activity(
        json!({"type": "event", "name": "application/vnd.microsoft.meetingParticipantJoin", "value": {"members": [5]}}),
    );
    assert_eq!(meeting.kind(), ActivityKind::MeetingJoin(Vec::new()));
}
