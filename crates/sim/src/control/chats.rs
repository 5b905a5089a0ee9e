//! `GET|POST /sim/chats`, `GET /sim/chats/{id}`: group chats and the chats of meetings

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Result, people::index_of, query, read, teams::app_ids};
use crate::{
    connector::meetings,
    org::ChatKind,
    world::{Shared, World},
};

const MOST: usize = 10_000;
/// Most that Teams allows in a group chat (Microsoft page "Limits and specifications for Microsoft Teams").
const MOST_MEMBERS: usize = 250;

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
        Some(after) => world.org.chat(after).ok_or_else(no_such_chat)? as usize + 1,
        None => 0,
    };
    let to = world.org.chats.len().min(from + page.limit.unwrap_or(100).clamp(1, MOST));
    let items: Vec<Value> = (from..to).map(|chat| show(&world, chat)).collect();
    let more = to < world.org.chats.len();
    let next = if more { items.last().map(|item| item["id"].clone()) } else { None };
    Ok(Json(json!({"items": items, "next": next})))
}

pub(super) async fn one(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Json<Value>> {
    let world = shared.world();
    let chat = world.org.chat(&id).ok_or_else(no_such_chat)?;
    Ok(Json(show(&world, chat as usize)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    name: Option<String>,
    /// Entra object ids or UPNs
    members: Vec<String>,
    #[serde(default)]
    kind: ChatKind,
    /// The app ids of the bots that are in it from the start, without an event
    #[serde(default)]
    apps: Vec<String>,
}

/// People start a chat among themselves.
pub(super) async fn add(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<(StatusCode, Json<Value>)> {
    let order: Order = read(&body)?;
    if order.members.is_empty() || order.members.len() > MOST_MEMBERS {
        return Err(ControlError::bad(format!("members: 1 to {MOST_MEMBERS} people")));
    }
    let mut world = shared.world();
    let members = order.members.iter().map(|id| index_of(&world, id)).collect::<Result<Vec<u32>>>()?;
    let apps = order
        .apps
        .iter()
        .map(|app_id| world.bot(app_id).map(|(app, _)| app))
        .collect::<Option<Vec<u16>>>()
        .ok_or_else(|| ControlError::not_found("apps: no such bot"))?;
    let chat = world.org.add_chat(order.name, order.kind, members) as usize;
    for app in apps {
        world.org.chats[chat].apps.add(app);
    }
    Ok((StatusCode::CREATED, Json(show(&world, chat))))
}

pub(super) fn no_such_chat() -> ControlError {
    ControlError::not_found("no such chat; ids are 19:…@thread.v2")
}

pub(super) fn show(world: &World, index: usize) -> Value {
    let chat = &world.org.chats[index];
    let members: Vec<_> = chat
        .members
        .iter()
        .filter_map(|member| world.org.person(*member))
        .map(|person| person.object_id)
        .collect();
    let meeting_id = (chat.kind == ChatKind::Meeting).then(|| meetings::id(&chat.id));
    json!({
        "id": chat.id, "name": chat.name, "kind": chat.kind, "meeting_id": meeting_id, "members": members,
        "apps": app_ids(world, &chat.apps),
    })
}
