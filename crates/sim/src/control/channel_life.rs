//! `POST /sim/teams/{id}/channels` and `…/{channel}/{what}`: channels come, change, are shared, and go.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ControlError, Result,
    events::check,
    people::{actor, bots_with_endpoint, start},
    read,
    team_life::{one, people},
    teams,
};
use crate::{
    events::{deliver::Errand, life, manner::Manner},
    limits::Thread,
    org::{ChannelKind, TeamState},
    world::{Shared, World},
};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Create {
    name: String,
    kind: ChannelKind,
    /// Of a private or shared channel
    members: Vec<String>,
    /// App ids that are in a private or shared one from the start, without an event
    apps: Vec<String>,
    by: Option<String>,
    delivery: Option<Manner>,
}

pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>)> {
    let order: Create = read(&body)?;
    check(order.delivery)?;
    if order.name.is_empty() {
        return Err(ControlError::bad("name must not be empty"));
    }
    if order.kind == ChannelKind::Standard && !(order.members.is_empty() && order.apps.is_empty()) {
        return Err(ControlError::bad("members and apps are those of a private or shared channel"));
    }
    let mut world = shared.world();
    let world = &mut *world;
    let (team, by) = team_and_actor(world, &id, order.by.as_ref())?;
    if world.org.teams[team as usize].state != TeamState::Active {
        return Err(ControlError::conflict("the team is not active"));
    }
    let members = people(world, "add", &order.members, |_| true)?;
    if order.kind == ChannelKind::Private && members.iter().any(|person| !world.org.is_member(team, *person))
    {
        return Err(ControlError::conflict("members: a private channel has only people of its team"));
    }
    let apps: Option<Vec<u16>> = order.apps.iter().map(|id| world.bot(id).map(|(app, _)| app)).collect();
    let apps = apps.ok_or_else(|| ControlError::not_found("apps: no such bot"))?;
    let channel = world
        .org
        .add_channel(team, &order.name, order.kind, members)
        .ok_or_else(|| ControlError::not_found("no such team"))?;
    for app in apps {
        world.org.teams[team as usize].channels[channel as usize].apps.add(app);
    }
    let errands = told(&shared, world, (team, channel, by), "channelCreated");
    Ok(answer(&shared, world, (team, channel), errands, order.delivery))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Order {
    /// `rename`
    name: Option<String>,
    /// `share`, `unshare`: ids of other teams
    teams: Vec<String>,
    /// `members`
    add: Vec<String>,
    remove: Vec<String>,
    by: Option<String>,
    delivery: Option<Manner>,
}

const WHATS: &str = "rename, delete, restore, share, unshare or members";

pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Path((id, channel, what)): Path<(String, String, String)>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>)> {
    let order: Order = read(&body)?;
    check(order.delivery)?;
    let mut world = shared.world();
    let world = &mut *world;
    let (team, by) = team_and_actor(world, &id, order.by.as_ref())?;
    let channel = match world.org.channel(&channel) {
        Some((other, channel)) if other == team => channel,
        _ => return Err(ControlError::not_found("no such channel in this team")),
    };
    if world.org.teams[team as usize].state != TeamState::Active {
        return Err(ControlError::conflict("the team is not active"));
    }
    let known = &mut world.org.teams[team as usize].channels[channel as usize];
    if known.deleted != (what == "restore") {
        let state = if known.deleted { "deleted" } else { "not deleted" };
        return Err(ControlError::conflict(format!("the channel is {state}")));
    }
    if channel == 0 && matches!(what.as_str(), "rename" | "delete") {
        return Err(ControlError::conflict("General cannot be renamed or deleted"));
    }
    let errands = match what.as_str() {
        "rename" => {
            let name = order.name.clone().filter(|name| !name.is_empty());
            known.name = name.ok_or_else(|| ControlError::bad("name must not be empty"))?;
            told(&shared, world, (team, channel, by), "channelRenamed")
        }
        "delete" | "restore" => {
            known.deleted = what == "delete";
            let event = if what == "delete" { "channelDeleted" } else { "channelRestored" };
            told(&shared, world, (team, channel, by), event)
        }
        "share" | "unshare" => sharing(&shared, world, (team, channel, by), &order.teams, what == "share")?,
        "members" => members(&shared, world, (team, channel, by), &order)?,
        _ => return Err(ControlError::not_found(format!("a channel takes {WHATS}"))),
    };
    Ok(answer(&shared, world, (team, channel), errands, order.delivery))
}

