//! What SQLite and sqlx say, in the terms of the ports. Their texts name tables and columns, never values.

use nuncio_domain::ports::StoreError;

/// SQLITE_BUSY, LOCKED, NOMEM, INTERRUPT, IOERR, FULL, CANTOPEN: the statement was right and may work later.
const PASSING: [u32; 7] = [5, 6, 7, 9, 10, 13, 14];

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn of_sqlx(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database) => {
            let primary = database.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
            if primary.is_some_and(|code| PASSING.contains(&code)) {
                StoreError::Unavailable(error.to_string())
            } else {
                StoreError::Broken(error.to_string())
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Broken(error.to_string()),
    }
}

/// For our own JSON: failing to write or read it means that a row is not ours.
pub(crate) fn of_json(error: &serde_json::Error) -> StoreError {
    // `Display` of a serde_json error may quote what it read.
    StoreError::Broken(format!("JSON in a row, {:?} at column {}", error.classify(), error.column()))
}

pub(crate) fn broken(text: impl Into<String>) -> StoreError {
    StoreError::Broken(text.into())
}

pub(crate) fn unavailable(text: impl Into<String>) -> StoreError {
    StoreError::Unavailable(text.into())
}
