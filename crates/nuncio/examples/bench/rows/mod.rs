//! What is measured. To add a row: a file here, and its line in [`ROWS`].

mod accept;
mod durable;
mod idle;

use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::Options;
use crate::report::{Outcome, Report};

type Run = for<'a> fn(&'a Options) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>;

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Only when it is named, or with `--full`.
    long: bool,
    run: Run,
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "sqlite",
        what: "durable deliveries beside a bare loop, SQLite, 200 lanes, no limits",
        long: false,
        run: |options| Box::pin(durable::run(options, durable::AT_ONCE)),
    },
    Row {
        name: "sqlite-20ms",
        what: "the same where each answer takes 20 ms",
        long: false,
        run: |options| Box::pin(durable::run(options, durable::LATE)),
    },
    Row {
        name: "sqlite-fsync",
        what: "the same with 2 ms added to each fsync",
        long: true,
        run: |options| Box::pin(durable::run(options, durable::SLOW_DISK)),
    },
    Row {
        name: "accept",
        what: "messages for one, taken in over 128 connections",
        long: false,
        run: |options| Box::pin(accept::run(options)),
    },
    Row {
        name: "idle",
        what: "a server with nothing to do",
        long: false,
        run: |options| Box::pin(idle::run(options)),
    },
];

/// Measures what was asked for.
pub(crate) async fn run(options: &Options) -> ExitCode {
    if let Some(unknown) = options.rows.iter().find(|name| ROWS.iter().all(|row| row.name != **name)) {
        eprintln!("there is no row {unknown}; --list shows them");
        return ExitCode::from(2);
    }
    let mut report = Report::new();
    for row in ROWS {
        let named = options.rows.iter().any(|name| name == row.name);
        if named || (options.rows.is_empty() && (options.full || !row.long)) {
            let began = Instant::now();
            let outcome = (row.run)(options).await;
            report.add(row.name, outcome, began.elapsed().as_secs_f64());
        }
    }
    report.end()
}

/// Asks again and again, until it is so.
async fn until<F: AsyncFnMut() -> bool>(what: &str, every: Duration, within: Duration, mut is: F) {
    let deadline = Instant::now() + within;
    while !is().await {
        assert!(Instant::now() < deadline, "{what}: not within {within:?}");
        tokio::time::sleep(every).await;
    }
}
