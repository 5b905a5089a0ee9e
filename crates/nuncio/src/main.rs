//! The `nuncio` binary: see `nuncio --help`.

use std::process::ExitCode;

/// glibc's allocator took a third of the CPU of a delivery: threads that free what others allocated wait for its arenas
/// (docs/PERFORMANCE.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    nuncio::cli::run()
}
