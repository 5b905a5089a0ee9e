//! How a simulator is started, and what a bot has to know to use it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

pub use crate::settings::Latency;
use crate::{clock::Time, org::OrgFile};

/// How to start a simulator.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Where to listen; port 0 takes a free one. Beyond loopback only with a control key.
    pub listen: SocketAddr,
    /// Where to listen with TLS, for clients that take nothing else (MSAL); `None`: nowhere.
    pub listen_tls: Option<SocketAddr>,
    /// The folder of the TLS port's certificate authority, made where it is missing. Its certificate is `ca.pem` in there.
    pub ca_dir: PathBuf,
    /// The first organisation as described in a file, instead of `people`, `teams` and `seed`.
    pub org: Option<OrgFile>,
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
    /// How simulated time moves at first; `PATCH /sim/time` changes it.
    pub time: Time,
    /// What `/sim/…` wants in the header `x-control-key`.
    pub control_key: Option<String>,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            listen_tls: None,
            ca_dir: PathBuf::from("nuncio-sim-ca"),
            org: None,
            people: 1000,
            teams: 2,
            seed: 1,
            limits: true,
            latency: Latency::default(),
            time: Time::default(),
            control_key: None,
        }
    }
}

/// The addresses of a running simulator, for [`settings_hint`].
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// `http://127.0.0.1:4100`
    pub base: &'a str,
    /// `https://127.0.0.1:4143` and the certificate of its authority.
    pub tls: Option<(&'a str, &'a Path)>,
    /// The tenant of the organisation.
    pub tenant_id: &'a str,
}

/// What to put into a bot's settings: environment variables as Microsoft's SDKs read them, and TOML for `nuncio.toml`.
/// The app and its secret are those given to `POST /sim/bots`.
pub fn settings_hint(places: &Places<'_>, app_id: &str, client_secret: &str) -> String {
    let Places { base, tls, tenant_id } = *places;
    let sdks = format!(
        "# Teams SDK (teams.apps, Python and TypeScript), as environment variables:\n\
         CLIENT_ID={app_id}\n\
         CLIENT_SECRET={client_secret}\n\
         TENANT_ID={tenant_id}\n\
         # Bot Framework SDK (botbuilder):\n\
         MicrosoftAppType=SingleTenant\n\
         MicrosoftAppId={app_id}\n\
         MicrosoftAppPassword={client_secret}\n\
         MicrosoftAppTenantId={tenant_id}\n\
         # Agents SDK (agents-hosting):\n\
         clientId={app_id}\n\
         clientSecret={client_secret}\n\
         tenantId={tenant_id}\n\
         # The addresses, for whatever can be told them:\n\
         # token endpoint:           {base}/{tenant_id}/oauth2/v2.0/token\n\
         # keys for incoming tokens: {base}/v1/.well-known/openidconfiguration\n\
         # service URL:              {base}/teams/\n\
         \n"
    );
    let secure = tls.map_or_else(String::new, |(secure, ca)| {
        let ca = ca.display();
        format!(
            "# The same over TLS at {secure}, also as login.microsoftonline.com, login.botframework.com,\n\
             # smba.trafficmanager.net and their government names. MSAL takes nothing else:\n\
             # authority:                {secure}/{tenant_id}\n\
             # Trust its authority in the bot's environment only, never in the system's store:\n\
             NODE_EXTRA_CA_CERTS={ca}\n\
             SSL_CERT_FILE={ca}\n\
             REQUESTS_CA_BUNDLE={ca}\n\
             # A client that heeds a proxy then reaches the simulator under Microsoft's own addresses:\n\
             HTTPS_PROXY={base}\n\
             NO_PROXY=localhost,127.0.0.1\n\
             NODE_USE_ENV_PROXY=1\n\
             \n"
        )
    });
    let nuncio = format!(
        "# nuncio.toml:\n\
         [app.demo]\n\
         app_id = \"{app_id}\"\n\
         tenant_id = \"{tenant_id}\"\n\
         client_secret = \"{client_secret}\"\n\
         cloud = \"simulator\"\n\
         endpoints = {{ base = \"{base}\" }}\n"
    );
    sdks + &secure + &nuncio
}
