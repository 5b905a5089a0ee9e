//! The simulator as a process, and its control API.

use std::collections::BTreeMap;
use std::path::Path;

use nuncio_testkit::process::Process;
use nuncio_testkit::wait_until;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::world::{APP_ID, LONG, SECRET, address, nuncio};

/// The simulator and its control API.
pub(crate) struct Sim {
    pub(crate) base: String,
    pub(crate) tenant: String,
    pub(crate) http: reqwest::Client,
    pub(crate) process: Process,
}

impl Sim {
    pub(crate) async fn start(folder: &Path, limits: bool, latency_ms: u32) -> Self {
        let (limits, latency) = (if limits { "on" } else { "off" }, latency_ms.to_string());
        let args =
            ["sim", "--listen", "127.0.0.1:0", "--people", "0", "--limits", limits, "--latency", &latency];
        Self::of(nuncio(folder, &args)).await
    }

    /// The simulator that a command starts.
    pub(crate) async fn of(command: Command) -> Self {
        let mut process = Process::start(command);
        let base = address(&mut process).await;
        let http = reqwest::Client::builder().no_proxy().timeout(LONG).build().unwrap();
        let info: Value = http.get(format!("{base}/sim/info")).send().await.unwrap().json().await.unwrap();
        let tenant = info["tenant_id"].as_str().unwrap().to_owned();
        Self { base, tenant, http, process }
    }

    /// A configuration for a server in front of it.
    pub(crate) fn config(&self, credential: &str, app: &str) -> String {
        format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n\n[log]\nfilter = \"debug\"\n\n[app.main]\napp_id = \"{APP_ID}\"\n\
             tenant_id = \"{}\"\n{credential}\ncloud = \"simulator\"\nendpoints = {{ base = \"{}\" }}\n\
             {app}",
            self.tenant,
            self.base,
            app = app.replace("{base}", &self.base).replace("{tenant}", &self.tenant)
        )
    }

    /// What a platform puts into the environment of an app that has a managed identity.
    pub(crate) async fn platform(&self) -> Vec<(&'static str, String)> {
        let info = self.get("info").await;
        [("IDENTITY_ENDPOINT", "identity_endpoint"), ("IDENTITY_HEADER", "identity_header")]
            .map(|(name, field)| (name, info[field].as_str().unwrap().to_owned()))
            .into()
    }

    /// Makes the bot's endpoint the server at `url`.
    pub(crate) async fn register(&self, url: &str) {
        self.bot(SECRET, &format!("{url}/api/messages")).await;
    }

    pub(crate) async fn bot(&self, secret: &str, endpoint: &str) {
        // The manifest has the app's id, as `nuncio app-package` makes it.
        let bot = json!({"app_id": APP_ID, "secret": secret, "endpoint": endpoint, "manifest_id": APP_ID});
        self.post("bots", &bot).await;
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.answer(self.http.get(format!("{}/sim/{path}", self.base))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.answer(self.http.post(format!("{}/sim/{path}", self.base)).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Value {
        self.answer(self.http.patch(format!("{}/sim/{path}", self.base)).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) {
        let answer = self.http.delete(format!("{}/sim/{path}", self.base)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.send().await.unwrap();
        let (status, url) = (answer.status(), answer.url().clone());
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{url}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Makes a fault; its id.
    pub(crate) async fn fault(&self, fault: Value) -> u64 {
        self.post("faults", &fault).await["id"].as_u64().unwrap()
    }

    /// Removes every fault; what they hold goes on.
    pub(crate) async fn no_faults(&self) {
        self.answer(self.http.delete(format!("{}/sim/faults", self.base))).await;
    }

    /// Removes one fault; what it holds goes on.
    pub(crate) async fn no_fault(&self, id: u64) {
        self.answer(self.http.delete(format!("{}/sim/faults/{id}", self.base))).await;
    }

    /// How often a fault hit.
    pub(crate) async fn hits(&self, fault: u64) -> u64 {
        let faults = self.get("faults").await;
        let fault =
            faults["items"].as_array().unwrap().iter().find(|item| item["id"] == fault).unwrap().clone();
        fault["hits"].as_u64().unwrap()
    }

    /// Waits until so many requests are held.
    pub(crate) async fn held(&self, count: u64) {
        let held = async || self.get("faults").await["held"] == count;
        assert!(wait_until(held, LONG).await, "not {count} held: {}", self.get("faults").await);
    }

    /// Entra ids of the people in a state.
    pub(crate) async fn people(&self, state: &str) -> Vec<String> {
        let page = self.get(&format!("people?state={state}&limit=10000")).await;
        let items = page["items"].as_array().unwrap();
        items.iter().map(|person| person["id"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn turn(&self, person: &str, state: &str) {
        self.patch(&format!("people/{person}"), &json!({"state": state})).await;
        self.events_answered().await;
    }

    /// Has something happen that the app is told of, and waits until it has taken that.
    pub(crate) async fn happens(&self, path: &str, body: &Value) -> Value {
        let done = self.post(path, body).await;
        let events = self.events_answered().await;
        assert_eq!(events["given_up"], 0, "{events}");
        done
    }

    pub(crate) async fn events_answered(&self) -> Value {
        let answered = async || self.get("events").await["pending"] == 0;
        assert!(wait_until(answered, LONG).await, "{}", self.get("events").await);
        self.get("events").await
    }

    /// What was said in a chat of a person or in a channel, by the app.
    pub(crate) async fn said(&self, conversation: &str) -> Vec<Value> {
        let path = format!("conversations/{}/messages", conversation.replace(';', "%3B"));
        let messages = self.get(&path).await;
        let items = messages["items"].as_array().unwrap();
        items
            .iter()
            .filter(|message| message["from"] == "bot")
            .map(|message| message["activity"].clone())
            .collect()
    }

    /// How many times the app said something to a person.
    pub(crate) async fn times(&self, person: &str) -> usize {
        self.said(person).await.len()
    }

    /// How many requests of an operation were answered, by status (`cut` for none).
    pub(crate) async fn requests(&self, op: &str) -> BTreeMap<String, u64> {
        let counts = self.get("counts").await;
        serde_json::from_value(counts["requests"].get(op).cloned().unwrap_or(json!({}))).unwrap()
    }

    /// How many requests of an operation were answered.
    pub(crate) async fn calls(&self, op: &str) -> u64 {
        self.requests(op).await.values().sum()
    }

    /// The journal's entries of an operation after number `after`.
    pub(crate) async fn journal(&self, op: &str, after: u64) -> Vec<Value> {
        let journal = self.get(&format!("journal?after={after}&limit=10000")).await;
        journal["items"].as_array().unwrap().iter().filter(|entry| entry["op"] == op).cloned().collect()
    }

    pub(crate) async fn journal_end(&self) -> u64 {
        self.get("journal?limit=1").await["last"].as_u64().unwrap()
    }
}
