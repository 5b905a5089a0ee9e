//! Puts the parts together: store, sender, engine, bot endpoint and API.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use nuncio_directory::{Access, CopiedDirectory, GraphDirectory, SyncPorts, Synchroniser, TeamsApp};
use nuncio_domain::lane::LaneConfig;
use nuncio_domain::people::Lane;
use nuncio_domain::ports::{Directory, DirectoryCopies, Ledger, Preview, Registry};
use nuncio_domain::scope::ApiKey;
use nuncio_domain::{Clock, KeyId, Role};
use nuncio_engine::{Engine, EngineConfig, Ports, SystemClock};
use nuncio_sender::{AppConnector, ConnectorSender};
use nuncio_server::{AppInfo, PREVIEW_WITHIN, ServerState, secret};
use nuncio_store::{PostgresStore, SqliteStore};
use nuncio_teams::cloud::Endpoints;
use nuncio_teams::connector::Connector;
use nuncio_teams::http::HttpClient;
use nuncio_teams::inbound::{AcceptedApp, AllowedTenants, Authenticator};
use nuncio_teams::token::{
    EntraTokens, GraphIdentity, GraphTokens, ManagedIdentityTokens, NoToken, TokenSource,
};
use uuid::Uuid;

use secrecy::ExposeSecret as _;

use crate::config::{self, AppCredential, Config, Database};
use crate::{credentials, upkeep};

/// How long a stop waits for calls under way (`docs/delivery.md`, Intents, leases, time-outs).
pub const DRAIN: Duration = Duration::from_secs(25);

/// The database, whichever it is.
pub enum Store {
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PostgresStore>),
}

impl Store {
    async fn open(database: &Database) -> anyhow::Result<Self> {
        match database {
            Database::File(path) => SqliteStore::open(path)
                .await
                .map(Self::Sqlite)
                .with_context(|| format!("the database {} cannot be used", path.display())),
            // The error names the database, without its password.
            Database::Server { url, pooler } => PostgresStore::open(url.expose_secret(), *pooler)
                .await
                .map(Self::Postgres)
                .context("the database cannot be used"),
        }
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as _,
            Self::Postgres(store) => Arc::clone(store) as _,
        }
    }

    fn registry(&self) -> Arc<dyn Registry> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as _,
            Self::Postgres(store) => Arc::clone(store) as _,
        }
    }

    fn preview(&self) -> Arc<dyn Preview> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as _,
            Self::Postgres(store) => Arc::clone(store) as _,
        }
    }

    fn copies(&self) -> Arc<dyn DirectoryCopies> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as _,
            Self::Postgres(store) => Arc::clone(store) as _,
        }
    }

    /// Writes what waits, and lets another process have it.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}

/// The parts of a running server.
pub struct Parts {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub inbound: Arc<Authenticator>,
    sender: Arc<ConnectorSender>,
    graph: Arc<GraphDirectory>,
    /// The copy, and Graph behind it.
    directory: Arc<dyn Directory>,
    apps: Vec<AppInfo>,
    recheck: Duration,
}

impl Parts {
    /// Opens the store and prepares everything that the configuration names; nothing runs yet.
    pub async fn prepare(config: &Config, local: bool) -> anyhow::Result<Self> {
        let http = http_client(config)?;
        let inbound = inbound(config, local, &http)?;
        let sender = ConnectorSender::new(
            config.apps.iter().map(|app| (app.name.clone(), connector(app, local, &http))).collect(),
        );
        let accesses = config.apps.iter().map(|app| (app.name.clone(), graph(app, local, &http))).collect();
        let graph = Arc::new(GraphDirectory::new(http.clone(), accesses));
        let store = Store::open(&config.database).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let live = Arc::clone(&graph) as Arc<dyn Directory>;
        let directory = CopiedDirectory::new(store.copies(), live, Arc::clone(&clock));
        let apps: Vec<AppInfo> = config
            .apps
            .iter()
            .map(|app| AppInfo {
                name: app.name.clone(),
                app_id: app.app_id.clone(),
                tenant_id: app.tenant_id.clone(),
                allowed_tenants: app.allowed_tenants.clone(),
                calls_per_s: app.calls_per_s,
                synchronised: app.directory.is_some(),
                words: Arc::clone(&app.words),
                may_install: app.may_install,
                credential: credentials::end(app),
            })
            .collect();
        Ok(Self {
            store,
            clock,
            inbound: Arc::new(inbound),
            sender: Arc::new(sender),
            graph,
            directory: Arc::new(directory),
            apps,
            recheck: config.reachability.recheck,
        })
    }

