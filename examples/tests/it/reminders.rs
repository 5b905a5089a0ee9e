//! The bot that keeps nothing, killed together with the server behind it.

use std::path::Path;

use nuncio_examples::simulator::Simulator;
use nuncio_testkit::process::{Process, Stream, built};
use nuncio_testkit::wait_until;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{LONG, example};

const APP_ID: &str = "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4";

async fn address(process: &mut Process) -> String {
    let is = |stream, line: &str| {
        let (_, address) = line.split_once("listening on ")?;
        (stream == Stream::Stdout).then(|| address.trim().to_owned())
    };
    process.wait_for("an address", LONG, is).await
}

/// The server and the bot in front of it, which Teams posts to.
struct Running {
    server: Process,
    bot: Process,
}

impl Running {
    async fn start(folder: &Path, simulator: &Simulator) -> Self {
        let mut command = Command::new(built("nuncio"));
        command.args(["serve", "--key-file", "key"]).current_dir(folder);
        let mut server = Process::start(command);
        let url = address(&mut server).await;
        let key = std::fs::read_to_string(folder.join("key")).unwrap();
        let mut bot = example("reminders", &[("NUNCIO_URL", &url), ("NUNCIO_KEY", key.trim())]);
        let endpoint = format!("{}/api/messages", address(&mut bot).await);
        simulator
            .post("bots", &json!({"app_id": APP_ID, "secret": "s", "endpoint": endpoint}))
            .await
            .unwrap();
        Self { server, bot }
    }

    async fn kill(mut self) {
        self.bot.kill().await;
        self.server.kill().await;
    }
}

#[tokio::test]
async fn a_reminder_comes_once_whatever_was_killed_meanwhile() {
    let simulator = Simulator::start(&json!({"people": 2, "teams": 1})).await.unwrap();
    let folder = TempDir::with_prefix("nuncio-reminders-").unwrap();
    let tenant = simulator.get("info").await.unwrap()["tenant_id"].as_str().unwrap().to_owned();
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n\n[app.main]\napp_id = \"{APP_ID}\"\ntenant_id = \"{tenant}\"\n\
         client_secret = \"s\"\ncloud = \"simulator\"\nendpoints = {{ base = \"{}\" }}\n\
         [app.main.replies]\nother = \"off\"\n",
        simulator.base
    );
    std::fs::write(folder.path().join("nuncio.toml"), config).unwrap();
    let person = simulator.person_in("installed").await.unwrap();

    let running = Running::start(folder.path(), &simulator).await;
    // Each activity comes twice, as after an answer that got lost on its way to Teams.
    simulator.patch("settings", &json!({"event_delivery": {"twice": "same_id"}})).await.unwrap();
    for words in ["remind me in 3 s to call Ines", "remind me in a while", "hello"] {
        let said = simulator.post(&format!("people/{person}/says"), &json!({"text": words})).await.unwrap();
        assert_eq!(said["delivered"], true, "{said}");
    }
    simulator.all_told().await.unwrap();
    running.kill().await;
    assert_eq!(simulator.said_by_bot(&person).await.unwrap(), [] as [String; 0], "it is not due yet");

    let running = Running::start(folder.path(), &simulator).await;
    let came = async || !simulator.said_by_bot(&person).await.unwrap().is_empty();
    assert!(wait_until(came, LONG).await, "{}", running.server.output());
    running.kill().await;
    // Nothing is left to be done by whoever starts next: the message is over.
    let running = Running::start(folder.path(), &simulator).await;
    let key = std::fs::read_to_string(folder.path().join("key")).unwrap();
    let url = running.server.output();
    let (_, url) = url.split_once("listening on ").unwrap();
    let client = nuncio_client::Client::new(url.lines().next().unwrap().trim(), key.trim()).unwrap();
    let over = async || {
        let page = nuncio_client::PageOf::default();
        let messages = client.messages(&nuncio_client::MessageFilter::default(), page).await.unwrap().items;
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages[0].is_final()
    };
    assert!(wait_until(over, LONG).await, "{}", running.server.output());
    assert_eq!(simulator.said_by_bot(&person).await.unwrap(), ["Reminder: call Ines"]);
}
