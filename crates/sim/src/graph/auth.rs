//! Who calls Graph: the bearer token, checked on every call.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use http::{HeaderMap, header};
use serde_json::Value;

use super::envelope::Problem;
use crate::{
    clock::seconds,
    entra::issuer,
    world::{Shared, World},
};

/// Whoever holds a good token.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) app: u16,
    /// Of the token: whose people are meant.
    pub(super) tenant: String,
    pub(super) roles: Vec<String>,
}

fn refused(message: &str) -> Problem {
    Problem::new(401, "InvalidAuthenticationToken", message)
}

/// The texts are those that callers report.
pub(super) fn caller(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Problem> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.split_once(' ')).map(|(scheme, token)| (scheme, token.trim()));
    let token = match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => token,
        _ => return Err(refused("Access token is empty.")),
    };
    if token.split('.').count() != 3 {
        return Err(refused("CompactToken parsing failed with error code: 80049217"));
    }
    let claims = opened(shared, token).ok_or_else(|| refused("Access token validation failure."))?;
    let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
    let tenant = text("tid");
    if claims["iss"] != issuer(&tenant).as_str() {
        return Err(refused("Access token validation failure. Invalid issuer."));
    }
    let world = shared.world();
    let (app, audience, granted) = found(&world, &text("appid"))
        .ok_or_else(|| refused("The identity of the calling application could not be established."))?;
    if claims["aud"] != audience {
        return Err(refused("Access token validation failure. Invalid audience."));
    }
    let now = seconds(shared.clock.real());
    let time = |name: &str| claims[name].as_i64().unwrap_or_default();
    if now >= time("exp") || now < time("nbf") - 300 {
        return Err(refused("Lifetime validation failed, the token is expired."));
    }
    let mut roles: Vec<String> = serde_json::from_value(claims["roles"].clone()).unwrap_or_default();
    if world.settings.graph_roles_at_once && !roles.is_empty() {
        roles = granted;
    }
    Ok(Caller { app, tenant, roles })
}

/// Claims of tokens whose signature was found right, so that it is looked at once.
#[derive(Default)]
pub(crate) struct TokenCache(Mutex<HashMap<String, Value>>);

const KEPT: usize = 1_000;

/// The claims, if this Entra signed them.
fn opened(shared: &Shared, token: &str) -> Option<Value> {
    let mut cache = shared.graph_tokens.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(claims) = cache.get(token) {
        return Some(claims.clone());
    }
    let claims = shared.keys.entra.open(token)?;
    if cache.len() >= KEPT {
        cache.clear();
    }
    cache.insert(token.to_owned(), claims.clone());
    Some(claims)
}

/// A bot by its app id or by that of its managed identity: its place, whom its tokens are for, what was consented to.
fn found(world: &World, app_id: &str) -> Option<(u16, &'static str, Vec<String>)> {
    let is = |id: &str| id.eq_ignore_ascii_case(app_id);
    let at = world.bots.iter().position(|bot| {
        !bot.deleted && (is(&bot.app_id) || bot.credentials.managed_identity.as_deref().is_some_and(is))
    })?;
    let bot = &world.bots[at];
    Some((at as u16, bot.cloud.graph(), bot.graph_roles.clone()))
}
