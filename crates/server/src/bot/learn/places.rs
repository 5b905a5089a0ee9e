//! The channels, chats and teams that an activity names (`docs/protocol.md` sections 4.0, 4.2 and 4.3).

use nuncio_domain::places::{ChannelKind, PlaceKind, SeenPlace, SeenTeam, TeamInstall, TeamState};
use nuncio_teams::inbound::Verified;
use nuncio_teams::schema::{
    Activity, ActivityKind, ConversationKind, ConversationUpdate, InstallationAction, TeamEvent, TeamInfo,
    thread_of,
};

use super::{Reach, is_bot, name, object_id, said};

pub(super) fn places(activity: &Activity, kind: &ActivityKind<'_>, reach: &Reach) -> Vec<SeenPlace> {
    match activity.conversation_kind() {
        Some(ConversationKind::Channel) => channels(activity, kind, reach),
        Some(ConversationKind::GroupChat) => chat(activity, reach).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn chat(activity: &Activity, reach: &Reach) -> Option<SeenPlace> {
    let id = activity.conversation_id().map(thread_of)?;
    // Of another shape it could not be posted to, as far as we know.
    (ConversationKind::from_id(id) == Some(ConversationKind::GroupChat)).then(|| SeenPlace {
        kind: if id.starts_with("19:meeting_") { PlaceKind::MeetingChat } else { PlaceKind::GroupChat },
        conversation_id: id.to_owned(),
        name: activity.conversation.as_ref().and_then(|chat| chat.name.as_deref()).and_then(name),
        team_id: None,
        channel_kind: None,
        reach: reach.clone(),
    })
}

fn team_info(activity: &Activity) -> Option<&TeamInfo> {
    activity.channel_data.as_ref()?.team.as_ref()
}

fn team_id(activity: &Activity) -> Option<&str> {
    let older = || activity.channel_data.as_ref()?.extra.get("teamsTeamId")?.as_str();
    team_info(activity).and_then(|team| team.id.as_deref()).or_else(older).filter(|id| is_channel(id))
}

fn is_channel(id: &str) -> bool {
    ConversationKind::from_id(id) == Some(ConversationKind::Channel)
}

/// The channel picked at installation.
fn picked(activity: &Activity) -> Option<&str> {
    activity.channel_data.as_ref()?.settings.as_ref()?.selected_channel.as_ref()?.id.as_deref()
}

/// The channels that an activity in a channel names: the one that it is about, where it happened, the one picked at
/// installation, and General, whose id is the team's.
fn channels(activity: &Activity, kind: &ActivityKind<'_>, reach: &Reach) -> Vec<SeenPlace> {
    let team_id = team_id(activity);
    let place = activity.conversation_id().map(thread_of);
    let named = activity.channel_data.as_ref().and_then(|data| data.channel.as_ref());
    let about = named.and_then(|channel| channel.id.as_deref()).map(thread_of);
    let about_kind = named
        .and_then(|channel| channel.channel_type.as_deref())
        .and_then(|kind| ChannelKind::of_word(&kind.to_ascii_lowercase()));

    let mut seen: Vec<SeenPlace> = Vec::new();
    let mut add = |id: Option<&str>, name: Option<String>, reach: Reach| {
        // Ids of another shape are not channels (a meeting's chat can be named here).
        let Some(id) = id.filter(|id| is_channel(id)) else { return };
        if seen.iter().any(|channel| channel.conversation_id == id) {
            return;
        }
        let general = team_id == Some(id);
        seen.push(SeenPlace {
            kind: PlaceKind::Channel,
            conversation_id: id.to_owned(),
            name,
            team_id: team_id.map(str::to_owned),
            channel_kind: about_kind
                .filter(|_| about == Some(id))
                .or(Some(ChannelKind::Standard).filter(|_| general)),
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
        ActivityKind::ConversationUpdate(update) if of_channel(update) => false,
        ActivityKind::ConversationUpdate(update) => update.bot_added || update.bot_removed || about.is_none(),
        _ => about.is_none(),
    };
    let others: Reach = reach.clone().filter(|_| whole_team);
    add(picked(activity), None, others.clone());
    add(place, place_name, others.clone());
    if !matches!(kind, ActivityKind::Message) {
        add(team_id, None, others);
    }
    seen
}

/// The team of a channel, and what became of it.
pub(super) fn team(verified: &Verified, kind: &ActivityKind<'_>) -> Option<SeenTeam> {
    let activity = &verified.activity;
    if activity.conversation_kind() != Some(ConversationKind::Channel) {
        return None;
    }
    let info = team_info(activity);
    let change = change(kind);
    let install = matches!(&change, Some((TeamState::Active, _))) && is_install(kind);
    let by = || {
        activity
            .from
            .as_ref()
            .filter(|from| !is_bot(from))
            .and_then(|from| object_id(from, verified.unsigned))
    };
    Some(SeenTeam {
        team_id: team_id(activity)?.to_owned(),
        name: info.and_then(|team| team.name.as_deref()).and_then(name),
        group_id: info.and_then(|team| team.aad_group_id.as_deref()).and_then(crate::validate::guid),
        change,
        install: install.then(|| TeamInstall {
            by: by(),
            channel: picked(activity)
                .or(activity.conversation_id().map(thread_of))
                .filter(|id| is_channel(id))
                .map(str::to_owned),
        }),
    })
}

/// Whether the app came to where it was not before.
pub(in crate::bot) fn is_install(kind: &ActivityKind<'_>) -> bool {
    match kind {
        ActivityKind::Installation(InstallationAction::Add) => true,
        ActivityKind::ConversationUpdate(update) => update.bot_added && !of_channel(update),
        _ => false,
    }
}

/// Members of a private or shared channel: the app may be one of them, and its team has nothing to do with it.
pub(in crate::bot) fn of_channel(update: &ConversationUpdate<'_>) -> bool {
    matches!(update.event, Some(TeamEvent::ChannelMemberAdded | TeamEvent::ChannelMemberRemoved))
}

fn change(kind: &ActivityKind<'_>) -> Option<(TeamState, String)> {
    let (state, evidence) = match kind {
        ActivityKind::Installation(InstallationAction::Add | InstallationAction::AddUpgrade) => {
            (TeamState::Active, "the app was installed".to_owned())
        }
        ActivityKind::Installation(InstallationAction::Remove | InstallationAction::RemoveUpgrade) => {
            (TeamState::Removed, "the app was removed".to_owned())
        }
        ActivityKind::ConversationUpdate(update) if of_channel(update) => return None,
        ActivityKind::ConversationUpdate(update) if update.bot_added => {
            (TeamState::Active, "the app was added to the team".to_owned())
        }
        ActivityKind::ConversationUpdate(update) if update.bot_removed => {
            (TeamState::Removed, "the app was removed from the team".to_owned())
        }
        ActivityKind::ConversationUpdate(update) => {
            let event = update.event?;
            let state = match event {
                TeamEvent::TeamArchived => TeamState::Archived,
                TeamEvent::TeamUnarchived | TeamEvent::TeamRestored => TeamState::Active,
                TeamEvent::TeamDeleted | TeamEvent::TeamHardDeleted => TeamState::Deleted,
                _ => return None,
            };
            (state, said(event))
        }
        _ => return None,
    };
    Some((state, evidence))
}
