//! What Nuncio does on this machine: `make bench`, or `cargo run --release -p nuncio --example bench -- [ROWS…]` after
//! `cargo build --release -p nuncio`.
//!
//! The product is the built binary, started as a process and driven from outside. This program is the rest: it fills
//! databases, is Microsoft (`sink.rs`), is the loop that does nothing but call (`bare.rs`), asks, counts, and prints.
//!
//! | file | what |
//! | --- | --- |
//! | `rows/` | what is measured, a file for each row or group of rows |
//! | `sink.rs` | a server that answers the Connector's calls, as little as possible behind it |
//! | `bare.rs` | a client without a ledger: what the machine can do at all |
//! | `simulator.rs` | `nuncio sim` for what has to keep pace |
//! | `product.rs`, `process.rs` | the binary as a process, and what Linux counts of it |
//! | `fill.rs`, `fill_postgres.rs` | databases that are full before the server starts |
//! | `postgres.rs` | a PostgreSQL server of the bench's own |
//! | `wire.rs` | a plain HTTP client for thousands of requests a second |
//! | `report.rs`, `machine.rs` | the table, `target/bench.json`, and what it was measured on |

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on fails where it stands")]
#![expect(clippy::disallowed_methods, reason = "what is measured runs in real time")]

mod bare;
mod fill;
mod fill_postgres;
mod machine;
mod postgres;
mod process;
mod product;
mod report;
mod rows;
mod simulator;
mod sink;
mod wire;

use std::path::PathBuf;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// Measures the built binary.
#[derive(Debug, Parser)]
struct Options {
    /// Which rows; without any, all that take their place in nine minutes
    rows: Vec<String>,
    /// The lengths that the bars are meant for, and the rows that take long
    #[arg(long)]
    full: bool,
    /// Records each measured server with `perf record` into this folder
    #[arg(long, value_name = "DIR")]
    perf: Option<PathBuf>,
    /// One row after the other, also those that hardly use the machine
    #[arg(long)]
    apart: bool,
    /// How often the bare loop and the product take turns
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Prints the rows that there are
    #[arg(long)]
    list: bool,
}

/// The rest of the command line, with a program's name before it again.
fn named(args: std::env::Args) -> impl Iterator<Item = String> {
    std::iter::once("bench".to_owned()).chain(args)
}

fn main() -> std::process::ExitCode {
    let mut args = std::env::args();
    match args.nth(1).as_deref() {
        Some("sink") => {
            sink::main(&sink::Options::parse_from(named(args)));
            std::process::ExitCode::SUCCESS
        }
        Some("bare") => {
            bare::main(&bare::Options::parse_from(named(args)));
            std::process::ExitCode::SUCCESS
        }
        _ => {
            let options = Options::parse();
            if options.list {
                for row in rows::ROWS {
                    println!("{:<18} {}", row.name, row.what);
                }
                return std::process::ExitCode::SUCCESS;
            }
            // One thread: the machine belongs to what is measured.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut stop = signal(SignalKind::terminate()).unwrap();
                // Whatever was started ends with what is dropped here.
                tokio::select! {
                    code = rows::run(&options) => code,
                    _ = stop.recv() => std::process::ExitCode::from(143),
                    _ = tokio::signal::ctrl_c() => std::process::ExitCode::from(130),
                }
            })
        }
    }
}
