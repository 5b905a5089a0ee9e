//! `GET|PATCH /sim/settings`

use std::sync::Arc;

use axum::{Json, extract::State};
use bytes::Bytes;
use serde_json::Value;

use super::{ControlError, Result, read};
use crate::{settings::Settings, world::Shared};

pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Json<Settings> {
    Json(shared.world().settings.clone())
}

pub(super) async fn change(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Settings>> {
    let patch: Value = read(&body)?;
    let mut world = shared.world();
    world.settings = world.settings.patched(&patch).map_err(ControlError::bad)?;
    Ok(Json(world.settings.clone()))
}
