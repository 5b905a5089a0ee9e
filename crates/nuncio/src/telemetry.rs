//! Logs: to stderr, as text or JSON lines, filtered as configured or by `NUNCIO_LOG`.

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging for a server.
pub fn init(log: &Log) -> anyhow::Result<()> {
    let filter = std::env::var("NUNCIO_LOG").unwrap_or_else(|_| log.filter.clone());
    let filter = EnvFilter::try_new(&filter)
        .with_context(|| format!("the log filter {filter:?} cannot be read: try \"info\""))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Json => builder.json().init(),
        LogFormat::Text => builder.with_ansi(false).init(),
    }
    Ok(())
}
