//! Each example as a process, as a newcomer starts it, and what came of it at the simulator: not what it prints, but what
//! is in the chats.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod chats;
mod reminders;

use std::time::Duration;

use nuncio_examples::simulator::Simulator;
use nuncio_testkit::process::{Process, built};
use tokio::process::Command;

/// Far more than any of them takes, even on a busy machine.
const LONG: Duration = Duration::from_mins(2);

/// An example that starts with these variables and none of the tester's own.
fn example(name: &str, variables: &[(&str, &str)]) -> Process {
    let mut command = Command::new(built(&format!("examples/{name}")));
    for name in ["CLIENT_ID", "SIMULATOR_URL", "NUNCIO_URL", "NUNCIO_KEY", "PORT", "CHANNEL", "HTTPS_PROXY"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    Process::start(command)
}

/// Runs one to its end, at this simulator; what it printed.
async fn run(name: &str, simulator: &Simulator) -> String {
    let mut process = example(name, &[("SIMULATOR_URL", &simulator.base)]);
    let status = process.ended(LONG).await;
    assert!(status.success(), "{name}: {status}\n{}", process.output());
    process.output()
}

#[tokio::test]
async fn none_of_them_needs_anything_but_itself() {
    for (name, says) in [
        ("conversation_basics", "Sent another one, and deleted it"),
        ("new_thread_in_channel", "Replied in it"),
        ("proactive_install", "the first word"),
        ("reminders", "The bot has said “Reminder: call Ines”"),
        ("who_blocked_us", "muted: not detectable"),
    ] {
        let mut process = example(name, &[]);
        let status = process.ended(LONG).await;
        process.line(says, LONG).await;
        assert!(status.success(), "{name}: {status}\n{}", process.output());
    }
}

#[tokio::test]
async fn a_bot_that_is_half_named_is_told_what_is_missing() {
    let mut process =
        example("conversation_basics", &[("CLIENT_ID", "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4")]);
    assert!(!process.ended(LONG).await.success());
    process.line("CLIENT_SECRET is not", LONG).await;
}
