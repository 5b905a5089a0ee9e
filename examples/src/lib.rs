//! What all examples begin with: where Microsoft is, and who the bot is.
//!
//! Without any setting an example starts a simulator of Microsoft's side for itself ([`stage`]). With `CLIENT_ID`,
//! `CLIENT_SECRET` and `TENANT_ID`, the names that Microsoft's own samples use, it runs against Microsoft ([`Bot::of_env`]).
//! `README.md` has all variables.

pub mod server;
pub mod simulator;
pub mod stage;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use nuncio_teams::cloud::{Cloud, Endpoints, ServiceUrl};
use nuncio_teams::connector::Connector;
use nuncio_teams::graph::Graph;
use nuncio_teams::http::HttpClient;
use nuncio_teams::schema::{MessageContent, OutboundActivity};
use nuncio_teams::token::{Credential, EntraTokens, GraphIdentity, GraphTokens};
use secrecy::SecretString;

pub use stage::Stage;

/// An example says what went wrong and ends.
pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A bot registration, and the two doors of Microsoft that it goes through.
pub struct Bot {
    /// Application (client) ID of the registration.
    pub app_id: String,
    /// The organisation that it speaks in.
    pub tenant_id: String,
    /// The Connector takes messages.
    pub connector: Connector,
    /// Where the Connector of that organisation is. Every activity from Teams names it; until one came, the cloud's
    /// default is right (Microsoft, "Send proactive messages").
    pub service_url: ServiceUrl,
    /// Microsoft Graph knows people and installed apps.
    pub graph: Graph,
}

impl Bot {
    /// Both doors take tokens that Entra gives for the app's secret. They are fetched at the first call, and renewed.
    pub fn new(
        endpoints: &Endpoints,
        app_id: &str,
        secret: &str,
        tenant_id: &str,
        service_url: Option<&str>,
    ) -> Outcome<Self> {
        // Honours HTTPS_PROXY, follows no redirects, and repeats nothing by itself.
        let http = HttpClient::builder().build()?;
        let credential = Credential::Secret(SecretString::from(secret));
        let tokens = EntraTokens::new(http.clone(), endpoints, Some(tenant_id), app_id, credential.clone());
        let identity = GraphIdentity::App { client_id: app_id.to_owned(), credential };
        let graph_tokens = GraphTokens::new(http.clone(), endpoints, identity).of_tenant(tenant_id)?;
        // A service URL is checked before a token goes there: it must be one of the cloud's hosts.
        let service_url = match service_url {
            Some(given) => endpoints.check_service_url(given)?,
            None => endpoints
                .default_service_url()?
                .ok_or("this cloud has no default service URL: set SERVICE_URL to that of an activity")?,
        };
        Ok(Self {
            app_id: app_id.to_owned(),
            tenant_id: tenant_id.to_owned(),
            connector: Connector::new(http.clone(), Arc::new(tokens)),
            service_url,
            graph: Graph::new(http, endpoints.graph_root()?, graph_tokens),
        })
    }

    /// The bot that the environment names; `None` where it names none.
    pub fn of_env() -> Outcome<Option<Self>> {
        let Some(app_id) = env("CLIENT_ID") else { return Ok(None) };
        let needed = |name: &str| env(name).ok_or(format!("CLIENT_ID is set, {name} is not"));
        let cloud = env("CLOUD").unwrap_or_else(|| Cloud::Public.to_string());
        let cloud = Cloud::ALL.into_iter().find(|known| known.as_str() == cloud).ok_or_else(|| {
            format!("CLOUD is {cloud}; it must be one of {}", Cloud::ALL.map(Cloud::as_str).join(", "))
        })?;
        let (secret, tenant) = (needed("CLIENT_SECRET")?, needed("TENANT_ID")?);
        let bot = Self::new(&Endpoints::of(cloud), &app_id, &secret, &tenant, env("SERVICE_URL").as_deref())?;
        Ok(Some(bot))
    }
}

/// A message with this text, in the Markdown that Teams understands.
pub fn text(text: &str) -> OutboundActivity {
    OutboundActivity::new(MessageContent::text(text, None))
}

/// A variable of the environment; an empty one is as none.
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A moment, between two looks at something that takes its time.
#[expect(clippy::disallowed_methods, reason = "the one place where examples wait")]
pub async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}
