//! Configuration: `nuncio.toml`, overlaid with `NUNCIO_…` variables (`docs/configuration.md`, `docs/adr/0007`).
//!
//! | module | what |
//! | --- | --- |
//! | `keys` | which keys exist, their variables, and which one was probably meant |
//! | `settings` | the file and the environment as one flat list of keys, each with its place |
//! | `read` | one value at a time, typed; complaints are collected |
//! | `app` | what `[app.NAME]` makes of it |
//! | `credential` | what an app proves itself with |
//! | `error` | complaints with their places, and what to do without a configuration |
//!
//! # How to add a key
//!
//! Its name in `keys`, its field and how it is read here or in `app`, and its lines in `config/example.toml`, which
//! `docs/configuration.md` repeats. Tests hold the three together.

mod app;
mod credential;
mod error;
mod keys;
mod own_words;
mod read;
mod settings;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nuncio_store::Pooler;
use nuncio_teams::http::HttpClient;
use reqwest::Proxy;
use secrecy::{ExposeSecret, SecretString};
use tracing_subscriber::EnvFilter;

pub use app::{App, Kind};
pub use credential::AppCredential;
pub use error::{ConfigError, Place, Problem, explain_missing};

use read::Reader;
use settings::Settings;

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "nuncio.toml";
/// Names the file; the command line goes before it.
const FILE_VARIABLE: &str = "NUNCIO_CONFIG";

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 3978);
const DAY: u64 = 24 * 3600;

/// Everything that can be configured, checked.
#[derive(Debug)]
pub struct Config {
    /// The file that it was read from, if there was one.
    pub file: Option<PathBuf>,
    pub server: Server,
    pub database: Database,
    pub log: Log,
    pub http: Http,
    pub reachability: Reachability,
    /// At least one, in the order of their names.
    pub apps: Vec<App>,
}

/// `[server]`
#[derive(Debug)]
pub struct Server {
    /// Where to listen. TLS is for a proxy in front.
    pub listen: SocketAddr,
}

/// `[database]`
#[derive(Debug)]
pub enum Database {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL database. The URL may hold a password.
    Server { url: SecretString, pooler: Pooler },
}

/// `[log]`
#[derive(Debug)]
pub struct Log {
    pub format: LogFormat,
    /// What to log, in the words of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// `[http]`: calls to Microsoft.
#[derive(Debug, Default)]
pub struct Http {
    /// Certificates in PEM form that are trusted beside the system's.
    pub extra_ca_file: Option<PathBuf>,
    /// Instead of `HTTPS_PROXY`. May hold a password.
    pub proxy: Option<SecretString>,
}

/// `[reachability]`
#[derive(Debug)]
pub struct Reachability {
    /// A refusal that is younger spares the call.
    pub recheck: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: DEFAULT_LISTEN }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::File(PathBuf::from("nuncio.db"))
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

impl Default for Reachability {
    fn default() -> Self {
        Self { recheck: Duration::from_secs(7 * DAY) }
    }
}

impl Config {
    /// Reads the file and lays the environment over it. `path` is what the command line named; without it the file is
    /// that of `NUNCIO_CONFIG`, else `nuncio.toml` in the current directory, which need not exist if the environment
    /// says everything.
    pub fn load(path: Option<&Path>, env: &[(String, String)]) -> Result<Self, ConfigError> {
        let from_env = env.iter().find(|(name, value)| name == FILE_VARIABLE && !value.is_empty());
        let named = path.map(Path::to_owned).or_else(|| from_env.map(|(_, value)| PathBuf::from(value)));
        let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::read(Some((path, text)), env),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ConfigError::Unreadable { path, error })
            }
            Err(_) if named.is_none() && env.iter().any(|(name, _)| name.starts_with("NUNCIO_APP_")) => {
                Self::read(None, env)
            }
            Err(_) => Err(ConfigError::Missing { path }),
        }
    }

    /// What `nuncio serve --local` uses where there is no configuration: one app without a credential, and defaults.
    pub fn local() -> Self {
        Self {
            file: None,
            server: Server::default(),
            database: Database::default(),
            log: Log::default(),
            http: Http::default(),
            reachability: Reachability::default(),
            apps: vec![App::local()],
        }
    }

    /// The default configuration file with every key and its meaning.
    pub fn example() -> &'static str {
        include_str!("config/example.toml")
    }

    fn read(file: Option<(PathBuf, String)>, env: &[(String, String)]) -> Result<Self, ConfigError> {
        let (path, text) = file.unzip();
        let (settings, problems) =
            Settings::gather(path.as_deref(), text.as_deref().unwrap_or_default(), env)?;
        let mut reader = Reader::new(settings, problems, path.as_deref(), env);
        let config = Self {
            server: server(&mut reader),
            database: database(&mut reader),
            log: log(&mut reader),
            http: http(&mut reader),
            reachability: reachability(&mut reader),
            apps: app::read_all(&mut reader),
            file: path.clone(),
        };
        reader.finish()?;
        Ok(config)
    }
}

