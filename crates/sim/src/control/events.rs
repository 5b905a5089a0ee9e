//! `POST /sim/policy-install`, `GET /sim/events`

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ControlError, Result,
    people::{bots_with_endpoint, start},
    read,
};
use crate::{
    events::{deliver::Errand, manner::Manner},
    org::Apps,
    people::PersonState,
    settings::UninstallEvent,
    world::Shared,
};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Order {
    /// Spread over so many seconds; 0 is as fast as the bot answers
    seconds: f64,
    /// So many people in a second, instead
    per_s: Option<f64>,
    /// Also for who never had the app or removed it, as their turn comes
    everyone: bool,
    /// Also installs in every team
    teams: bool,
    /// The setting `event_delivery` when absent
    delivery: Option<Manner>,
}

/// An administrator's setup policy reaches everybody: who is or was installed gets the install events
/// (protocol section 8, end), and nobody's state changes. With `everyone` the others get the app too, and are `installed`
/// from their turn on: who is a member with a licence and an enabled account, and not kept from it by a policy.
pub(super) async fn policy_install(
    State(shared): State<Arc<Shared>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>)> {
    let order: Order = read(&body)?;
    if !(0.0..=86_400.0).contains(&order.seconds) {
        return Err(ControlError::bad("seconds must be between 0 and 86400"));
    }
    if order.per_s.is_some_and(|rate| !(0.01..=1e6).contains(&rate) || order.seconds > 0.0) {
        return Err(ControlError::bad("per_s must be between 0.01 and 1000000, without seconds"));
    }
    check(order.delivery)?;
    let mut world = shared.world();
    let bots = bots_with_endpoint(&world);
    if bots.is_empty() {
        return Err(ControlError::conflict("no bot has an endpoint; register one with POST /sim/bots"));
    }
    let removes = world.settings.uninstall_event == UninstallEvent::Remove;
    let mut errands = Vec::new();
    if order.teams {
        for team in 0..world.org.teams.len() {
            world.org.teams[team].apps = Apps::all();
            errands.extend(bots.iter().map(|app| Errand::TeamInstall {
                app: *app,
                team: team as u32,
                channel: 0,
            }));
        }
    }
    let mut people = 0;
    for person in 0..world.org.len() {
        let Some(known) = world.org.person(person) else { continue };
        let state = known.state;
        if order.everyone && state.lacks_the_app() {
            if known.is_licensed() && known.is_enabled() {
                people += 1;
                errands.extend(bots.iter().map(|app| Errand::PolicyInstall { app: *app, person }));
            }
        } else if state.ever_installed() {
            people += 1;
            let then_remove = removes && state == PersonState::Uninstalled;
            errands.extend(bots.iter().map(|app| Errand::Install { app: *app, person, then_remove }));
        }
    }
    let seconds = order.per_s.map_or(order.seconds, |rate| errands.len() as f64 / rate);
    let over = Duration::from_secs_f64(seconds);
    let (job, events) = start(&shared, &mut world, "policy_install", people, errands, over, order.delivery);
    let body = json!({"job": job, "people": people, "events": events, "seconds": seconds});
    Ok((StatusCode::ACCEPTED, Json(body)))
}

/// The delivery that a call asks for.
pub(super) fn check(delivery: Option<Manner>) -> Result<()> {
    delivery.unwrap_or_default().check().map_err(|problem| ControlError::bad(format!("delivery.{problem}")))
}

/// Counts and jobs; the posts themselves are at `/sim/told`.
pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shared.world().events.show())
}
