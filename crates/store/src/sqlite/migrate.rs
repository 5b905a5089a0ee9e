//! The schema and its versions, kept in SQLite's `user_version`.

use nuncio_domain::ports::StoreError;
use sqlx::SqliteConnection;

use crate::error::{of_sqlx, unavailable};

/// In order; the n-th brings the schema to version n. Additive only: the release before must be able to go on.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_ledger.sql"),
    include_str!("migrations/0002_places.sql"),
    include_str!("migrations/0003_own_words.sql"),
    include_str!("migrations/0004_settlements.sql"),
    include_str!("migrations/0005_looks.sql"),
    include_str!("migrations/0006_directory.sql"),
    include_str!("migrations/0007_reached.sql"),
    include_str!("migrations/0008_lists.sql"),
    include_str!("migrations/0009_installs.sql"),
    include_str!("migrations/0010_reachability.sql"),
    include_str!("migrations/0011_directory_copy.sql"),
    include_str!("migrations/0012_sent_at.sql"),
    include_str!("migrations/0013_threads.sql"),
    include_str!("migrations/0014_list_keys.sql"),
    include_str!("migrations/0015_closures.sql"),
    include_str!("migrations/0016_delivering_call.sql"),
];

pub(crate) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(of_sqlx)?;
    let known = MIGRATIONS.len() as i64;
    if version > known {
        return Err(unavailable(format!(
            "its schema has version {version}, written by a newer nuncio; this one knows versions up to {known}"
        )));
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(version).unwrap_or(0)) {
        let script = format!("BEGIN IMMEDIATE; {migration}; PRAGMA user_version = {}; COMMIT;", index + 1);
        // Built from constants only.
        sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut *connection).await.map_err(of_sqlx)?;
    }
    Ok(())
}
