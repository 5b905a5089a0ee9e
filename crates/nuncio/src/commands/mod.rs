//! The commands, one file each, and what several of them need.

pub mod app_package;
pub mod audiences;
pub mod conversations;
pub mod demo;
pub mod directory;
mod download;
mod dry_run;
pub mod install;
pub mod keys;
pub mod lanes;
pub mod messages;
pub mod opt_outs;
pub mod output;
mod pages;
pub mod people;
pub mod reachability;
pub mod send;
pub mod serve;
pub mod sim;
pub mod teams;

use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use nuncio_api::ProblemItem;
use nuncio_client::{Client, ClientError};
use secrecy::{ExposeSecret, SecretString};

use crate::cli::{NOT_DONE, WRONG_USE};

/// How to reach a running server, for the commands that talk to one.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct Connection {
    /// Address of the server
    #[arg(
        long,
        global = true,
        env = "NUNCIO_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:3978"
    )]
    url: String,
    /// API key; better in the environment, where other users of this machine do not see it [env: NUNCIO_KEY]
    #[arg(long, global = true, conflicts_with = "key_file")]
    key: Option<SecretString>,
    /// File with the API key [env: NUNCIO_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print one JSON value instead of text
    #[arg(long, global = true)]
    pub json: bool,
}

impl Connection {
    /// A client with the key that was given; flags go before the environment.
    pub fn client(&self) -> anyhow::Result<Client> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let key = match (&self.key, &self.key_file) {
            (Some(key), _) => key.clone(),
            (None, Some(file)) => key_of(file)?,
            (None, None) => match (variable("NUNCIO_KEY"), variable("NUNCIO_KEY_FILE")) {
                (Some(key), _) => SecretString::from(key),
                (None, Some(file)) => key_of(Path::new(&file))?,
                (None, None) => return Err(no_key().into()),
            },
        };
        Ok(Client::new(&self.url, key.expose_secret())?)
    }
}

fn key_of(file: &Path) -> anyhow::Result<SecretString> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::wrong_use(format!("the key file {}: {error}", file.display())))?;
    match text.trim() {
        "" => Err(Failure::wrong_use(format!("the key file {} is empty", file.display())).into()),
        key => Ok(SecretString::from(key)),
    }
}

fn no_key() -> Failure {
    Failure::wrong_use("no API key was given")
        .hint("Set NUNCIO_KEY, or NUNCIO_KEY_FILE to a file that holds it, or use --key-file.")
        .hint("`nuncio serve` hands out the first key at its first start; with it, `nuncio keys create` makes others.")
}

/// An error with its exit code and what to do about it.
#[derive(Debug)]
pub struct Failure {
    pub(crate) code: u8,
    text: String,
    pub(crate) hints: Vec<String>,
}

impl Failure {
    /// Arguments or files that cannot be used as they are.
    pub fn wrong_use(text: impl Into<String>) -> Self {
        Self { code: WRONG_USE, text: text.into(), hints: Vec::new() }
    }

    /// It could not be done.
    pub fn not_done(text: impl Into<String>) -> Self {
        Self { code: NOT_DONE, text: text.into(), hints: Vec::new() }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

/// What the server refuses because of what was asked is wrong use; the rest could not be done.
pub(crate) fn client_error_code(error: &ClientError) -> u8 {
    match error {
        ClientError::Setup(_) => WRONG_USE,
        ClientError::Problem(problem) if matches!(problem.status, 400 | 413 | 422) => WRONG_USE,
        _ => NOT_DONE,
    }
}

/// Things that are wrong of which each gets its line: a terminal keeps not many more.
const MOST_SHOWN: usize = 1_000;

/// Before the number of a line of an uploaded list.
const LINE: &str = "/line/";

/// Lines of an uploaded list that have the same wrong with them, in one item: what it is, is said once.
fn lines_with_the_same(items: &[ProblemItem]) -> Vec<String> {
    let mut of_texts: Vec<(&str, Vec<&str>)> = Vec::new();
    for item in items {
        let line = item.pointer.trim_start_matches(LINE);
        match of_texts.iter_mut().find(|(text, _)| *text == item.text) {
            Some((_, lines)) => lines.push(line),
            None => of_texts.push((&item.text, vec![line])),
        }
    }
    let said = |(text, lines): (&str, Vec<&str>)| {
        let word = if lines.len() == 1 { "line" } else { "lines" };
        output::clean(&format!("{word} {}: {text}", lines.join(", ")))
    };
    of_texts.into_iter().map(said).collect()
}

/// Every single thing that the server found wrong, each with where it is. A text that is the problem's own is not said
/// twice.
pub(crate) fn client_error_items(error: &ClientError) -> Vec<String> {
    let ClientError::Problem(problem) = error else { return Vec::new() };
    let line = |item: &ProblemItem| {
        if problem.detail.as_deref() == Some(item.text.as_str()) {
            format!("at {}", output::clean(&item.pointer))
        } else {
            output::clean(&format!("{}: {}", item.pointer, item.text))
        }
    };
    let shown = &problem.errors[..problem.errors.len().min(MOST_SHOWN)];
    let mut items = if shown.len() > 1 && shown.iter().all(|item| item.pointer.starts_with(LINE)) {
        lines_with_the_same(shown)
    } else {
        shown.iter().map(line).collect()
    };
    let more = problem.errors.len().saturating_sub(MOST_SHOWN);
    if more > 0 {
        items.push(format!("and {more} more"));
    }
    items
}

/// Whether there is somebody to be asked something.
pub(crate) fn someone_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a question that only `y` answers with yes.
pub(crate) async fn asked(question: String) -> anyhow::Result<bool> {
    let line = tokio::task::spawn_blocking(move || {
        let mut stderr = std::io::stderr().lock();
        write!(stderr, "{question} [y/N] ")?;
        stderr.flush()?;
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    })
    .await??;
    Ok(["y", "yes"].iter().any(|yes| line.trim().eq_ignore_ascii_case(yes)))
}

/// For what a command asks of anything but Nuncio itself, on this machine.
pub(crate) fn http() -> anyhow::Result<reqwest::Client> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30))
        .build()
        .context("the HTTP client cannot be built")
}

#[expect(
    clippy::disallowed_methods,
    reason = "commands ask again after a while; they wait here and nowhere else"
)]
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

#[expect(clippy::disallowed_methods, reason = "for people: how long something will still take")]
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Ctrl-C, or what a service manager sends.
pub(crate) struct StopSignals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// From now on, none is missed.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let listen = |kind| signal(kind).context("signals of this system cannot be listened to");
            Ok(Self {
                terminate: listen(SignalKind::terminate())?,
                interrupt: listen(SignalKind::interrupt())?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// The next one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}
