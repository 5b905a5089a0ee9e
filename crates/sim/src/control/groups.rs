//! `GET|POST /sim/groups`, `DELETE /sim/groups/{id}`, `POST /sim/groups/{id}/members`: security groups of the directory

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Result, people::index_of, read};
use crate::{
    connector::guid,
    org::{GroupRef, Member},
    world::{Shared, World},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    name: String,
    /// Entra object ids or UPNs of people, or ids of groups
    #[serde(default)]
    members: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Change {
    add: Vec<String>,
    remove: Vec<String>,
}

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let world = shared.world();
    let groups = (0..world.org.groups.len() as u32).filter(|group| is_there(&world, *group));
    let items: Vec<Value> = groups.map(|group| show(&world, group)).collect();
    Json(json!({"items": items, "next": null}))
}

pub(super) async fn add(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<(StatusCode, Json<Value>)> {
    let order: Order = read(&body)?;
    if order.name.is_empty() {
        return Err(ControlError::bad("name must not be empty"));
    }
    let mut world = shared.world();
    let members = order.members.iter().map(|id| member(&world, id)).collect::<Result<Vec<Member>>>()?;
    let group = world.org.add_group(order.name);
    for member in members {
        world.org.set_group_member(group, member, true);
    }
    Ok((StatusCode::CREATED, Json(show(&world, group))))
}

pub(super) async fn remove(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<StatusCode> {
    let mut world = shared.world();
    let group = find(&world, &id)?;
    world.org.delete_group(group);
    Ok(StatusCode::NO_CONTENT)
}

/// Groups may be in groups, also in a circle.
pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    let change: Change = read(&body)?;
    let mut world = shared.world();
    let group = find(&world, &id)?;
    let named = |ids: &[String]| ids.iter().map(|id| member(&world, id)).collect::<Result<Vec<Member>>>();
    let (added, gone) = (named(&change.add)?, named(&change.remove)?);
    if added.is_empty() && gone.is_empty() {
        return Err(ControlError::bad("add or remove somebody"));
    }
    for (members, there) in [(added, true), (gone, false)] {
        for member in members {
            world.org.set_group_member(group, member, there);
        }
    }
    Ok(Json(show(&world, group)))
}

fn is_there(world: &World, group: u32) -> bool {
    world.org.group_is_there(GroupRef::Group(group))
}

fn find(world: &World, id: &str) -> Result<u32> {
    match guid(id).and_then(|id| world.org.group_by_id(&id)) {
        Some(GroupRef::Group(group)) if is_there(world, group) => Ok(group),
        Some(GroupRef::Team(_)) => {
            Err(ControlError::conflict("this group is a team's; see POST /sim/teams/{id}/members"))
        }
        _ => Err(ControlError::not_found("no such group")),
    }
}

fn member(world: &World, id: &str) -> Result<Member> {
    match guid(id).and_then(|id| world.org.group_by_id(&id)) {
        Some(GroupRef::Group(group)) => Ok(Member::Group(group)),
        _ => index_of(world, id).map(Member::Person),
    }
}

fn show(world: &World, group: u32) -> Value {
    let known = &world.org.groups[group as usize];
    let members = world.org.group_members(GroupRef::Group(group));
    let groups: Vec<_> = members
        .iter()
        .filter_map(|member| match member {
            Member::Group(group) => Some(world.org.groups[*group as usize].id),
            Member::Person(_) | Member::Device { .. } => None,
        })
        .collect();
    json!({"id": known.id, "name": known.name, "members": members.len(), "groups": groups})
}
