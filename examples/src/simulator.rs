//! A simulator of Microsoft's side, and what an example tells it: who is there, and what they do. Nothing of this is
//! needed against Microsoft.

use std::path::PathBuf;
use std::process::Stdio;

use http::Method;
use nuncio_teams::http::{ContentType, HttpClient, Request};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::{Outcome, a_moment};

pub(crate) const APP_ID: &str = "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4";
pub(crate) const SECRET: &str = "example-secret";

/// `nuncio sim`, and its control API (docs/simulator.md).
pub struct Simulator {
    /// `http://127.0.0.1:PORT`; below it `/sim` is a page where one can look into every chat.
    pub base: String,
    http: HttpClient,
    /// Of our own; ends with us.
    _process: Option<Child>,
}

impl Simulator {
    /// One of our own, with the people and teams of `organisation` (docs/simulator.md, An organisation in a file).
    pub async fn start(organisation: &Value) -> Outcome<Self> {
        let (process, base) = start(&["sim", "--listen", "127.0.0.1:0", "--people", "0"], None).await?;
        let simulator = Self { base, http: client()?, _process: Some(process) };
        simulator.post("reset", organisation).await?;
        Ok(simulator)
    }

    /// One that runs already, with the people and teams that it has.
    pub fn running(base: &str) -> Outcome<Self> {
        Ok(Self { base: base.trim_end_matches('/').to_owned(), http: client()?, _process: None })
    }

    /// Asks the control API.
    pub async fn get(&self, path: &str) -> Outcome<Value> {
        self.ask(Method::GET, path, None).await
    }

    /// Tells the control API.
    pub async fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Changes something of it.
    pub async fn patch(&self, path: &str, body: &Value) -> Outcome<Value> {
        self.ask(Method::PATCH, path, Some(body)).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Outcome<Value> {
        let mut request = Request::new(method, format!("{}/sim/{path}", self.base));
        if let Some(body) = body {
            request = request.with_body(ContentType::Json, body.to_string().into());
        }
        let answer = self.http.send(&request, None).await?;
        let text = String::from_utf8_lossy(&answer.body);
        if !answer.status.is_success() {
            return Err(format!("the simulator refused {path}: {text}").into());
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// Registers our bot, as it would be in Azure; its endpoint is where Teams posts activities to.
    pub async fn register(&self, endpoint: Option<&str>) -> Outcome {
        let bot = json!({"app_id": APP_ID, "secret": SECRET, "endpoint": endpoint});
        self.post("bots", &bot).await?;
        Ok(())
    }

    /// Somebody in this state.
    pub async fn person_in(&self, state: &str) -> Outcome<String> {
        let people = self.get(&format!("people?state={state}&limit=1")).await?;
        let id = people["items"][0]["id"].as_str();
        Ok(id.ok_or_else(|| format!("nobody is in the state {state}"))?.to_owned())
    }

    /// Waits until the bot has answered everything that it was told.
    pub async fn all_told(&self) -> Outcome {
        while self.get("events").await?["pending"] != 0 {
            a_moment().await;
        }
        Ok(())
    }

    /// What the bot has said in a chat (of a person by their id) or channel.
    pub async fn said_by_bot(&self, conversation: &str) -> Outcome<Vec<String>> {
        let messages = self.get(&format!("conversations/{conversation}/messages")).await?;
        let items = messages["items"].as_array().into_iter().flatten();
        let ours = items.filter(|message| message["from"] == "bot");
        Ok(ours
            .map(|message| message["activity"]["text"].as_str().unwrap_or("(a card)").to_owned())
            .collect())
    }
}

fn client() -> Outcome<HttpClient> {
    Ok(HttpClient::builder().proxy(None).build()?)
}

/// Starts the `nuncio` program and waits for the address that it prints.
pub(crate) async fn start(args: &[&str], folder: Option<&std::path::Path>) -> Outcome<(Child, String)> {
    let mut command = Command::new(program().await?);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    // What somebody set for their own server is not meant for this one.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NUNCIO_")) {
        command.env_remove(name);
    }
    let mut child = command.spawn()?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err("the program has no output".into());
    };
    let mut log = BufReader::new(stderr).lines();
    let kept = tokio::spawn(async move {
        let mut last = String::new();
        while let Ok(Some(line)) = log.next_line().await {
            last = line;
        }
        last
    });
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, address)) = line.split_once("listening on ") {
            let address = address.trim().to_owned();
            // What else it prints must be read, or it would block.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok((child, address));
        }
    }
    Err(format!("nuncio {} did not start: {}", args[0], kept.await?).into())
}

/// The `nuncio` program beside this example; built if it is not there.
async fn program() -> Outcome<PathBuf> {
    // target/debug/examples/NAME and target/debug/nuncio
    let example = std::env::current_exe()?;
    let folder = example.ancestors().nth(2).ok_or("an example lies two levels deep")?;
    let program = folder.join(format!("nuncio{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        println!("Building nuncio, once: the simulator is part of it.");
        let mut cargo = Command::new(crate::env("CARGO").unwrap_or_else(|| "cargo".to_owned()));
        cargo.args(["build", "-p", "nuncio"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        if !cargo.status().await?.success() || !program.exists() {
            return Err("nuncio cannot be built: cargo build -p nuncio".into());
        }
    }
    Ok(program)
}
