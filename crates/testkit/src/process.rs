//! Runs built binaries: their lines are kept, waited for, and shown when a wait fails; nothing outlives its test.
//! These helpers panic when what a test waits for does not come, with all that the process has said.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

const POLL: Duration = Duration::from_millis(10);
/// What a process said last is on its way for no longer, unless a child of its own holds its output open.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Waits until a condition holds; false if it did not within that time. The one place where tests poll: use it for
/// what gives no signal, such as a port that begins to listen.
#[expect(clippy::disallowed_methods, reason = "the one place where tests poll")]
pub async fn wait_until<F: AsyncFnMut() -> bool>(mut condition: F, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if condition().await {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A port of loopback that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// A binary of this workspace, built beside the running test.
pub fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    // target/debug/deps/it-… and target/debug/NAME
    let directory = test.ancestors().nth(2).expect("tests lie two levels deep");
    let path = directory.join(name);
    assert!(path.exists(), "{} is not built: cargo build -p {name}", path.display());
    path
}

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

#[derive(Default)]
struct Said {
    lines: Mutex<Vec<(Stream, String)>>,
    more: Notify,
}

impl Said {
    fn add(&self, stream: Stream, line: String) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push((stream, line));
        self.more.notify_waiters();
    }

    fn find<T>(&self, mut wanted: impl FnMut(Stream, &str) -> Option<T>) -> Option<T> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().find_map(|(stream, line)| wanted(*stream, line))
    }
}

/// A running process. Killed when dropped.
pub struct Process {
    child: Child,
    pid: u32,
    said: Arc<Said>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts what `command` says, with its output captured and no input.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let pid = child.id().expect("a process just started has an id");
        let said = Arc::new(Said::default());
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(tokio::spawn(read(stdout, Stream::Stdout, Arc::clone(&said))));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(tokio::spawn(read(stderr, Stream::Stderr, Arc::clone(&said))));
        }
        Self { child, pid, said, readers }
    }

    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// The first line, said already or yet to come, of which `wanted` makes something.
    pub async fn wait_for<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut wanted: impl FnMut(Stream, &str) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + within;
        loop {
            let said = Arc::clone(&self.said);
            let mut more = std::pin::pin!(said.more.notified());
            // Enabled before looking, so that no line falls between.
            more.as_mut().enable();
            if let Some(found) = self.said.find(&mut wanted) {
                return found;
            }
            let ended = tokio::select! {
                waited = timeout_at(deadline, more) => waited.is_err(),
                status = self.child.wait() => {
                    // What it said last may still be on its way.
                    let rest = Instant::now() + Duration::from_millis(500);
                    while Instant::now() < rest.min(deadline) && self.said.find(&mut wanted).is_none() {
                        let _ = timeout_at(Instant::now() + POLL, said.more.notified()).await;
                    }
                    if let Some(found) = self.said.find(&mut wanted) {
                        return found;
                    }
                    panic!("{what}: the process ended ({status:?}); it said:\n{}", self.output());
                }
            };
            assert!(!ended, "{what}: not within {within:?}; the process said:\n{}", self.output());
        }
    }

    /// The first line with this text.
    pub async fn line(&mut self, text: &str, within: Duration) -> String {
        self.wait_for(text, within, |_, line| line.contains(text).then(|| line.to_owned())).await
    }

    /// The first line of stdout that is a JSON object.
    pub async fn ready(&mut self, within: Duration) -> serde_json::Value {
        self.wait_for("a line of JSON", within, |stream, line| {
            let value: serde_json::Value = serde_json::from_str(line).ok()?;
            (stream == Stream::Stdout && value.is_object()).then_some(value)
        })
        .await
    }

    /// Everything said so far.
    pub fn output(&self) -> String {
        let lines = self.said.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (stream, line) in &*lines {
            text.push_str(if *stream == Stream::Stdout { "out: " } else { "err: " });
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// The lines of one stream so far.
    pub fn lines(&self, of: Stream) -> Vec<String> {
        let lines = self.said.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|(stream, _)| *stream == of).map(|(_, line)| line.clone()).collect()
    }

    /// `kill -9`: it ends at once, wherever it is.
    pub async fn kill(&mut self) -> ExitStatus {
        self.child.kill().await.unwrap_or_else(|error| panic!("kill: {error}"));
        self.child.wait().await.unwrap_or_else(|error| panic!("wait: {error}"))
    }

    /// Sends a signal by name (`TERM`, `STOP`, `CONT`), by way of the `kill` command.
    pub async fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid.to_string()).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name} {}", self.pid);
    }

    /// Asks it to end and waits until it has.
    pub async fn stop(&mut self, within: Duration) -> ExitStatus {
        self.signal("TERM").await;
        self.ended(within).await
    }

    /// Waits until it ends by itself, and has said all that it had to say.
    pub async fn ended(&mut self, within: Duration) -> ExitStatus {
        let waited = timeout_at(Instant::now() + within, self.child.wait()).await;
        let Ok(status) = waited else {
            panic!("still running after {within:?}; the process said:\n{}", self.output())
        };
        let deadline = Instant::now() + LAST_WORDS;
        for reader in self.readers.drain(..) {
            let _ = timeout_at(deadline, reader).await;
        }
        status.unwrap_or_else(|error| panic!("wait: {error}"))
    }
}

async fn read(from: impl AsyncRead + Unpin, stream: Stream, said: Arc<Said>) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        said.add(stream, line);
    }
}
