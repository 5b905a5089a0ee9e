//! `GET /sim/teams`

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Result, query};
use crate::{
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

pub(super) fn show(world: &World, index: usize) -> Value {
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
