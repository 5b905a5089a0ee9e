//! The rows for what changes while a message to a hundred people is on its way. One after the other, in one world.

use std::fmt::Write as _;

use nuncio_testkit::generated::section;
use serde_json::{Value, json};

use crate::counts;
use crate::strain::limit_files;
use crate::way::Way;
use crate::world::{APP_ID, LONG, Plan, World, reasons, to_installed};

const PEOPLE: i64 = 100;

/// Sends to everybody and waits until it is in the middle.
async fn begun(world: &World) -> String {
    let id = world.send(&to_installed("a long one")).await;
    world.until(&id, "it is in the middle", |message| message.counts.delivered >= 20).await;
    let counts = world.message(&id).await.counts;
    assert!(counts.pending >= 20, "too late for anything in the middle: {counts:?}");
    id
}

/// Everybody has it, and once.
async fn everybody(world: &World, id: &str, before: u64) {
    assert_eq!(world.over(id).await.counts, counts! { audience: PEOPLE, delivered: PEOPLE });
    let accepted = world.sim.get("counts").await["accepted"].as_u64().unwrap();
    assert_eq!(accepted - before, PEOPLE.unsigned_abs(), "nobody has it twice");
}

async fn accepted(world: &World) -> u64 {
    world.sim.get("counts").await["accepted"].as_u64().unwrap()
}

async fn service_url(world: &World, url: &str) {
    world.sim.patch(&format!("bots/{APP_ID}"), &json!({ "service_url": url })).await;
}

/// Everybody writes something, so that their service URL is known.
async fn everybody_writes(world: &World, people: &[String]) {
    for person in people {
        let answer = world.sim.post(&format!("people/{person}/says"), &json!({"text": "hello"})).await;
        assert_eq!(answer["delivered"], true, "{answer}");
    }
}

pub(super) async fn changes() {
    // Words are not answered: what arrives is the messages.
    let silent = "[app.main.replies]\nother = \"off\"";
    let mut world = Plan::people(PEOPLE as u32).app(silent).file_limits().own_clock().start_unmet().await;
    world.sim.patch("settings", &json!({"token_expires_in": 1})).await;
    world.everyone_installs().await;
    let mut lines = "| in mid-broadcast | ledger | what follows |\n| --- | --- | --- |\n".to_owned();
    let mut row = |what: &str, ledger: &str, follows: &str| {
        let _ = writeln!(lines, "| {what} | {ledger} | {follows} |");
    };

    let before = accepted(&world).await;
    let id = begun(&world).await;
    everybody(&world, &id, before).await;
    assert!(world.sim.calls("token").await >= 2, "one token was enough");
    row("each token lives for a second", "100 delivered", "new tokens are asked for, no call is refused");
    world.sim.patch("settings", &json!({"token_expires_in": 3600})).await;

    let before = accepted(&world).await;
    let id = begun(&world).await;
    world.sim.post("keys/rotate", &json!({"overlap_s": 0})).await;
    let people = world.sim.people("installed").await;
    everybody_writes(&world, &people[..1]).await;
    everybody(&world, &id, before).await;
    row(
        "Microsoft's signing keys are rotated, the old ones gone",
        "100 delivered",
        "the next activity is taken",
    );

    let before = accepted(&world).await;
    let id = begun(&world).await;
    limit_files(&world, "1").await;
    world.server.line("commit failed", LONG).await;
    world.until_stuck(&id).await;
    limit_files(&world, "unlimited").await;
    everybody(&world, &id, before).await;
    row(
        "the disk is full, and has room again",
        "100 delivered",
        "what was answered is kept until it can be written",
    );

    for (ahead_s, what) in [(3600, "the clock is set an hour ahead"), (0, "the clock is set an hour back")] {
        let before = accepted(&world).await;
        let id = begun(&world).await;
        world.set_clock(ahead_s);
        everybody(&world, &id, before).await;
        row(what, "100 delivered", "it goes on at once");
    }

    let before = accepted(&world).await;
    let id = begun(&world).await;
    let port = world.sim.base.rsplit_once(':').unwrap().1.to_owned();
    world.sim.patch("settings", &json!({ "gcc_host": format!("localhost:{port}") })).await;
    everybody(&world, &id, before).await;
    let refused = world.sim.requests("send").await.get("403").copied().unwrap_or(0);
    assert!((1..=10).contains(&refused), "{refused} refused");
    row(
        "403 `InvalidBotApiHost`, which names another host of the cloud",
        "100 delivered",
        "the call is made there, and the next ones at once",
    );
    world.sim.patch("settings", &json!({ "gcc_host": null })).await;

    moved(&mut world, &people).await;
    row(
        "the service URL cannot be reached any more, and activities name another",
        "100 delivered",
        "waiting, `unreachable`, then at the new one",
    );

    let id = begun(&world).await;
    let late =
        world.deliveries(&id).await.into_iter().rev().find(|delivery| delivery.state == "pending").unwrap();
    world.sim.turn(&late.recipient, "deleted").await;
    let sent = world.over(&id).await;
    assert_eq!(sent.counts, counts! { audience: PEOPLE, delivered: PEOPLE - 1, failed: 1 });
    assert_eq!(sent.failed_by_reason, reasons(&[("recipient_not_found", 1)]));
    row("a person is deleted", "99 delivered, 1 failed `recipient_not_found`", "send 404, create 404");
    section(super::DOCUMENT, "in mid-broadcast", &lines);
    world.end().await;
}

/// Everybody is reached by one way, which is closed in mid-broadcast; then they write by another.
async fn moved(world: &mut World, people: &[String]) {
    let way = Way::to(&world.sim.base).await;
    service_url(world, &format!("http://127.0.0.1:{}/teams/", way.port)).await;
    everybody_writes(world, people).await;
    let before = accepted(world).await;
    let id = begun(world).await;
    way.close();
    let waiting = world.until(&id, "the way is closed", |message| message.state == "waiting").await;
    assert_eq!(waiting.cause.as_deref(), Some("unreachable"));
    service_url(world, &format!("{}/teams/", world.sim.base)).await;
    everybody_writes(world, people).await;
    let sent = world.over(&id).await;
    // Calls that had begun when the way was closed have no answer.
    assert_eq!(sent.counts.delivered + sent.counts.ambiguous, PEOPLE, "{:?}", sent.counts);
    assert!(sent.counts.ambiguous <= 5, "{:?}", sent.counts);
    let now = accepted(world).await;
    assert!(now - before <= PEOPLE.unsigned_abs(), "nobody has it twice");
}

impl World {
    /// Waits until nothing of a message moves any more.
    async fn until_stuck(&self, id: &str) {
        let mut last: Value = Value::Null;
        self.until(id, "it stands still", |message| {
            let counts = serde_json::to_value(message.counts).unwrap();
            let same = counts == last;
            last = counts;
            same && message.counts.in_flight > 0
        })
        .await;
    }
}
