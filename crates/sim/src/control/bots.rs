//! `GET|POST /sim/bots`, `PATCH|DELETE /sim/bots/{app_id}`

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
    cloud::Cloud,
    entra::{
        certificate::Certificate,
        credentials::{Credentials, principal},
        federated::{self, Defaults, Federated},
    },
    graph::{
        catalog::{self, CatalogApp},
        roles,
    },
    world::{Bot, BotKind, PERMISSIONS, Shared, register_in},
};

#[expect(
    clippy::struct_excessive_bools,
    reason = "fields of one JSON object, each independent of the others"
)]
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    app_id: String,
    /// May be absent when there are certificates or a managed identity
    secret: Option<String>,
    /// PEM, or DER in base64
    #[serde(default)]
    certificates: Vec<String>,
    /// Its client id
    managed_identity: Option<String>,
    #[serde(default)]
    federated: Vec<federated::Order>,
    #[serde(default)]
    secret_expired: bool,
    #[serde(default)]
    certificates_removed: bool,
    #[serde(default)]
    cloud: Cloud,
    /// Of this simulator when absent
    service_url: Option<String>,
    /// The organisation's when absent
    tenant_id: Option<String>,
    endpoint: Option<String>,
    name: Option<String>,
    kind: Option<BotKind>,
    #[serde(default)]
    supports_sessions: bool,
    /// Resource-specific consent
    #[serde(default)]
    permissions: Vec<String>,
    /// App roles of Graph that were consented to; what the product needs when absent
    graph_roles: Option<Vec<String>>,
    /// Of its Teams app; made from the app id when absent
    manifest_id: Option<String>,
    #[serde(default)]
    catalog: catalog::Place,
    /// Refuses to change one that is there
    #[serde(default)]
    new: bool,
}

impl Order {
    /// App id and secret.
    pub(crate) fn credentials(&self) -> (&str, Option<&str>) {
        (&self.app_id, self.secret.as_deref())
    }

    /// `tenant_id`: the organisation's
    pub(crate) fn bot(self, tenant_id: &str) -> std::result::Result<Bot, String> {
        if self.app_id.is_empty() || self.app_id.chars().any(char::is_whitespace) {
            return Err("app_id must not be empty or have spaces".into());
        }
        if self.secret.as_ref().is_some_and(String::is_empty) {
            return Err("secret must not be empty".into());
        }
        if self.managed_identity.as_ref().is_some_and(String::is_empty) {
            return Err("managed_identity must not be empty".into());
        }
        if let Some(unknown) = self.permissions.iter().find(|name| !PERMISSIONS.contains(&name.as_str())) {
            let known = PERMISSIONS.join(", ");
            return Err(format!("permissions: unknown `{unknown}`, expected one of {known}"));
        }
        let certificates = self
            .certificates
            .iter()
            .map(|text| {
                Certificate::read(text)
                    .ok_or_else(|| "certificates: PEM or base64 DER of RSA certificates".to_owned())
            })
            .collect::<std::result::Result<Vec<_>, String>>()?;
        let graph_roles = self.graph_roles.unwrap_or_else(roles::usual);
        roles::check(&graph_roles)?;
        let catalog = CatalogApp::new(&self.app_id, self.manifest_id.as_deref(), self.catalog)?;
        let endpoint = url("endpoint", self.endpoint)?;
        let service_url = url("service_url", self.service_url)?;
        let tenant_id = self.tenant_id.unwrap_or_else(|| tenant_id.to_owned());
        let mut bot = Bot {
            app_id: self.app_id,
            name: self.name.unwrap_or_else(|| "Dispatch Bot".to_owned()),
            credentials: Credentials {
                secret: self.secret,
                secret_expired: self.secret_expired,
                certificates,
                certificates_removed: self.certificates_removed,
                managed_identity: self.managed_identity,
                ..Credentials::default()
            },
            cloud: self.cloud,
            service_url,
            tenant_id,
            kind: self.kind.unwrap_or_default(),
            endpoint,
            supports_sessions: self.supports_sessions,
            permissions: self.permissions,
            graph_roles,
            catalog,
            deleted: false,
        };
        let defaults = Defaults {
            issuer: bot.exchange_issuer(),
            subject: bot.credentials.managed_identity.as_deref().map(|id| principal(id).to_string()),
            audience: bot.cloud.exchange(),
        };
        let federated = self.federated.into_iter().map(|order| Federated::new(order, &defaults));
        bot.credentials.federated = federated.collect::<std::result::Result<_, String>>()?;
        if bot.credentials.none() {
            return Err("a bot needs a secret, certificates, a managed_identity or federated issuers".into());
        }
        Ok(bot)
    }
}

/// An empty text is as none.
fn url(name: &str, text: Option<String>) -> std::result::Result<Option<String>, String> {
    let text = text.filter(|text| !text.is_empty());
    if let Some(text) = &text {
        let url = reqwest::Url::parse(text).map_err(|error| format!("{name}: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{name} must be an http or https URL"));
        }
    }
    Ok(text)
}

/// Registers a bot, or changes one that has the same app id.
pub(super) async fn register(
    State(shared): State<Arc<Shared>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>)> {
    let order: Order = read(&body)?;
    let new = order.new;
    let bot = order.bot(&shared.tenant_id).map_err(ControlError::bad)?;
    let shown = bot.show();
    let mut world = shared.world();
    if new && world.bot(&bot.app_id).is_some_and(|(_, there)| !there.deleted) {
        return Err(ControlError::conflict("there is a bot with this app id"));
    }
    match register_in(&mut world.bots, bot) {
        Some(true) => Ok((StatusCode::CREATED, Json(shown))),
        Some(false) => Ok((StatusCode::OK, Json(shown))),
        None => Err(ControlError::conflict("too many bots")),
    }
}

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let world = shared.world();
    let items: Vec<Value> = world.bots.iter().filter(|bot| !bot.deleted).map(Bot::show).collect();
    Json(json!({"items": items, "next": null}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    secret_expired: Option<bool>,
    certificates_removed: Option<bool>,
    /// Empty: none
    endpoint: Option<String>,
    service_url: Option<String>,
    /// Instead of those consented to so far
    graph_roles: Option<Vec<String>>,
    /// `absent`: removed from the catalogue
    catalog: Option<catalog::Place>,
}

/// What happens to a registration while the bot runs.
pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Path(app_id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    let change: Change = read(&body)?;
    roles::check(change.graph_roles.as_deref().unwrap_or_default()).map_err(ControlError::bad)?;
    let mut world = shared.world();
    let found = world.bot(&app_id).filter(|(_, bot)| !bot.deleted).map(|(at, _)| usize::from(at));
    let bot =
        found.and_then(|at| world.bots.get_mut(at)).ok_or_else(|| ControlError::not_found("no such bot"))?;
    if let Some(given) = change.endpoint {
        bot.endpoint = url("endpoint", Some(given)).map_err(ControlError::bad)?;
    }
    if let Some(given) = change.service_url {
        bot.service_url = url("service_url", Some(given)).map_err(ControlError::bad)?;
    }
    if let Some(given) = change.graph_roles {
        bot.graph_roles = given;
    }
    bot.catalog.place = change.catalog.unwrap_or(bot.catalog.place);
    let credentials = &mut bot.credentials;
    credentials.secret_expired = change.secret_expired.unwrap_or(credentials.secret_expired);
    credentials.certificates_removed =
        change.certificates_removed.unwrap_or(credentials.certificates_removed);
    Ok(Json(bot.show()))
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
