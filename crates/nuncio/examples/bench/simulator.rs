//! `nuncio sim` as Microsoft, at the latency of the paced rows, and a server in front of it.

use std::time::Duration;

use jiff::Timestamp;
use nuncio_api::{Audience, ContentRequest, NewMessage};
use nuncio_testkit::process::built;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::Options;
use crate::process::{self, Child};
use crate::product::{APP_ID, Place, Plan, Product, SECRET, text};
use crate::rows::until;
use crate::wire::Connection;

/// How long the simulated Connector takes: half of it passes before a call counts. So calls do not count in the order and
/// at the distance in which they were made, and a limit is broken that no clock of ours could keep.
pub(crate) const UNEVEN: fn() -> Value =
    || json!({"kind": "lognormal", "median_ms": 150, "p99_ms": 1500, "share_before": 0.5});
/// The same for every call: what is refused then is our own fault.
pub(crate) const EVEN: fn() -> Value = || json!({"kind": "fixed", "ms": 150, "share_before": 0.5});

/// A simulator, everybody in it, and a server that knows their conversations or does not.
pub(crate) struct Simulated {
    control: Connection,
    pub(crate) product: Product,
    /// Object id and conversation id of each.
    pub(crate) people: Vec<(String, String)>,
    _place: Place,
    _sim: Child,
    _log: TempDir,
}

impl Simulated {
    /// So many people who have the app; `known` if their conversations are in the database.
    pub(crate) async fn start(options: &Options, name: &str, people: u32, known: bool) -> Self {
        let log = process::scratch();
        let mut command = Command::new(built("nuncio"));
        command.args(["sim", "--listen", "127.0.0.1:0", "--limits", "on", "--people", &people.to_string()]);
        let mut sim = Child::start(command, &log.path().join("log"));
        let base = sim.address().await;
        let mut control = Connection::open(&base, "").await;
        asked(&mut control, "PATCH", "settings", &json!({"latency": UNEVEN()})).await;
        let info = asked(&mut control, "GET", "info", &Value::Null).await;
        let tenant = info["tenant_id"].as_str().unwrap();
        let people = everybody(&mut control).await;
        let place =
            Place::prepare(options, name, &Plan { base: &base, tenant, postgres: None, calls_per_s: "50" })
                .await;
        if known {
            let mut database = place.database().await;
            database.known(&people, &format!("{base}/teams/")).await;
            database.end().await;
        }
        let product = place.start().await;
        let endpoint = format!("{}/api/messages", product.url);
        let bot = json!({"app_id": APP_ID, "secret": SECRET, "endpoint": endpoint, "manifest_id": APP_ID});
        asked(&mut control, "POST", "bots", &bot).await;
        Self { control, product, people, _place: place, _sim: sim, _log: log }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Value {
        asked(&mut self.control, "GET", path, &Value::Null).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Value {
        asked(&mut self.control, "POST", path, body).await
    }

    pub(crate) async fn patch(&mut self, path: &str, body: &Value) -> Value {
        asked(&mut self.control, "PATCH", path, body).await
    }

    /// Hands in a message; its id and when the server's answer was there.
    pub(crate) async fn send(&self, message: &NewMessage) -> (String, Timestamp) {
        let accepted = self.product.client.send(message, None).await.unwrap();
        (accepted.id, Timestamp::now())
    }

    /// The limit is that of a bucket: the one that uneven latency does not break, so that no cool-down is among what is
    /// measured.
    pub(crate) async fn bucket(&mut self) {
        self.patch("settings", &json!({"window": "bucket"})).await;
    }

    /// Hands in a bulk to everybody and waits until it is being sent.
    pub(crate) async fn bulk(&self) -> String {
        let (id, _) = self.send(&to_everybody()).await;
        let sending = async || self.product.client.message(&id).await.unwrap().counts.delivered > 0;
        until("the bulk is being sent", Duration::from_millis(20), Duration::from_mins(1), sending).await;
        id
    }

    /// How many calls of an operation were answered, in all and with 429.
    pub(crate) async fn calls(&mut self, operation: &str) -> (u64, u64) {
        let counts = self.get("counts").await;
        let of = |status: &Value| status.as_u64().unwrap_or(0);
        let by_status = counts["requests"][operation].as_object();
        let all = by_status.map_or(0, |statuses| statuses.values().map(of).sum());
        (all, of(&counts["requests"][operation]["429"]))
    }

    /// How many messages the simulator has taken.
    pub(crate) async fn taken(&mut self) -> u64 {
        self.get("counts").await["accepted"].as_u64().unwrap()
    }

    /// What the journal has of an operation after number `after`.
    pub(crate) async fn journal(&mut self, operation: &str, mut after: u64) -> Vec<Value> {
        let mut entries = Vec::new();
        loop {
            let page = self.get(&format!("journal?after={after}&limit=10000")).await;
            let items = page["items"].as_array().unwrap();
            entries.extend(items.iter().filter(|entry| entry["op"] == operation).cloned());
            match page["next"].as_u64() {
                Some(next) => after = next,
                None => return entries,
            }
        }
    }

    pub(crate) async fn journal_end(&mut self) -> u64 {
        self.get("journal?limit=1").await["last"].as_u64().unwrap()
    }
}

async fn asked(control: &mut Connection, method: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = control.json(method, &format!("/sim/{path}"), body).await;
    assert!((200..300).contains(&status), "{path}: {status} {answer}");
    answer
}

async fn everybody(control: &mut Connection) -> Vec<(String, String)> {
    let (mut people, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("people?state=installed&limit=10000&after={after}");
        let page = asked(control, "GET", &path, &Value::Null).await;
        people.extend(page["items"].as_array().unwrap().iter().map(|person| {
            let of = |field: &str| person[field].as_str().unwrap().to_owned();
            (of("id"), of("conversation_id"))
        }));
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => return people,
        }
    }
}

/// When an entry of the journal arrived.
pub(crate) fn arrived(entry: &Value) -> Timestamp {
    entry["at"].as_str().unwrap().parse().unwrap()
}

/// Seconds from one time to another.
pub(crate) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

pub(crate) fn message(audience: Audience, priority: &str) -> NewMessage {
    let content = ContentRequest { text: Some(text()), ..ContentRequest::default() };
    NewMessage {
        audience,
        content,
        priority: Some(priority.to_owned()),
        max_recipients: Some(1_000_000),
        ..NewMessage::default()
    }
}

pub(crate) fn to_everybody() -> NewMessage {
    message(Audience { installed: true, ..Audience::default() }, "bulk")
}

pub(crate) fn to_users(users: Vec<String>, priority: &str) -> NewMessage {
    message(Audience { users, ..Audience::default() }, priority)
}
