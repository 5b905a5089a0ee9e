//! Checks that `cargo` and `clippy` do not make, run as `cargo xtask NAME`.
//!
//! To add one: a module with a pure function from facts to a list of findings (so that it can be tested over made-up
//! facts), a small function beside it that gathers the facts, one line in [`HELP`] and one arm in [`run`].

mod deps;
mod size;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

const HELP: &str = "\
Checks of this repository.

Usage: cargo xtask <COMMAND>

Commands:
  check-deps  Each package uses only what its walls allow (docs/construction.md, Crates)
  check-size  No source file (.rs, .ts, .js, .mjs, .css) is longer than 500 lines
  help        Show this text

Exit code: 0 nothing found, 1 something found, 2 wrong use, 3 the check itself could not run.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["help" | "--help" | "-h"] | [_, "--help" | "-h"] => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        [command @ ("check-deps" | "check-size")] => match run(command) {
            Ok(findings) if findings.is_empty() => {
                eprintln!("{command}: nothing found");
                ExitCode::SUCCESS
            }
            Ok(findings) => {
                for finding in &findings {
                    println!("{finding}");
                }
                eprintln!("{command}: {} found", findings.len());
                ExitCode::from(1)
            }
            Err(error) => {
                eprintln!("{command}: {error:#}");
                ExitCode::from(3)
            }
        },
        _ => {
            eprint!("{HELP}");
            ExitCode::from(2)
        }
    }
}

fn run(command: &str) -> Result<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has a parent directory")?;
    match command {
        "check-deps" => Ok(deps::violations(&deps::packages(root)?)),
        "check-size" => Ok(size::too_long(&size::line_counts(root)?)),
        other => bail!("no such check: {other}"),
    }
}
