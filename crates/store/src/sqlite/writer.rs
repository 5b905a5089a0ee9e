//! The one writer of the process. Whatever has queued up runs in one transaction, each job in a savepoint of its own,
//! and is answered after the commit. A second writing connection would wait for the first for up to a second
//! (`docs/engine.md`, SQLite).

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nuncio_domain::ports::StoreError;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Notify, oneshot};

use crate::error::{of_sqlx, unavailable};

/// Who goes first when several wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    /// Somebody waits for an answer: API calls and inbound activities.
    Api,
    /// Batches of owners.
    Outcomes,
    /// Chunks of expansion, which can always wait.
    Expansion,
}

/// How many of each queue go into one transaction. An activity takes a quarter of a millisecond, and a lane's intents are
/// late after 25 ms; a chunk of expansion takes as long as hundreds of activities.
const TOGETHER: [usize; 3] = [16, 8, 1];

/// Something to be written.
pub(crate) trait Job: Send {
    /// Does it inside the transaction; true if it went well.
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, bool>;
    /// Answers, after the commit or with why there was none.
    fn answer(self: Box<Self>, committed: Result<(), String>);
}

struct Task<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Task<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
{
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, bool> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return false };
            let result = match AssertUnwindSafe(work(connection)).catch_unwind().await {
                Ok(result) => result,
                Err(_) => Err(StoreError::Broken("a write panicked".to_owned())),
            };
            let well = result.is_ok();
            self.result = Some(result);
            well
        })
    }

    fn answer(self: Box<Self>, committed: Result<(), String>) {
        let answer = match (self.result, committed) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Err(error)), _) => Err(error),
            (_, Err(text)) => Err(StoreError::Unavailable(text)),
            (None, Ok(())) => Err(unavailable("not run")),
        };
        // Nobody may be waiting any more, which changes nothing about what was written.
        let _ = self.answer.send(answer);
    }
}

#[derive(Default)]
struct Waiting {
    jobs: [VecDeque<Box<dyn Job>>; 3],
    closed: bool,
}

/// The way to the writer.
#[derive(Default)]
pub(crate) struct Queues {
    waiting: Mutex<Waiting>,
    /// A permit is kept for the writer when it is not waiting.
    changed: Notify,
}

impl Queues {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No code of ours panics while holding it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in the writer and returns its result once it is committed.
    pub(crate) async fn write<T, F>(&self, queue: Queue, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.push(queue, Box::new(Task { work: Some(work), result: None, answer }))?;
        answered.await.unwrap_or_else(|_| Err(unavailable("shutting down")))
    }

    /// Refused once closed.
    pub(crate) fn push(&self, queue: Queue, job: Box<dyn Job>) -> Result<(), StoreError> {
        {
            let mut waiting = self.waiting();
            if waiting.closed {
                return Err(unavailable("shutting down"));
            }
            waiting.jobs[queue as usize].push_back(job);
        }
        self.changed.notify_one();
        Ok(())
    }

    /// For the rest of a job that runs: before all others of its queue, and not refused when closed meanwhile.
    pub(crate) fn push_next(&self, queue: Queue, job: Box<dyn Job>) {
        self.waiting().jobs[queue as usize].push_front(job);
    }

