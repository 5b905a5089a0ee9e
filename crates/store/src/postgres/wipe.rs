//! Takes lists away with all who are in them, in chunks: those that are deleted, and what is left of those that a process
//! began to store, or to delete, and did not bring to its end (`docs/adr/0033`).

use nuncio_domain::Time;
use nuncio_domain::ports::StoreError;

use super::PostgresStore;
use super::db::{Db, sql};
use super::list_keys;
use crate::lists::TOGETHER;
use crate::words::get;

pub(crate) const LEAVE: &str = "
    DELETE FROM audience_members AS a
     WHERE a.list_no = $1 AND a.recipient_no = ANY (ARRAY (
           SELECT b.recipient_no FROM audience_members AS b WHERE b.list_no = $1 ORDER BY b.list_no, b.recipient_no LIMIT $2))";

pub(crate) const FORGET: &str = "
    DELETE FROM audience_names AS a
     WHERE a.list_no = $1 AND a.line = ANY (ARRAY (
           SELECT b.line FROM audience_names AS b WHERE b.list_no = $1 ORDER BY b.list_no, b.line LIMIT $2))";

pub(crate) const LEFT_OVER: &str = "
    SELECT a.list_no FROM audiences AS a
     WHERE a.wiped_at IS NULL AND (a.stored_at IS NULL OR a.deleted_at IS NOT NULL) AND a.created_at < $1
     ORDER BY a.created_at LIMIT 100";

/// How many rows there were.
pub(crate) async fn wipe(store: &PostgresStore, list_no: i64, now: Time) -> Result<u64, StoreError> {
    let mut wiped = 0;
    for statement in [LEAVE, FORGET] {
        loop {
            let rows = store
                .word((statement, list_no), |db, (statement, list_no)| {
                    let wiped = sql(statement).bind(list_no).bind(TOGETHER as i64);
                    Box::pin(async move { db.run(wiped).await })
                })
                .await?;
            if rows == 0 {
                break;
            }
            wiped += rows;
        }
    }
    store
        .word((list_no, now), |db, (list_no, now)| {
            let done = sql("UPDATE audiences SET wiped_at = $2 WHERE list_no = $1").bind(list_no).bind(now.0);
            Box::pin(async move { db.run(done).await })
        })
        .await?;
    Ok(wiped)
}

/// Of a list that nobody sees: that it is not to be finished any more; whether nobody sees it still. Its number stays, so
/// that no other list gets it.
async fn give_up(db: &mut Db<'_>, list_no: i64, now: Time) -> Result<bool, StoreError> {
    let given_up = sql("UPDATE audiences SET deleted_at = coalesce(deleted_at, $2), name = NULL
          WHERE list_no = $1 AND (stored_at IS NULL OR deleted_at IS NOT NULL)");
    Ok(db.run(given_up.bind(list_no).bind(now.0)).await? == 1)
}

pub(crate) async fn left_over(
    store: &PostgresStore,
    begun_before: Time,
    now: Time,
) -> Result<usize, StoreError> {
    let found = store.readers.reading().await?.db().rows(sql(LEFT_OVER).bind(begun_before.0)).await?;
    let lists: Vec<i64> = found.iter().map(|row| get(row, "list_no")).collect::<Result<_, _>>()?;
    for list_no in &lists {
        // Before anything of it goes: whoever still works on it, slowly, is refused at the end.
        let given_up =
            store.word((*list_no, now), |db, (list_no, now)| Box::pin(give_up(db, *list_no, *now))).await?;
        if given_up {
            wipe(store, *list_no, now).await?;
        }
    }
    store.word(now, |db, now| Box::pin(list_keys::prune(db, *now))).await?;
    Ok(lists.len())
}
