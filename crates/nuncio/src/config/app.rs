//! `[app.NAME]`: one bot registration.

use std::fmt::Display;
use std::path::PathBuf;

use nuncio_sender::outcome::GatewayErrors;
use nuncio_teams::cloud::{Cloud, Endpoints};
use nuncio_teams::token::{AssertionAlgorithm, Certificate, Credential};
use uuid::Uuid;

use super::keys;
use super::read::Reader;

/// What Microsoft grants one app in one tenant.
const CALLS_PER_S: f64 = 50.0;
const ANY_TENANT: &str = "*";

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
    pub credential: Option<Credential>,
    pub cloud: Cloud,
    pub endpoints: Endpoints,
    pub gateway_errors: GatewayErrors,
    /// Calls a second and tenant; `None` is no limit, for benchmarks against the simulator.
    pub calls_per_s: Option<f64>,
}

/// Where an app's tokens come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From its own tenant.
    SingleTenant,
    /// From Microsoft's tenant for bots; Microsoft makes no new ones of this kind.
    MultiTenant,
}

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
            cloud: Cloud::Simulator,
            endpoints: Endpoints::of(Cloud::Simulator),
            gateway_errors: GatewayErrors::default(),
            calls_per_s: Some(CALLS_PER_S),
        }
    }

    /// The tenant that its tokens are asked of; `None` is the cloud's own for bots.
    pub fn token_tenant(&self) -> Option<&str> {
        match self.kind {
            Kind::SingleTenant => Some(&self.tenant_id),
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
    if reader.boolean(&key("may_install")) == Some(true) {
        reader.complain(&key("may_install"), "= true is not built yet: leave it out");
    }
    App {
        name: name.to_owned(),
        allowed_tenants: allowed_tenants(reader, name, &tenant_id),
        kind: kind(reader, name),
        credential: credential(reader, name),
        cloud,
        endpoints: endpoints(reader, name, cloud, cloud_is_known),
        gateway_errors: gateway_errors.unwrap_or_default(),
        calls_per_s: calls_per_s(reader, name, cloud, cloud_is_known),
        app_id,
        tenant_id,
    }
}

/// The one credential. Files are read here, where a complaint can still name its line.
fn credential(reader: &mut Reader, name: &str) -> Option<Credential> {
    let key = |key| ["app", name, key];
    // Of the two forms of the secret only one can be; the reader sees to that.
    let forms = [
        ["client_secret", "client_secret_file"].as_slice(),
        ["certificate_file", "private_key_file"].as_slice(),
        ["federated_token_file"].as_slice(),
    ];
    let said: Vec<&str> = forms
        .iter()
        .filter_map(|form| form.iter().copied().find(|name| reader.is_said(&key(name))))
        .collect();
    for only in ["assertion", "send_x5c"] {
        if reader.is_said(&key(only)) && !reader.is_said(&key("certificate_file")) {
            reader.complain(&key(only), "goes with certificate_file only");
        }
    }
    match said.as_slice() {
        [] => {
            reader.complain(
                &key("client_secret"),
                "or client_secret_file is missing, or certificate_file with private_key_file, or federated_token_file",
            );
            None
        }
        ["client_secret" | "client_secret_file"] => {
            reader.secret(&["app", name], "client_secret").map(Credential::Secret)
        }
        ["federated_token_file"] => {
            // Read for each request; here only so that a wrong path is told at once.
            let (file, _) = read_file(reader, &key("federated_token_file"), "where the token is")?;
            Some(Credential::FederatedTokenFile(file))
        }
        [_] => certificate(reader, name).map(Credential::Certificate),
        [first, .., last] => {
            let first = key(first).join(".");
            reader.complain(&key(last), &format!("and {first} are both given: an app has one credential"));
            None
        }
    }
}

fn certificate(reader: &mut Reader, name: &str) -> Option<Certificate> {
    let key = |key| ["app", name, key];
    let algorithm = reader.word(
        &key("assertion"),
        &[("ps256", AssertionAlgorithm::Ps256), ("rs256", AssertionAlgorithm::Rs256)],
    );
    let send_chain = reader.boolean(&key("send_x5c"));
    let of_certificate = read_file(reader, &key("certificate_file"), "the certificate of private_key_file");
    let of_key = read_file(reader, &key("private_key_file"), "the private key of certificate_file");
    let ((certificate_file, certificate), (key_file, private_key)) = (of_certificate?, of_key?);
    match Certificate::from_pem(&certificate, &private_key) {
        Ok(certificate) => Some(
            certificate
                .with_algorithm(algorithm.unwrap_or_default())
                .send_chain(send_chain.unwrap_or_default()),
        ),
        Err(error) => {
            let (path, file) = if error.is_of_key() {
                (key("private_key_file"), key_file)
            } else {
                (key("certificate_file"), certificate_file)
            };
            reader.complain(&path, &format!("{} {error}", file.display()));
            None
        }
    }
}

/// A file that must be there, and what is in it.
fn read_file(reader: &mut Reader, path: &[&str], what: &str) -> Option<(PathBuf, Vec<u8>)> {
    if !reader.is_said(path) {
        reader.complain(path, &format!("is missing: {what}"));
        return None;
    }
    let file = reader.path(path)?;
    match std::fs::read(&file) {
        Ok(content) => Some((file, content)),
        Err(error) => {
            reader.complain(path, &format!("{} cannot be read: {error}", file.display()));
            None
        }
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

fn kind(reader: &mut Reader, name: &str) -> Kind {
    let path = ["app", name, "kind"];
    let kinds = [
        ("single_tenant", Some(Kind::SingleTenant)),
        ("multi_tenant", Some(Kind::MultiTenant)),
        ("managed_identity", None),
    ];
    match reader.word(&path, &kinds) {
        Some(Some(kind)) => kind,
        Some(None) => {
            reader.complain(
                &path,
                "= \"managed_identity\" is not built yet: use a client secret or a certificate",
            );
            Kind::SingleTenant
        }
        None => Kind::SingleTenant,
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
