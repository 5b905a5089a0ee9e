//! How a simulator is started, and what a bot has to know to use it.

use std::net::SocketAddr;

pub use crate::settings::Latency;

/// How to start a simulator.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Where to listen; port 0 takes a free one. Beyond loopback only with a control key.
    pub listen: SocketAddr,
    /// People of the first organisation; `POST /sim/reset` makes another.
    pub people: u32,
    /// Teams of the first organisation.
    pub teams: u32,
    /// The same seed makes the same organisation.
    pub seed: u64,
    /// Whether rate limits are enforced (protocol section 7.1).
    pub limits: bool,
    /// How long the Connector takes.
    pub latency: Latency,
    /// What `/sim/…` wants in the header `x-control-key`.
    pub control_key: Option<String>,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            people: 1000,
            teams: 2,
            seed: 1,
            limits: true,
            latency: Latency::default(),
            control_key: None,
        }
    }
}

/// What to put into a bot's settings: environment variables as Microsoft's SDKs read them, and TOML for `nuncio.toml`.
/// The app and its secret are those given to `POST /sim/bots`.
pub fn settings_hint(base: &str, tenant_id: &str, app_id: &str, client_secret: &str) -> String {
    format!(
        "# A bot written with one of Microsoft's SDKs, as environment variables:\n\
         CLIENT_ID={app_id}\n\
         CLIENT_SECRET={client_secret}\n\
         TENANT_ID={tenant_id}\n\
         # the token endpoint:       {base}/{tenant_id}/oauth2/v2.0/token\n\
         # keys for incoming tokens: {base}/v1/.well-known/openidconfiguration\n\
         # service URL:              {base}/teams/\n\
         \n\
         # nuncio.toml:\n\
         [app.demo]\n\
         app_id = \"{app_id}\"\n\
         tenant_id = \"{tenant_id}\"\n\
         client_secret = \"{client_secret}\"\n\
         cloud = \"simulator\"\n\
         endpoints = {{ base = \"{base}\" }}\n"
    )
}
