//! `POST /sim/people/{id}/installs`, `/removes`, `/upgrades`: the app in personal scope.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ControlError, Result,
    events::check,
    people::{bots_with_endpoint, first_bot, index_of, show, start},
    read,
    team_life::one,
};
use crate::{
    events::{
        deliver::Errand,
        install::{self, Action},
        manner::Manner,
    },
    people::PersonState,
    settings::UninstallEvent,
    world::{Shared, World},
};

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Order {
    delivery: Option<Manner>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upgrade {
    /// Whether the new version of the app has gained a bot (`add-upgrade`) or lost it (`remove-upgrade`)
    gained: bool,
    delivery: Option<Manner>,
}

pub(super) async fn installs(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    let order: Order = read(&body)?;
    change(&shared, &id, order.delivery, |_, world, person, state| {
        if matches!(state, PersonState::Installed | PersonState::Blocked) {
            return Err(ControlError::conflict("this person has the app"));
        }
        world.org.set_state(person, PersonState::Installed);
        let install = |app| Errand::Install { app, person, then_remove: false };
        Ok(bots_with_endpoint(world).into_iter().map(install).collect())
    })
}

/// Whether an event tells of it is the setting `uninstall_event` (protocol section 4.4).
pub(super) async fn removes(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    let order: Order = read(&body)?;
    change(&shared, &id, order.delivery, |_, world, person, state| {
        has_it(state)?;
        world.org.set_state(person, PersonState::Uninstalled);
        if world.settings.uninstall_event == UninstallEvent::None {
            return Ok(Vec::new());
        }
        Ok(bots_with_endpoint(world).into_iter().map(|app| Errand::Remove { app, person }).collect())
    })
}

pub(super) async fn upgrades(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    let order: Upgrade = read(&body)?;
    change(&shared, &id, order.delivery, |shared, world, person, state| {
        let (action, after) = if order.gained {
            (Action::AddUpgrade, PersonState::Installed)
        } else {
            has_it(state)?;
            (Action::RemoveUpgrade, PersonState::Uninstalled)
        };
        if order.gained && state == PersonState::Installed {
            return Err(ControlError::conflict("this person has the app with its bot"));
        }
        world.org.set_state(person, after);
        let now = shared.clock.now();
        let bots = bots_with_endpoint(world);
        let tell = |app| one(app, install::personal_change(shared, world, app, person, action, now));
        Ok(bots.into_iter().map(tell).collect())
    })
}

fn has_it(state: PersonState) -> Result<()> {
    match state {
        PersonState::Installed | PersonState::Blocked | PersonState::ChatDeleted => Ok(()),
        _ => Err(ControlError::conflict("this person does not have the app")),
    }
}

fn change(
    shared: &Arc<Shared>,
    id: &str,
    delivery: Option<Manner>,
    make: impl FnOnce(&Arc<Shared>, &mut World, u32, PersonState) -> Result<Vec<Errand>>,
) -> Result<Json<Value>> {
    check(delivery)?;
    let mut world = shared.world();
    let world = &mut *world;
    let person = index_of(world, id)?;
    let state = world.org.person(person).map(|person| person.state);
    let state = state.ok_or_else(|| ControlError::not_found("no such person"))?;
    let errands = make(shared, world, person, state)?;
    let (job, events) = start(shared, world, "state_change", 1, errands, Duration::ZERO, delivery);
    let shown = show(world, first_bot(world), person);
    Ok(Json(json!({"person": shown, "job": job, "events": events})))
}
