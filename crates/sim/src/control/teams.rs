//! `GET /sim/teams`, `POST /sim/teams/{id}/install`

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ControlError, Result,
    people::{bots_with_endpoint, start},
    query, read,
};
use crate::{
    events::deliver::Errand,
    limits::Thread,
    org::{Apps, ChannelKind},
    world::{Shared, World},
};

const MOST: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// The id of the last one of the page before
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    page: std::result::Result<Query<Page>, QueryRejection>,
) -> Result<Json<Value>> {
    let page = query(page)?;
    let world = shared.world();
    let from = match page.after.as_deref().filter(|after| !after.is_empty()) {
        Some(after) => {
            world.org.team(after).ok_or_else(|| ControlError::not_found("no such team"))? as usize + 1
        }
        None => 0,
    };
    let to = world.org.teams.len().min(from + page.limit.unwrap_or(MOST).clamp(1, MOST));
    let items: Vec<Value> = (from..to).map(|team| show(&world, team)).collect();
    let more = to < world.org.teams.len();
    let next = if more { items.last().map(|item| item["id"].clone()) } else { None };
    Ok(Json(json!({"items": items, "next": next})))
}

/// Of the bots that are registered now.
pub(super) fn app_ids(world: &World, apps: &Apps) -> Vec<String> {
    let bots = world.bots.iter().enumerate().filter(|(_, bot)| !bot.deleted);
    bots.filter(|(at, _)| apps.has(*at as u16)).map(|(_, bot)| bot.app_id.clone()).collect()
}

fn show(world: &World, index: usize) -> Value {
    let team = &world.org.teams[index];
    let channels: Vec<Value> = team
        .channels
        .iter()
        .enumerate()
        .map(|(at, channel)| {
            let thread = Thread::Channel { team: index as u32, channel: at as u32 };
            let own = (channel.kind != ChannelKind::Standard).then(|| world.org.roster(thread).len());
            let shared: Vec<&str> =
                channel.shared_with.iter().map(|team| world.org.teams[*team as usize].id()).collect();
            json!({
                "id": channel.id, "name": channel.name, "kind": channel.kind, "deleted": channel.deleted,
                "members": own, "shared_with": shared, "apps": app_ids(world, &channel.apps),
            })
        })
        .collect();
    json!({
        "id": team.id(), "aadGroupId": team.group_id, "name": team.name, "state": team.state, "channels": channels,
        "members": world.org.members(index as u32).count(), "installed": team.apps.any(),
        "apps": app_ids(world, &team.apps),
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
    let index = world.org.team(&id).ok_or_else(|| ControlError::not_found("no such team"))? as usize;
    let channel = match &order.channel {
        None => 0,
        Some(channel) => world.org.teams[index]
            .channels
            .iter()
            .position(|other| *other.id == **channel)
            .ok_or_else(|| ControlError::not_found("no such channel in this team"))?,
    };
    world.org.teams[index].apps = Apps::all();
    let errands = bots_with_endpoint(&world)
        .into_iter()
        .map(|app| Errand::TeamInstall { app, team: index as u32, channel: channel as u32 })
        .collect();
    let (job, events) = start(&shared, &mut world, "team_install", 0, errands, Duration::ZERO, None);
    Ok((StatusCode::ACCEPTED, Json(json!({"team": show(&world, index), "job": job, "events": events}))))
}
