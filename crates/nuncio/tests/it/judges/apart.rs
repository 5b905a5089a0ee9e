//! A test in a network namespace of its own.

use std::os::unix::fs::MetadataExt as _;

use nuncio_testkit::process::Process;
use tempfile::TempDir;
use tokio::process::Command;

use crate::world::LONG;

/// Says inside that this is inside.
const INSIDE: &str = "NUNCIO_JUDGES_INSIDE";

const HOSTS: &str = "127.0.0.1 localhost\n\
    127.0.0.1 login.microsoftonline.com login.botframework.com smba.trafficmanager.net graph.microsoft.com\n";

/// Loopback comes up, the hosts file is laid over the machine's, then the command goes on.
const ENTER: &str = "ip link set lo up && mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"";

/// Inside: true. Outside: runs the test of this name inside to its end, and false.
pub(super) async fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let folder = TempDir::with_prefix("nuncio-judges-").unwrap();
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, HOSTS).unwrap();
    let mut command = Command::new("unshare");
    // A process namespace as well: whatever was started inside ends with it.
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child"]);
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        command.arg("--map-root-user");
    }
    command.args(["sh", "-c", ENTER, "sh"]).arg(&hosts);
    command
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .env_remove("RUST_BACKTRACE");
    let mut process = Process::start(command);
    let status = process.ended(LONG).await;
    let output = process.output();
    assert!(
        status.success() && output.contains("1 passed"),
        "{status}; this test needs network namespaces (unshare of util-linux, ip of iproute2):\n{output}"
    );
    println!("{output}");
    false
}
