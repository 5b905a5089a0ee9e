//! From an audience to deliveries: everybody who has the app, and people who are named.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::until;
use crate::Options;
use crate::postgres::Server;
use crate::product::{Place, Plan, Sink, person, tenant};
use crate::report::{Outcome, Verdict, median};
use crate::simulator::{to_everybody, to_users};
use crate::wire::Connection;

/// The most that one request can name.
const NAMED: i64 = 10_000;
const ROUNDS: i64 = 5;

pub(crate) async fn run(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut raw = Vec::new();
    for (database, server, bar) in
        [("SQLite", None, 300_000.0), ("PostgreSQL", Some(Server::start()), 75_000.0)]
    {
        raw.push(measure(options, &mut outcome, database, server.as_ref(), bar).await);
    }
    outcome.raw = raw.into();
    outcome
}

async fn measure(
    options: &Options,
    outcome: &mut Outcome,
    database: &str,
    postgres: Option<&Server>,
    bar: f64,
) -> Value {
    let count: i64 = if options.full { 1_000_000 } else { 300_000 };
    let sink = Sink::start(&[]).await;
    let plan = Plan { base: &sink.base, tenant: &tenant(1), postgres, calls_per_s: "off" };
    let place = Place::prepare(options, "expansion", &plan).await;
    let mut filled = place.database().await;
    filled.people(count, 1, &format!("{}/teams/", sink.base)).await;
    filled.end().await;
    let product = place.start().await;
    let mut connection = Connection::open(&product.url, &place.key).await;

    // They wait for a word, so that nothing is sent meanwhile.
    let mut installed = to_everybody();
    installed.max_recipients = Some(1);
    let (installed_s, _) = expand(&mut connection, &json!(installed)).await;
    let (mut named_s, mut answered_s) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let users = (0..NAMED).map(|n| person(1 + n + round * NAMED)).collect();
        let mut named = to_users(users, "normal");
        named.max_recipients = Some(1);
        let (whole, answered) = expand(&mut connection, &json!(named)).await;
        named_s.push(whole);
        answered_s.push(answered);
    }
    product.stop().await;

    let (all, named) = (count as f64 / installed_s, NAMED as f64 / median(&named_s));
    outcome.line(
        format!("{database}: everybody, {count}"),
        format!("{all:.0} rows/s"),
        &format!(">= {},000/s", bar / 1_000.0),
        Verdict::of(all >= bar),
    );
    outcome.line(
        format!("{database}: 10,000 named, request included"),
        format!("{named:.0} rows/s"),
        ">= 50,000/s",
        Verdict::of(named >= 50_000.0),
    );
    outcome.told(
        format!("{database}: 10,000 named: answered after"),
        format!("{:.0} ms", median(&answered_s) * 1_000.0),
    );
    json!({"database": database, "count": count, "installed_s": installed_s, "named_s": named_s,
           "answered_s": answered_s})
}

/// Seconds until the audience is whole, and until the answer.
async fn expand(connection: &mut Connection, message: &Value) -> (f64, f64) {
    let began = Instant::now();
    let (status, answer) = connection.json("POST", "/v1/messages", message).await;
    assert_eq!(status, 202, "{answer}");
    let answered = began.elapsed().as_secs_f64();
    let path = format!("/v1/messages/{}", answer["id"].as_str().unwrap());
    let whole = async || connection.json("GET", &path, &Value::Null).await.1["audience_final"] == true;
    until("the audience is whole", Duration::from_millis(2), Duration::from_mins(5), whole).await;
    (began.elapsed().as_secs_f64(), answered)
}
