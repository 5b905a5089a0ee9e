//! The harness, on programs that every system has.

use std::time::Duration;

use nuncio_testkit::process::{Process, Stream};
use nuncio_testkit::{free_port, wait_until};
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(10);

fn shell(script: &str) -> Process {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).env("GREETING", "hello");
    Process::start(command)
}

#[tokio::test]
async fn lines_are_captured_and_waited_for() {
    let mut process = shell("echo $GREETING; echo '{\"port\": 1}'; echo trouble >&2; exec tail -f /dev/null");
    assert_eq!(process.ready(SOON).await["port"], 1);
    assert_eq!(process.line("hell", SOON).await, "hello");
    process.line("trouble", SOON).await;
    assert_eq!(process.lines(Stream::Stderr), ["trouble"]);
    assert!(!process.stop(SOON).await.success());
}

#[tokio::test]
async fn what_was_said_last_is_heard_though_it_ended() {
    let mut process = shell("echo last");
    assert_eq!(process.line("last", SOON).await, "last");
    assert!(process.ended(SOON).await.success());
}

#[tokio::test]
#[should_panic(expected = "the process ended")]
async fn a_line_that_cannot_come_any_more_is_not_waited_for() {
    shell("echo something").line("else", SOON).await;
}

#[tokio::test]
async fn kill_and_drop_leave_nothing_behind() {
    let alive = async |pid: u32| {
        let kill = Command::new("kill").arg("-0").arg(pid.to_string()).output().await;
        kill.unwrap().status.success()
    };
    let mut killed = shell("exec tail -f /dev/null");
    killed.kill().await;
    assert!(!alive(killed.pid()).await);
    let dropped = shell("exec tail -f /dev/null");
    let pid = dropped.pid();
    assert!(alive(pid).await);
    drop(dropped);
    assert!(wait_until(async || !alive(pid).await, SOON).await);
}

#[tokio::test]
async fn ports_are_free() {
    let port = free_port();
    assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok());
    assert!(!wait_until(async || false, Duration::from_millis(30)).await);
}
