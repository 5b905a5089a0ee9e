//! Started processes, and what Linux counts of them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

/// Far more than anything takes that is waited for without a measurement.
const LONG: Duration = Duration::from_mins(5);

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    /// User and system time since its start.
    pub(crate) cpu_s: f64,
    pub(crate) resident_mib: f64,
    pub(crate) peak_mib: f64,
}

/// Of a process that runs.
pub(crate) fn sample(pid: u32) -> Sample {
    let of = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let status = of("status");
    let mib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
    };
    Sample { cpu_s: cpu_s(&of("stat")), resident_mib: mib("VmRSS:"), peak_mib: mib("VmHWM:") }
}

/// Which process made this one.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    field(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, 4).map(|pid| pid as u32)
}

/// User and system time of children that have ended.
pub(crate) fn ended_children_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    (field(&stat, 16).unwrap_or(0.0) + field(&stat, 17).unwrap_or(0.0)) / 100.0
}

/// Times are in hundredths of a second.
fn cpu_s(stat: &str) -> f64 {
    (field(stat, 14).unwrap_or(0.0) + field(stat, 15).unwrap_or(0.0)) / 100.0
}

/// A field as `proc_pid_stat(5)` numbers them. The second one is a name in brackets and may have spaces.
fn field(stat: &str, n: usize) -> Option<f64> {
    stat.rsplit_once(") ")?.1.split(' ').nth(n - 3)?.trim().parse().ok()
}

/// A process whose log goes into a file, as a service's does: nobody here spends time on reading it.
pub(crate) struct Child {
    running: tokio::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) pid: u32,
    log: PathBuf,
}

impl Child {
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(std::fs::File::create(log).unwrap());
        let mut child =
            command.kill_on_drop(true).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let pid = child.id().unwrap();
        Self { running: child, lines, pid, log: log.to_owned() }
    }

    /// The next line of its output.
    pub(crate) async fn line(&mut self) -> String {
        let line = tokio::time::timeout(LONG, self.lines.next_line()).await;
        line.ok()
            .and_then(|line| line.ok().flatten())
            .unwrap_or_else(|| panic!("it said nothing more: {}", self.log()))
    }

    /// The address that it prints when it is ready.
    pub(crate) async fn address(&mut self) -> String {
        loop {
            if let Some((_, address)) = self.line().await.split_once("listening on ") {
                return address.trim().to_owned();
            }
        }
    }

    /// The end of its log.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Sends a signal by name and waits for the end; how long that took.
    pub(crate) async fn stop(&mut self, signal: &str) -> Duration {
        let began = Instant::now();
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.pid.to_string()).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "kill -{signal} {}", self.pid);
        let ended = tokio::time::timeout(LONG, self.running.wait()).await;
        assert!(ended.is_ok(), "still running {LONG:?} after a stop: {}", self.log());
        began.elapsed()
    }
}

/// This program once more, as a part of the measurement.
pub(crate) fn ourselves(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(args);
    command
}

/// Where files of a measurement lie: on the disk of the build, not on one that is memory.
pub(crate) fn scratch() -> tempfile::TempDir {
    let target = target();
    tempfile::TempDir::with_prefix_in("bench-", target).unwrap()
}

/// `target`, whatever it is called.
pub(crate) fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    // target/release/examples/bench
    program.ancestors().nth(3).unwrap().to_owned()
}

/// Watches a process with `perf record`.
pub(crate) fn perf(pid: u32, folder: &Path, name: &str) -> Child {
    std::fs::create_dir_all(folder).unwrap();
    let mut command = Command::new("perf");
    command.args(["record", "-q", "-F", "499", "-p", &pid.to_string(), "-o"]);
    command.arg(folder.join(format!("{name}.data")));
    Child::start(command, &folder.join(format!("{name}.log")))
}
