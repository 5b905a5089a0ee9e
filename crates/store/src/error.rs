//! What the databases and sqlx say, in the terms of the ports. Their texts name tables and columns, never values.

use nuncio_domain::ports::StoreError;
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

/// SQLITE_BUSY, LOCKED, NOMEM, INTERRUPT, IOERR, FULL, CANTOPEN: the statement was right and may work later.
const SQLITE_PASSING: [u32; 7] = [5, 6, 7, 9, 10, 13, 14];

/// The same of PostgreSQL, by the beginning of the code: connections, rollbacks that the server forced, resources,
/// locks, interventions of an operator (and time-outs), errors of its system.
const POSTGRES_PASSING: [&str; 7] = ["08", "40", "53", "55", "57", "58", "25P03"];

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn of_sqlx(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database) if passing(database.as_ref()) => {
            StoreError::Unavailable(error.to_string())
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Broken(error.to_string()),
    }
}

fn passing(error: &dyn DatabaseError) -> bool {
    if let Some(postgres) = error.try_downcast_ref::<PgDatabaseError>() {
        return POSTGRES_PASSING.iter().any(|class| postgres.code().starts_with(class));
    }
    let primary = error.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    primary.is_some_and(|code| SQLITE_PASSING.contains(&code))
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
