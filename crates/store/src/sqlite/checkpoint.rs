//! Moves the write-ahead log into the database beside the writer, so that no commit has to (`docs/engine.md`, SQLite).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};
use tokio::sync::Notify;

pub(crate) const PAGE_SIZE: u32 = 4096;
/// 16 MB of pages: worth a pass that disturbs nobody.
const PASSIVE: i64 = 16 * 1024 * 1024 / PAGE_SIZE as i64;
/// 256 MB: under steady load passes never catch up; now the writer waits until the log can begin anew.
const RESTART: i64 = 256 * 1024 * 1024 / PAGE_SIZE as i64;

/// Runs until `ending`; `written` is told of every transaction.
pub(crate) async fn run(mut connection: SqliteConnection, written: Arc<Notify>, ending: Arc<AtomicBool>) {
    loop {
        written.notified().await;
        if ending.load(Ordering::Acquire) {
            break;
        }
        if let Err(error) = pass(&mut connection).await {
            tracing::warn!(%error, "a checkpoint failed; the write-ahead log grows");
        }
    }
    let _ = connection.close().await;
}

async fn pass(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let (log, moved) =
        frames(&sqlx::query("PRAGMA wal_checkpoint(NOOP)").fetch_one(&mut *connection).await?)?;
    if log >= RESTART {
        sqlx::query("PRAGMA wal_checkpoint(RESTART)").execute(connection).await?;
    } else if log - moved >= PASSIVE {
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(connection).await?;
    }
    Ok(())
}

/// Pages in the log, and how many of them are in the database already.
fn frames(row: &SqliteRow) -> Result<(i64, i64), sqlx::Error> {
    Ok((row.try_get(1)?, row.try_get(2)?))
}
