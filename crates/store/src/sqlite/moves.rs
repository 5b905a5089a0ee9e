//! Rows of deliveries that change state. Nearly always all of a batch are as their owner thinks, so they are written as if
//! they were: another number of rows written than asked takes the whole batch back, and then it is looked first. Not
//! `RETURNING`: each row that it gives is a word between two threads, which costs more than writing it.

use std::collections::HashSet;

use nuncio_domain::ports::StoreError;
use nuncio_domain::{DeliveryState, Key};
use serde::Serialize;
use sqlx::SqliteConnection;

use crate::error::{broken, of_sqlx};
use crate::words::{get, json};

/// Whether rows are written as if all were as their owner thinks, or looked at before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    AtOnce,
    First,
}

/// Of each row its key and the state that it has to be in.
pub(crate) const LOST: &str = "
    SELECT j.value ->> 0 AS message_no, j.value ->> 1 AS recipient_no
      FROM jsonb_each(?1) AS j
      LEFT JOIN deliveries AS d ON d.message_no = j.value ->> 0 AND d.recipient_no = j.value ->> 1
     WHERE d.state IS NOT (j.value ->> 2)";

/// Those whose delivery is in another state than thought, or is not there, if that is to be looked at.
/// Each key comes once.
pub(crate) async fn lost<I: Iterator<Item = (Key, DeliveryState)>>(
    connection: &mut SqliteConnection,
    look: Look,
    rows: impl FnOnce() -> I,
) -> Result<HashSet<Key>, StoreError> {
    if look == Look::AtOnce {
        return Ok(HashSet::new());
    }
    let rows: Vec<_> = rows().map(|(key, state)| (key.message_no, key.recipient_no, state)).collect();
    let lost = sqlx::query(LOST).bind(json(&rows)?).fetch_all(connection).await.map_err(of_sqlx)?;
    lost.iter()
        .map(|row| Ok(Key { message_no: get(row, "message_no")?, recipient_no: get(row, "recipient_no")? }))
        .collect()
}

/// Writes a row for each of these, no more and no less, or fails with the whole batch.
pub(crate) async fn make<R: Serialize>(
    connection: &mut SqliteConnection,
    statement: &'static str,
    rows: &[R],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(statement).bind(json(rows)?).execute(connection).await.map_err(of_sqlx)?;
    let (written, asked) = (done.rows_affected(), rows.len() as u64);
    if written == asked {
        Ok(())
    } else {
        Err(broken(format!("{written} rows were written where {asked} were asked")))
    }
}
