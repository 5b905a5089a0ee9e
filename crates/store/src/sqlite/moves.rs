//! Rows of deliveries that change state. Nearly always all of a batch are as their owner thinks, so that is asked first,
//! in one row: what `RETURNING` gives is a word between two threads for each row, which costs more than writing it.

use std::collections::HashSet;

use nuncio_domain::Key;
use nuncio_domain::ports::StoreError;
use serde::Serialize;
use sqlx::SqliteConnection;

use crate::error::{broken, of_sqlx};
use crate::words::{get, json};

/// The first three of each row are its key and the state that it has to be in.
pub(crate) const FOUND: &str = "
    SELECT count(*)
      FROM jsonb_each(?1) AS j
     CROSS JOIN deliveries AS d ON d.message_no = j.value ->> 0 AND d.recipient_no = j.value ->> 1
     WHERE d.state = j.value ->> 2";

pub(crate) const LOST: &str = "
    SELECT j.value ->> 0 AS message_no, j.value ->> 1 AS recipient_no
      FROM jsonb_each(?1) AS j
      LEFT JOIN deliveries AS d ON d.message_no = j.value ->> 0 AND d.recipient_no = j.value ->> 1
     WHERE d.state IS NOT (j.value ->> 2)";

/// Those whose delivery is in another state than their third column says, or is not there. Each key comes once.
pub(crate) async fn lost<R: Serialize>(
    connection: &mut SqliteConnection,
    rows: &[R],
) -> Result<HashSet<Key>, StoreError> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let text = json(rows)?;
    let found: i64 =
        sqlx::query_scalar(FOUND).bind(&text).fetch_one(&mut *connection).await.map_err(of_sqlx)?;
    if found == rows.len() as i64 {
        return Ok(HashSet::new());
    }
    let lost = sqlx::query(LOST).bind(text).fetch_all(connection).await.map_err(of_sqlx)?;
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
        Err(broken(format!("{written} rows were written where {asked} were found")))
    }
}
