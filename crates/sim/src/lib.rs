//! Microsoft's side of Teams, simulated: Entra, the Connector, Graph, an organisation of people.
//!
//! A bot is pointed at it instead of at Microsoft. It answers what Microsoft would answer, enforces Microsoft's limits with
//! its own counting, sends real signed activities, and is driven over `/sim/…`. It shares no code with the rest of
//! Nuncio (only `fixtures/microsoft`, which both are tested against): shared code would agree with itself. Where it
//! differs from Microsoft or guesses is written down in `docs/simulator.md`.
//!
//! Where things are: `exchange` is the way of every request (latency, faults, counting); `connector/`, `graph/` and
//! `entra` do the work of one; `world` is the state; `events/` sends to bots; `control/` is `/sim/…`. Section numbers in comments
//! are those of `docs/protocol.md`.

mod answer;
mod clock;
mod cloud;
mod config;
mod connector;
mod control;
mod counts;
mod entra;
mod events;
mod exchange;
mod faults;
mod graph;
mod ids;
mod journal;
mod limits;
mod marks;
mod messages;
mod op;
mod openid;
mod org;
mod outage;
mod page;
mod people;
mod proxy;
mod random;
mod refusal;
mod rotation;
mod server;
mod settings;
mod signing;
mod socket;
mod switches;
mod tls;
mod told;
mod world;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use tokio::{net::TcpListener, task::JoinHandle};

pub use crate::{
    clock::Time,
    config::{Latency, Places, SimConfig, settings_hint},
    org::{OrgError, OrgFile},
    signing::KeyError,
    tls::authority::TlsError,
};
use crate::{
    org::Description,
    proxy::Proxy,
    server::Port,
    settings::Settings,
    world::{Shared, Start, TlsPort},
};

/// Why a simulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// Whoever reaches `/sim/…` can do everything.
    #[error("listening on {0}, beyond this machine, needs a control key")]
    ControlKeyNeeded(SocketAddr),
    /// A setting that cannot be.
    #[error("{0}")]
    Setting(String),
    /// An organisation that cannot be.
    #[error(transparent)]
    Org(#[from] OrgError),
    /// The address is taken or not ours.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// No keys, no tokens.
    #[error("cannot make the signing keys")]
    Keys(#[from] KeyError),
    /// No authority, no TLS port.
    #[error("the TLS port cannot be served")]
    Tls(#[from] TlsError),
    /// The client that posts events to bots.
    #[error("cannot make the HTTP client")]
    Client(#[from] reqwest::Error),
}

/// A running simulator. Dropping it stops it without waiting.
pub struct Sim {
    addr: SocketAddr,
    shared: Arc<Shared>,
    serving: Vec<JoinHandle<()>>,
}

impl Sim {
    /// Binds and serves on the current tokio runtime.
    pub async fn start(config: SimConfig) -> Result<Self, SimError> {
        let keyless = config.control_key.as_ref().is_none_or(String::is_empty);
        for addr in [Some(config.listen), config.listen_tls].into_iter().flatten() {
            if !addr.ip().is_loopback() && keyless {
                return Err(SimError::ControlKeyNeeded(addr));
            }
        }
        let description = match &config.org {
            Some(file) => file.description.clone(),
            None => Description::made_up(config.seed, config.people, config.teams),
        };
        Settings::new(config.limits, config.latency).check().map_err(SimError::Setting)?;
        config.time.check().map_err(SimError::Setting)?;
        let keys = signing::Keys::shared()?;
        let clock = clock::Clock::start(config.time);
        let (listener, addr) = bind(config.listen).await?;
        let mut secure = None;
        let mut port = None;
        if let Some(wanted) = config.listen_tls {
            let (ca, leaf) = tls::authority::open(&config.ca_dir, clock::seconds(clock.real()))?;
            let acceptor = tls::acceptor(leaf).map_err(TlsError::from)?;
            let (listener, addr) = bind(wanted).await?;
            secure = Some((listener, acceptor));
            port = Some(TlsPort { addr, base: base_of("https", addr), ca });
        }
        let shared = Shared::new(Start {
            base: base_of("http", addr),
            tls: port,
            clock,
            control_key: config.control_key,
            keys,
            http: client()?,
            description,
            limits: config.limits,
            latency: config.latency,
        });
        let shared = Arc::new(shared.map_err(|problem| match &config.org {
            Some(file) => SimError::Org(file.error(&problem)),
            None => SimError::Setting(problem.to_string()),
        })?);
        let (router, stop) = (server::router(&shared), &shared.stop);
        let mut serving = Vec::new();
        let mut proxy = None;
        if let Some((listener, acceptor)) = secure {
            proxy = Some(Proxy { acceptor: acceptor.clone(), own: addr });
            let accept = server::accept(listener, Port::Tls(acceptor), router.clone(), stop.clone());
            serving.push(tokio::spawn(accept));
        }
        let accept = server::accept(listener, Port::Plain(proxy), router, stop.clone());
        serving.push(tokio::spawn(accept));
        Ok(Self { addr, shared, serving })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, to which the token endpoint, `/v1/.well-known/…`, `/teams/` and `/sim/` are appended.
    pub fn base(&self) -> &str {
        &self.shared.base
    }

    /// Where it listens with TLS.
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.shared.tls.as_ref().map(|tls| tls.addr)
    }

    /// `https://127.0.0.1:PORT`
    pub fn tls_base(&self) -> Option<&str> {
        self.shared.tls.as_ref().map(|tls| tls.base.as_str())
    }

    /// The certificate, PEM, by which clients can trust the TLS port.
    pub fn ca_path(&self) -> Option<&Path> {
        self.shared.tls.as_ref().map(|tls| tls.ca.as_path())
    }

    /// The tenant of the organisation.
    pub fn tenant_id(&self) -> &str {
        &self.shared.tenant_id
    }

    /// How many people and teams there are.
    pub fn size(&self) -> (u32, usize) {
        let world = self.shared.world();
        (world.org.len(), world.org.teams.len())
    }

    /// What a bot has to be told, for [`settings_hint`].
    pub fn places(&self) -> Places<'_> {
        Places { base: self.base(), tls: self.tls_base().zip(self.ca_path()), tenant_id: self.tenant_id() }
    }

    /// Closes every connection and the ports.
    pub async fn stop(mut self) {
        self.shared.stop.cancel();
        for serving in std::mem::take(&mut self.serving) {
            // It only ends; a panic in it would have been seen before.
            let _ = serving.await;
        }
    }
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

async fn bind(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), SimError> {
    let failed = |source| SimError::Listen { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    Ok((listener, addr))
}

/// The address under which this machine reaches it.
fn base_of(scheme: &str, addr: SocketAddr) -> String {
    let mut reachable = addr;
    if addr.ip().is_unspecified() {
        reachable.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    format!("{scheme}://{reachable}")
}

/// Redirects are not followed and no proxy is asked: bots under test are near.
fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()
}