fn team_and_actor(world: &World, id: &str, by: Option<&String>) -> Result<(u32, Option<u32>)> {
    let team = world.org.team(id).ok_or_else(|| ControlError::not_found("no such team"))?;
    let by = actor(world, by, Thread::Channel { team, channel: 0 })?;
    Ok((team, by))
}

fn answer(
    shared: &Arc<Shared>,
    world: &mut World,
    (team, channel): (u32, u32),
    errands: Vec<Errand>,
    delivery: Option<Manner>,
) -> (StatusCode, Json<Value>) {
    let (job, events) = start(shared, world, "channel_change", 0, errands, Duration::ZERO, delivery);
    let shown = teams::show(world, team as usize)["channels"][channel as usize].clone();
    (StatusCode::ACCEPTED, Json(json!({"channel": shown, "job": job, "events": events})))
}

/// The bots that can be told and hear of this channel.
pub(super) fn bots_in(world: &World, team: u32, channel: u32) -> Vec<u16> {
    let known = world.org.channel_at(team, channel);
    let hears = |app: &u16| known.is_some_and(|known| life::hears(world, *app, team, known));
    bots_with_endpoint(world).into_iter().filter(hears).collect()
}

fn told(
    shared: &Shared,
    world: &mut World,
    (team, channel, by): (u32, u32, Option<u32>),
    event: &str,
) -> Vec<Errand> {
    let now = shared.clock.now();
    bots_in(world, team, channel)
        .into_iter()
        .map(|app| one(app, life::channel(shared, world, (app, team, channel, by), (event, None), now)))
        .collect()
}

fn sharing(
    shared: &Shared,
    world: &mut World,
    (team, channel, by): (u32, u32, Option<u32>),
    ids: &[String],
    there: bool,
) -> Result<Vec<Errand>> {
    let others: Option<Vec<u32>> = ids.iter().map(|id| world.org.team(id)).collect();
    let others = others.filter(|others| !others.is_empty());
    let others = others.ok_or_else(|| ControlError::not_found("teams: no such team"))?;
    let known = &mut world.org.teams[team as usize].channels[channel as usize];
    if known.kind != ChannelKind::Shared {
        return Err(ControlError::conflict("only a shared channel can be shared"));
    }
    if others.iter().any(|other| *other == team || known.shared_with.contains(other) == there) {
        let state = if there { "is its own or has it already" } else { "does not have it" };
        return Err(ControlError::conflict(format!("teams: one of them {state}")));
    }
    if there {
        known.shared_with.extend(&others);
    } else {
        known.shared_with.retain(|team| !others.contains(team));
    }
    let now = shared.clock.now();
    Ok(bots_in(world, team, channel)
        .into_iter()
        .map(|app| one(app, life::sharing(shared, world, (app, team, channel, by), (&others, there), now)))
        .collect())
}

fn members(
    shared: &Shared,
    world: &mut World,
    (team, channel, by): (u32, u32, Option<u32>),
    order: &Order,
) -> Result<Vec<Errand>> {
    let known = &world.org.teams[team as usize].channels[channel as usize];
    if known.kind == ChannelKind::Standard {
        return Err(ControlError::conflict("a standard channel has the members of its team"));
    }
    let has = |person: u32| known.members.contains(&person);
    let added = people(world, "add", &order.add, |person| !has(person))?;
    let gone = people(world, "remove", &order.remove, has)?;
    if added.is_empty() && gone.is_empty() {
        return Err(ControlError::bad("add or remove somebody"));
    }
    let private = known.kind == ChannelKind::Private;
    if private && added.iter().any(|person| !world.org.is_member(team, *person)) {
        return Err(ControlError::conflict("add: a private channel has only people of its team"));
    }
    let known = &mut world.org.teams[team as usize].channels[channel as usize];
    known.members.retain(|member| !gone.contains(member));
    known.members.extend(&added);
    known.members.sort_unstable();
    let now = shared.clock.now();
    let mut errands = Vec::new();
    for (people, there) in [(&added, true), (&gone, false)] {
        if people.is_empty() {
            continue;
        }
        for app in bots_in(world, team, channel) {
            let what = (people.as_slice(), there, None);
            errands.push(one(app, life::channel_members(shared, world, (app, team, channel, by), what, now)));
        }
    }
    Ok(errands)
}
