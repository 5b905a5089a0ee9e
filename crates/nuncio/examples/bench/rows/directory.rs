//! The copy of a large directory: how long the first round takes within Graph's limits and in how much memory, and how
//! fast audiences are expanded from it.

use std::time::{Duration, Instant};

use nuncio_api::{Audience, DirectoryCopy};
use nuncio_testkit::process::built;
use serde_json::{Value, json};
use tokio::process::Command;

use super::until;
use crate::Options;
use crate::postgres::Server;
use crate::process::{self, Child};
use crate::product::{APP_ID, Place, Plan, Product, SECRET};
use crate::report::{Outcome, Verdict};
use crate::simulator::message;
use crate::wire::Connection;

const PEOPLE: i64 = 300_000;
const GROUPS: i64 = 5_000;
/// How often it is looked at.
const EVERY: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_hours(1);

pub(crate) async fn sqlite(options: &Options) -> Outcome {
    run(options, None).await
}

pub(crate) async fn postgres(options: &Options) -> Outcome {
    run(options, Some(&Server::start())).await
}

async fn run(options: &Options, postgres: Option<&Server>) -> Outcome {
    let log = process::scratch();
    let mut command = Command::new(built("nuncio"));
    command.args(["sim", "--listen", "127.0.0.1:0", "--limits", "on", "--latency", "0", "--people", "0"]);
    let mut sim = Child::start(command, &log.path().join("log"));
    let base = sim.address().await;
    let mut control = Connection::open(&base, "").await;
    let organisation = json!({"seed": 1, "people": PEOPLE, "teams": 0, "groups": GROUPS});
    let tenant = asked(&mut control, "POST", "reset", &organisation).await["tenant_id"].clone();
    let groups = asked(&mut control, "GET", "groups", &Value::Null).await;
    let groups: Vec<&str> =
        groups["items"].as_array().unwrap().iter().map(|group| group["id"].as_str().unwrap()).collect();
    // The worst that a group can be: everybody, in as many groups as there are.
    let company = json!({"name": "Everybody", "members": groups});
    let company = asked(&mut control, "POST", "groups", &company).await["id"].as_str().unwrap().to_owned();
    asked(&mut control, "POST", "bots", &json!({"app_id": APP_ID, "secret": SECRET})).await;

    let tenant = tenant.as_str().unwrap();
    let plan = Plan { base: &base, tenant, postgres, calls_per_s: "off" };
    let mut place = Place::prepare(options, "directory", &plan).await;
    let before = place.bytes().await;
    place.env("NUNCIO_APP_MAIN_DIRECTORY", "synchronised");
    let product = place.start().await;
    let first = whole(&product, None).await;
    let after_first = product.sample();
    let bytes = place.bytes().await - before;
    let calls = calls(&mut control).await;

    product.client.sync_directory(&first.copy.lane, false).await.unwrap();
    let changes = whole(&product, Some(&first.copy)).await;
    product.client.sync_directory(&first.copy.lane, true).await.unwrap();
    let anew = whole(&product, Some(&changes.copy)).await;
    let peak = product.sample();

    let mut connection = Connection::open(&product.url, &place.key).await;
    let everyone = Audience { everyone: true, ..Audience::default() };
    let everyone_s = expand(&mut connection, everyone).await;
    let group = Audience { groups: vec![company], ..Audience::default() };
    let group_s = expand(&mut connection, group).await;
    product.stop().await;

    let mut outcome = Outcome::default();
    let mib = peak.peak_mib;
    outcome.line(
        format!("{} people, {} groups: peak memory", first.copy.people, first.copy.groups),
        format!("{mib:.0} MiB"),
        "<= 128 MiB",
        Verdict::of(mib <= 128.0),
    );
    outcome.line(
        "calls of the first round, refused with 429",
        format!("{}, {}", calls.0, calls.1),
        "0 refused",
        Verdict::of(calls.1 == 0),
    );
    outcome.told("first round", format!("{:.1} s", first.took_s));
    outcome.told("engine CPU for each person", format!("{:.1} us", after_first.cpu_s * 1e6 / PEOPLE as f64));
    outcome.told("bytes on disk for each person", format!("{:.0} B", bytes as f64 / PEOPLE as f64));
    outcome.told("a round without changes", format!("{:.2} s", changes.took_s));
    outcome.told("everything anew", format!("{:.1} s", anew.took_s));
    let rate = |seconds: f64| format!("{:.0} rows/s", PEOPLE as f64 / seconds);
    outcome.told("everyone, from the copy", rate(everyone_s));
    outcome.told(format!("a group of {GROUPS} groups, from the copy"), rate(group_s));
    outcome.raw = json!({
        "people": first.copy.people, "groups": first.copy.groups, "members": first.copy.members, "first_s": first.took_s,
        "changes_s": changes.took_s, "anew_s": anew.took_s, "peak_mib": mib, "cpu_s": after_first.cpu_s, "calls": calls.0,
        "refused": calls.1, "bytes": bytes, "everyone_s": everyone_s, "group_s": group_s,
    });
    outcome
}

struct Whole {
    copy: DirectoryCopy,
    took_s: f64,
}

/// Waits until a round later than `before` has ended.
async fn whole(product: &Product, before: Option<&DirectoryCopy>) -> Whole {
    let began = Instant::now();
    let mut found = None;
    let ended = async || {
        let copy = product.client.directory().await.unwrap().items.pop();
        let later = |copy: &DirectoryCopy| {
            copy.state == "current" && before.is_none_or(|before| before.complete_at != copy.complete_at)
        };
        found = copy.filter(later);
        found.is_some()
    };
    until("the copy is whole", EVERY, LONG, ended).await;
    Whole { copy: found.unwrap(), took_s: began.elapsed().as_secs_f64() }
}

/// Seconds until the audience is whole; nothing is sent.
async fn expand(connection: &mut Connection, audience: Audience) -> f64 {
    let mut message = message(audience, "bulk");
    message.max_recipients = Some(1);
    let began = Instant::now();
    let (status, answer) = connection.json("POST", "/v1/messages", &json!(message)).await;
    assert_eq!(status, 202, "{answer}");
    let path = format!("/v1/messages/{}", answer["id"].as_str().unwrap());
    let whole = async || connection.json("GET", &path, &Value::Null).await.1["audience_final"] == true;
    until("the audience is whole", Duration::from_millis(2), Duration::from_mins(10), whole).await;
    let took_s = began.elapsed().as_secs_f64();
    let counted = connection.json("GET", &path, &Value::Null).await.1;
    assert_eq!(counted["counts"]["audience"], PEOPLE, "{counted}");
    took_s
}

async fn asked(control: &mut Connection, method: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = control.json(method, &format!("/sim/{path}"), body).await;
    assert!((200..300).contains(&status), "{path}: {status} {answer}");
    answer
}

/// Calls to Graph in all, and those that were refused for their number.
async fn calls(control: &mut Connection) -> (u64, u64) {
    let counts = asked(control, "GET", "counts", &Value::Null).await;
    let (mut all, mut refused) = (0, 0);
    for op in ["graph.users_delta", "graph.groups_delta"] {
        for (status, count) in counts["requests"][op].as_object().into_iter().flatten() {
            let count = count.as_u64().unwrap_or(0);
            all += count;
            refused += if status == "429" { count } else { 0 };
        }
    }
    (all, refused)
}
