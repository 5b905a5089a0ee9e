//! `GET|POST|DELETE /sim/faults`, `DELETE /sim/faults/{id}`, `GET /sim/faults/held`, `POST /sim/faults/release`

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Result, read};
use crate::{
    faults::{Order, Release, Which},
    world::Shared,
};

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let world = shared.world();
    Json(json!({"items": world.faults.show(), "held": world.faults.held(), "next": null}))
}

pub(super) async fn add(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<(StatusCode, Json<Value>)> {
    let order: Order = read(&body)?;
    order.check().map_err(ControlError::bad)?;
    let id = shared.world().faults.add(order);
    Ok((StatusCode::CREATED, Json(json!({"id": id}))))
}

/// Removes every fault and lets go what they hold.
pub(super) async fn clear(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let mut world = shared.world();
    let removed = world.faults.remove(None);
    let released = world.faults.release(&Which::default(), Release::GoOn);
    Json(json!({"removed": removed, "released": released}))
}

pub(super) async fn remove(State(shared): State<Arc<Shared>>, Path(id): Path<u64>) -> Result<Json<Value>> {
    let mut world = shared.world();
    let removed = world.faults.remove(Some(id));
    if removed == 0 {
        return Err(ControlError::not_found("no such fault"));
    }
    let released = world.faults.release(&Which { id: Some(id), ..Which::default() }, Release::GoOn);
    Ok(Json(json!({"removed": removed, "released": released})))
}

/// What is parked now, the longest held first.
pub(super) async fn held(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({"items": shared.world().faults.show_held(), "next": null}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseOrder {
    id: Option<u64>,
    held: Option<u64>,
    count: Option<usize>,
    /// Close the connections instead of going on; what was held before its accept is then never accepted
    #[serde(default)]
    drop: bool,
}

pub(super) async fn release(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>> {
    let order: ReleaseOrder = read(&body)?;
    let release = if order.drop { Release::Drop } else { Release::GoOn };
    let which = Which { id: order.id, held: order.held, count: order.count };
    let released = shared.world().faults.release(&which, release);
    Ok(Json(json!({"released": released})))
}
