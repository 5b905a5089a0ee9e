//! What is measured. To add a row: a file here, and its line in [`ROWS`].

mod accept;
mod channel;
mod directory;
mod durable;
mod expansion;
mod idle;
mod inbound;
mod installs;
mod million;
mod pace;
mod preview;
mod reachability;
mod tenants;
mod urgent;

use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::Options;
use crate::report::{Outcome, Report};

type Run = for<'a> fn(&'a Options) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// When a row is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Together with the others of this kind: each waits for Microsoft most of its time.
    Paced,
    /// Alone.
    Alone,
    /// Only when it is named, or with `--full`.
    Full,
    /// Only when it is named, or without `--full`, which has a longer one of it.
    Short,
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    when: When,
    run: Run,
}

macro_rules! rows {
    ($($name:literal $when:ident $what:literal: $run:expr;)*) => {
        &[$(Row { name: $name, what: $what, when: When::$when, run: |options| Box::pin($run(options)) },)*]
    };
}

pub(crate) const ROWS: &[Row] = rows! {
    "pace" Paced "one tenant, references known, each way of counting a second, uneven latency": pace::uneven;
    "pace-even" Paced "the same where each call takes 150 ms": pace::even;
    "first" Paced "one tenant, first contact: create, then send": pace::first;
    "channel" Paced "many messages into one channel": channel::run;
    "urgent" Paced "urgent ones during a bulk of 100,000": urgent::urgent;
    "normal" Paced "normal ones to 100 during a bulk of 100,000": urgent::normal;
    "installs" Alone "the app for people who do not have it, while others are sent to": installs::run;
    "tenants" Alone "100 tenants at 10/s each beside ten slow ones and ten that take nothing": tenants::run;
    "sqlite" Alone "durable deliveries beside a bare loop, SQLite, 200 lanes, no limits": durable::at_once;
    "sqlite-20ms" Alone "the same where each answer takes 20 ms": durable::late;
    "sqlite-fsync" Full "the same with 2 ms added to each fsync": durable::slow_disk;
    "postgres" Alone "the same as sqlite on PostgreSQL, beside SQLite": durable::postgres;
    "hundred-thousand" Short "one message to 100,000": million::hundred_thousand;
    "hundred-thousand-postgres" Short "the same on PostgreSQL": million::hundred_thousand_postgres;
    "million" Full "one message to 1,000,000": million::million;
    "million-postgres" Full "the same on PostgreSQL": million::million_postgres;
    "expansion" Alone "from an audience to deliveries": expansion::run;
    "preview" Full "what a message to 300,000 would come to": preview::run;
    "directory" Full "the copy of a directory of 300,000 people and 5,000 groups, and audiences from it": directory::sqlite;
    "directory-postgres" Full "the same on PostgreSQL": directory::postgres;
    "accept" Alone "messages for one, taken in over 128 connections": accept::run;
    "inbound" Alone "an administrator pushes the app to everybody": inbound::run;
    "reachability" Alone "who can be reached, of a million: CSV, counts, lists": reachability::run;
    "idle" Alone "a server with nothing to do": idle::run;
};

impl Row {
    fn is_wanted(&self, options: &Options) -> bool {
        if options.rows.is_empty() {
            return match self.when {
                When::Paced | When::Alone => true,
                When::Full => options.full,
                When::Short => !options.full,
            };
        }
        options.rows.iter().any(|name| name == self.name)
    }

    async fn measured(&self, options: &Options) -> (&'static str, Outcome, f64) {
        let began = Instant::now();
        let outcome = (self.run)(options).await;
        (self.name, outcome, began.elapsed().as_secs_f64())
    }
}

/// Measures what was asked for.
pub(crate) async fn run(options: &Options) -> ExitCode {
    if let Some(unknown) = options.rows.iter().find(|name| ROWS.iter().all(|row| row.name != **name)) {
        eprintln!("there is no row {unknown}; --list shows them");
        return ExitCode::from(2);
    }
    let mut report = Report::new();
    let wanted = ROWS.iter().filter(|row| row.is_wanted(options));
    let together = |row: &&&Row| row.when == When::Paced && !options.full && !options.apart;
    let (paced, alone): (Vec<&Row>, Vec<&Row>) = wanted.partition(|row| together(&row));
    for (name, outcome, took_s) in join_all(paced.iter().map(|row| row.measured(options))).await {
        report.add(name, outcome, took_s);
    }
    for row in alone {
        let (name, outcome, took_s) = row.measured(options).await;
        report.add(name, outcome, took_s);
    }
    report.end()
}

/// Asks again and again, until it is so.
pub(crate) async fn until<F: AsyncFnMut() -> bool>(what: &str, every: Duration, within: Duration, mut is: F) {
    let deadline = Instant::now() + within;
    while !is().await {
        assert!(Instant::now() < deadline, "{what}: not within {within:?}");
        tokio::time::sleep(every).await;
    }
}
