//! What a message to everybody would come to, asked before it is sent: of who has the app, and from a fresh copy of the
//! directory.

use std::time::Instant;

use serde_json::{Value, json};

use crate::Options;
use crate::fill::COMPANY;
use crate::postgres::Server;
use crate::product::{Place, Plan, Sink, tenant};
use crate::report::{Outcome, Verdict, median};
use crate::wire::Connection;

const PEOPLE: i64 = 300_000;
/// `docs/product.md`: a preview of 300,000 people, also from the synchronised directory.
const BAR_S: f64 = 5.0;
const ROUNDS: usize = 3;

pub(crate) async fn run(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut raw = Vec::new();
    for (database, server) in [("SQLite", None), ("PostgreSQL", Some(Server::start()))] {
        raw.push(measure(options, &mut outcome, database, server.as_ref()).await);
    }
    outcome.raw = raw.into();
    outcome
}

async fn measure(
    options: &Options,
    outcome: &mut Outcome,
    database: &str,
    postgres: Option<&Server>,
) -> Value {
    let sink = Sink::start(&[]).await;
    let plan = Plan { base: &sink.base, tenant: &tenant(1), postgres, calls_per_s: "50" };
    let mut place = Place::prepare(options, "preview", &plan).await;
    let mut filled = place.database().await;
    filled.people(PEOPLE, 1, &format!("{}/teams/", sink.base)).await;
    filled.copied().await;
    filled.end().await;
    place.env("NUNCIO_APP_MAIN_DIRECTORY", "synchronised");
    let product = place.start().await;
    let mut connection = Connection::open(&product.url, &place.key).await;

    let mut raw = json!({"database": database});
    for (name, audience) in [
        ("who has the app", json!({"installed": true})),
        ("everyone, from the copy", json!({"everyone": true})),
        ("a group of 100 groups, from the copy", json!({"groups": [COMPANY]})),
    ] {
        let asked = json!({"audience": audience, "max_recipients": 1_000_000});
        let before = product.sample();
        let mut took_s = Vec::new();
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let (status, told) = connection.json("POST", "/v1/audiences/preview", &asked).await;
            took_s.push(began.elapsed().as_secs_f64());
            assert_eq!(
                (status, &told["audience"], &told["complete"]),
                (200, &json!(PEOPLE), &json!(true)),
                "{told}"
            );
            assert_eq!(
                (&told["would_send"]["known"], &told["calls"]["graph_pages"]),
                (&json!(PEOPLE), &json!(0))
            );
        }
        let cpu_s = (product.sample().cpu_s - before.cpu_s) / ROUNDS as f64;
        let took = median(&took_s);
        let told = format!("{took:.2} s, {:.0}/s, CPU of the server {cpu_s:.2} s", PEOPLE as f64 / took);
        let line = format!("{database}: preview of {PEOPLE}: {name}");
        outcome.line(line, told, &format!("<= {BAR_S:.0} s"), Verdict::of(took <= BAR_S));
        raw[name] = json!({"took_s": took_s, "cpu_s": cpu_s});
    }
    let peak_mib = product.sample().peak_mib;
    product.stop().await;
    outcome.told(format!("{database}: peak memory of the server"), format!("{peak_mib:.0} MiB"));
    raw["peak_mib"] = peak_mib.into();
    raw
}
