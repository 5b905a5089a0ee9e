//! `[app.NAME]`: one bot registration.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nuncio_domain::directory_copy::CopyPace;
use nuncio_sender::outcome::GatewayErrors;
use nuncio_server::OwnWords;
use nuncio_teams::cloud::{Cloud, Endpoints};
use uuid::Uuid;

use super::credential::{self, AppCredential};
use super::read::Reader;
use super::{keys, own_words};

/// What Microsoft grants one app in one tenant.
const CALLS_PER_S: f64 = 50.0;
const TEAMS_APP_ID: &str = "a GUID (the id in the manifest of the Teams app)";
const ANY_TENANT: &str = "*";
/// Between two rounds of changes, and how old a copy of the directory may be that is still used.
const INTERVAL_MINUTES: i64 = 10;
const MAX_AGE_HOURS: i64 = 24;

/// One bot registration, checked.
#[derive(Debug, Clone)]
pub struct App {
    /// What comes after `app.` in the file.
    pub name: String,
    /// The application (client) id, in lower case.
    pub app_id: String,
    /// The directory that the registration is in, in lower case.
    pub tenant_id: String,
    /// Tenants that it may send in; `*` is all of them.
    pub allowed_tenants: Vec<String>,
    pub kind: Kind,
    /// Always there, save in `--local` mode.
    pub credential: Option<AppCredential>,
    /// When its secret ends, which the secret itself does not tell.
    pub client_secret_expires: Option<Timestamp>,
    pub cloud: Cloud,
    pub endpoints: Endpoints,
    pub gateway_errors: GatewayErrors,
    /// Calls a second and tenant; `None` is no limit, for benchmarks against the simulator.
    pub calls_per_s: Option<f64>,
    /// Whether it may be installed for people, in teams and in chats, through Graph.
    pub may_install: bool,
    /// The id in the manifest of the Teams app that the bot is in.
    pub teams_app_id: String,
    /// The resource-specific permissions that this manifest asks for.
    pub resource_permissions: Vec<String>,
    /// How a copy of its directories is kept; `None` is none, and Microsoft Graph is asked each time.
    pub directory: Option<CopyPace>,
    /// What it says by itself.
    pub words: Arc<OwnWords>,
}

/// Where an app's tokens come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From its own tenant.
    SingleTenant,
    /// From Microsoft's tenant for bots; Microsoft makes no new ones of this kind.
    MultiTenant,
    /// From the machine that it runs on. The bot is a managed identity, which is of its own tenant and no other.
    ManagedIdentity,
}

const KINDS: [(&str, Kind); 3] = [
    ("single_tenant", Kind::SingleTenant),
    ("multi_tenant", Kind::MultiTenant),
    ("managed_identity", Kind::ManagedIdentity),
];

impl App {
    /// The app of `nuncio serve --local`: no credential, and no address but this computer's.
    pub fn local() -> Self {
        Self {
            name: "local".to_owned(),
            app_id: Uuid::nil().to_string(),
            tenant_id: Uuid::nil().to_string(),
            allowed_tenants: vec![ANY_TENANT.to_owned()],
            kind: Kind::SingleTenant,
            credential: None,
            client_secret_expires: None,
            cloud: Cloud::Simulator,
            endpoints: Endpoints::of(Cloud::Simulator),
            gateway_errors: GatewayErrors::default(),
            calls_per_s: Some(CALLS_PER_S),
            may_install: false,
            teams_app_id: Uuid::nil().to_string(),
            resource_permissions: Vec::new(),
            directory: None,
            words: Arc::default(),
        }
    }

    /// The tenant that its tokens are asked of; `None` is the cloud's own for bots.
    pub fn token_tenant(&self) -> Option<&str> {
        match self.kind {
            Kind::SingleTenant | Kind::ManagedIdentity => Some(&self.tenant_id),
            Kind::MultiTenant => None,
        }
    }

    /// Whether it speaks to this computer only.
    pub fn is_loopback(&self) -> bool {
        self.cloud == Cloud::Simulator
    }
}

