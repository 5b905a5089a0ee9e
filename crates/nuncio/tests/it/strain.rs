//! When something that the server stands on is gone for a while: Microsoft, which answers nothing or cannot be reached,
//! and the disk. It waits within bounds, and what it did before is in the ledger afterwards.

use std::time::{Duration, Instant};

use nuncio_client::MessageControl;
use nuncio_testkit::wait_until;
use serde_json::json;
use tokio::process::Command;

use crate::counts;
use crate::world::{LONG, Plan, World, to_installed};

/// Sockets and files beside those of calls under way: 61 were counted (38 sockets of pooled connections, of the API and of
/// signals; the database and its readers; pipes), and somewhat more are no pile.
const OTHER_FILES: usize = 80;
/// Over this span the processor's time is measured.
const SPAN: Duration = Duration::from_secs(5);

/// What the kernel says of the server.
struct Vitals {
    /// Of the processor, since its start.
    used: Duration,
    files: usize,
    peak_kib: u64,
}

fn vitals(world: &World) -> Vitals {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", world.server.pid())).unwrap();
    let stat = read("stat");
    // Behind the name, which may have spaces: the 14th and 15th field of all, in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    let status = read("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    Vitals {
        used: Duration::from_millis(ticks * 10),
        files: std::fs::read_dir(format!("/proc/{}/fd", world.server.pid())).unwrap().count(),
        peak_kib: peak.trim().trim_end_matches(" kB").parse().unwrap(),
    }
}

/// Nothing turns in circles, and nothing piles up, while it waits.
async fn idles(world: &World, calls: usize) {
    let before = vitals(world).used;
    let begun = Instant::now();
    wait_until(async || begun.elapsed() >= SPAN, LONG).await;
    let now = vitals(world);
    let used = now.used.saturating_sub(before);
    assert!(used < SPAN / 8, "{used:?} of the processor in {:?}", begun.elapsed());
    assert!(now.files <= calls + OTHER_FILES, "{} files", now.files);
    assert!(now.peak_kib < 200 * 1024, "{} KiB", now.peak_kib);
}

#[tokio::test]
async fn answers_that_do_not_come_hold_a_hundred_calls_and_no_more() {
    let world = Plan::people(300).start().await;
    world.sim.fault(json!({"match": {"op": "send"}, "do": {"hold": "after"}})).await;
    let id = world.send(&to_installed("is anybody there?")).await;
    world.sim.held(100).await;
    idles(&world, 100).await;
    assert_eq!(world.sim.get("faults").await["held"], 100, "not one more");
    assert_eq!(world.message(&id).await.counts.in_flight, 100);
    world.client.control(&id, MessageControl::Cancel).await.unwrap();
    world.until(&id, "cancelled", |message| message.counts.cancelled == 200).await;
    world.sim.no_faults().await;
    assert_eq!(world.over(&id).await.counts, counts! { audience: 300, delivered: 100, cancelled: 200 });
    assert_eq!(world.sim.calls("send").await, 100);
    world.end().await;
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_asked_now_and_then() {
    let mut world = Plan::people(300).start().await;
    assert_eq!(world.sent(&to_installed("first")).await.counts, counts! { audience: 300, delivered: 300 });
    world.sim.process.kill().await;
    let id = world.send(&to_installed("second")).await;
    let waiting = world.until(&id, "waiting", |message| message.state == "waiting").await;
    assert_eq!(waiting.cause.as_deref(), Some("unreachable"));
    assert!(waiting.cause_text.unwrap().contains("cannot be reached"));
    idles(&world, 1).await;
    let counts = world.message(&id).await.counts;
    assert_eq!(counts.pending + counts.in_flight, 300, "{counts:?}");
    world.client.control(&id, MessageControl::Cancel).await.unwrap();
    assert_eq!(world.over(&id).await.counts, counts! { audience: 300, cancelled: 300 });
    world.end().await;
}

/// Lets the files of the server grow no further than so far (`unlimited` for as far as they will), as a disk does that
/// is full. The server was started with the signal for it ignored, so that a write fails instead.
pub(crate) async fn limit_files(world: &World, bytes: &str) {
    let limit = format!("--fsize={bytes}:");
    let pid = world.server.pid().to_string();
    let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status().await.unwrap();
    assert!(status.success(), "prlimit {limit}: {status}");
}

/// Sends to five people, all of whom are parked after the accept; then the disk is full, and the answers come.
async fn full_before_the_answers() -> (World, String) {
    let mut world = Plan::people(5).file_limits().start().await;
    world.sim.fault(json!({"match": {"op": "send"}, "do": {"hold": "after"}})).await;
    let id = world.send(&to_installed("noted before, not after")).await;
    world.sim.held(5).await;
    limit_files(&world, "1").await;
    world.sim.no_faults().await;
    world.server.line("commit failed", LONG).await;
    (world, id)
}

#[tokio::test]
async fn a_disk_that_is_full_between_an_answer_and_its_record_leaves_it_ambiguous() {
    let (mut world, id) = full_before_the_answers().await;
    world.kill().await;
    world.start().await;
    let sent = world.over(&id).await;
    assert_eq!(sent.counts, counts! { audience: 5, ambiguous: 5 });
    assert_eq!(
        (world.sim.calls("send").await, world.sim.get("counts").await["most_per_recipient"].clone()),
        (5, json!(1))
    );
    world.end().await;
}

#[tokio::test]
async fn a_disk_that_has_room_again_takes_what_was_remembered() {
    let (world, id) = full_before_the_answers().await;
    // Nothing that cannot be kept is taken.
    let refused = world.client.send(&to_installed("not now"), None).await;
    assert!(refused.is_err(), "{refused:?}");
    limit_files(&world, "unlimited").await;
    assert_eq!(world.over(&id).await.counts, counts! { audience: 5, delivered: 5 });
    assert_eq!(world.sent(&to_installed("now")).await.counts, counts! { audience: 5, delivered: 5 });
    assert_eq!(world.sim.calls("send").await, 10);
    assert_eq!(world.sim.get("counts").await["most_per_recipient"], 1);
    world.end().await;
}
