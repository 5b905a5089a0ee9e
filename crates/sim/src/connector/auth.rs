//! Who calls the Connector: the bearer token, checked strictly (protocol sections 2.2 and 6).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use http::{HeaderMap, header};
use serde_json::Value;

use crate::{
    clock::seconds,
    entra::issuer,
    refusal::Refusal,
    switches::RefusedTokenAs,
    world::{BotKind, Shared},
};

#[derive(Clone)]
struct Claims {
    app_id: String,
    audience: String,
    tenant: String,
    nbf: i64,
    exp: i64,
}

/// Tokens whose signature was found right, so that a bot's thousandth call does not verify it again.
#[derive(Default)]
pub(crate) struct TokenCache(Mutex<HashMap<String, Claims>>);

const KEPT: usize = 1_000;

/// The place of the calling bot, or why it is refused.
pub(crate) fn caller(shared: &Shared, headers: &HeaderMap) -> Result<u16, Refusal> {
    known(shared, headers).map_err(|refusal| match (refusal, shared.world().settings.refused_token_as) {
        (Refusal::AuthorizationDenied, RefusedTokenAs::Code) => Refusal::AuthorizationError,
        (refusal, _) => refusal,
    })
}

fn known(shared: &Shared, headers: &HeaderMap) -> Result<u16, Refusal> {
    let denied = Refusal::AuthorizationDenied;
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or(denied)?;
    let (scheme, token) = value.split_once(' ').ok_or(denied)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(denied);
    }
    let claims = claims(shared, token.trim()).ok_or(denied)?;
    let now = seconds(shared.clock.real());
    if now >= claims.exp || now < claims.nbf - 300 {
        return Err(denied);
    }
    let world = shared.world();
    let (app, bot) = world.bot(&claims.app_id).ok_or(Refusal::BotNotRegistered)?;
    if bot.deleted {
        return Err(Refusal::BotNotRegistered);
    }
    if claims.audience != bot.cloud.audience() {
        return Err(denied);
    }
    let home = claims.tenant == bot.tenant_id;
    let framework = claims.tenant == bot.cloud.login_tenant().1;
    let good = match bot.kind {
        BotKind::Any => home || framework,
        BotKind::SingleTenant => home,
        BotKind::MultiTenant => framework,
    };
    if good { Ok(app) } else { Err(denied) }
}

fn claims(shared: &Shared, token: &str) -> Option<Claims> {
    let mut cache = shared.tokens.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(claims) = cache.get(token) {
        return Some(claims.clone());
    }
    let claims = read(&shared.keys.entra.open(token)?)?;
    if cache.len() >= KEPT {
        cache.clear();
    }
    cache.insert(token.to_owned(), claims.clone());
    Some(claims)
}

fn read(claims: &Value) -> Option<Claims> {
    let tenant = claims["tid"].as_str()?;
    if claims["iss"] != issuer(tenant).as_str() {
        return None;
    }
    Some(Claims {
        app_id: claims["appid"].as_str()?.to_owned(),
        audience: claims["aud"].as_str()?.to_owned(),
        tenant: tenant.to_owned(),
        nbf: claims["nbf"].as_i64()?,
        exp: claims["exp"].as_i64()?,
    })
}