pub(super) fn read_all(reader: &mut Reader) -> Vec<App> {
    let names = reader.apps();
    if names.is_empty() {
        reader.complain_of_all(
            "no app: add a table [app.main] with app_id, tenant_id and a credential (docs/configuration.md)",
        );
    }
    let mut apps: Vec<App> = Vec::new();
    for name in names {
        let app = read(reader, &name);
        let path = ["app", name.as_str()];
        if let Some(other) = apps.iter().find(|other| keys::same_app(&other.name, &name)) {
            reader.complain(&path, &format!("and app.{} are the same name in the environment", other.name));
        }
        if let Some(other) = apps.iter().find(|other| !app.app_id.is_empty() && other.app_id == app.app_id) {
            let text = format!("is that of app.{} as well: one registration is one app", other.name);
            reader.complain(&["app", &name, "app_id"], &text);
        }
        apps.push(app);
    }
    apps
}

/// The app as far as it can be read. What is missing has been complained of and is empty.
fn read(reader: &mut Reader, name: &str) -> App {
    let key = |key| ["app", name, key];
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
        reader.complain(&["app", name], "is not a name: letters, digits, - and _ are");
    }
    let app_id = id(reader, &key("app_id"), "the application (client) id of the app registration");
    let tenant_id = id(reader, &key("tenant_id"), "the directory (tenant) id of the app registration");
    let cloud = reader.word(&key("cloud"), &Cloud::ALL.map(|cloud| (cloud.as_str(), cloud)));
    // Without a readable cloud nothing can be said about what depends on it.
    let cloud_is_known = cloud.is_some() || !reader.is_said(&key("cloud"));
    let cloud = cloud.unwrap_or(Cloud::Public);
    let gateway_errors = reader.word(
        &key("gateway_errors"),
        &[("ambiguous", GatewayErrors::Ambiguous), ("retry", GatewayErrors::Retry)],
    );
    // As `nuncio app-package` makes it: the manifest's id is the app id.
    let teams_app_id = reader.parsed(&key("teams_app_id"), TEAMS_APP_ID, |text| Uuid::try_parse(text).ok());
    let kind = reader.word(&key("kind"), &KINDS).unwrap_or(Kind::SingleTenant);
    let endpoints = endpoints(reader, name, cloud, cloud_is_known);
    let allowed_tenants = allowed_tenants(reader, name, &tenant_id);
    if kind == Kind::ManagedIdentity && allowed_tenants.iter().any(|tenant| *tenant != tenant_id) {
        let text = "names other tenants: a managed identity gets tokens of its own tenant only, for Graph too; \
                    an app with federated_by can work in others";
        reader.complain(&key("allowed_tenants"), text);
    }
    App {
        name: name.to_owned(),
        allowed_tenants,
        kind,
        credential: credential::read(reader, name, kind, &app_id, &endpoints),
        client_secret_expires: credential::secret_end(reader, name),
        cloud,
        endpoints,
        gateway_errors: gateway_errors.unwrap_or_default(),
        calls_per_s: calls_per_s(reader, name, cloud, cloud_is_known),
        may_install: reader.boolean(&key("may_install")) == Some(true),
        teams_app_id: teams_app_id.map_or_else(|| app_id.clone(), |id| id.to_string()),
        resource_permissions: reader.list(&key("resource_permissions")).unwrap_or_default(),
        directory: directory(reader, name),
        words: Arc::new(own_words::read(reader, name)),
        app_id,
        tenant_id,
    }
}

/// A GUID that must be there, in lower case.
fn id(reader: &mut Reader, path: &[&str], what: &str) -> String {
    if !reader.is_said(path) {
        reader.complain(path, &format!("is missing: {what}"));
        return String::new();
    }
    let id = reader.parsed(path, &format!("a GUID ({what})"), |text| Uuid::try_parse(text).ok());
    if id.is_some_and(|id| id.is_nil()) {
        reader.complain(path, &format!("is a placeholder: fill in {what}"));
    }
    id.map_or_else(String::new, |id| id.to_string())
}

