//! Takes lists away with all who are in them, in chunks: those that are deleted, and what is left of those that a process
//! began to store, or to delete, and did not bring to its end (`docs/adr/0033`).

use nuncio_domain::Time;
use nuncio_domain::ports::StoreError;
use sqlx::SqliteConnection;

use super::SqliteStore;
use super::list_keys;
use super::writer::Queue;
use crate::error::of_sqlx;
use crate::lists::TOGETHER;

pub(crate) const LEAVE: &str = "
    DELETE FROM audience_members WHERE list_no = ?1 AND recipient_no IN (
           SELECT recipient_no FROM audience_members WHERE list_no = ?1 ORDER BY recipient_no LIMIT ?2)";

pub(crate) const FORGET: &str = "
    DELETE FROM audience_names WHERE list_no = ?1 AND line IN (
           SELECT line FROM audience_names WHERE list_no = ?1 ORDER BY line LIMIT ?2)";

pub(crate) const LEFT_OVER: &str = "
    SELECT list_no FROM audiences INDEXED BY audiences_to_wipe
     WHERE wiped_at IS NULL AND (stored_at IS NULL OR deleted_at IS NOT NULL) AND created_at < ?1
     ORDER BY created_at LIMIT 100";

/// How many rows there were.
pub(crate) async fn wipe(store: &SqliteStore, list_no: i64, now: Time) -> Result<u64, StoreError> {
    let mut wiped = 0;
    for statement in [LEAVE, FORGET] {
        loop {
            let rows = store
                .write(Queue::Expansion, move |connection| {
                    Box::pin(async move {
                        let statement = sqlx::query(statement).bind(list_no).bind(TOGETHER as i64);
                        statement.execute(connection).await.map(|done| done.rows_affected()).map_err(of_sqlx)
                    })
                })
                .await?;
            if rows == 0 {
                break;
            }
            wiped += rows;
        }
    }
    store
        .write(Queue::Expansion, move |connection| {
            Box::pin(async move {
                let done = sqlx::query("UPDATE audiences SET wiped_at = ?2 WHERE list_no = ?1")
                    .bind(list_no)
                    .bind(now.0)
                    .execute(connection);
                done.await.map(drop).map_err(of_sqlx)
            })
        })
        .await?;
    Ok(wiped)
}

/// Of a list that nobody sees: that it is not to be finished any more; whether nobody sees it still. Its number stays, so
/// that no other list gets it.
async fn give_up(connection: &mut SqliteConnection, list_no: i64, now: Time) -> Result<bool, StoreError> {
    let given_up = sqlx::query(
        "UPDATE audiences SET deleted_at = coalesce(deleted_at, ?2), name = NULL
          WHERE list_no = ?1 AND (stored_at IS NULL OR deleted_at IS NOT NULL)",
    )
    .bind(list_no)
    .bind(now.0)
    .execute(connection);
    Ok(given_up.await.map_err(of_sqlx)?.rows_affected() == 1)
}

pub(crate) async fn left_over(
    store: &SqliteStore,
    begun_before: Time,
    now: Time,
) -> Result<usize, StoreError> {
    let lists: Vec<i64> = sqlx::query_scalar(LEFT_OVER)
        .bind(begun_before.0)
        .fetch_all(&store.readers)
        .await
        .map_err(of_sqlx)?;
    for list_no in &lists {
        let list_no = *list_no;
        // Before anything of it goes: whoever still works on it, slowly, is refused at the end.
        let given_up = store
            .write(Queue::Expansion, move |connection| Box::pin(give_up(connection, list_no, now)))
            .await?;
        if given_up {
            wipe(store, list_no, now).await?;
        }
    }
    store.write(Queue::Expansion, move |connection| Box::pin(list_keys::prune(connection, now))).await?;
    Ok(lists.len())
}
