//! What it was measured on.

use std::io::Write as _;
use std::time::Instant;

use serde_json::{Value, json};

use crate::process;

/// The CPU, its cores, how long the disk takes to say that something is written, and who else is busy here.
pub(crate) fn machine() -> Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    json!({
        "cpu": model.trim_start_matches(['\t', ' ', ':']),
        "cores": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "fsync_ms": fsync_ms(),
        "load_before": load(),
    })
}

pub(crate) fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Half of the fsyncs of a block of 4 KiB behind a growing file take no longer than this.
fn fsync_ms() -> f64 {
    let folder = process::scratch();
    let mut file = std::fs::File::create(folder.path().join("fsync")).unwrap();
    let mut times: Vec<f64> = (0..200)
        .map(|_| {
            file.write_all(&[7; 4096]).unwrap();
            let began = Instant::now();
            file.sync_data().unwrap();
            began.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2] * 1_000.0).round() / 1_000.0
}

/// The commit that is checked out, with a `+` if the files differ from it.
pub(crate) fn commit() -> String {
    let git = |args: &[&str]| {
        let output = std::process::Command::new("git").args(args).output();
        output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    format!("{}{}", git(&["rev-parse", "--short", "HEAD"]), if changed.is_empty() { "" } else { "+" })
}
