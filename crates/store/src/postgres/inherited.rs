//! What an owner finds of channels and chats (`docs/engine.md`, Pace): the retries that hold them, and what was said there
//! of late.

use nuncio_domain::Time;
use nuncio_domain::batch::Inherited;
use nuncio_domain::ports::StoreError;

use super::db::{Db, sql};
use super::rows;
use crate::inherited::{Bisection, by_time};
use crate::words::get;

pub(crate) const CALLS: &str = "
    SELECT d.thread_no, a.ended_at
      FROM (SELECT * FROM recipients WHERE lane_no = $1 AND (kind = 'person') IS FALSE OFFSET 0) AS r
     CROSS JOIN LATERAL (SELECT * FROM deliveries AS d
                          WHERE d.thread_no = coalesce(r.thread_no, r.recipient_no) AND d.message_no + 0 >= $3
                            AND d.recipient_no + 0 = r.recipient_no OFFSET 0) AS d
     CROSS JOIN LATERAL (SELECT d.done_at AS ended_at WHERE d.call IS NOT NULL
                          UNION ALL
                         SELECT a.ended_at FROM attempts AS a
                          WHERE a.message_no = d.message_no AND a.recipient_no = d.recipient_no) AS a
     WHERE a.ended_at > $2";

pub(crate) const CREATED: &str =
    "SELECT message_no, created_at FROM messages WHERE message_no >= $1 ORDER BY message_no LIMIT 1";

pub(crate) async fn inherited(db: &mut Db<'_>, lane_no: i64, since: Time) -> Result<Inherited, StoreError> {
    let retries = rows::holding(db, lane_no).await?;
    let last = db.one(sql("SELECT coalesce(max(message_no), 0) AS last FROM messages")).await?;
    let mut first = Bisection::new(since, get(&last, "last")?);
    while let Some(message_no) = first.asks() {
        let found = db.rows(sql(CREATED).bind(message_no)).await?;
        first.told(match found.first() {
            Some(row) => Some((get(row, "message_no")?, get(row, "created_at")?)),
            None => None,
        });
    }
    let calls = sql(CALLS).bind(lane_no).bind(since.0).bind(first.found());
    let calls = by_time(&db.rows(calls).await?)?;
    Ok(Inherited { retries, calls })
}
