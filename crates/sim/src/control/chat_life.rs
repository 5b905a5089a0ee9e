//! `POST /sim/chats/{id}/{what}`: the app and people come into a group chat and go; a meeting begins and ends.

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
    ControlError, Result, chats,
    events::check,
    people::{actor, bots_with_endpoint, start},
    read,
    team_life::{named, one, people},
};
use crate::{
    events::{
        deliver::Errand,
        envelope::Scene,
        install::{self, Action},
        life,
        manner::Manner,
    },
    limits::Thread,
    org::{Apps, ChatKind},
    world::{HEARS_MEETINGS, HEARS_PARTICIPANTS, Shared, World},
};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Order {
    /// `install`, `remove`: every bot's app when absent
    app_id: Option<String>,
    /// `members`
    add: Vec<String>,
    remove: Vec<String>,
    /// `join`, `leave`
    people: Vec<String>,
    by: Option<String>,
    delivery: Option<Manner>,
}

const WHATS: &str = "install, remove, members, and that of a meeting start, end, join, leave";

pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Path((id, what)): Path<(String, String)>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>)> {
    let order: Order = read(&body)?;
    check(order.delivery)?;
    let mut world = shared.world();
    let world = &mut *world;
    let chat = world.org.chat(&id).ok_or_else(chats::no_such_chat)?;
    let by = actor(world, order.by.as_ref(), Thread::Chat(chat))?;
    let meeting = world.org.chats[chat as usize].kind == ChatKind::Meeting;
    let errands = match what.as_str() {
        "install" | "remove" => apps(&shared, world, (chat, by), order.app_id.as_ref(), what == "install")?,
        "members" => members(&shared, world, (chat, by), &order)?,
        "start" | "end" | "join" | "leave" if !meeting => {
            return Err(ControlError::conflict("this chat is not that of a meeting"));
        }
        "start" | "end" => began_or_ended(&shared, world, (chat, by), what == "start")?,
        "join" | "leave" => participants(&shared, world, (chat, by), &order.people, what == "join")?,
        _ => return Err(ControlError::not_found(format!("a chat takes {WHATS}"))),
    };
    let (job, events) = start(&shared, world, "chat_change", 0, errands, Duration::ZERO, order.delivery);
    let chat = chats::show(world, chat as usize);
    Ok((StatusCode::ACCEPTED, Json(json!({"chat": chat, "job": job, "events": events}))))
}

/// The bots that can be told and are in this chat.
fn bots_in(world: &World, chat: u32) -> Vec<u16> {
    let apps = &world.org.chats[chat as usize].apps;
    bots_with_endpoint(world).into_iter().filter(|app| apps.has(*app)).collect()
}

fn apps(
    shared: &Shared,
    world: &mut World,
    (chat, by): (u32, Option<u32>),
    app_id: Option<&String>,
    there: bool,
) -> Result<Vec<Errand>> {
    let app = named(world, app_id)?;
    let known = &world.org.chats[chat as usize].apps;
    if !there && !app.map_or_else(|| known.any(), |app| known.has(app)) {
        return Err(ControlError::conflict("the app is not in this chat"));
    }
    let bots = if there { bots_with_endpoint(world) } else { bots_in(world, chat) };
    let known = &mut world.org.chats[chat as usize].apps;
    match (app, there) {
        (Some(app), true) => known.add(app),
        (Some(app), false) => known.remove(app),
        (None, true) => *known = Apps::all(),
        (None, false) => *known = Apps::default(),
    }
    let now = shared.clock.now();
    Ok(bots
        .into_iter()
        .filter(|bot| app.is_none_or(|app| app == *bot))
        .map(|app| {
            let thread = Thread::Chat(chat);
            if there {
                let activities = install::shared_place(shared, world, app, (thread, by), now).to_vec();
                Errand::Ready { app, activities }
            } else {
                let scene = Scene::new(world, app, thread, None, by);
                one(app, install::installation(shared, world, &scene, Action::Remove, now))
            }
        })
        .collect())
}

fn members(
    shared: &Shared,
    world: &mut World,
    (chat, by): (u32, Option<u32>),
    order: &Order,
) -> Result<Vec<Errand>> {
    let has = |person: u32| world.org.chats[chat as usize].members.contains(&person);
    let added = people(world, "add", &order.add, |person| !has(person))?;
    let gone = people(world, "remove", &order.remove, has)?;
    if added.is_empty() && gone.is_empty() {
        return Err(ControlError::bad("add or remove somebody"));
    }
    let known = &mut world.org.chats[chat as usize].members;
    known.retain(|member| !gone.contains(member));
    known.extend(&added);
    known.sort_unstable();
    let now = shared.clock.now();
    let mut errands = Vec::new();
    for (people, there) in [(&added, true), (&gone, false)] {
        if people.is_empty() {
            continue;
        }
        for app in bots_in(world, chat) {
            let what = (people.as_slice(), there);
            errands.push(one(app, life::chat_members(shared, world, (app, chat, by), what, now)));
        }
    }
    Ok(errands)
}

/// Only bots with the permission hear of it.
fn allowed(world: &World, chat: u32, permission: &str) -> Vec<u16> {
    let may = |app: &u16| world.bots[usize::from(*app)].may(permission);
    bots_in(world, chat).into_iter().filter(may).collect()
}

fn began_or_ended(
    shared: &Shared,
    world: &mut World,
    (chat, by): (u32, Option<u32>),
    starts: bool,
) -> Result<Vec<Errand>> {
    let running = &mut world.org.chats[chat as usize].running;
    if *running == starts {
        let state = if starts { "is going on" } else { "is not going on" };
        return Err(ControlError::conflict(format!("the meeting {state}")));
    }
    *running = starts;
    let now = shared.clock.now();
    Ok(allowed(world, chat, HEARS_MEETINGS)
        .into_iter()
        .map(|app| one(app, life::meeting(shared, world, (app, chat, by), starts, now)))
        .collect())
}

fn participants(
    shared: &Shared,
    world: &mut World,
    (chat, by): (u32, Option<u32>),
    ids: &[String],
    enter: bool,
) -> Result<Vec<Errand>> {
    if !world.org.chats[chat as usize].running {
        return Err(ControlError::conflict("the meeting is not going on"));
    }
    let people = people(world, "people", ids, |person| world.org.is_in(Thread::Chat(chat), person))?;
    if people.is_empty() {
        return Err(ControlError::bad("people: nobody is named"));
    }
    let now = shared.clock.now();
    Ok(allowed(world, chat, HEARS_PARTICIPANTS)
        .into_iter()
        .map(|app| one(app, life::participants(shared, world, (app, chat, by), (&people, enter), now)))
        .collect())
}
