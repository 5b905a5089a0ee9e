//! `POST /sim/graph`: what happens to Graph itself

use std::sync::Arc;

use axum::{Json, extract::State};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Result, read};
use crate::world::Shared;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Order {
    /// What was told as `@odata.deltaLink` until now, and pages on the way there, get 410
    expire_delta_tokens: bool,
}

pub(super) async fn change(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>> {
    let order: Order = read(&body)?;
    if !order.expire_delta_tokens {
        return Err(ControlError::bad("expire_delta_tokens: true is all that can be asked for"));
    }
    let mut world = shared.world();
    world.org.changes.expired_before = Some(shared.clock.now());
    Ok(Json(json!({"changes": world.org.changes.last()})))
}
