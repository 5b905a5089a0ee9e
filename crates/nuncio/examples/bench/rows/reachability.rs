//! Who can be reached, of a million: the CSV, the counts, a list that has to look far, and changes.

use std::io::{self, Write};
use std::time::Instant;

use nuncio_client::{PageOf, PeopleFilter};
use serde_json::{Value, json};

use crate::Options;
use crate::postgres::Server;
use crate::product::{Place, Plan, Product, Sink, tenant};
use crate::report::{Outcome, Verdict};

/// What the bar is meant for.
const PEOPLE: i64 = 1_000_000;
const WITHIN_S: f64 = 10.0;
/// A server that is idle takes 20 MiB; a report of any size must not take much beside its pages.
const PEAK_MIB: f64 = 160.0;

pub(crate) async fn run(options: &Options) -> Outcome {
    let mut outcome = Outcome::default();
    let mut raw = Vec::new();
    for (database, server) in [("SQLite", None), ("PostgreSQL", Some(Server::start()))] {
        // Filling the server takes longer than reading it.
        let count = if server.is_none() || options.full { PEOPLE } else { PEOPLE / 4 };
        raw.push(measure(options, &mut outcome, database, server.as_ref(), count).await);
    }
    outcome.raw = raw.into();
    outcome
}

async fn measure(
    options: &Options,
    outcome: &mut Outcome,
    database: &str,
    postgres: Option<&Server>,
    count: i64,
) -> Value {
    let sink = Sink::start(&[]).await;
    let plan = Plan { base: &sink.base, tenant: &tenant(1), postgres, calls_per_s: "off" };
    let place = Place::prepare(options, "reachability", &plan).await;
    let mut filled = place.database().await;
    filled.people(count, 1, &format!("{}/teams/", sink.base)).await;
    filled.reach().await;
    filled.end().await;
    let product = place.start().await;
    let before = product.sample();

    let mut lines = Lines(0);
    let everybody = PeopleFilter::default();
    let csv_s = timed(async || {
        product.client.reachability_csv(&everybody, &mut lines).await.unwrap();
    })
    .await;
    let csv = product.sample();
    assert_eq!(lines.0, count + 1, "everybody has a line, below the header");
    let counts_s = timed(async || {
        assert_eq!(product.client.reachability(&everybody).await.unwrap().total, count);
    })
    .await;
    let rare_s = timed(async || list_rare(&product).await).await;
    let changes_s = timed(async || {
        let since =
            PeopleFilter { since: Some("1970-01-01T00:00:00Z".to_owned()), ..PeopleFilter::default() };
        let page = PageOf { limit: Some(1_000), ..PageOf::default() };
        assert_eq!(product.client.reachability_changes(&since, page).await.unwrap().items.len(), 1_000);
    })
    .await;
    let cpu_us = (csv.cpu_s - before.cpu_s) * 1e6 / count as f64;
    product.stop().await;

    let bar_s = WITHIN_S * count as f64 / PEOPLE as f64;
    outcome.line(
        format!("{database}: report.csv of {count} people"),
        format!("{csv_s:.1} s"),
        &format!("<= {bar_s:.1} s"),
        Verdict::of(csv_s <= bar_s),
    );
    outcome.line(
        format!("{database}: peak meanwhile"),
        format!("{:.0} MiB", csv.peak_mib),
        &format!("<= {PEAK_MIB:.0} MiB"),
        Verdict::of(csv.peak_mib <= PEAK_MIB),
    );
    outcome.told(format!("{database}: server CPU for each line"), format!("{cpu_us:.1} us"));
    outcome.told(format!("{database}: counts by state and evidence"), format!("{:.0} ms", counts_s * 1e3));
    outcome.told(format!("{database}: a list of one in a million"), format!("{:.0} ms", rare_s * 1e3));
    outcome.told(format!("{database}: the first 1,000 changes"), format!("{:.0} ms", changes_s * 1e3));
    json!({"database": database, "count": count, "csv_s": csv_s, "cpu_us": cpu_us, "peak_mib": csv.peak_mib,
           "counts_s": counts_s, "rare_s": rare_s, "changes_s": changes_s})
}

/// The one person whose chat is gone, who is the last.
async fn list_rare(product: &Product) {
    let rare = PeopleFilter { state: Some("chat_gone".to_owned()), ..PeopleFilter::default() };
    let found = product.client.people(&rare, PageOf::default()).await.unwrap();
    assert_eq!(found.items.len(), 1);
}

async fn timed(work: impl AsyncFnOnce()) -> f64 {
    let began = Instant::now();
    work().await;
    began.elapsed().as_secs_f64()
}

/// Counts lines and keeps nothing.
struct Lines(i64);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.split(|byte| *byte == b'\n').skip(1).count() as i64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
