//! The schema and its versions, kept in the table `schema_version`.

use nuncio_domain::ports::StoreError;

use super::db::{Db, sql};
use crate::error::unavailable;
use crate::words::get;

/// In order; the n-th brings the schema to version n. Additive only: the release before must be able to go on.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_ledger.sql"),
    include_str!("migrations/0002_directory.sql"),
    include_str!("migrations/0003_places.sql"),
    include_str!("migrations/0004_reached.sql"),
    include_str!("migrations/0005_lists.sql"),
    include_str!("migrations/0006_installs.sql"),
    include_str!("migrations/0007_reachability.sql"),
    include_str!("migrations/0008_directory_copy.sql"),
    include_str!("migrations/0009_sent_at.sql"),
    include_str!("migrations/0010_threads.sql"),
    include_str!("migrations/0011_list_keys.sql"),
    include_str!("migrations/0012_closures.sql"),
    include_str!("migrations/0013_room_for_versions.sql"),
    include_str!("migrations/0014_delivering_call.sql"),
];

/// Of the lock under which one process at a time brings the schema up to date; any number would do.
const LOCK: i64 = 0x6e75_6e63_696f;

pub(crate) async fn migrate(db: &mut Db<'_>, begin: String) -> Result<(), StoreError> {
    db.word(begin).await?;
    let migrated = up_to_date(db).await;
    let end = if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = db.word(end.to_owned()).await;
    migrated.and(ended)
}

async fn up_to_date(db: &mut Db<'_>) -> Result<(), StoreError> {
    // Another process may be making the schema, which takes longer than a row is waited for.
    db.word("SET LOCAL lock_timeout = '30s'; SET LOCAL statement_timeout = '5min'".to_owned()).await?;
    db.run(sql("SELECT pg_advisory_xact_lock($1)").bind(LOCK)).await?;
    db.word("CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)".to_owned()).await?;
    let version: i64 = get(
        &db.one(sql("SELECT coalesce(max(version), 0) AS version FROM schema_version")).await?,
        "version",
    )?;
    let known = MIGRATIONS.len() as i64;
    if version > known {
        return Err(unavailable(format!(
            "its schema has version {version}, written by a newer nuncio; this one knows versions up to {known}"
        )));
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(usize::try_from(version).unwrap_or(0)) {
        db.word((*migration).to_owned()).await?;
        db.run(sql("INSERT INTO schema_version VALUES ($1)").bind(index as i64 + 1)).await?;
    }
    Ok(())
}