fn server(reader: &mut Reader) -> Server {
    let listen = reader.parsed(&["server", "listen"], "an address and a port, like 127.0.0.1:3978", |text| {
        text.parse().ok()
    });
    Server { listen: listen.unwrap_or(DEFAULT_LISTEN) }
}

fn database(reader: &mut Reader) -> Database {
    let path = reader.path(&["database", "path"]);
    let url = reader.secret(&["database"], "url");
    let poolers = [("none", Pooler::None), ("transaction", Pooler::Transaction)];
    let pooler = reader.word(&["database", "pooler"], &poolers);
    let Some(url) = url else {
        if pooler.is_some_and(|pooler| pooler != Pooler::None) {
            reader.complain(&["database", "pooler"], "stands before PostgreSQL: database.url is missing");
        }
        return Database::File(path.unwrap_or_else(|| reader.beside(Path::new("nuncio.db"))));
    };
    if path.is_some() {
        reader.complain(&["database", "path"], "and database.url are both given: keep one of them");
    }
    let schemes = ["postgres://", "postgresql://"];
    if !schemes.iter().any(|scheme| url.expose_secret().starts_with(scheme)) {
        // Without the value, which is a secret.
        reader.complain(&["database", "url"], "does not begin with postgres://");
    }
    Database::Server { url, pooler: pooler.unwrap_or_default() }
}

fn log(reader: &mut Reader) -> Log {
    let default = Log::default();
    let format = reader.word(&["log", "format"], &[("text", LogFormat::Text), ("json", LogFormat::Json)]);
    let filter =
        reader.parsed(&["log", "filter"], "a filter like info or info,nuncio_engine=debug", |text| {
            EnvFilter::try_new(text).is_ok().then(|| text.to_owned())
        });
    Log { format: format.unwrap_or(default.format), filter: filter.unwrap_or(default.filter) }
}

fn http(reader: &mut Reader) -> Http {
    // Both are tried here, where a complaint can still name its line.
    let extra_ca_file = reader.path(&["http", "extra_ca_file"]);
    if let Some(file) = &extra_ca_file {
        let complaint = match std::fs::read(file) {
            Err(error) => Some(format!("{} cannot be read: {error}", file.display())),
            Ok(pem) => HttpClient::builder()
                .extra_ca(&pem)
                .err()
                .map(|_| format!("{} holds no certificate in PEM form", file.display())),
        };
        if let Some(complaint) = complaint {
            reader.complain(&["http", "extra_ca_file"], &complaint);
        }
    }
    let proxy = reader.secret(&["http"], "proxy");
    if proxy.as_ref().is_some_and(|proxy| Proxy::https(proxy.expose_secret()).is_err()) {
        reader.complain(&["http", "proxy"], "is not the URL of a proxy, like http://proxy.example.com:8080");
    }
    Http { extra_ca_file, proxy }
}

fn reachability(reader: &mut Reader) -> Reachability {
    let days = reader.integer(&["reachability", "recheck_days"], 0..=365);
    days.map_or_else(Reachability::default, |days| Reachability {
        recheck: Duration::from_secs(days.unsigned_abs() * DAY),
    })
}
