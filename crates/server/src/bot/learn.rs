//! What an activity tells us of people and channels (`docs/protocol.md` section 4; `docs/delivery.md`, Reachability).
//!
//! Only what happens in a personal conversation says that a person can be reached in one: who writes in a channel may
//! never have had the app, and who blocked it there stays blocked (section 4.4). Only such a conversation is kept as a
//! reference of theirs.

use nuncio_domain::people::{Learned, SeenChannel, SeenPerson};
use nuncio_domain::{ReachState, Time};
use nuncio_teams::inbound::Verified;
use nuncio_teams::schema::{
    Activity, ActivityKind, ChannelAccount, ConversationKind, ConversationUpdate, InstallationAction,
    TeamEvent, thread_of,
};

/// Names come from outside; longer ones are cut.
const LONGEST_NAME: usize = 256;

/// What an activity says of whether the conversation it is about can be posted to.
type Reach = Option<(ReachState, String)>;

/// What is to be stored; nothing for activities that teach nothing.
pub(super) fn learned(verified: &Verified, app: String, now: Time, raw: &[u8]) -> Option<Learned> {
    let activity = &verified.activity;
    let kind = activity.kind();
    let (what, reach) = meaning(&kind)?;
    let personal = activity.conversation_kind() == Some(ConversationKind::Personal);
    let in_channel = activity.conversation_kind() == Some(ConversationKind::Channel);
    Some(Learned {
        app,
        tenant: verified.tenant_id.to_ascii_lowercase(),
        service_url: verified.service_url.as_str().to_owned(),
        at: now,
        event: event(activity, &kind, raw),
        what: what.to_owned(),
        person: person(verified, &kind, personal, &reach),
        channels: if in_channel { channels(activity, &kind, &reach) } else { Vec::new() },
    })
}

/// The word for the event, and what it says of the conversation.
fn meaning(kind: &ActivityKind<'_>) -> Option<(&'static str, Reach)> {
    let reachable = |evidence: &str| Some((ReachState::Reachable, evidence.to_owned()));
    let removed = |evidence: &str| Some((ReachState::Removed, evidence.to_owned()));
    Some(match kind {
        ActivityKind::Installation(InstallationAction::Add | InstallationAction::AddUpgrade) => {
            ("install", reachable("the app was installed"))
        }
        ActivityKind::Installation(InstallationAction::Remove | InstallationAction::RemoveUpgrade) => {
            ("remove", removed("the app was removed"))
        }
        ActivityKind::Installation(InstallationAction::Other) => return None,
        ActivityKind::ConversationUpdate(update) if update.bot_added => {
            ("install", reachable("the app was added to the conversation"))
        }
        ActivityKind::ConversationUpdate(update) if update.bot_removed => {
            ("remove", removed("the app was removed from the conversation"))
        }
        ActivityKind::ConversationUpdate(update) => ("conversation", of_event(update)),
        ActivityKind::Message => ("message", reachable("they wrote to the app")),
        ActivityKind::MessageUpdate => ("edit", reachable("they edited what they wrote")),
        ActivityKind::MessageUndelete => ("edit", reachable("they restored what they wrote")),
        ActivityKind::MessageReaction(_) => ("reaction", reachable("they reacted to a message")),
        ActivityKind::Invoke(_) => ("invoke", reachable("they used a card or command")),
        // Someone can delete or read after having blocked or removed the app.
        ActivityKind::MessageDelete => ("delete", None),
        ActivityKind::ReadReceipt(_) => ("read", None),
        ActivityKind::MeetingStart(_)
        | ActivityKind::MeetingEnd(_)
        | ActivityKind::MeetingJoin(_)
        | ActivityKind::MeetingLeave(_)
        | ActivityKind::Event(_)
        | ActivityKind::Other(_) => return None,
    })
}

/// What becomes of the channel that a team's event names.
fn of_event(update: &ConversationUpdate<'_>) -> Reach {
    let event = update.event?;
    let state = match event {
        TeamEvent::ChannelCreated | TeamEvent::ChannelRestored | TeamEvent::TeamRestored => {
            ReachState::Reachable
        }
        TeamEvent::ChannelDeleted | TeamEvent::TeamDeleted | TeamEvent::TeamHardDeleted => {
            ReachState::ChatGone
        }
        _ => return None,
    };
    Some((state, format!("Teams said {}", event.as_str())))
}

