//! Tokens for Graph: from the tenant of whoever is asked about, not from the tenant that the Connector's come from
//! (protocol section 2.1).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::cache::{CachedTokens, Grantor};
use super::{Credential, Entra, ManagedBot, ManagedIdentity, TokenSource};
use crate::clock::Clock;
use crate::cloud::Endpoints;
use crate::http::HttpClient;

/// What an app gets its tokens for Graph with.
#[derive(Debug, Clone)]
pub enum GraphIdentity {
    /// An app in Entra, which gets one from every tenant that has consented to it.
    App {
        /// The app id.
        client_id: String,
        /// What it proves itself with.
        credential: Credential,
    },
    /// A managed identity, which gets tokens of its own tenant and of no other.
    ManagedIdentity {
        /// The identity.
        identity: ManagedIdentity,
        /// Its tenant.
        tenant: String,
    },
}

/// Why there are no tokens of a tenant, whoever would be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GraphTenantError {
    /// The app is a managed identity of another tenant.
    #[error("a managed identity gets no Graph token of another tenant: use an app registration there")]
    Foreign,
    /// `common`, `organizations` and the like: a token of an app itself needs one tenant (protocol section 2.1).
    #[error("Graph must be asked in one tenant, by its id or domain")]
    NotOne,
}

/// Names that stand for several tenants, or for none.
const NOT_ONE: [&str; 4] = ["", "common", "organizations", "consumers"];

/// The sources of Graph tokens of one app, one for each tenant. All who ask about a tenant share its token.
#[derive(Debug)]
pub struct GraphTokens {
    http: HttpClient,
    endpoints: Endpoints,
    identity: GraphIdentity,
    clock: Clock,
    tenants: Mutex<HashMap<String, Arc<dyn TokenSource>>>,
}

impl GraphTokens {
    /// Tokens for the cloud's Graph.
    pub fn new(http: HttpClient, endpoints: &Endpoints, identity: GraphIdentity) -> Self {
        let (endpoints, clock) = (endpoints.clone(), Clock::system());
        Self { http, endpoints, identity, clock, tenants: Mutex::default() }
    }

    /// With another clock. For sources that are made from now on.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The source of a tenant's tokens. Asks nobody yet.
    pub fn of_tenant(&self, tenant: &str) -> Result<Arc<dyn TokenSource>, GraphTenantError> {
        let tenant = tenant.trim().to_ascii_lowercase();
        if NOT_ONE.contains(&tenant.as_str()) {
            return Err(GraphTenantError::NotOne);
        }
        if let GraphIdentity::ManagedIdentity { tenant: own, .. } = &self.identity
            && !own.trim().eq_ignore_ascii_case(&tenant)
        {
            return Err(GraphTenantError::Foreign);
        }
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let source = tenants.entry(tenant).or_insert_with_key(|tenant| self.source(tenant));
        Ok(Arc::clone(source))
    }

    fn source(&self, tenant: &str) -> Arc<dyn TokenSource> {
        match &self.identity {
            GraphIdentity::App { client_id, credential } => self.cached(Entra::for_scope(
                self.http.clone(),
                &self.endpoints,
                tenant,
                client_id,
                credential.clone(),
                self.endpoints.graph_scope(),
            )),
            GraphIdentity::ManagedIdentity { identity, .. } => self.cached(ManagedBot::for_resource(
                self.http.clone(),
                identity.clone(),
                self.endpoints.graph_resource(),
            )),
        }
    }

    fn cached<G: Grantor + 'static>(&self, grantor: G) -> Arc<dyn TokenSource> {
        Arc::new(CachedTokens::of(grantor).with_clock(self.clock.clone()))
    }
}
