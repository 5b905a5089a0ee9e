//! The built binary, with a folder of its own.

use std::path::{Path, PathBuf};

use nuncio_client::Client;
use nuncio_testkit::process::built;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::Options;
use crate::fill::{Fill, Sqlite};
use crate::fill_postgres::Postgres;
use crate::postgres::Server;
use crate::process::{self, Child, Sample};
use crate::wire::Connection;

pub(crate) const APP_ID: &str = "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4";
pub(crate) const SECRET: &str = "simulated-secret";
/// What is sent: 270 characters.
pub(crate) fn text() -> String {
    "Maintenance tonight from 22:00 to 23:30 UTC. ".repeat(6)
}

/// The n-th tenant; the first one is the app's own.
pub(crate) fn tenant(n: i64) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

/// The n-th person.
pub(crate) fn person(n: i64) -> String {
    format!("00000000-0000-4000-9000-{n:012}")
}

/// A folder with a configuration, a database and a key; no server yet.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) key: String,
    perf: Option<(PathBuf, String)>,
    env: Vec<(String, String)>,
    /// Of its PostgreSQL database.
    url: Option<String>,
}

/// What a place is made of.
pub(crate) struct Plan<'a> {
    /// Where Microsoft is.
    pub(crate) base: &'a str,
    pub(crate) tenant: &'a str,
    /// Where the ledger is kept; `None`: a SQLite file.
    pub(crate) postgres: Option<&'a Server>,
    /// What the app takes for Microsoft's limit, or `off`.
    pub(crate) calls_per_s: &'a str,
}

impl Place {
    /// Writes the configuration and lets a first start make the database and a key.
    pub(crate) async fn prepare(options: &Options, name: &str, plan: &Plan<'_>) -> Self {
        let folder = process::scratch();
        let url = plan.postgres.map(Server::database);
        let database =
            url.as_ref().map_or_else(|| "path = \"nuncio.db\"".to_owned(), |url| format!("url = \"{url}\""));
        // A number or the word `off`, which needs its quotes.
        let limit =
            plan.calls_per_s.parse::<u32>().map_or_else(|_| "\"off\"".to_owned(), |limit| limit.to_string());
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n\n[database]\n{database}\n\n[app.main]\napp_id = \"{APP_ID}\"\ntenant_id = \"{}\"\n\
             client_secret = \"{SECRET}\"\ncloud = \"simulator\"\nallowed_tenants = [\"*\"]\nmay_install = true\n\n\
             [app.main.limits]\ncalls_per_s = {limit}\n\n\
             [app.main.endpoints]\nbase = \"{}\"\n",
            plan.tenant, plan.base
        );
        std::fs::write(folder.path().join("nuncio.toml"), config).unwrap();
        let perf = options.perf.clone().map(|folder| (folder, name.to_owned()));
        let mut place = Self { folder, key: String::new(), perf: None, env: Vec::new(), url };
        place.start().await.stop().await;
        let key = std::fs::read_to_string(place.path().join("key")).unwrap();
        key.trim().clone_into(&mut place.key);
        place.perf = perf;
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The environment of later starts has this too.
    pub(crate) fn env(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// The database, to be filled or looked at.
    pub(crate) async fn database(&self) -> Box<dyn Fill> {
        match &self.url {
            None => Box::new(Sqlite::open(&self.path().join("nuncio.db")).await),
            Some(url) => Box::new(Postgres::open(url).await),
        }
    }

    /// What the database takes on disk.
    pub(crate) async fn bytes(&self) -> u64 {
        self.database().await.bytes().await
    }

    /// Starts the server.
    pub(crate) async fn start(&self) -> Product {
        let mut command = Command::new(built("nuncio"));
        command.args(["serve", "--key-file", "key"]).current_dir(self.path());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NUNCIO_")) {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let mut process = Child::start(command, &self.path().join("log"));
        let url = process.address().await;
        let perf = self.perf.as_ref().map(|(folder, name)| process::perf(process.pid, folder, name));
        let client = Client::new(&url, &self.key).unwrap();
        Product { process, url, client, perf }
    }
}

/// A running server.
pub(crate) struct Product {
    process: Child,
    pub(crate) url: String,
    pub(crate) client: Client,
    perf: Option<Child>,
}

impl Product {
    pub(crate) fn sample(&self) -> Sample {
        process::sample(self.process.pid)
    }

    /// Stops it as a service manager does; how many seconds that took.
    pub(crate) async fn stop(mut self) -> f64 {
        if let Some(mut perf) = self.perf {
            perf.stop("INT").await;
        }
        self.process.stop("TERM").await.as_secs_f64()
    }
}

/// The sink as a process of its own.
pub(crate) struct Sink {
    process: Child,
    pub(crate) base: String,
    control: Connection,
    _log: TempDir,
}

impl Sink {
    pub(crate) async fn start(args: &[&str]) -> Self {
        let log = process::scratch();
        let mut process =
            Child::start(process::ourselves(&[&["sink"], args].concat()), &log.path().join("log"));
        let base = process.address().await;
        let control = Connection::open(&base, "").await;
        Self { process, base, control, _log: log }
    }

    pub(crate) async fn stats(&mut self) -> Value {
        self.control.json("GET", "/sink/stats", &Value::Null).await.1
    }

    pub(crate) async fn posts(&mut self) -> u64 {
        self.stats().await["posts"].as_u64().unwrap()
    }

    pub(crate) async fn reset(&mut self) {
        self.control.json("POST", "/sink/reset", &Value::Null).await;
    }

    /// When each message arrived, in microseconds, and where. They are forgotten.
    pub(crate) async fn stamps(&mut self) -> Vec<(u64, String)> {
        let (_, body) = self.control.call("GET", "/sink/stamps", "").await;
        let lines = std::str::from_utf8(body).unwrap().lines();
        lines
            .map(|line| line.split_once(' ').unwrap())
            .map(|(at, conversation)| (at.parse().unwrap(), conversation.to_owned()))
            .collect()
    }

    pub(crate) fn sample(&self) -> Sample {
        process::sample(self.process.pid)
    }
}
