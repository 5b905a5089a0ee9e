//! A simulator and a server for one test.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nuncio_api::{Audience, ContentRequest, Counts, Delivery, DeliveryWithAttempts, Message, NewMessage};
use nuncio_client::{Client, DeliveryFilter, MessageFilter, PageOf};
use nuncio_testkit::process::{Process, Stream};
use nuncio_testkit::wait_until;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

pub(crate) use crate::sim::Sim;

pub(crate) const APP_ID: &str = "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4";
pub(crate) const SECRET: &str = "S3cret.of-the~app";
/// Far more than anything here takes, even on a busy machine.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// What a world is made of.
#[expect(clippy::struct_excessive_bools, reason = "each is a matter of its own")]
pub(crate) struct Plan {
    people: u32,
    states: Value,
    limits: bool,
    latency_ms: u32,
    app: String,
    credential: String,
    platform: bool,
    file_limits: bool,
    own_clock: bool,
    database: String,
}

impl Plan {
    /// So many people, all of whom have the app.
    pub(crate) fn people(people: u32) -> Self {
        Self {
            people,
            states: json!({}),
            limits: false,
            latency_ms: 5,
            app: String::new(),
            credential: format!("client_secret = \"{SECRET}\""),
            platform: false,
            file_limits: false,
            own_clock: false,
            database: String::new(),
        }
    }

    /// Shares of people in other states.
    pub(crate) fn states(mut self, states: Value) -> Self {
        self.states = states;
        self
    }

    /// Microsoft's limits are enforced. A machine that is busy may then answer some calls 429, whatever the pace.
    pub(crate) fn limits(mut self) -> Self {
        self.limits = true;
        self
    }

    /// How long the simulated Connector takes for an answer.
    pub(crate) fn latency_ms(mut self, latency_ms: u32) -> Self {
        self.latency_ms = latency_ms;
        self
    }

    /// More lines behind the table of the app; `{base}` and `{tenant}` are the simulator's.
    pub(crate) fn app(mut self, line: &str) -> Self {
        let _ = writeln!(self.app, "{line}");
        self
    }

    /// These lines instead of the secret.
    pub(crate) fn credential(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.credential);
        self
    }

    /// The server runs in something like App Service, which gives it `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`.
    pub(crate) fn platform(mut self) -> Self {
        self.platform = true;
        self
    }

    /// The server keeps its ledger in this PostgreSQL database.
    pub(crate) fn database(mut self, url: &str) -> Self {
        self.database = format!("[database]\nurl = \"{url}\"\n");
        self
    }

    /// The server can be given a limit for the size of its files, beyond which a write fails.
    pub(crate) fn file_limits(mut self) -> Self {
        self.file_limits = true;
        self
    }

    /// The server's clock can be set, see [`World::set_clock`].
    pub(crate) fn own_clock(mut self) -> Self {
        self.own_clock = true;
        self
    }

    /// Starts both processes; everybody who has or had the app is learned from signed activities.
    pub(crate) async fn start(self) -> World {
        let world = self.start_unmet().await;
        world.everyone_installs().await;
        world
    }

    /// The same, before anybody has installed anything.
    pub(crate) async fn start_unmet(self) -> World {
        let folder = TempDir::with_prefix("nuncio-it-").unwrap();
        let sim = Sim::start(folder.path(), self.limits, self.latency_ms).await;
        sim.post("reset", &json!({"seed": 1, "people": self.people, "teams": 2, "states": self.states}))
            .await;
        let config = sim.config(&self.credential, &self.app) + &self.database;
        std::fs::write(folder.path().join("nuncio.toml"), config).unwrap();
        let mut env = if self.platform { sim.platform().await } else { Vec::new() };
        if self.own_clock {
            env.extend(crate::clock::shim(folder.path()).await);
        }
        let (server, url) = serve(folder.path(), &env, self.file_limits).await;
        sim.register(&url).await;
        let key = std::fs::read_to_string(folder.path().join("key")).unwrap().trim().to_owned();
        let client = Client::new(&url, &key).unwrap();
        World { sim, url, key, client, server, folder, said: String::new(), ended: false }
    }
}

/// Starts the server in its folder; its first start writes the first key to the file `key`.
async fn serve(folder: &Path, env: &[(&str, String)], file_limits: bool) -> (Process, String) {
    let args = ["serve", "--key-file", "key"];
    let mut command = nuncio(folder, &args);
    if file_limits {
        // An ignored signal stays so in what is executed; this one would end the process.
        let shell = Command::new("sh");
        let plain = std::mem::replace(&mut command, shell);
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(plain.as_std().get_program()).args(args);
        command.current_dir(folder).kill_on_drop(true);
        for (name, _) in plain.as_std().get_envs() {
            command.env_remove(name);
        }
    }
    command.envs(env.iter().map(|(name, value)| (name, value)));
    let mut server = Process::start(command);
    let url = address(&mut server).await;
    (server, url)
}