/// What makes it the same activity when it comes again.
fn event(activity: &Activity, kind: &ActivityKind<'_>, raw: &[u8]) -> (String, String) {
    let conversation = activity.conversation_id().unwrap_or_default().to_owned();
    let id = match activity.id.as_deref().filter(|id| !id.is_empty()) {
        None => blake3::hash(raw).to_string(),
        // These have the id of the message that they are about, which came before under the same one.
        Some(id)
            if matches!(
                kind,
                ActivityKind::MessageUpdate | ActivityKind::MessageUndelete | ActivityKind::MessageDelete
            ) =>
        {
            let kind = activity.activity_type.as_deref().unwrap_or_default();
            format!("{id};{kind};{}", activity.timestamp.as_deref().unwrap_or_default())
        }
        Some(id) => id.to_owned(),
    };
    (conversation, id)
}

/// The person that it is about, else the one that it is from.
fn person(verified: &Verified, kind: &ActivityKind<'_>, personal: bool, reach: &Reach) -> Option<SeenPerson> {
    let activity = &verified.activity;
    let members: Vec<&ChannelAccount> = match kind {
        ActivityKind::ConversationUpdate(update) => {
            update.members_added.iter().chain(&update.members_removed).copied().collect()
        }
        _ => Vec::new(),
    };
    let from = activity.from.as_ref().filter(|account| !is_bot(account));
    let object_id = |account: &ChannelAccount| object_id(account, verified.unsigned);
    let known = |account: &&ChannelAccount| object_id(account).is_some();
    let account = members.into_iter().filter(|account| !is_bot(account)).find(known).or(from.filter(known))?;
    Some(SeenPerson {
        object_id: object_id(account)?,
        mri: account.id.clone().filter(|id| id.starts_with("29:")),
        name: account.name.as_deref().and_then(name),
        upn: account.user_principal_name().and_then(name),
        conversation_id: activity.conversation_id().filter(|_| personal).map(str::to_owned),
        reach: reach.clone().filter(|_| personal),
    })
}

fn is_bot(account: &ChannelAccount) -> bool {
    account.id.as_deref().is_some_and(|id| id.starts_with("28:"))
}

/// Microsoft's are GUIDs. Agents Playground's are not quite, and it only ever speaks to `--local` servers.
fn object_id(account: &ChannelAccount, unsigned: bool) -> Option<String> {
    let id = account.object_id()?;
    let odd = || {
        unsigned
            .then(|| id.to_ascii_lowercase())
            .filter(|id| id.len() <= 64 && !id.contains(char::is_control))
    };
    crate::validate::guid(id).or_else(odd)
}

fn name(text: &str) -> Option<String> {
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    (!text.is_empty()).then_some(text)
}

/// The channels that an activity in a channel names: the one that it is about, where it happened, the one picked at
/// installation, and General, whose id is the team's.
fn channels(activity: &Activity, kind: &ActivityKind<'_>, reach: &Reach) -> Vec<SeenChannel> {
    let data = activity.channel_data.as_ref();
    let team = data.and_then(|data| data.team.as_ref());
    let team_id = team.and_then(|team| team.id.as_deref()).or_else(|| {
        // Older activities have it here only.
        data?.extra.get("teamsTeamId")?.as_str()
    });
    let team_name = team.and_then(|team| team.name.as_deref()).and_then(name);
    let place = activity.conversation_id().map(thread_of);
    let named = data.and_then(|data| data.channel.as_ref());
    let about = named.and_then(|channel| channel.id.as_deref()).map(thread_of);
    let picked = data.and_then(|data| data.settings.as_ref()?.selected_channel.as_ref()?.id.as_deref());

    let mut seen: Vec<SeenChannel> = Vec::new();
    let mut add = |id: Option<&str>, name: Option<String>, reach: Reach| {
        // Ids of another shape are not channels (a meeting's chat can be named here).
        let Some(id) = id.filter(|id| ConversationKind::from_id(id) == Some(ConversationKind::Channel))
        else {
            return;
        };
        if seen.iter().any(|channel| channel.conversation_id == id) {
            return;
        }
        seen.push(SeenChannel {
            conversation_id: id.to_owned(),
            name,
            team_id: team_id.map(str::to_owned),
            team_name: team_name.clone(),
            reach,
        });
    };
    let place_name = activity.conversation.as_ref().and_then(|place| place.name.as_deref()).and_then(name);
    // The conversation's name is that of the channel which it happened in; `channel.name` is often left out.
    let about_name = named
        .and_then(|channel| channel.name.as_deref())
        .and_then(name)
        .or_else(|| place_name.clone().filter(|_| about == place));
    add(about, about_name, reach.clone());

    // An event about one channel says nothing of the others, save that a team's install is for all of them.
    let whole_team = match kind {
        ActivityKind::Installation(_) => true,
        ActivityKind::ConversationUpdate(update) => update.bot_added || update.bot_removed || about.is_none(),
        _ => about.is_none(),
    };
    let others: Reach = reach.clone().filter(|_| whole_team);
    add(picked, None, others.clone());
    add(place, place_name, others.clone());
    if !matches!(kind, ActivityKind::Message) {
        add(team_id, None, others);
    }
    seen
}

