//! Who owns the database (`docs/engine.md`, Several nodes). There is one node so far, and so one process: it takes the
//! fence when it opens, and every batch of it has to get past the fence.

use std::time::Duration;

use nuncio_domain::ports::StoreError;
use tokio::time::Instant;

use super::db::{Db, Link, pause, sql};
use crate::error::unavailable;
use crate::words::get;

/// All lanes are this one's.
pub(crate) const NODE: i64 = 1;
/// How long nobody else may take over after a heartbeat (`docs/delivery.md`, Intents, leases, time-outs).
pub(crate) const LEASE: Duration = Duration::from_secs(9);
/// Longer than a lease of a process that was killed.
const PATIENCE: Duration = Duration::from_secs(12);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Microseconds by the server's clock: the nodes' own may differ.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    };
}

pub(crate) const PASS: &str = "
    UPDATE node_fences SET last_batch = $3
     WHERE node_no = $1 AND incarnation = $2 AND live AND last_batch = $3 - 1";

const ALIVE: &str = concat!(
    "SELECT EXISTS (SELECT 1 FROM nodes WHERE node_no = $1 AND incarnation = $2 AND heartbeat_at > ",
    now!(),
    " - $3) AS alive"
);

const BEGIN_LIFE: &str = concat!(
    "INSERT INTO nodes (node_no, incarnation, name, heartbeat_at) VALUES ($1, $2, $3, ",
    now!(),
    ") ON CONFLICT (node_no) DO UPDATE
          SET incarnation = excluded.incarnation, name = excluded.name, heartbeat_at = excluded.heartbeat_at"
);

const RENEW: &str =
    concat!("UPDATE nodes SET heartbeat_at = ", now!(), " WHERE node_no = $1 AND incarnation = $2");

/// Which life of a node this process is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incarnation(pub(crate) i64);

/// The numbers of this process's batches. Whoever holds the lock on `last` is the one that commits.
pub(crate) struct Fence {
    pub(crate) incarnation: Incarnation,
    pub(crate) last: tokio::sync::Mutex<i64>,
}

impl Fence {
    /// To be done in the transaction of the batch with this number.
    pub(crate) async fn pass(&self, db: &mut Db<'_>, number: i64) -> Result<(), StoreError> {
        let passed = db.run(sql(PASS).bind(NODE).bind(self.incarnation.0).bind(number)).await?;
        if passed == 1 { Ok(()) } else { Err(StoreError::Fenced) }
    }

    /// After a connection was lost in mid-commit: whether the batch with this number is there. The lock on the row waits
    /// until the lost transaction has ended one way or the other.
    pub(crate) async fn landed(&self, db: &mut Db<'_>, number: i64) -> Result<bool, StoreError> {
        let row = db
            .row(
                sql("SELECT last_batch FROM node_fences WHERE node_no = $1 AND incarnation = $2 FOR UPDATE")
                    .bind(NODE)
                    .bind(self.incarnation.0),
            )
            .await?;
        // Where another has taken over, its fence says nothing of ours any more.
        let row = row.ok_or(StoreError::Fenced)?;
        Ok(get::<i64>(&row, "last_batch")? >= number)
    }
}

/// Takes the database over, once no other process holds on to it.
pub(crate) async fn take_over(link: &mut Link, name: &str) -> Result<Incarnation, StoreError> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        let begin = link.server.begin();
        let mut db = link.db().await?;
        db.word(begin).await?;
        let taken = try_to_take(&mut db, name).await;
        let end = if matches!(taken, Ok(Some(_))) { "COMMIT" } else { "ROLLBACK" };
        let ended = db.word(end.to_owned()).await;
        match taken {
            Ok(Some(incarnation)) => return ended.map(|()| incarnation),
            Ok(None) => {}
            // The other process is in the middle of a batch, say.
            Err(StoreError::Unavailable(text)) if begun.elapsed() < PATIENCE => {
                tracing::debug!(text, "the database could not be taken over yet");
                link.drop_connection();
            }
            Err(error) => return Err(error),
        }
        if begun.elapsed() >= PATIENCE {
            return Err(unavailable(
                "another nuncio has it open; stop that one, or give this one another database",
            ));
        }
        if !std::mem::replace(&mut told, true) {
            tracing::info!(
                "another nuncio has the database open or was killed; waiting up to {PATIENCE:?} for it to end"
            );
        }
        pause(LOOK_AGAIN).await;
    }
}

/// `None` while another one lives.
async fn try_to_take(db: &mut Db<'_>, name: &str) -> Result<Option<Incarnation>, StoreError> {
    // The first one finds no row to lock.
    db.run(
        sql("INSERT INTO node_fences (node_no, incarnation, live, last_batch) VALUES ($1, 0, false, 0) ON CONFLICT DO NOTHING")
            .bind(NODE),
    )
    .await?;
    let fence = db
        .one(sql("SELECT incarnation, live FROM node_fences WHERE node_no = $1 FOR UPDATE").bind(NODE))
        .await?;
    let before: i64 = get(&fence, "incarnation")?;
    if get(&fence, "live")? {
        let lease = LEASE.as_micros() as i64;
        if get(&db.one(sql(ALIVE).bind(NODE).bind(before).bind(lease)).await?, "alive")? {
            return Ok(None);
        }
        tracing::warn!("taking over from a nuncio that has not been heard of for {LEASE:?}");
    }
    let incarnation = Incarnation(before + 1);
    db.run(
        sql("UPDATE node_fences SET incarnation = $2, live = true, last_batch = 0 WHERE node_no = $1")
            .bind(NODE)
            .bind(incarnation.0),
    )
    .await?;
    db.run(sql(BEGIN_LIFE).bind(NODE).bind(incarnation.0).bind(name)).await?;
    Ok(Some(incarnation))
}

/// A sign of life. The row is another than the fence: a batch under way must not hold it up.
pub(crate) async fn renew(db: &mut Db<'_>, incarnation: Incarnation) -> Result<Duration, StoreError> {
    let renewed = db.run(sql(RENEW).bind(NODE).bind(incarnation.0)).await?;
    if renewed == 1 { Ok(LEASE) } else { Err(StoreError::Fenced) }
}

/// Lets the next one in without waiting for the lease to end.
pub(crate) async fn give_up(db: &mut Db<'_>, incarnation: Incarnation) -> Result<(), StoreError> {
    let given = sql("UPDATE node_fences SET live = false WHERE node_no = $1 AND incarnation = $2");
    db.run(given.bind(NODE).bind(incarnation.0)).await.map(|_| ())
}