/// A command of the built binary, with nothing of our own environment that could configure it.
pub(crate) fn nuncio(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nuncio"));
    command.args(args).current_dir(folder).kill_on_drop(true);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NUNCIO_")) {
        command.env_remove(name);
    }
    command
}

/// The address that a process prints when it is ready.
pub(crate) async fn address(process: &mut Process) -> String {
    process
        .wait_for("an address", LONG, |stream, line| {
            let (_, address) = line.split_once("listening on ")?;
            (stream == Stream::Stdout).then(|| address.trim().to_owned())
        })
        .await
}

/// What a command came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Its output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs a command to its end, with what is on its stdin.
pub(crate) async fn run(mut command: Command, stdin: &str) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // A command that reads nothing may have ended already.
    let _ = input.write_all(stdin.as_bytes()).await;
    drop(input);
    let output =
        tokio::time::timeout(LONG, child.wait_with_output()).await.expect("the command ends").unwrap();
    Ran {
        code: output.status.code().expect("it was not killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) client: Client,
    pub(crate) server: Process,
    pub(crate) folder: TempDir,
    /// What servers that have ended said.
    said: String,
    ended: bool,
}

impl Drop for World {
    fn drop(&mut self) {
        assert!(self.ended || std::thread::panicking(), "a test ends with `world.end().await`");
    }
}

impl World {
    /// Everyone who has or had the app: the server learns them from signed activities.
    pub(crate) async fn everyone_installs(&self) {
        self.sim.happens("policy-install", &json!({"seconds": 0})).await;
    }

    /// The first team has the app from now on; its general channel.
    pub(crate) async fn team_installs(&self) -> String {
        self.installs_in_team(0).await
    }

    pub(crate) async fn installs_in_team(&self, team: usize) -> String {
        let teams = self.sim.get("teams").await;
        let team = &teams["items"][team];
        let group = team["aadGroupId"].as_str().unwrap();
        self.sim.happens(&format!("teams/{group}/install"), &json!({})).await;
        team["id"].as_str().unwrap().to_owned()
    }

    /// Hands in a message; its id.
    pub(crate) async fn send(&self, message: &NewMessage) -> String {
        self.client.send(message, None).await.unwrap().id
    }

    /// Hands in a message and waits until it is over.
    pub(crate) async fn sent(&self, message: &NewMessage) -> Message {
        let id = self.send(message).await;
        self.over(&id).await
    }

    pub(crate) async fn message(&self, id: &str) -> Message {
        self.client.message(id).await.unwrap()
    }

    /// Waits until a message is over.
    pub(crate) async fn over(&self, id: &str) -> Message {
        // A cancelled message may still have calls under way, which record what they come to.
        self.until(id, "it is over", |message| message.is_final() && message.counts.in_flight == 0).await
    }

    /// Waits until something can be said of a message.
    pub(crate) async fn until(&self, id: &str, what: &str, mut is: impl FnMut(&Message) -> bool) -> Message {
        let mut last = None;
        let came = wait_until(
            async || {
                let message = self.message(id).await;
                let came = is(&message);
                last = Some(message);
                came
            },
            LONG,
        )
        .await;
        let last = last.unwrap();
        assert!(came, "{what}: {last:#?}\n{}", self.server.output());
        last
    }

    /// All deliveries of a message.
    pub(crate) async fn deliveries(&self, id: &str) -> Vec<Delivery> {
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let page = PageOf { cursor: cursor.as_deref(), limit: Some(100) };
            let page = self.client.deliveries(id, &DeliveryFilter::default(), page).await.unwrap();
            all.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return all;
            }
        }
    }

    /// The delivery of a message to one recipient, with its calls.
    pub(crate) async fn delivery(&self, id: &str, recipient: &str) -> DeliveryWithAttempts {
        let all = self.deliveries(id).await;
        let delivery =
            all.iter().find(|delivery| delivery.recipient == recipient).expect("they are in the audience");
        self.client.delivery(&delivery.id).await.unwrap()
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.server.kill().await;
        self.said.push_str(&self.server.output());
    }

    /// A stop as a service manager does it.
    pub(crate) async fn stop(&mut self) {
        let status = self.server.stop(LONG).await;
        self.said.push_str(&self.server.output());
        assert!(status.success(), "{status}\n{}", self.said);
    }

    /// Starts the server again, with the same configuration and database.
    pub(crate) async fn start(&mut self) {
        (self.server, self.url) = serve(self.folder.path(), &[], false).await;
        self.client = Client::new(&self.url, &self.key).unwrap();
        self.sim.register(&self.url).await;
    }

    /// The same without its database: a new one, with a new first key.
    pub(crate) async fn start_anew(&mut self) {
        for name in ["nuncio.db", "nuncio.db-wal", "nuncio.db-shm", "key"] {
            let _ = std::fs::remove_file(self.folder.path().join(name));
        }
        (self.server, self.url) = serve(self.folder.path(), &[], false).await;
        std::fs::read_to_string(self.folder.path().join("key")).unwrap().trim().clone_into(&mut self.key);
        self.client = Client::new(&self.url, &self.key).unwrap();
        self.sim.register(&self.url).await;
    }

    /// Sets the server's clock so many seconds ahead of the true time, or behind it.
    pub(crate) fn set_clock(&self, ahead_s: i64) {
        crate::clock::set(self.folder.path(), ahead_s);
    }

    /// Runs a command that talks to this server with its first key.
    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "").await
    }

    pub(crate) async fn run_with(&self, args: &[&str], stdin: &str) -> Ran {
        run(self.command(args), stdin).await
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = nuncio(self.folder.path(), args);
        command.env("NUNCIO_URL", &self.url).env("NUNCIO_KEY", &self.key);
        command
    }

    /// Everything that all servers of this world have said.
    pub(crate) fn log(&self) -> String {
        self.said.clone() + &self.server.output()
    }

    /// Every message's counts against its deliveries, and what must never be in a log.
    pub(crate) async fn end(mut self) {
        let page = PageOf { limit: Some(200), ..PageOf::default() };
        for listed in self.client.messages(&MessageFilter::default(), page).await.unwrap().items {
            let mut message = self.message(&listed.id).await;
            if matches!(listed.label.as_deref(), Some("reply" | "welcome")) {
                // Nobody waited for what the server says by itself.
                message = self.over(&listed.id).await;
            }
            adds_up(&message, &self.deliveries(&message.id).await);
        }
        let log = self.log();
        for secret in [SECRET, &self.key, "eyJ"] {
            assert!(!log.contains(secret), "{secret:?} is in the log:\n{log}");
        }
        assert!(!log.contains("panicked"), "{log}");
        self.ended = true;
    }
}