    /// Takes no more; what waits is still written.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_one();
    }

    /// The jobs of the next transaction; `None` once closed and empty.
    async fn next(&self) -> Option<Vec<Box<dyn Job>>> {
        loop {
            {
                let mut waiting = self.waiting();
                let mut taken: Vec<Box<dyn Job>> = Vec::new();
                for (queue, most) in waiting.jobs.iter_mut().zip(TOGETHER) {
                    let n = most.min(queue.len());
                    taken.extend(queue.drain(..n));
                }
                if !taken.is_empty() {
                    return Some(taken);
                }
                if waiting.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }
}

/// Refuses whatever still waits when the writer ends in any way, even with its runtime taken away.
struct RefuseRest(Arc<Queues>);

impl Drop for RefuseRest {
    fn drop(&mut self) {
        let rest = {
            let mut waiting = self.0.waiting();
            waiting.closed = true;
            std::mem::take(&mut waiting.jobs)
        };
        for job in rest.into_iter().flatten() {
            job.answer(Err("shutting down".to_owned()));
        }
    }
}

/// Writes until the queues are closed and empty, then gives the connection back.
pub(crate) async fn run(
    queues: Arc<Queues>,
    mut connection: SqliteConnection,
    written: Arc<Notify>,
) -> SqliteConnection {
    let _rest = RefuseRest(Arc::clone(&queues));
    while let Some(jobs) = queues.next().await {
        transact(&mut connection, jobs).await;
        written.notify_one();
    }
    connection
}

async fn transact(connection: &mut SqliteConnection, mut jobs: Vec<Box<dyn Job>>) {
    let committed = write_all(connection, &mut jobs).await.map_err(|error| {
        tracing::error!(%error, jobs = jobs.len(), "a transaction failed");
        error.to_string()
    });
    if committed.is_err() {
        // Several errors (full, I/O) have ended the transaction already; then this fails, and that is all right.
        let _ = execute(connection, "ROLLBACK").await;
    }
    for job in jobs {
        job.answer(committed.clone());
    }
}

async fn write_all(connection: &mut SqliteConnection, jobs: &mut [Box<dyn Job>]) -> Result<(), sqlx::Error> {
    execute(connection, "BEGIN IMMEDIATE").await?;
    if let [only] = jobs {
        let end = if only.run(connection).await { "COMMIT" } else { "ROLLBACK" };
        return execute(connection, end).await;
    }
    for job in jobs {
        execute(connection, "SAVEPOINT job").await?;
        if !job.run(connection).await {
            execute(connection, "ROLLBACK TO job").await?;
        }
        execute(connection, "RELEASE job").await?;
    }
    execute(connection, "COMMIT").await
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(connection).await.map(|_| ())
}

/// Ends the writer's connection, moving the log into the database.
pub(crate) async fn finish(mut connection: SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.map_err(of_sqlx)?;
    connection.close().await.map_err(of_sqlx)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn memory() -> SqliteConnection {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::query("CREATE TABLE t (n INTEGER PRIMARY KEY)").execute(&mut connection).await.unwrap();
        connection
    }

    async fn insert(queues: &Queues, queue: Queue, n: i64) -> Result<(), StoreError> {
        queues
            .write(queue, move |connection| {
                Box::pin(async move {
                    sqlx::query("INSERT INTO t VALUES (?)")
                        .bind(n)
                        .execute(connection)
                        .await
                        .map_err(of_sqlx)?;
                    assert_ne!(n, 13, "unlucky");
                    Ok(())
                })
            })
            .await
    }

    #[tokio::test]
    async fn failing_and_panicking_jobs_take_no_others_down() {
        let queues = Arc::new(Queues::default());
        let inserts = [1, 1, 13, 2].map(|n| {
            let queues = Arc::clone(&queues);
            async move { insert(&queues, Queue::Api, n).await.is_ok() }
        });
        let all = tokio::spawn(futures_util::future::join_all(inserts));
        let writer = tokio::spawn(run(Arc::clone(&queues), memory().await, Arc::default()));
        assert_eq!(all.await.unwrap(), [true, false, false, true]);
        queues.close();
        let mut connection = writer.await.unwrap();
        let kept: Vec<i64> =
            sqlx::query_scalar("SELECT n FROM t ORDER BY n").fetch_all(&mut connection).await.unwrap();
        assert_eq!(kept, [1, 2]);
    }

    #[tokio::test]
    async fn closing_writes_what_waits_and_refuses_what_comes_later() {
        let queues = Arc::new(Queues::default());
        let waiting = {
            let queues = Arc::clone(&queues);
            tokio::spawn(async move {
                tokio::join!(
                    insert(&queues, Queue::Expansion, 1),
                    insert(&queues, Queue::Api, 2),
                    insert(&queues, Queue::Outcomes, 3)
                )
            })
        };
        while queues.waiting().jobs.iter().any(VecDeque::is_empty) {
            tokio::task::yield_now().await;
        }
        queues.close();
        assert!(insert(&queues, Queue::Api, 4).await.is_err());
        run(Arc::clone(&queues), memory().await, Arc::default()).await;
        let (one, two, three) = waiting.await.unwrap();
        assert!(one.is_ok() && two.is_ok() && three.is_ok());
    }

    #[tokio::test]
    async fn a_writer_that_dies_refuses_what_waits() {
        let queues = Arc::new(Queues::default());
        let waiting = {
            let queues = Arc::clone(&queues);
            tokio::spawn(async move { insert(&queues, Queue::Api, 1).await })
        };
        while queues.waiting().jobs[0].is_empty() {
            tokio::task::yield_now().await;
        }
        // Never polled: dropped with its runtime, say.
        drop(RefuseRest(Arc::clone(&queues)));
        assert!(matches!(waiting.await.unwrap(), Err(StoreError::Unavailable(_))));
    }
}
