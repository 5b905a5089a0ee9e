//! The port [`Directory`] over Microsoft Graph (`docs/adr/0023`): names to people, and the people of a tenant, a group or
//! a team page by page; the port [`Installer`] (`docs/adr/0027`): the app to people, teams and chats; and the synchronised
//! copy of the directory (`docs/adr/0025`): [`Synchroniser`] keeps it, [`CopiedDirectory`] looks up names in it.
//!
//! Every call of one app in one tenant goes through one budget ([`nuncio_teams::graph::budget`]). Nothing is stored here
//! but through the port [`nuncio_domain::ports::DirectoryCopies`]; a cursor is Graph's own link, which is checked before
//! it is followed. To read something else of people, select it in `people.rs` (and take it in `changes.rs`); what a
//! refusal means to an audience is in `errors.rs`.

mod changes;
mod copied;
mod errors;
mod installs;
mod names;
mod pace;
mod pages;
mod people;
mod sync;
mod tenant;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use nuncio_domain::directory::{Asker, Directory, DirectoryError, DirectoryPage, DirectorySource, Resolved};
use nuncio_domain::install::{InstallAnswer, InstallCall, InstallOutcome, Installer};
use nuncio_domain::outcome::Operation;
use nuncio_teams::cloud::GraphRoot;
use nuncio_teams::http::HttpClient;
use nuncio_teams::token::GraphTokens;

pub use installs::TeamsApp;
use tenant::Tenant;

pub use copied::CopiedDirectory;
pub use sync::{SyncPorts, Synchroniser};

/// What an app asks Graph with.
#[derive(Debug)]
pub enum Access {
    Graph {
        root: GraphRoot,
        tokens: Box<GraphTokens>,
        /// What it installs.
        app: TeamsApp,
    },
    /// It cannot, for this reason: what is missing in the configuration.
    Missing(String),
}

/// Graph, for all apps and tenants.
#[derive(Debug)]
pub struct GraphDirectory {
    http: HttpClient,
    apps: HashMap<String, Access>,
    /// By app and tenant.
    tenants: Mutex<HashMap<(String, String), Arc<Tenant>>>,
}

impl GraphDirectory {
    /// With the access of each app, by its name in the configuration.
    pub fn new(http: HttpClient, apps: HashMap<String, Access>) -> Self {
        Self { http, apps, tenants: Mutex::default() }
    }

    fn tenant(&self, asker: Asker<'_>) -> Result<Arc<Tenant>, DirectoryError> {
        self.tenant_and_app(asker).map(|(tenant, _)| tenant)
    }

    fn tenant_and_app(&self, asker: Asker<'_>) -> Result<(Arc<Tenant>, &TeamsApp), DirectoryError> {
        let missing = |text: &str| DirectoryError::NotConfigured(text.to_owned());
        let (root, tokens, app) = match self.apps.get(asker.app) {
            Some(Access::Graph { root, tokens, app }) => (root, tokens, app),
            Some(Access::Missing(text)) => return Err(missing(text)),
            None => return Err(missing("the app is not in the configuration any more")),
        };
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (asker.app.to_owned(), asker.tenant.to_ascii_lowercase());
        if let Some(tenant) = tenants.get(&key) {
            return Ok((Arc::clone(tenant), app));
        }
        let tokens =
            tokens.of_tenant(asker.tenant).map_err(|error| DirectoryError::NoToken(error.to_string()))?;
        let tenant = Arc::new(Tenant::new(self.http.clone(), root.clone(), tokens));
        tenants.insert(key, Arc::clone(&tenant));
        Ok((tenant, app))
    }
}

#[async_trait]
impl Directory for GraphDirectory {
    fn ready(&self, asker: Asker<'_>) -> Result<(), DirectoryError> {
        self.tenant(asker).map(drop)
    }

    #[tracing::instrument(name = "directory.resolve", level = "debug", skip_all, fields(app = asker.app, names = names.len()))]
    async fn resolve(&self, asker: Asker<'_>, names: &[String]) -> Result<Vec<Resolved>, DirectoryError> {
        let tenant = self.tenant(asker)?;
        names::resolve(&tenant, names).await
    }

    #[tracing::instrument(name = "directory.page", level = "debug", skip_all, fields(app = asker.app))]
    async fn page(
        &self,
        asker: Asker<'_>,
        source: &DirectorySource,
        cursor: Option<&str>,
    ) -> Result<DirectoryPage, DirectoryError> {
        let tenant = self.tenant(asker)?;
        pages::page(&tenant, source, cursor).await
    }
}

#[async_trait]
impl Installer for GraphDirectory {
    #[tracing::instrument(name = "directory.install", level = "debug", skip_all, fields(app = call.lane.app, operation = %call.operation))]
    async fn call(&self, call: InstallCall) -> InstallAnswer {
        let asker = Asker { app: &call.lane.app, tenant: &call.lane.tenant };
        let (tenant, app) = match self.tenant_and_app(asker) {
            Ok(found) => found,
            Err(error) => {
                return InstallAnswer::bare(InstallOutcome::Waits { retry_after: None }, error.to_string());
            }
        };
        match call.operation {
            Operation::AskInstalled => installs::ask_installed(&tenant, app, &call.row).await,
            Operation::FindChat => installs::find_chat(&tenant, app, &call.row).await,
            _ => installs::install(&tenant, app, &call.row).await,
        }
    }
}
