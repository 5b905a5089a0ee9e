//! `POST /sim/reset`

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Result, read};
use crate::{org::Plan, people::PersonState, world::Shared};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Order {
    seed: u64,
    people: u32,
    teams: u32,
    groups: u32,
    teams_per_person: u32,
    /// Group chats; every fifth is a meeting's
    chats: u32,
    /// Shares; the usual ones when absent.
    states: Option<BTreeMap<PersonState, f64>>,
}

impl Default for Order {
    fn default() -> Self {
        Self { seed: 1, people: 1000, teams: 2, groups: 0, teams_per_person: 1, chats: 0, states: None }
    }
}

pub(super) async fn reset(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>> {
    let order: Order = read(&body)?;
    if order.groups > 0 {
        return Err(ControlError::bad("groups are not simulated yet"));
    }
    let mut plan = Plan::new(order.seed, order.people, order.teams);
    plan.teams_per_person = order.teams_per_person;
    plan.chats = order.chats;
    if let Some(states) = order.states {
        plan.states = states;
    }
    plan.check().map_err(ControlError::bad)?;
    let mut world = shared.world();
    world.reset(&plan, &shared.stop);
    Ok(Json(json!({
        "tenant_id": shared.tenant_id, "seed": order.seed, "people": world.org.len(), "teams": world.org.teams.len(),
        "groups": 0, "chats": world.org.chats.len(), "states": world.org.by_state(),
    })))
}
