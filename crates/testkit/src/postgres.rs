//! A PostgreSQL server of the tests' own: made when the first test asks for it, gone when the process has ended, in
//! whatever way it did.
//!
//! As root the server runs as another user, because it refuses to run as root.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where Debian has the servers, one directory for each major version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The first one that Nuncio works with.
const OLDEST: u32 = 14;

/// Starts the server and stops it when our end of its stdin is closed: that happens even if we are killed. `$1` is the
/// directory, `$2` the server's programs, the rest starts the server.
const GUARD: &str = r#"
    trap '' HUP INT TERM
    directory=$1 programs=$2
    shift 2
    "$@" >"$directory/log" 2>&1 </dev/null &
    server=$!
    until "$programs/pg_isready" -q -h "$directory" -d postgres; do
        if ! kill -0 "$server" 2>/dev/null; then
            echo failed
            break
        fi
        sleep 0.02
    done
    echo ready
    cat >/dev/null
    kill -QUIT "$server" 2>/dev/null
    wait "$server"
    rm -rf "$directory"
"#;

/// Whether writes are on the disk before they are answered. Tests need not survive a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    Off,
    On,
}

/// A running server.
pub struct Postgres {
    /// Ends the server when it is dropped, or when this process ends.
    guard: Child,
    directory: PathBuf,
    programs: PathBuf,
    databases: AtomicU32,
}

impl Postgres {
    /// The one of this process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Durability::Off))
    }

    /// Makes a server of its own.
    pub fn start(durability: Durability) -> Self {
        static SERVERS: AtomicU32 = AtomicU32::new(0);
        let programs = programs();
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("nuncio-postgres-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let user = other_user(&directory);

        let mut initdb = as_user(user.as_deref(), &programs.join("initdb"));
        initdb.arg("-D").arg(directory.join("data"));
        initdb.args(["--username=nuncio", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        ran(&mut initdb);

        let mut server = as_user(user.as_deref(), &programs.join("postgres"));
        server.arg("-D").arg(directory.join("data")).arg("-k").arg(&directory);
        // Reached by its socket: no port can be taken already.
        server.args(["-c", "listen_addresses=", "-c", "max_connections=300"]);
        if durability == Durability::Off {
            server.args(["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"]);
        }
        let mut guard = Command::new("sh");
        guard.arg("-c").arg(GUARD).arg("guard").arg(&directory).arg(&programs);
        guard.arg(server.get_program()).args(server.get_args());
        // A group of its own: what ends us from the terminal must not end the guard before its work.
        guard.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut guard = guard.spawn().unwrap_or_else(|error| panic!("sh: {error}"));
        let mut said = String::new();
        if let Some(stdout) = &mut guard.stdout {
            let _ = BufReader::new(stdout).read_line(&mut said);
        }
        let log = || std::fs::read_to_string(directory.join("log")).unwrap_or_default();
        assert_eq!(said.trim(), "ready", "the server did not start:\n{}", log());
        Self { guard, directory, programs, databases: AtomicU32::new(0) }
    }

    /// The URL of a new database, empty or a copy of another one to which nobody is connected.
    pub fn database(&self, template: Option<&str>) -> String {
        let name = self.new_name();
        let template = template.and_then(|url| url.split(['/', '?']).nth(3)).unwrap_or("template0");
        self.run("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        self.url(&name)
    }

    fn new_name(&self) -> String {
        format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed))
    }

    fn url(&self, database: &str) -> String {
        let socket = self.directory.display().to_string().replace('/', "%2F");
        format!("postgres://nuncio@localhost/{database}?host={socket}")
    }

    /// Runs a statement in a database, by name or URL, and returns what it answers, a line for each row.
    pub fn run(&self, database: &str, statement: &str) -> String {
        let name = database.split(['/', '?']).nth(3).unwrap_or(database);
        let mut psql = Command::new(self.programs.join("psql"));
        psql.arg("-h").arg(&self.directory).args([
            "-U",
            "nuncio",
            "-d",
            name,
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
        ]);
        ran(psql.args(["-c", statement]))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// The programs of the newest server that is installed.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin")))
        })
        .filter(|(version, programs)| *version >= OLDEST && programs.join("initdb").exists())
        .max();
    let on_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).find(|directory| directory.join("initdb").exists())
    };
    newest.map(|(_, programs)| programs).or_else(on_path).unwrap_or_else(|| {
        panic!("no PostgreSQL server is installed (initdb in {DEBIAN}/*/bin or on the path): run tools/prepare.sh test")
    })
}

/// As root: somebody else, to whom the directory is given. Their ids, as in /etc/passwd.
fn other_user(directory: &Path) -> Option<String> {
    let owner =
        std::fs::metadata(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    if owner.uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let mut fields =
            users.lines().map(|line| line.split(':')).find(|line| line.clone().next() == Some(name))?;
        let (uid, gid) = (fields.nth(2)?.parse::<u32>().ok()?, fields.next()?.parse::<u32>().ok()?);
        Some((uid, gid))
    };
    let (uid, gid) =
        find("postgres").or_else(|| find("nobody")).expect("root has the users postgres or nobody");
    chown(directory, Some(uid), Some(gid)).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    Some(format!("{uid}:{gid}"))
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    let Some((uid, gid)) = user.and_then(|user| user.split_once(':')) else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups").arg(program);
    // Its own current directory may be closed to them.
    command.current_dir("/");
    command
}

/// Runs a command to its end; what it says on stdout.
fn ran(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}{stderr}", output.status);
    stdout.trim_end().to_owned()
}
