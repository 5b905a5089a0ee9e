//! `GET /sim/keys`, `POST /sim/keys/rotate`, `PATCH /sim/keys/{kid}`

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
use crate::{rotation::Order, signing::Key, world::Shared};

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shared.rotation.show(shared.clock.now()))
}

pub(super) async fn rotate(
    State(shared): State<Arc<Shared>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>)> {
    let order: Order = read(&body)?;
    order.check().map_err(ControlError::bad)?;
    // It takes a good part of a second.
    let made = tokio::task::spawn_blocking(Key::generate).await;
    let failed = || ControlError(StatusCode::INTERNAL_SERVER_ERROR, "a key could not be made".into());
    let key = made.map_err(|_| failed())?.map_err(|_| failed())?;
    let kid = shared.rotation.rotate(shared.clock.now(), key, order);
    let mut shown = shared.rotation.show(shared.clock.now());
    shown["kid"] = json!(kid);
    Ok((StatusCode::CREATED, Json(shown)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// `null`: the key has no such field
    #[serde(deserialize_with = "Option::deserialize")]
    endorsements: Option<Vec<String>>,
}

pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Path(kid): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    let change: Change = read(&body)?;
    if !shared.rotation.endorse(&kid, change.endorsements) {
        return Err(ControlError::not_found("no such key"));
    }
    Ok(Json(shared.rotation.show(shared.clock.now())))
}