#[cfg(test)]
mod tests {
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
            learned.person.as_ref().map(|person| state(&person.reach)),
            learned
                .channels
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
            let person = learned.person.unwrap();
            assert_eq!(person.object_id, INES, "{name}");
            assert_eq!(person.mri.as_deref(), Some("29:1kQpZfW8sYt0bXc"), "{name}");
            assert_eq!(person.conversation_id.as_deref(), Some(PERSONAL), "{name}");
            assert_eq!(learned.tenant, "6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913");
            assert_eq!(learned.service_url, "https://smba.trafficmanager.net/emea/");
            assert_eq!(learned.event.0, PERSONAL);
        }
        let learned = of(&fixture("message_personal")).unwrap();
        assert_eq!(learned.person.unwrap().name.as_deref(), Some("Ines Moreau"));
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
            assert_eq!(learned.person.unwrap().conversation_id, None, "{name}");
            assert!(
                learned.channels.iter().all(|channel| channel.team_id.as_deref() == Some(GENERAL)),
                "{name}"
            );
        }
        let channels = of(&fixture("install_team")).unwrap().channels;
        assert!(channels.iter().all(|channel| channel.team_name.as_deref() == Some("Network Operations")));
    }

    #[test]
    fn a_picked_channel_is_learned_beside_the_place() {
        let mut body = fixture("install_team");
        body["channelData"]["settings"]["selectedChannel"]["id"] = "19:picked@thread.tacv2".into();
        let ids: Vec<String> =
            of(&body).unwrap().channels.into_iter().map(|channel| channel.conversation_id).collect();
        assert_eq!(ids, [INCIDENTS, "19:picked@thread.tacv2", GENERAL]);
    }

    #[test]
    fn a_deleted_channel_takes_nothing_else_with_it() {
        let mut body = fixture("channel_created");
        body["channelData"]["eventType"] = "ChannelDeleted".into();
        let learned = of(&body).unwrap();
        assert_eq!(learned.channels[0].reach.as_ref().unwrap().0, ReachState::ChatGone);
        assert_eq!(learned.channels[1].reach, None);
    }

    #[test]
    fn who_was_added_goes_before_who_did_it() {
        let mut body = fixture("team_member_removed");
        body["membersRemoved"][0]["aadObjectId"] = "C0FFEE00-0000-4000-8000-000000000001".into();
        let person = of(&body).unwrap().person.unwrap();
        assert_eq!(person.object_id, "c0ffee00-0000-4000-8000-000000000001");
        assert_eq!(person.mri.as_deref(), Some("29:1mRemovedUser"));
    }

    #[test]
    fn a_group_chat_gives_its_person_and_no_reference() {
        let mut body = fixture("install_personal");
        body["conversation"] = serde_json::json!({"conversationType": "groupChat", "id": "19:x@thread.v2"});
        let learned = of(&body).unwrap();
        assert_eq!(short(&learned), ("install".to_owned(), Some(None), Vec::new()));
        assert_eq!(learned.person.unwrap().conversation_id, None);
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
        assert!(of(&body).unwrap().person.is_none());
    }
}
