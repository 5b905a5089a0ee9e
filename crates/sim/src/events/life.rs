//! What happens to teams, channels, group chats and meetings (protocol sections 4.3 and 4.6, end).

use serde_json::{Value, json};

use super::{
    envelope::{Scene, account, meeting_id, team_data},
    install::{self, Action},
};
use crate::{
    clock::{Micros, rfc3339},
    limits::Thread,
    org::{Channel, ChannelKind},
    world::{Shared, World},
};

/// Who came or went.
pub(crate) enum Who<'a> {
    People(&'a [u32]),
    Bot,
}

/// `conversationUpdate` of a team, told from General.
pub(crate) fn team(
    shared: &Shared,
    world: &mut World,
    (app, team, by): (u16, u32, Option<u32>),
    event: &str,
    now: Micros,
) -> Value {
    let scene = Scene::new(world, app, Thread::Channel { team, channel: 0 }, None, by);
    let mut activity = scene.event(shared, world, "conversationUpdate", now);
    activity["channelData"]["eventType"] = event.into();
    activity["channelData"]["team"] = team_data(world, team);
    activity
}

/// Of one of its channels. Whatever concerns its members and other teams is told from the channel itself, with its kind.
pub(crate) fn channel(
    shared: &Shared,
    world: &mut World,
    (app, team, channel, by): (u16, u32, u32, Option<u32>),
    (event, more): (&str, Option<(&str, Value)>),
    now: Micros,
) -> Value {
    let mut activity = self::team(shared, world, (app, team, by), event, now);
    let Some(known) = world.org.channel_at(team, channel) else { return activity };
    activity["channelData"]["channel"] = json!({"id": known.id, "name": known.name});
    if let Some((name, value)) = more {
        activity["conversation"]["id"] = (*known.id).into();
        activity["channelData"]["channel"]["type"] = known.kind.name().into();
        activity["channelData"][name] = value;
    }
    activity
}

/// Lays `membersAdded` or `membersRemoved` into an activity.
pub(crate) fn set_members(world: &World, app: u16, activity: &mut Value, who: &Who<'_>, added: bool) {
    let members: Vec<Value> = match who {
        Who::Bot => vec![json!({"id": activity["recipient"]["id"]})],
        Who::People(people) => people.iter().map(|person| account(world, app, *person)).collect(),
    };
    activity[if added { "membersAdded" } else { "membersRemoved" }] = members.into();
}

