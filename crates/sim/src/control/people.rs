//! `GET /sim/people`, `GET|PATCH /sim/people/{id}`

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Result, page::find_people, query, read, team_life};
use crate::{
    connector::path,
    events::{deliver::Errand, install},
    limits::Thread,
    org::UserType,
    people::PersonState,
    settings::UninstallEvent,
    world::{Shared, World},
};

pub(super) use crate::events::deliver::start;

const MOST: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// The id of the last one of the page before
    after: Option<String>,
    limit: Option<usize>,
    state: Option<PersonState>,
    /// The app id whose conversation ids are shown; the first bot's when absent
    bot: Option<String>,
    /// Words that all occur in name, UPN or department, in any case
    q: Option<String>,
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    page: std::result::Result<Query<Page>, QueryRejection>,
) -> Result<Json<Value>> {
    let page = query(page)?;
    let (app, from, to) = {
        let world = shared.world();
        let app = match &page.bot {
            Some(app_id) => Some(world.bot(app_id).ok_or_else(|| ControlError::not_found("no such bot"))?.0),
            None => None,
        };
        let from = match page.after.as_deref().filter(|after| !after.is_empty()) {
            Some(after) => index_of(&world, after)? + 1,
            None => 0,
        };
        (app, from, world.org.len())
    };
    let limit = page.limit.unwrap_or(100).clamp(1, MOST);
    let wanted = |world: &World, index: u32| {
        page.state.is_none_or(|state| world.org.person(index).is_some_and(|person| person.state == state))
    };
    Ok(Json(find_people(&shared, from..to, page.q.as_deref(), limit, app, wanted)))
}

pub(super) async fn one(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Json<Value>> {
    let world = shared.world();
    let index = index_of(&world, &id)?;
    Ok(Json(show(&world, first_bot(&world), index)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    state: Option<PersonState>,
    /// What the directory says beside the state
    user_type: Option<UserType>,
    account_enabled: Option<bool>,
    licensed: Option<bool>,
}

/// Puts a person into another state and sends what Teams would send then (protocol section 4.4).
pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    let change: Change = read(&body)?;
    let mut world = shared.world();
    let person = index_of(&world, &id)?;
    set_account(&mut world, person, &change);
    let Some(state) = change.state else {
        let shown = show(&world, first_bot(&world), person);
        return Ok(Json(json!({"person": shown, "events": 0})));
    };
    let before = world.org.person(person).map(|person| person.state);
    world.org.set_state(person, state);
    let installed = matches!(
        before,
        Some(PersonState::NeverInstalled | PersonState::Uninstalled | PersonState::TeamOnly)
    ) && state == PersonState::Installed;
    let removed = before != Some(PersonState::Uninstalled)
        && before.is_some_and(PersonState::ever_installed)
        && state == PersonState::Uninstalled
        && world.settings.uninstall_event == UninstallEvent::Remove;
    let mut errands: Vec<Errand> = bots_with_endpoint(&world)
        .into_iter()
        .filter_map(|app| {
            if installed {
                Some(Errand::Install { app, person, then_remove: false })
            } else if removed {
                Some(Errand::Remove { app, person })
            } else {
                None
            }
        })
        .collect();
    if state == PersonState::Deleted {
        errands.extend(team_life::leaves_all(&shared, &mut world, person));
    }
    let people = u64::from(!errands.is_empty());
    let events = start(&shared, &mut world, "state_change", people, errands, Duration::ZERO, None).1;
    Ok(Json(json!({"person": show(&world, first_bot(&world), person), "events": events})))
}

fn set_account(world: &mut World, index: u32, change: &Change) {
    let Some(mut account) = world.org.person(index).map(|person| person.account) else { return };
    account.guest = change.user_type.map_or(account.guest, |kind| kind == UserType::Guest);
    account.disabled = change.account_enabled.map_or(account.disabled, |enabled| !enabled);
    account.unlicensed = change.licensed.map_or(account.unlicensed, |licensed| !licensed);
    world.org.set_account(index, account);
}

pub(super) fn first_bot(world: &World) -> Option<u16> {
    world.bots.iter().position(|bot| !bot.deleted).map(|at| at as u16)
}

pub(super) fn bots_with_endpoint(world: &World) -> Vec<u16> {
    (0..world.bots.len()).filter(|at| world.bots[*at].endpoint.is_some()).map(|at| at as u16).collect()
}

/// By Entra object id, or by UPN for people.
pub(super) fn index_of(world: &World, id: &str) -> Result<u32> {
    let id = path::decode(id);
    crate::connector::guid(&id)
        .and_then(|object_id| world.org.by_object_id(&object_id))
        .or_else(|| world.org.by_upn(&id))
        .ok_or_else(|| ControlError::not_found("no such person; ids are Entra object ids"))
}

/// Who does what is told of a place: whoever is named, else somebody of it.
pub(super) fn actor(world: &World, named: Option<&String>, place: Thread) -> Result<Option<u32>> {
    named.map_or_else(|| Ok(install::installer(world, place)), |by| index_of(world, by).map(Some))
}

pub(super) fn show(world: &World, app: Option<u16>, index: u32) -> Value {
    let Some(person) = world.org.person(index) else {
        return Value::Null;
    };
    let known = app.filter(|_| person.state.ever_installed());
    json!({
        "id": person.object_id, "aad_object_id": person.object_id, "upn": person.upn(index), "name": person.name(),
        "department": person.department(), "language": person.language(), "time_zone": person.time_zone(),
        "country": person.country(), "state": person.state, "mail": person.mail(index),
        "user_type": if person.is_guest() { "guest" } else { "member" },
        "account_enabled": person.is_enabled(), "licensed": person.is_licensed(),
        "mri": app.map(|app| world.sealer(app).person(index)),
        "conversation_id": known.map(|app| world.chat_id(app, index)),
        "chat_gone": person.chat_gone,
    })
}
