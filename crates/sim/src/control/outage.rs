//! `GET|POST|DELETE /sim/outage`

use std::sync::Arc;

use axum::{Json, extract::State};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::{ControlError, Result, read};
use crate::{outage::Order, world::Shared};

pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(now(&shared))
}

fn now(shared: &Shared) -> Value {
    let mut world = shared.world();
    let whole = world.settings.limits_per_s;
    world.outage.show(shared.clock.now(), whole)
}

/// The region goes down; one that is down already goes down in this way instead.
pub(super) async fn begin(
    State(shared): State<Arc<Shared>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>)> {
    let order: Order = read(&body)?;
    order.check().map_err(ControlError::bad)?;
    let lasts = order.lasts();
    let over = shared.world().outage.begin(shared.clock.now(), order);
    if let Some(lasts) = lasts {
        let shared = Arc::clone(&shared);
        // Requests that hang are let go when the time is over, not only when the next one comes.
        tokio::spawn(async move {
            tokio::select! {
                () = over.cancelled() => {}
                () = shared.stop.cancelled() => {}
                () = shared.clock.pause(lasts) => shared.world().outage.pass(shared.clock.now()),
            }
        });
    }
    Ok((StatusCode::CREATED, Json(now(&shared))))
}

pub(super) async fn end(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let ended = shared.world().outage.end(shared.clock.now());
    Json(json!({"ended": ended}))
}