    /// Makes the first API key if there never was one, and gives its secret.
    pub async fn first_key(&self) -> anyhow::Result<Option<String>> {
        let registry = self.store.registry();
        if registry.has_keys().await? {
            return Ok(None);
        }
        let text = secret::make(random());
        let key = ApiKey {
            id: KeyId(Uuid::now_v7()),
            name: "first".to_owned(),
            role: Role::Admin,
            app: None,
            may_install: true,
            created_at: self.clock.now(),
            revoked_at: None,
        };
        registry.add_key(&key, secret::hash(&text)).await?;
        Ok(Some(text))
    }

    /// Starts the engine with a lane for each app's own tenant, so that a message can be asked for before Teams has
    /// sent anything.
    pub async fn engine(&self, config: &Config, local: bool) -> anyhow::Result<Engine> {
        // A local app learns its tenant from whoever speaks to it first.
        for app in config.apps.iter().filter(|_| !local) {
            if app.allowed_tenants.iter().any(|tenant| tenant == "*" || *tenant == app.tenant_id) {
                self.store.registry().lane(&app.name, &app.tenant_id).await?;
            }
        }
        let ports = Ports {
            ledger: self.store.ledger(),
            registry: self.store.registry(),
            sender: Arc::clone(&self.sender) as _,
            directory: Arc::clone(&self.directory),
            installer: Arc::clone(&self.graph) as _,
            clock: Arc::clone(&self.clock),
        };
        let limits: HashMap<String, Option<f64>> =
            config.apps.iter().map(|app| (app.name.clone(), app.calls_per_s)).collect();
        let recheck = config.reachability.recheck;
        let lane = move |lane: &Lane| {
            let limit = limits.get(&lane.app).copied().unwrap_or(Some(50.0));
            let seed = u64::from_le_bytes(random().first_chunk().copied().unwrap_or_default());
            LaneConfig { recheck, ..LaneConfig::new(lane.lane_no, limit, seed) }
        };
        Ok(Engine::start(ports, EngineConfig { lane: Arc::new(lane), drain: DRAIN }).await?)
    }

    /// Warns of credentials that end, for as long as it runs.
    pub fn watch_credentials(&self) -> impl Future<Output = ()> + Send + use<> {
        credentials::watch(self.apps.clone(), Arc::clone(&self.clock))
    }

    /// Tidies up, at start and from time to time.
    pub fn tidy_up(&self) -> impl Future<Output = ()> + Send + use<> {
        upkeep::lists(self.store.registry(), Arc::clone(&self.clock))
    }

    /// Starts keeping the copies of directories, for the apps that have one.
    pub fn synchroniser(&self, config: &Config) -> Synchroniser {
        let paces = config.apps.iter().filter_map(|app| Some((app.name.clone(), app.directory?)));
        Synchroniser::start(SyncPorts {
            directory: Arc::clone(&self.graph),
            copies: self.store.copies(),
            registry: self.store.registry(),
            clock: Arc::clone(&self.clock),
            apps: paces.collect(),
        })
    }

    /// What the HTTP server works with.
    pub fn server(&self, engine: &Engine, synchroniser: &Synchroniser) -> ServerState {
        ServerState {
            ledger: self.store.ledger(),
            registry: self.store.registry(),
            wake: engine.wake(),
            directory: Arc::clone(&self.directory),
            preview: self.store.preview(),
            copies: self.store.copies(),
            sync: synchroniser.wake(),
            clock: Arc::clone(&self.clock),
            random: Arc::new(random),
            inbound: Arc::clone(&self.inbound),
            recheck: self.recheck,
            preview_within: PREVIEW_WITHIN,
            apps: self.apps.clone(),
        }
    }
}

