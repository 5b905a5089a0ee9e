//! What a message to everybody with the app would come to, asked before it is sent.

use std::time::Instant;

use serde_json::{Value, json};

use crate::Options;
use crate::postgres::Server;
use crate::product::{Place, Plan, Sink, tenant};
use crate::report::{Outcome, Verdict, median};
use crate::wire::Connection;

const PEOPLE: i64 = 300_000;
/// `docs/product.md`: a preview of 300,000 people.
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
    let place = Place::prepare(options, "preview", &plan).await;
    let mut filled = place.database().await;
    filled.people(PEOPLE, 1, &format!("{}/teams/", sink.base)).await;
    filled.end().await;
    let product = place.start().await;
    let mut connection = Connection::open(&product.url, &place.key).await;

    let asked = json!({"audience": {"installed": true}, "max_recipients": 1_000_000});
    let mut took_s = Vec::new();
    let before = product.sample();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let (status, told) = connection.json("POST", "/v1/audiences/preview", &asked).await;
        took_s.push(began.elapsed().as_secs_f64());
        assert_eq!((status, &told["audience"]), (200, &json!(PEOPLE)), "{told}");
        assert_eq!(told["would_send"]["known"], PEOPLE);
    }
    let after = product.sample();
    let (peak_mib, cpu_s) = (after.peak_mib, (after.cpu_s - before.cpu_s) / ROUNDS as f64);
    product.stop().await;

    let took = median(&took_s);
    outcome.line(
        format!("{database}: preview of {PEOPLE}"),
        format!("{took:.2} s"),
        &format!("<= {BAR_S:.0} s"),
        Verdict::of(took <= BAR_S),
    );
    let rate = PEOPLE as f64 / took;
    outcome.line(
        format!("{database}: people counted"),
        format!("{rate:.0}/s"),
        ">= 100,000/s",
        Verdict::of(rate >= 100_000.0),
    );
    outcome.told(format!("{database}: CPU of the server for each"), format!("{cpu_s:.2} s"));
    outcome.told(format!("{database}: peak memory of the server"), format!("{peak_mib:.0} MiB"));
    json!({"database": database, "took_s": took_s, "cpu_s": cpu_s, "peak_mib": peak_mib})
}
