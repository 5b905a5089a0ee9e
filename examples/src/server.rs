//! A Nuncio server: it is the bot endpoint, keeps what Teams tells it, and sends what it is asked to.

use nuncio_client::Client;
use tempfile::TempDir;
use tokio::process::Child;

use crate::simulator::{self, APP_ID, SECRET, Simulator};
use crate::{Outcome, env};

/// `nuncio serve`, and a client of it.
pub struct Server {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// Its API.
    pub client: Client,
    /// Of our own: the process, and the folder with its configuration and database.
    own: Option<(Child, TempDir)>,
}

impl Server {
    /// The one that `NUNCIO_URL` and `NUNCIO_KEY` name; `None` where they name none.
    pub fn of_env() -> Outcome<Option<Self>> {
        let (Some(url), Some(key)) = (env("NUNCIO_URL"), env("NUNCIO_KEY")) else { return Ok(None) };
        Ok(Some(Self { client: Client::new(&url, &key)?, url, own: None }))
    }

    /// One of our own, for the bot that is registered with this simulator.
    pub async fn start(simulator: &Simulator, app: &str) -> Outcome<Self> {
        let folder = TempDir::with_prefix("nuncio-example-")?;
        let info = simulator.get("info").await?;
        let tenant = info["tenant_id"].as_str().ok_or("the simulator names no tenant")?;
        let base = &simulator.base;
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n\n[app.main]\napp_id = \"{APP_ID}\"\ntenant_id = \"{tenant}\"\n\
             client_secret = \"{SECRET}\"\ncloud = \"simulator\"\nendpoints = {{ base = \"{base}\" }}\n{app}\n"
        );
        std::fs::write(folder.path().join("nuncio.toml"), config)?;
        // Its first start makes the first key to its API.
        let (process, url) = simulator::start(&["serve", "--key-file", "key"], Some(folder.path())).await?;
        let key = std::fs::read_to_string(folder.path().join("key"))?;
        Ok(Self { client: Client::new(&url, key.trim())?, url, own: Some((process, folder)) })
    }

    /// Kills it where it stands, as a power cut would, and starts it again. Only one of our own.
    pub async fn kill_and_start_again(self) -> Outcome<Self> {
        let Some((mut process, folder)) = self.own else { return Ok(self) };
        process.kill().await?;
        let (process, url) = simulator::start(&["serve"], Some(folder.path())).await?;
        let key = std::fs::read_to_string(folder.path().join("key"))?;
        Ok(Self { client: Client::new(&url, key.trim())?, url, own: Some((process, folder)) })
    }
}
