//! The simulator as a process of its own, and what Linux counts of it.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Command, Stdio},
};

pub(crate) struct Child {
    pub(crate) addr: SocketAddr,
    process: std::process::Child,
}

pub(crate) struct Sample {
    pub(crate) resident_mib: u64,
    /// User and system time since its start.
    pub(crate) cpu_s: f64,
}

impl Child {
    /// On the first core alone.
    pub(crate) fn start(people: u32, teams: u32) -> Self {
        let me = std::env::current_exe().unwrap();
        let mut process = Command::new("taskset")
            .args(["-c", "0"])
            .arg(me)
            .arg("serve")
            .args(["--people", &people.to_string(), "--teams", &teams.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("taskset, which pins a process to a core, is there");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { addr: line.trim().parse().expect("the simulator tells its address"), process }
    }

    pub(crate) fn sample(&self) -> Sample {
        let of = |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", self.process.id())).unwrap();
        let status = of("status");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
        // After the name in brackets; the 14th and 15th of all, in hundredths of a second.
        let stat = of("stat");
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        Sample { resident_mib: kib / 1024, cpu_s: ticks / 100.0 }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Leaves the first core to the simulator.
pub(crate) fn pin_client() {
    let last = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) - 1;
    let me = std::process::id().to_string();
    let done = Command::new("taskset").args(["-cp", &format!("{}-{last}", 1.min(last)), &me]).output();
    done.expect("taskset, which pins a process to a core, is there");
}

pub(crate) fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{}, {} cores; load before: {}",
        model.trim_start_matches(['\t', ' ', ':']),
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        load.split(' ').next().unwrap_or_default()
    )
}
