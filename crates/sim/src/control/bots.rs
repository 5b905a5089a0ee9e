//! `GET|POST /sim/bots`, `DELETE /sim/bots/{app_id}`

use std::{collections::HashMap, sync::Arc};

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
    entra::certificate::Certificate,
    world::{Bot, BotKind, Shared},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    app_id: String,
    /// May be absent when there are certificates or a managed identity
    secret: Option<String>,
    /// PEM, or DER in base64
    #[serde(default)]
    certificates: Vec<String>,
    managed_identity: Option<String>,
    /// The organisation's when absent
    tenant_id: Option<String>,
    endpoint: Option<String>,
    name: Option<String>,
    kind: Option<BotKind>,
    #[serde(default)]
    supports_sessions: bool,
}

/// Registers a bot, or changes one that has the same app id.
pub(super) async fn register(
    State(shared): State<Arc<Shared>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>)> {
    let order: Order = read(&body)?;
    if order.app_id.is_empty() || order.app_id.chars().any(char::is_whitespace) {
        return Err(ControlError::bad("app_id must not be empty or have spaces"));
    }
    if order.secret.as_ref().is_some_and(String::is_empty) {
        return Err(ControlError::bad("secret must not be empty"));
    }
    if order.managed_identity.as_ref().is_some_and(String::is_empty) {
        return Err(ControlError::bad("managed_identity must not be empty"));
    }
    if order.secret.is_none() && order.certificates.is_empty() && order.managed_identity.is_none() {
        return Err(ControlError::bad("a bot needs a secret, certificates or a managed_identity"));
    }
    let certificates = order
        .certificates
        .iter()
        .map(|text| {
            Certificate::read(text)
                .ok_or_else(|| ControlError::bad("certificates: PEM or base64 DER of RSA certificates"))
        })
        .collect::<Result<Vec<_>>>()?;
    let endpoint = order.endpoint.filter(|endpoint| !endpoint.is_empty());
    if let Some(endpoint) = &endpoint {
        let url =
            reqwest::Url::parse(endpoint).map_err(|error| ControlError::bad(format!("endpoint: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ControlError::bad("endpoint must be an http or https URL"));
        }
    }
    let bot = Bot {
        app_id: order.app_id,
        name: order.name.unwrap_or_else(|| "Dispatch Bot".to_owned()),
        secret: order.secret,
        certificates,
        assertions_used: HashMap::new(),
        managed_identity: order.managed_identity,
        tenant_id: order.tenant_id.unwrap_or_else(|| shared.tenant_id.clone()),
        kind: order.kind.unwrap_or_default(),
        endpoint,
        supports_sessions: order.supports_sessions,
        deleted: false,
    };
    let shown = bot.show();
    let mut world = shared.world();
    let before = world.bot(&bot.app_id).map(|(at, _)| usize::from(at));
    match before {
        Some(at) => {
            world.bots[at] = bot;
            Ok((StatusCode::OK, Json(shown)))
        }
        None if world.bots.len() >= usize::from(u16::MAX) => Err(ControlError::conflict("too many bots")),
        None => {
            world.bots.push(bot);
            Ok((StatusCode::CREATED, Json(shown)))
        }
    }
}

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let world = shared.world();
    let items: Vec<Value> = world.bots.iter().filter(|bot| !bot.deleted).map(Bot::show).collect();
    Json(json!({"items": items, "next": null}))
}

/// Deletes a registration; tokens that the bot still holds get 401 `BotNotRegistered`.
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    Path(app_id): Path<String>,
) -> Result<StatusCode> {
    let mut world = shared.world();
    let found = world.bot(&app_id).filter(|(_, bot)| !bot.deleted).map(|(at, _)| usize::from(at));
    let at = found.ok_or_else(|| ControlError::not_found("no such bot"))?;
    world.bots[at].deleted = true;
    world.bots[at].endpoint = None;
    Ok(StatusCode::NO_CONTENT)
}
