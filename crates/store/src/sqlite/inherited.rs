//! What an owner finds of channels and chats (`docs/engine.md`, Pace): the retries that hold them, and what was said there
//! of late.

use nuncio_domain::Time;
use nuncio_domain::batch::Inherited;
use nuncio_domain::ports::StoreError;
use sqlx::SqlitePool;

use super::rows;
use crate::error::of_sqlx;
use crate::inherited::{Bisection, by_time};
use crate::words::get;

macro_rules! calls {
    ($ended_at:literal, $of:literal) => {
        concat!(
            "SELECT d.thread_no, ",
            $ended_at,
            " AS ended_at
               FROM recipients AS r INDEXED BY recipients_of_lane
              CROSS JOIN deliveries AS d INDEXED BY deliveries_of_thread
                 ON d.thread_no = coalesce(r.thread_no, r.recipient_no) AND d.message_no >= ?3
                AND d.recipient_no = r.recipient_no ",
            $of,
            " WHERE r.lane_no = ?1 AND r.kind IN ('channel', 'chat') AND ",
            $ended_at,
            " > ?2"
        )
    };
}

/// Those that delivered, and the others.
pub(crate) const CALLS: &str = concat!(
    calls!("d.done_at", "AND d.call IS NOT NULL"),
    " UNION ALL ",
    calls!(
        "a.ended_at",
        "CROSS JOIN attempts AS a ON a.message_no = d.message_no AND a.recipient_no = d.recipient_no"
    ),
);

pub(crate) const CREATED: &str =
    "SELECT message_no, created_at FROM messages WHERE message_no >= ?1 ORDER BY message_no LIMIT 1";

pub(crate) async fn inherited(
    readers: &SqlitePool,
    lane_no: i64,
    since: Time,
) -> Result<Inherited, StoreError> {
    let retries = rows::holding(readers, lane_no).await?;
    let last = sqlx::query_scalar("SELECT coalesce(max(message_no), 0) FROM messages");
    let mut first = Bisection::new(since, last.fetch_one(readers).await.map_err(of_sqlx)?);
    while let Some(message_no) = first.asks() {
        let found = sqlx::query(CREATED).bind(message_no).fetch_optional(readers).await.map_err(of_sqlx)?;
        first.told(match found {
            Some(row) => Some((get(&row, "message_no")?, get(&row, "created_at")?)),
            None => None,
        });
    }
    let calls = sqlx::query(CALLS).bind(lane_no).bind(since.0).bind(first.found());
    let calls = by_time(&calls.fetch_all(readers).await.map_err(of_sqlx)?)?;
    Ok(Inherited { retries, calls })
}
