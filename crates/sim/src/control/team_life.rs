//! `POST /sim/teams/{id}/{what}`: the app comes and goes, the team is renamed, archived, deleted, people join and leave.

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
    people::{actor, bots_with_endpoint, index_of, start},
    read, teams,
};
use crate::{
    events::{
        deliver::Errand,
        install,
        life::{self, Who},
        manner::Manner,
    },
    limits::Thread,
    org::{Apps, Change, GroupRef, TeamState},
    world::{Shared, World},
};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Order {
    /// `install`: the channel that was picked; General when absent
    channel: Option<String>,
    /// `install`, `remove`: every bot's app when absent
    app_id: Option<String>,
    /// `rename`
    name: Option<String>,
    /// `members`
    add: Vec<String>,
    remove: Vec<String>,
    /// Who does it: an Entra object id or UPN; somebody of the team when absent
    by: Option<String>,
    delivery: Option<Manner>,
}

const WHATS: &str = "install, remove, rename, archive, unarchive, delete, restore, hard-delete or members";

pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Path((id, what)): Path<(String, String)>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>)> {
    let order: Order = read(&body)?;
    check(order.delivery)?;
    let mut world = shared.world();
    let world = &mut *world;
    let team = world.org.team(&id).ok_or_else(|| ControlError::not_found("no such team"))?;
    let by = actor(world, order.by.as_ref(), Thread::Channel { team, channel: 0 })?;
    let state = world.org.teams[team as usize].state;
    let errands = match what.as_str() {
        "install" => installed(&shared, world, team, by, &order)?,
        "remove" => removed(&shared, world, team, by, &order)?,
        "members" => members(&shared, world, team, by, &order)?,
        "rename" => {
            let name = order.name.filter(|name| !name.is_empty());
            world.org.teams[team as usize].name =
                name.ok_or_else(|| ControlError::bad("name must not be empty"))?;
            world.org.changes.push(Change::Group(GroupRef::Team(team)));
            told(&shared, world, team, by, "teamRenamed")
        }
        _ => {
            use TeamState::{Active, Archived, Deleted, HardDeleted};
            let (from, to, event): (&[TeamState], TeamState, &str) = match what.as_str() {
                "archive" => (&[Active], Archived, "teamArchived"),
                "unarchive" => (&[Archived], Active, "teamUnarchived"),
                "delete" => (&[Active, Archived], Deleted, "teamDeleted"),
                "restore" => (&[Deleted], Active, "teamRestored"),
                "hard-delete" => (&[Deleted], HardDeleted, "teamHardDeleted"),
                _ => return Err(ControlError::not_found(format!("a team takes {WHATS}"))),
            };
            if !from.contains(&state) {
                return Err(ControlError::conflict(format!("the team is {}", json!(state))));
            }
            world.org.teams[team as usize].state = to;
            world.org.changes.push(Change::Group(GroupRef::Team(team)));
            told(&shared, world, team, by, event)
        }
    };
    let kind = if what == "install" { "team_install" } else { "team_change" };
    let (job, events) = start(&shared, world, kind, 0, errands, Duration::ZERO, order.delivery);
    let team = teams::show(world, team as usize);
    Ok((StatusCode::ACCEPTED, Json(json!({"team": team, "job": job, "events": events}))))
}

/// The bots that can be told and are in this team.
pub(super) fn bots_in(world: &World, team: u32) -> Vec<u16> {
    let apps = &world.org.teams[team as usize].apps;
    bots_with_endpoint(world).into_iter().filter(|app| apps.has(*app)).collect()
}

pub(super) fn one(app: u16, activity: Value) -> Errand {
    Errand::Ready { app, activities: vec![activity] }
}

fn told(shared: &Shared, world: &mut World, team: u32, by: Option<u32>, event: &str) -> Vec<Errand> {
    let now = shared.clock.now();
    bots_in(world, team)
        .into_iter()
        .map(|app| one(app, life::team(shared, world, (app, team, by), event, now)))
        .collect()
}

/// The bot that is named, or none for all.
pub(super) fn named(world: &World, app_id: Option<&String>) -> Result<Option<u16>> {
    let Some(app_id) = app_id else { return Ok(None) };
    let found = world.bot(app_id).filter(|(_, bot)| !bot.deleted);
    Ok(Some(found.ok_or_else(|| ControlError::not_found("no such bot"))?.0))
}