fn allowed_tenants(reader: &mut Reader, name: &str, tenant_id: &str) -> Vec<String> {
    let path = ["app", name, "allowed_tenants"];
    let Some(tenants) = reader.list(&path) else { return vec![tenant_id.to_owned()] };
    if tenants == [ANY_TENANT] {
        return tenants;
    }
    let ids: Option<Vec<String>> =
        tenants.iter().map(|tenant| Uuid::try_parse(tenant).ok().map(|id| id.to_string())).collect();
    match ids {
        Some(ids) if !ids.is_empty() => ids,
        _ => {
            reader.complain(&path, "must be a list of tenant ids (GUIDs), or [\"*\"] for any tenant");
            Vec::new()
        }
    }
}

fn endpoints(reader: &mut Reader, name: &str, cloud: Cloud, cloud_is_known: bool) -> Endpoints {
    let key = |key| ["app", name, "endpoints", key];
    let mut endpoints = Endpoints::of(cloud);
    if let Some(base) = reader.text(&key("base")) {
        let simulator = Endpoints::simulator(&base);
        if cloud != Cloud::Simulator && cloud_is_known {
            reader.complain(&key("base"), "goes with cloud = \"simulator\" only");
        } else if simulator.default_service_url().is_err() {
            reader.complain(&key("base"), "must be an address of this computer, like http://127.0.0.1:4100");
        } else {
            endpoints = simulator;
        }
    }
    if let Some(url) = reader.text(&key("authority")) {
        complain_if(reader, &key("authority"), endpoints.set_authority(&url));
    }
    if let Some(tenant) = reader.text(&key("login_tenant")) {
        endpoints.set_login_tenant(&tenant);
    }
    if let Some(scope) = reader.text(&key("bot_scope")) {
        endpoints.set_bot_scope(&scope);
    }
    if let Some(issuer) = reader.text(&key("issuer")) {
        endpoints.set_issuer(&issuer);
    }
    if let Some(url) = reader.text(&key("openid_metadata")) {
        complain_if(reader, &key("openid_metadata"), endpoints.set_openid_metadata(&url));
    }
    if let Some(url) = reader.text(&key("graph")) {
        complain_if(reader, &key("graph"), endpoints.set_graph(&url));
    }
    if let Some(url) = reader.text(&key("service_url")) {
        let done = endpoints.set_service_url(&url);
        if cloud_is_known {
            complain_if(reader, &key("service_url"), done);
        }
    }
    endpoints
}

fn complain_if<E: Display>(reader: &mut Reader, path: &[&str], done: Result<(), E>) {
    if let Err(error) = done {
        reader.complain(path, &format!("cannot be used: {error}"));
    }
}

fn calls_per_s(reader: &mut Reader, name: &str, cloud: Cloud, cloud_is_known: bool) -> Option<f64> {
    let path = ["app", name, "limits", "calls_per_s"];
    if reader.says(&path, "off") {
        if cloud != Cloud::Simulator && cloud_is_known {
            reader.complain(&path, "= \"off\" goes with cloud = \"simulator\" only: Microsoft has a limit");
        }
        return None;
    }
    Some(reader.integer(&path, 1..=1000).map_or(CALLS_PER_S, |calls| calls as f64))
}

fn directory(reader: &mut Reader, name: &str) -> Option<CopyPace> {
    let key = |key| ["app", name, key];
    let kept = reader.word(&key("directory"), &[("live", false), ("synchronised", true)]).unwrap_or(false);
    let interval = reader.integer(&key("directory_interval_minutes"), 1..=1440).unwrap_or(INTERVAL_MINUTES);
    let max_age = reader.integer(&key("directory_max_age_hours"), 1..=168).unwrap_or(MAX_AGE_HOURS);
    if interval > max_age * 60 {
        let text = "is longer than directory_max_age_hours: the copy would be too old before it is brought up to date";
        reader.complain(&key("directory_interval_minutes"), text);
    }
    let minutes = |minutes: i64| Duration::from_mins(minutes.unsigned_abs());
    kept.then(|| CopyPace { interval: minutes(interval), max_age: minutes(max_age * 60) })
}
