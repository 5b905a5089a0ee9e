//! The `nuncio` binary: see `nuncio --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    nuncio::cli::run()
}
