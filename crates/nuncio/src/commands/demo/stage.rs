//! The demo's two processes and its temporary folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use nuncio_client::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const APP_ID: &str = "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4";
const SECRET: &str = "demo-secret";
const READY_WITHIN: Duration = Duration::from_secs(30);

pub(super) struct Stage {
    pub(super) sim: String,
    pub(super) server: String,
    pub(super) client: Client,
    pub(super) key: String,
    pub(super) folder: PathBuf,
    simulator: Child,
    nuncio: Child,
    http: reqwest::Client,
    _folder: TempDir,
}

impl Stage {
    /// Starts the simulator and the server on free ports, with a database in a temporary folder.
    pub(super) async fn set(people: u32, seed: u64) -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("nuncio-demo-").context("no temporary folder can be made")?;
        let binary = std::env::current_exe().context("this program cannot find itself")?;
        let (people, seed) = (people.to_string(), seed.to_string());
        let sim_args = ["sim", "--listen", "127.0.0.1:0", "--people", &people, "--seed", &seed];
        let (simulator, sim) = start(&binary, &sim_args, folder.path(), "simulator").await?;
        let http = crate::commands::http()?;
        let info: Value = get(&http, &format!("{sim}/sim/info")).await?;
        let tenant = info["tenant_id"].as_str().context("the simulator names no tenant")?;

        let config = folder.path().join("nuncio.toml");
        std::fs::write(
            &config,
            format!(
                "[server]\nlisten = \"127.0.0.1:0\"\n\n[app.demo]\napp_id = \"{APP_ID}\"\ntenant_id = \"{tenant}\"\n\
                 client_secret = \"{SECRET}\"\ncloud = \"simulator\"\nmay_install = true\nendpoints = {{ base = \"{sim}\" }}\n"
            ),
        )
        .context("the configuration cannot be written")?;
        let key_file = folder.path().join("key");
        let (config, key_path) = (config.display().to_string(), key_file.display().to_string());
        let serve_args = ["serve", "--config", &config, "--key-file", &key_path];
        let (nuncio, server) = start(&binary, &serve_args, folder.path(), "server").await?;
        // In the catalogue with the app id as the manifest's, as `nuncio app-package` makes it.
        let endpoint = format!("{server}/api/messages");
        let bot = json!({"app_id": APP_ID, "secret": SECRET, "endpoint": endpoint, "manifest_id": APP_ID});
        post(&http, &format!("{sim}/sim/bots"), &bot).await?;
        let key = std::fs::read_to_string(&key_file).context("the server wrote no key")?.trim().to_owned();
        let client = Client::new(&server, &key)?;
        let path = folder.path().to_owned();
        Ok(Self { sim, server, client, key, folder: path, simulator, nuncio, http, _folder: folder })
    }

    /// Everyone who has or had the app installs it, and a team as well: the server learns them from signed activities.
    pub(super) async fn everyone_installs(&self, mut each: impl FnMut(u64, u64)) -> anyhow::Result<()> {
        let order = json!({"seconds": 0, "teams": true});
        let job = post(&self.http, &format!("{}/sim/policy-install", self.sim), &order).await?;
        let all = job["events"].as_u64().unwrap_or(0);
        loop {
            let events: Value = get(&self.http, &format!("{}/sim/events", self.sim)).await?;
            let pending = events["pending"].as_u64().unwrap_or(0);
            each(all.saturating_sub(pending), all);
            if pending == 0 {
                let refused = events["given_up"].as_u64().unwrap_or(0);
                if refused > 0 {
                    bail!("the server did not take {refused} of {all} activities: {events}");
                }
                return Ok(());
            }
            crate::commands::pause(Duration::from_millis(100)).await;
        }
    }

    /// Entra ids of everybody in a state, as the simulator knows it.
    pub(super) async fn people_in(&self, state: &str) -> anyhow::Result<Vec<String>> {
        let mut ids = Vec::new();
        let mut after = String::new();
        loop {
            let url = format!("{}/sim/people?state={state}&limit=10000&after={after}", self.sim);
            let page = get(&self.http, &url).await?;
            for person in page["items"].as_array().context("the simulator lists no people")? {
                ids.extend(person["id"].as_str().map(str::to_owned));
            }
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut after),
                None => return Ok(ids),
            }
        }
    }

    pub(super) async fn first_channel(&self) -> anyhow::Result<String> {
        let teams = get(&self.http, &format!("{}/sim/teams", self.sim)).await?;
        let channel = teams["items"][0]["channels"][0]["id"].as_str();
        Ok(channel.context("the organisation has no channel")?.to_owned())
    }

    pub(super) async fn counts(&self) -> anyhow::Result<Value> {
        get(&self.http, &format!("{}/sim/counts", self.sim)).await
    }

    /// Peak resident memory of the server, where the system tells (Linux).
    pub(super) fn memory_mib(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.nuncio.id()?)).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib / 1024.0)
    }

    /// Stops both processes; the folder goes with them.
    pub(super) async fn strike(mut self) {
        for child in [&mut self.nuncio, &mut self.simulator] {
            // It may have ended by itself, on the same Ctrl-C.
            let _ = child.start_kill();
            let _ = child.wait().await;
        }
    }
}

/// Starts this program again with other arguments, and waits for the address that it prints.
async fn start(binary: &Path, args: &[&str], folder: &Path, name: &str) -> anyhow::Result<(Child, String)> {
    let log = std::fs::File::create(folder.join(format!("{name}.log"))).context("no log can be written")?;
    let mut child = Command::new(binary)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("the {name} cannot be started"))?;
    let stdout = child.stdout.take().context("the process has no output")?;
    let mut lines = BufReader::new(stdout).lines();
    let address = tokio::time::timeout(READY_WITHIN, async {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some((_, address)) = line.split_once("listening on ") {
                return Some(address.trim().to_owned());
            }
        }
        None
    })
    .await
    .ok()
    .flatten();
    let Some(address) = address else {
        let said = std::fs::read_to_string(folder.join(format!("{name}.log"))).unwrap_or_default();
        bail!("the {name} did not start: {}", said.trim());
    };
    // What else it prints must be read, or it would block.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, address))
}

async fn get(http: &reqwest::Client, url: &str) -> anyhow::Result<Value> {
    let answer = http.get(url).send().await.context("the simulator does not answer")?;
    Ok(answer.error_for_status().context("the simulator refused")?.json().await?)
}

async fn post(http: &reqwest::Client, url: &str, body: &Value) -> anyhow::Result<Value> {
    let answer = http.post(url).json(body).send().await.context("the simulator does not answer")?;
    Ok(answer.error_for_status().context("the simulator refused")?.json().await?)
}
