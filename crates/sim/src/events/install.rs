//! A bot comes into a conversation, is upgraded, or goes (protocol sections 4.1, 4.2 and 4.4).

use serde_json::{Value, json};

use super::envelope::{Scene, account, team_data};
use crate::{
    clock::Micros,
    graph::catalog::APP_VERSION,
    limits::Thread,
    world::{Shared, World},
};

/// What `installationUpdate` tells. The upgrades are sent only when a manifest gained or lost its bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Add,
    Remove,
    AddUpgrade,
    RemoveUpgrade,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::AddUpgrade => "add-upgrade",
            Self::RemoveUpgrade => "remove-upgrade",
        }
    }
}

/// `conversationUpdate` and `installationUpdate` of an install in personal scope.
pub(crate) fn personal(shared: &Shared, world: &mut World, app: u16, person: u32, now: Micros) -> [Value; 2] {
    let scene = Scene::new(world, app, Thread::Person(person), None, Some(person));
    let mut members = scene.event(shared, world, "conversationUpdate", now);
    members["membersAdded"] = json!([{"id": members["recipient"]["id"]}, account(world, app, person)]);
    [members, installation(shared, world, &scene, Action::Add, now)]
}

/// `installationUpdate` in the personal scope.
pub(crate) fn personal_change(
    shared: &Shared,
    world: &mut World,
    app: u16,
    person: u32,
    action: Action,
    now: Micros,
) -> Value {
    let scene = Scene::new(world, app, Thread::Person(person), None, Some(person));
    installation(shared, world, &scene, action, now)
}

/// `installationUpdate` in any scope.
pub(crate) fn installation(
    shared: &Shared,
    world: &mut World,
    scene: &Scene,
    action: Action,
    now: Micros,
) -> Value {
    let mut activity = scene.event(shared, world, "installationUpdate", now);
    activity["action"] = action.name().into();
    activity["channelData"]["source"] = json!({"name": "message"});
    match scene.thread {
        Thread::Person(person) => {
            if matches!(action, Action::Add | Action::Remove) {
                let locale = world.org.person(person).map_or("en-GB", |person| person.language());
                activity["locale"] = locale.into();
                activity["entities"] = json!([{"type": "clientInfo", "locale": locale}]);
            }
            activity["channelData"]["app"] =
                json!({"id": world.bots[usize::from(scene.app)].catalog.manifest_id, "version": APP_VERSION});
        }
        Thread::Channel { team, channel } => {
            activity["channelData"]["team"] = team_data(world, team);
            if action == Action::Add {
                selected(world, &mut activity, team, channel);
                activity["channelData"]["settings"] =
                    json!({"selectedChannel": {"id": activity["conversation"]["id"]}});
            }
        }
        Thread::Chat(_) => {}
    }
    activity
}

/// The channel that was picked, with its name; General goes without one, by which TeamsFx knows it.
fn selected(world: &World, activity: &mut Value, team: u32, channel: u32) {
    if channel != 0 {
        activity["conversation"]["name"] =
            world.org.channel_at(team, channel).map(|it| it.name.clone()).into();
    }
    activity["channelData"]["channel"] = json!({"id": activity["conversation"]["id"]});
}

/// The two events of an install in a team, told from the channel where it happened, or in a group chat.
pub(crate) fn shared_place(
    shared: &Shared,
    world: &mut World,
    app: u16,
    (thread, by): (Thread, Option<u32>),
    now: Micros,
) -> [Value; 2] {
    let scene = Scene::new(world, app, thread, None, by);
    let mut members = scene.event(shared, world, "conversationUpdate", now);
    members["membersAdded"] = json!([{"id": members["recipient"]["id"]}]);
    if let Thread::Channel { team, channel } = thread {
        members["channelData"]["eventType"] = "teamMemberAdded".into();
        members["channelData"]["team"] = team_data(world, team);
        selected(world, &mut members, team, channel);
    }
    [members, installation(shared, world, &scene, Action::Add, now)]
}

/// Somebody of the place who knows the app, where there is one: whoever never had it is not likely to add it.
pub(crate) fn installer(world: &World, thread: Thread) -> Option<u32> {
    let knows_it =
        |person: &u32| world.org.person(*person).is_some_and(|person| person.state.ever_installed());
    let members = world.org.roster(thread);
    members.iter().copied().find(knows_it).or(members.first().copied())
}
