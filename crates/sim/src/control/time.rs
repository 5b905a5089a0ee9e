//! `GET|PATCH /sim/time`, `POST /sim/time/advance`

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Result, read};
use crate::{
    clock::{NotExplicit, Time},
    world::Shared,
};

pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shared.clock.show())
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Real,
    Scaled,
    Explicit,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    mode: Mode,
    scale: Option<f64>,
}

pub(super) async fn change(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>> {
    let change: Change = read(&body)?;
    let time = match (change.mode, change.scale) {
        (Mode::Scaled, Some(scale)) => Time::Scaled { scale },
        (Mode::Scaled, None) => return Err(ControlError::bad("scaled time needs a scale")),
        (_, Some(_)) => return Err(ControlError::bad("only scaled time has a scale")),
        (Mode::Real, None) => Time::Real,
        (Mode::Explicit, None) => Time::Explicit,
    };
    time.check().map_err(ControlError::bad)?;
    shared.clock.set(time);
    Ok(Json(shared.clock.show()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    by_s: f64,
}

pub(super) async fn advance(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>> {
    let order: Advance = read(&body)?;
    if !(0.0..=86_400.0 * 366.0).contains(&order.by_s) {
        return Err(ControlError::bad("by_s must be between 0 and a year"));
    }
    let woken = shared.clock.advance(Duration::from_secs_f64(order.by_s)).await.map_err(|NotExplicit| {
        ControlError::conflict("time moves by itself; PATCH /sim/time {\"mode\": \"explicit\"} stops it")
    })?;
    let mut shown = shared.clock.show();
    shown["woken"] = json!(woken);
    Ok(Json(shown))
}