fn installed(
    shared: &Shared,
    world: &mut World,
    team: u32,
    by: Option<u32>,
    order: &Order,
) -> Result<Vec<Errand>> {
    let known = &world.org.teams[team as usize];
    if known.state != TeamState::Active {
        return Err(ControlError::conflict(format!("the team is {}", json!(known.state))));
    }
    let channel = match &order.channel {
        None => 0,
        Some(id) => known
            .channels
            .iter()
            .position(|other| *other.id == **id && !other.deleted)
            .ok_or_else(|| ControlError::not_found("no such channel in this team"))?,
    };
    let app = named(world, order.app_id.as_ref())?;
    let apps = &mut world.org.teams[team as usize].apps;
    match app {
        Some(app) => apps.add(app),
        None => *apps = Apps::all(),
    }
    let thread = Thread::Channel { team, channel: channel as u32 };
    let now = shared.clock.now();
    let bots = bots_with_endpoint(world).into_iter().filter(|bot| app.is_none_or(|app| app == *bot));
    Ok(bots
        .collect::<Vec<_>>()
        .into_iter()
        .map(|app| {
            let activities = install::shared_place(shared, world, app, (thread, by), now).to_vec();
            Errand::Ready { app, activities }
        })
        .collect())
}

fn removed(
    shared: &Shared,
    world: &mut World,
    team: u32,
    by: Option<u32>,
    order: &Order,
) -> Result<Vec<Errand>> {
    let app = named(world, order.app_id.as_ref())?;
    let apps = &world.org.teams[team as usize].apps;
    if !app.map_or_else(|| apps.any(), |app| apps.has(app)) {
        return Err(ControlError::conflict("the app is not in this team"));
    }
    let leaving: Vec<u16> =
        bots_in(world, team).into_iter().filter(|bot| app.is_none_or(|app| app == *bot)).collect();
    world.org.teams[team as usize].remove_app(app);
    let now = shared.clock.now();
    Ok(leaving
        .into_iter()
        .map(|app| {
            let activities = life::bot_leaves(shared, world, (app, team, by), now);
            Errand::Ready { app, activities }
        })
        .collect())
}

/// Those who are named, each once; an error for who is not as they have to be.
pub(super) fn people(
    world: &World,
    field: &str,
    ids: &[String],
    fits: impl Fn(u32) -> bool,
) -> Result<Vec<u32>> {
    let mut people = Vec::new();
    for (at, id) in ids.iter().enumerate() {
        let person = index_of(world, id)?;
        if !fits(person) || people.contains(&person) {
            let problem = if field == "add" { "is a member already" } else { "is no member" };
            return Err(ControlError::conflict(format!("{field}[{at}] {problem}, or is named twice")));
        }
        people.push(person);
    }
    Ok(people)
}

fn members(
    shared: &Shared,
    world: &mut World,
    team: u32,
    by: Option<u32>,
    order: &Order,
) -> Result<Vec<Errand>> {
    let added = people(world, "add", &order.add, |person| !world.org.is_member(team, person))?;
    let gone = people(world, "remove", &order.remove, |person| world.org.is_member(team, person))?;
    if added.is_empty() && gone.is_empty() {
        return Err(ControlError::bad("add or remove somebody"));
    }
    Ok(change_members(shared, world, (team, by), (&added, &gone)))
}

fn change_members(
    shared: &Shared,
    world: &mut World,
    (team, by): (u32, Option<u32>),
    (added, gone): (&[u32], &[u32]),
) -> Vec<Errand> {
    for (people, there) in [(added, true), (gone, false)] {
        for person in people {
            world.org.set_member(team, *person, there);
        }
    }
    // Who leaves a team leaves its private channels.
    for channel in &mut world.org.teams[team as usize].channels {
        channel.members.retain(|member| !gone.contains(member));
    }
    let now = shared.clock.now();
    let mut errands = Vec::new();
    for (people, there) in [(added, true), (gone, false)] {
        if people.is_empty() {
            continue;
        }
        for app in bots_in(world, team) {
            let who = Who::People(people);
            errands.push(one(app, life::team_members(shared, world, (app, team, by), (&who, there), now)));
        }
        // They come into the channels that others share with this team, or go from them.
        for (host, channel) in shared_with(world, team) {
            for app in super::channel_life::bots_in(world, host, channel) {
                let to = (app, host, channel, by);
                let what = (people, there, Some(team));
                errands.push(one(app, life::channel_members(shared, world, to, what, now)));
            }
        }
    }
    errands
}

/// Who is deleted from the tenant for good leaves every team, and each is told (protocol section 4.3).
pub(super) fn leaves_all(shared: &Shared, world: &mut World, person: u32) -> Vec<Errand> {
    let teams = (0..world.org.teams.len() as u32).filter(|team| world.org.is_member(*team, person));
    let mut errands = Vec::new();
    for team in teams.collect::<Vec<_>>() {
        errands.extend(change_members(shared, world, (team, None), (&[], &[person])));
    }
    errands
}

fn shared_with(world: &World, team: u32) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    for (host, known) in world.org.teams.iter().enumerate() {
        for (at, channel) in known.channels.iter().enumerate() {
            if !channel.deleted && channel.shared_with.contains(&team) {
                found.push((host as u32, at as u32));
            }
        }
    }
    found
}
