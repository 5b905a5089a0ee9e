//! `GET /sim/teams`, `POST /sim/teams/{id}/install`

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
    people::{bots_with_endpoint, start},
    read,
};
use crate::{
    events::deliver::Errand,
    world::{Shared, World},
};

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let world = shared.world();
    let items: Vec<Value> = (0..world.org.teams.len()).map(|team| show(&world, team)).collect();
    Json(json!({"items": items, "next": null}))
}

fn show(world: &World, index: usize) -> Value {
    let team = &world.org.teams[index];
    let channels: Vec<Value> =
        team.channels.iter().map(|channel| json!({"id": channel.id, "name": channel.name})).collect();
    json!({
        "id": team.id(), "aadGroupId": team.group_id, "name": team.name, "channels": channels,
        "members": world.org.members(index as u32).count(), "installed": team.installed,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Install {
    /// The channel that was picked; General when absent
    channel: Option<String>,
}

/// Installs the app in a team; the id is the team's `19:…` or that of its Entra group.
pub(super) async fn install(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>)> {
    let order: Install = read(&body)?;
    let mut world = shared.world();
    let index = world
        .org
        .teams
        .iter()
        .position(|team| team.id() == id || team.group_id.to_string().eq_ignore_ascii_case(&id))
        .ok_or_else(|| ControlError::not_found("no such team"))?;
    let channel = match &order.channel {
        None => 0,
        Some(channel) => world.org.teams[index]
            .channels
            .iter()
            .position(|other| other.id == *channel)
            .ok_or_else(|| ControlError::not_found("no such channel in this team"))?,
    };
    world.org.teams[index].installed = true;
    let errands = bots_with_endpoint(&world)
        .into_iter()
        .map(|app| Errand::TeamInstall { app, team: index as u32, channel: channel as u32 })
        .collect();
    let (job, events) = start(&shared, &mut world, "team_install", 0, errands, Duration::ZERO);
    Ok((StatusCode::ACCEPTED, Json(json!({"team": show(&world, index), "job": job, "events": events}))))
}
