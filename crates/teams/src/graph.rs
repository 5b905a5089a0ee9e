//! Microsoft Graph, as much of it as a bot needs: who is in a directory, in its groups and teams, and which apps are
//! installed (protocol sections 7.2 and 8).
//!
//! One [`Graph`] serves one app in one tenant, the tenant of whom is asked about; [`GraphTokens`](crate::token::GraphTokens)
//! has the tokens of each. The client waits for nothing and repeats nothing but a call after a 401: how fast may be asked
//! is in [`budget`], what a refusal is called in [`classify`](mod@classify).
//!
//! ```no_run
//! # async fn everyone() -> Result<(), Box<dyn std::error::Error>> {
//! use nuncio_teams::cloud::{Cloud, Endpoints};
//! use nuncio_teams::graph::{Graph, List, PageSize};
//! use nuncio_teams::http::HttpClient;
//! use nuncio_teams::token::{Credential, GraphIdentity, GraphTokens};
//!
//! let endpoints = Endpoints::of(Cloud::Public);
//! let http = HttpClient::builder().build()?;
//! let identity = GraphIdentity::App {
//!     client_id: "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4".into(),
//!     credential: Credential::FederatedTokenFile("/var/run/secrets/token".into()),
//! };
//! let tokens = GraphTokens::new(http.clone(), &endpoints, identity);
//! let graph = Graph::new(http, endpoints.graph_root()?, tokens.of_tenant("contoso.com")?);
//!
//! let list = List { select: &["id", "userPrincipalName", "accountEnabled"], top: Some(PageSize::MOST) };
//! let mut pages = graph.users(&list);
//! while let Some(page) = pages.next().await {
//!     for user in page?.items {
//!         println!("{:?}", user.user_principal_name);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod batch;
pub mod budget;
mod calls;
pub mod classify;
mod error;
mod operation;
mod pages;
mod query;
mod reply;
pub mod request;

use std::sync::Arc;

use crate::clock::Clock;
use crate::cloud::{GraphRoot, LinkError};
use crate::http::{Answer, HttpClient, Request};
use crate::token::TokenSource;

pub use batch::Answered;
pub use calls::BatchCallError;
pub use classify::GraphRefusal;
pub use error::{CallError, GraphError, Said, Throttle};
pub use operation::{Kind, Operation, Resource, ScopeKind};
pub use pages::Pages;
pub use query::{List, PageSize};
pub use reply::{
    AssignedPlan, ChangedUser, Channel, Chat, ConversationMember, DirectoryObject, Group, Install,
    Installation, Page, Removed, TEAMS_SERVICE_PLANS, Team, TeamsApp, Told, User,
};
pub use request::{AppIs, GraphRequest, PermissionType, ResourcePermission, Scope};

/// Graph, for one app in one tenant. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Graph {
    http: HttpClient,
    root: GraphRoot,
    tokens: Arc<dyn TokenSource>,
    clock: Clock,
}

impl Graph {
    /// Asks through `http`, at `root`, with tokens from `tokens`.
    pub fn new(http: HttpClient, root: GraphRoot, tokens: Arc<dyn TokenSource>) -> Self {
        Self { http, root, tokens, clock: Clock::system() }
    }

    /// With another clock (it reads `Retry-After` when that is a date).
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Where it is.
    pub fn root(&self) -> &GraphRoot {
        &self.root
    }

    /// Goes on from a stored link: in the middle of a list, or with the next round of changes. A link that leads away
    /// from Graph is refused, whoever stored it.
    pub fn resume<T: serde::de::DeserializeOwned>(&self, link: &str) -> Result<Pages<T>, LinkError> {
        Ok(Pages::from_link(self.clone(), self.root.check_link(link)?))
    }

    async fn send(&self, request: &GraphRequest) -> Result<Answer, CallError> {
        self.ask(&request.to(&self.root), &request.operation()).await
    }

    /// One call; after a 401 one more with a new token, which is safe because a 401 changes nothing (protocol section
    /// 2.6).
    async fn ask(&self, request: &Request, operation: &Operation) -> Result<Answer, CallError> {
        let token = self.tokens.token().await.map_err(CallError::Token)?;
        let mut answer = self.http.send(request, token.authorization()).await?;
        if answer.status.as_u16() == 401 && !token.is_none() {
            self.tokens.refused(&token).await;
            let token = self.tokens.token().await.map_err(CallError::Token)?;
            answer = self.http.send(request, token.authorization()).await?;
        }
        error::accepted(answer, operation, self.clock.now())
    }
}
