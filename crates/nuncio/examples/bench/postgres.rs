//! A PostgreSQL server that keeps its promises (fsync on, otherwise as it comes), and what it has used.

use nuncio_testkit::Postgres;
use nuncio_testkit::postgres::Durability;

use crate::process;

pub(crate) struct Server {
    server: Postgres,
    /// Its first process.
    pid: u32,
}

impl Server {
    pub(crate) fn start() -> Self {
        let server = Postgres::start(Durability::On);
        // The first line of the file that a running server has.
        let file = "SELECT pg_read_file('postmaster.pid')";
        let pid = server.run("postgres", file).lines().next().unwrap().trim().parse().unwrap();
        Self { server, pid }
    }

    /// The URL of a new, empty database.
    pub(crate) fn database(&self) -> String {
        self.server.database(None)
    }

    /// User and system time of all of its processes.
    pub(crate) fn cpu_s(&self) -> f64 {
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let running: f64 = pids
            .filter(|pid| process::parent(*pid) == Some(self.pid))
            .map(|pid| process::sample(pid).cpu_s)
            .sum();
        running + process::sample(self.pid).cpu_s + process::ended_children_s(self.pid)
    }

    /// Bytes that its log has had.
    pub(crate) fn wal_bytes(&self) -> u64 {
        let written = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";
        self.server.run("postgres", written).parse().unwrap()
    }
}