/// People or the bot come into a team or go; of who goes, only the `29:` id is told.
pub(crate) fn team_members(
    shared: &Shared,
    world: &mut World,
    to: (u16, u32, Option<u32>),
    (who, added): (&Who<'_>, bool),
    now: Micros,
) -> Value {
    let event = if added { "teamMemberAdded" } else { "teamMemberRemoved" };
    let mut activity = team(shared, world, to, event, now);
    set_members(world, to.0, &mut activity, who, added);
    if !added {
        for member in activity["membersRemoved"].as_array_mut().into_iter().flatten() {
            *member = json!({"id": member["id"]});
        }
    }
    activity
}

/// The app is removed from a team: both events come from General; which channel was picked once is not told.
pub(crate) fn bot_leaves(
    shared: &Shared,
    world: &mut World,
    to: (u16, u32, Option<u32>),
    now: Micros,
) -> Vec<Value> {
    let (app, team, by) = to;
    let scene = Scene::new(world, app, Thread::Channel { team, channel: 0 }, None, by);
    vec![
        team_members(shared, world, to, (&Who::Bot, false), now),
        install::installation(shared, world, &scene, Action::Remove, now),
    ]
}

/// People come into a private or shared channel or go. `through`: the other team that they are in.
pub(crate) fn channel_members(
    shared: &Shared,
    world: &mut World,
    to: (u16, u32, u32, Option<u32>),
    (people, added, through): (&[u32], bool, Option<u32>),
    now: Micros,
) -> Value {
    let event = if added { "channelMemberAdded" } else { "channelMemberRemoved" };
    let source = membership_source(shared, world, (to.1, to.2), through);
    let mut activity = channel(shared, world, to, (event, Some(("membershipSource", source))), now);
    set_members(world, to.0, &mut activity, &Who::People(people), added);
    activity
}

fn membership_source(
    shared: &Shared,
    world: &World,
    (team, channel): (u32, u32),
    through: Option<u32>,
) -> Value {
    let host = &world.org.teams[team as usize];
    let (kind, how, id, name, group) = match (through, world.org.channel_at(team, channel)) {
        (Some(other), _) => {
            let other = &world.org.teams[other as usize];
            ("team", "transitive", other.id(), other.name.as_str(), other.group_id)
        }
        (None, Some(channel)) => ("channel", "direct", &*channel.id, channel.name.as_str(), host.group_id),
        (None, None) => ("channel", "direct", "", "", host.group_id),
    };
    json!({
        "sourceType": kind, "membershipType": how, "id": id, "name": name, "teamGroupId": group,
        "tenantId": shared.tenant_id,
    })
}

/// A channel is shared with other teams, or no longer.
pub(crate) fn sharing(
    shared: &Shared,
    world: &mut World,
    to: (u16, u32, u32, Option<u32>),
    (teams, there): (&[u32], bool),
    now: Micros,
) -> Value {
    let others: Vec<Value> = teams
        .iter()
        .map(|team| {
            let mut data = team_data(world, *team);
            data["tenantId"] = shared.tenant_id.as_str().into();
            data
        })
        .collect();
    let (event, field) =
        if there { ("channelShared", "sharedWithTeams") } else { ("channelUnshared", "unsharedFromTeams") };
    channel(shared, world, to, (event, Some((field, others.into()))), now)
}

/// People come into a group chat or go.
pub(crate) fn chat_members(
    shared: &Shared,
    world: &mut World,
    (app, chat, by): (u16, u32, Option<u32>),
    (people, added): (&[u32], bool),
    now: Micros,
) -> Value {
    let scene = Scene::new(world, app, Thread::Chat(chat), None, by);
    let mut activity = scene.event(shared, world, "conversationUpdate", now);
    set_members(world, app, &mut activity, &Who::People(people), added);
    if !added {
        activity["channelData"]["eventType"] = "teamMemberRemoved".into();
    }
    activity
}

/// A meeting begins or ends.
pub(crate) fn meeting(
    shared: &Shared,
    world: &mut World,
    (app, chat, by): (u16, u32, Option<u32>),
    starts: bool,
    now: Micros,
) -> Value {
    let scene = Scene::new(world, app, Thread::Chat(chat), None, by);
    let mut activity = scene.event(shared, world, "event", now);
    let known = &world.org.chats[chat as usize];
    let (name, time) = if starts { ("meetingStart", "StartTime") } else { ("meetingEnd", "EndTime") };
    activity["name"] = format!("application/vnd.microsoft.{name}").into();
    let path = known.id.replace(':', "%3a").replace('@', "%40");
    activity["value"] = json!({
        "MeetingType": "Scheduled", "Title": known.name.as_deref().unwrap_or("Meeting"), "Id": meeting_id(&known.id),
        "JoinUrl": format!("https://teams.microsoft.com/l/meetup-join/{path}/0"),
    });
    activity["value"][time] = rfc3339(now).into();
    activity
}

/// People enter a meeting or leave it. The first member of its chat is the organizer.
pub(crate) fn participants(
    shared: &Shared,
    world: &mut World,
    (app, chat, by): (u16, u32, Option<u32>),
    (people, enter): (&[u32], bool),
    now: Micros,
) -> Value {
    let scene = Scene::new(world, app, Thread::Chat(chat), None, by);
    let mut activity = scene.event(shared, world, "event", now);
    let name = if enter { "meetingParticipantJoin" } else { "meetingParticipantLeave" };
    activity["name"] = format!("application/vnd.microsoft.{name}").into();
    let organizer = world.org.chats[chat as usize].members.first().copied();
    let members: Vec<Value> = people
        .iter()
        .map(|person| {
            let mut user = account(world, app, *person);
            user["name"] = world.org.person(*person).map(crate::org::Person::name).into();
            user["tenantId"] = shared.tenant_id.as_str().into();
            let role = if organizer == Some(*person) { "Organizer" } else { "Attendee" };
            json!({"user": user, "meeting": {"inMeeting": enter, "role": role}})
        })
        .collect();
    activity["value"] = json!({"members": members});
    activity
}

/// Whether bots of the team hear what happens to a channel: of a private or shared one only those that were added to it.
pub(crate) fn hears(world: &World, app: u16, team: u32, channel: &Channel) -> bool {
    world.org.teams[team as usize].apps.has(app)
        && (channel.kind == ChannelKind::Standard || channel.apps.has(app))
}