#[track_caller]
fn adds_up(message: &Message, deliveries: &[Delivery]) {
    let mut counts = Counts { audience: deliveries.len() as i64, ..Counts::default() };
    let (mut failed, mut skipped) = (BTreeMap::new(), BTreeMap::new());
    for delivery in deliveries {
        let reason = || delivery.reason.clone().expect("a reason");
        match delivery.state.as_str() {
            "pending" => counts.pending += 1,
            "in_flight" => counts.in_flight += 1,
            "delivered" => counts.delivered += 1,
            "failed" => {
                counts.failed += 1;
                *failed.entry(reason()).or_insert(0) += 1;
            }
            "skipped" => {
                counts.skipped += 1;
                *skipped.entry(reason()).or_insert(0) += 1;
            }
            "ambiguous" => counts.ambiguous += 1,
            "cancelled" => counts.cancelled += 1,
            "expired" => counts.expired += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(counts, message.counts, "{message:#?}");
    assert_eq!(failed, message.failed_by_reason, "{message:#?}");
    assert_eq!(skipped, message.skipped_by_reason, "{message:#?}");
    if message.is_final() {
        assert_eq!((counts.pending, counts.in_flight), (0, 0), "{message:#?}");
        assert_eq!(message.needs_attention, counts.ambiguous);
    }
}

/// Counts that are zero but for those given.
#[macro_export]
macro_rules! counts {
    ($($name:ident: $count:expr),* $(,)?) => {
        nuncio_api::Counts { $($name: $count,)* ..nuncio_api::Counts::default() }
    };
}

/// Reasons and their numbers, as in answers.
pub(crate) fn reasons(reasons: &[(&str, i64)]) -> BTreeMap<String, i64> {
    reasons.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
}

/// A text to everyone who has the app.
pub(crate) fn to_installed(text: &str) -> NewMessage {
    message(Audience { installed: true, ..Audience::default() }, text)
}

/// A text to some people.
pub(crate) fn to_users(users: &[String], text: &str) -> NewMessage {
    message(Audience { users: users.to_vec(), ..Audience::default() }, text)
}

pub(crate) fn message(audience: Audience, text: &str) -> NewMessage {
    let content = ContentRequest { text: Some(text.to_owned()), ..ContentRequest::default() };
    NewMessage { audience, content, ..NewMessage::default() }
}

#[expect(clippy::disallowed_methods, reason = "times in requests are those of the wall clock")]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