/// 32 bytes from the system's generator, for secrets and ids.
#[expect(clippy::disallowed_methods, reason = "the one place where real randomness comes in")]
fn random() -> [u8; 32] {
    rand::random()
}

fn http_client(config: &Config) -> anyhow::Result<HttpClient> {
    let mut builder = HttpClient::builder();
    if let Some(file) = &config.http.extra_ca_file {
        let pem = std::fs::read(file)
            .with_context(|| format!("http.extra_ca_file {} cannot be read", file.display()))?;
        builder = builder.extra_ca(&pem)?;
    }
    if let Some(proxy) = &config.http.proxy {
        builder = builder.proxy(Some(proxy.clone()));
    }
    Ok(builder.build()?)
}

fn connector(app: &config::App, local: bool, http: &HttpClient) -> AppConnector {
    let tokens: Arc<dyn TokenSource> = match &app.credential {
        Some(AppCredential::Entra(credential)) if !local => Arc::new(EntraTokens::new(
            http.clone(),
            &app.endpoints,
            app.token_tenant(),
            &app.app_id,
            credential.clone(),
        )),
        Some(AppCredential::ManagedIdentity(identity)) if !local => {
            Arc::new(ManagedIdentityTokens::new(http.clone(), &app.endpoints, identity.clone()))
        }
        _ => Arc::new(NoToken),
    };
    AppConnector {
        app_id: app.app_id.clone(),
        endpoints: app.endpoints.clone(),
        connector: Connector::new(http.clone(), tokens),
        gateway_errors: app.gateway_errors,
    }
}

/// What an app asks Graph with: the same credential, for a token of another tenant and audience.
fn graph(app: &config::App, local: bool, http: &HttpClient) -> Access {
    let identity = match &app.credential {
        Some(AppCredential::Entra(credential)) if !local => {
            GraphIdentity::App { client_id: app.app_id.clone(), credential: credential.clone() }
        }
        Some(AppCredential::ManagedIdentity(identity)) if !local => {
            GraphIdentity::ManagedIdentity { identity: identity.clone(), tenant: app.tenant_id.clone() }
        }
        _ => {
            let text = "Microsoft Graph is not asked with --local: give a configuration file in which the app has a \
                        credential (docs/configuration.md)";
            return Access::Missing(text.to_owned());
        }
    };
    match app.endpoints.graph_root() {
        Ok(root) => {
            let tokens = GraphTokens::new(http.clone(), &app.endpoints, identity);
            let (manifest_id, permissions) = (app.teams_app_id.clone(), app.resource_permissions.clone());
            Access::Graph { root, tokens: Box::new(tokens), app: TeamsApp { manifest_id, permissions } }
        }
        Err(error) => Access::Missing(format!("app.{}.endpoints.graph cannot be used: {error}", app.name)),
    }
}

/// One process takes activities of one cloud: their keys come from one place.
fn inbound(config: &Config, local: bool, http: &HttpClient) -> anyhow::Result<Authenticator> {
    let Some(first) = config.apps.first() else { bail!("the configuration names no app") };
    if local {
        return Ok(Authenticator::local(&first.app_id));
    }
    let same = |a: &Endpoints, b: &Endpoints| {
        a.openid_metadata() == b.openid_metadata() && a.issuer() == b.issuer() && a.hosts() == b.hosts()
    };
    if let Some(other) = config.apps.iter().find(|app| !same(&app.endpoints, &first.endpoints)) {
        bail!(
            "app {} is in another cloud than app {}: run one server for each cloud",
            other.name,
            first.name
        );
    }
    let accepted = config
        .apps
        .iter()
        .map(|app| AcceptedApp {
            app_id: app.app_id.clone(),
            tenants: if app.allowed_tenants.iter().any(|tenant| tenant == "*") {
                AllowedTenants::Any
            } else {
                AllowedTenants::Only(app.allowed_tenants.iter().cloned().collect::<BTreeSet<_>>())
            },
        })
        .collect();
    Ok(Authenticator::new(
        first.endpoints.clone(),
        accepted,
        http.clone(),
        nuncio_teams::clock::Clock::system(),
    ))
}

/// Writes a secret where only its owner can read it.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    writeln!(options.open(path)?, "{text}")
}
