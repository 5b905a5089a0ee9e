//! What writes. Each writer has a connection of its own and takes together whatever has queued up, one transaction at a
//! time: callers wait for one commit, not for one another (`docs/adr/0019`).

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nuncio_domain::ports::StoreError;
use tokio::sync::{Notify, oneshot};

use super::db::{Db, Link, pause};
use super::node::Fence;
use crate::error::unavailable;

/// A transaction that lost a deadlock, or its connection before the end, is run once more.
pub(crate) const TRIES: u32 = 2;
const RECONNECT: Duration = Duration::from_millis(100);
const RECONNECT_MOST: Duration = Duration::from_secs(1);

/// Something to be written, together with others of its kind.
pub(crate) trait Item: Send + Sized + 'static {
    /// Writes all of them inside a transaction. `false` if nothing is worth a commit; an error if the transaction has
    /// come to nothing. May be called again for the same items, after a rollback.
    fn write<'a>(items: &'a mut [Self], db: &'a mut Db<'_>) -> BoxFuture<'a, Result<bool, StoreError>>;
    /// Answers, after the commit or with why there was none.
    fn answer(self, committed: Result<(), StoreError>);
}

/// Does it; may be asked again with the same data, after a rollback.
pub(crate) type Work<D, T> = for<'a, 'c> fn(&'a mut Db<'c>, &'a D) -> BoxFuture<'a, Result<T, StoreError>>;

/// One of several different things to be written, each of which may fail by itself.
pub(crate) trait Job: Send + 'static {
    /// `false` if what it did has to be undone.
    fn run<'a>(&'a mut self, db: &'a mut Db<'_>) -> BoxFuture<'a, Result<bool, StoreError>>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Task<D, T> {
    data: D,
    work: Work<D, T>,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<D: Send + Sync + 'static, T: Send + 'static> Job for Task<D, T> {
    fn run<'a>(&'a mut self, db: &'a mut Db<'_>) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let result = match AssertUnwindSafe((self.work)(db, &self.data)).catch_unwind().await {
                Ok(Err(StoreError::Unavailable(text))) => return Err(StoreError::Unavailable(text)),
                Ok(result) => result,
                Err(_) => Err(StoreError::Broken("a write panicked".to_owned())),
            };
            let well = result.is_ok();
            self.result = Some(result);
            Ok(well)
        })
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (self.result, committed) {
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(unavailable("not run")),
        };
        // Nobody may be waiting any more, which changes nothing about what was written.
        let _ = self.answer.send(answer);
    }
}

impl Item for Box<dyn Job> {
    fn write<'a>(items: &'a mut [Self], db: &'a mut Db<'_>) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            if let [only] = items {
                return only.run(db).await;
            }
            for job in items {
                db.word("SAVEPOINT job".to_owned()).await?;
                let end = if job.run(db).await? { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
                db.word(end.to_owned()).await?;
            }
            Ok(true)
        })
    }

    fn answer(self, committed: Result<(), StoreError>) {
        Job::answer(self, committed);
    }
}

struct Waiting<J> {
    items: VecDeque<J>,
    closed: bool,
}

/// The way to a writer.
pub(crate) struct Queue<J> {
    waiting: Mutex<Waiting<J>>,
    /// A permit is kept for the writer when it is not waiting.
    changed: Notify,
}

impl<J: Item> Queue<J> {
    pub(crate) fn new() -> Arc<Self> {
        let waiting = Waiting { items: VecDeque::new(), closed: false };
        Arc::new(Self { waiting: Mutex::new(waiting), changed: Notify::new() })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<J>> {
        // No code of ours panics while holding it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, item: J) {
        {
            let mut waiting = self.waiting();
            if waiting.closed {
                drop(waiting);
                return item.answer(Err(unavailable("shutting down")));
            }
            waiting.items.push_back(item);
        }
        self.changed.notify_one();
    }

    /// Takes no more; what waits is still written.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.waiting().closed
    }

    /// The items of the next transaction; `None` once closed and empty.
    async fn next(&self, most: usize) -> Option<Vec<J>> {
        loop {
            {
                let mut waiting = self.waiting();
                let n = most.min(waiting.items.len());
                if n > 0 {
                    return Some(waiting.items.drain(..n).collect());
                }
                if waiting.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }
}

impl Queue<Box<dyn Job>> {
    /// Has `work` done by the writer and returns its result once it is committed.
    pub(crate) async fn write<D, T>(&self, data: D, work: Work<D, T>) -> Result<T, StoreError>
    where
        D: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.push(Box::new(Task { data, work, result: None, answer }));
        answered.await.unwrap_or_else(|_| Err(unavailable("shutting down")))
    }
}

/// Refuses whatever still waits when the writer ends in any way, even with its runtime taken away.
struct RefuseRest<J: Item>(Arc<Queue<J>>);

impl<J: Item> Drop for RefuseRest<J> {
    fn drop(&mut self) {
        let rest = {
            let mut waiting = self.0.waiting();
            waiting.closed = true;
            std::mem::take(&mut waiting.items)
        };
        for item in rest {
            item.answer(Err(unavailable("shutting down")));
        }
    }
}

/// Writes until the queue is closed and empty, at most so many items in a transaction.
pub(crate) async fn run<J: Item>(
    queue: Arc<Queue<J>>,
    mut link: Link,
    fence: Option<Arc<Fence>>,
    most: usize,
) {
    let _rest = RefuseRest(Arc::clone(&queue));
    while let Some(mut items) = queue.next(most).await {
        let mut committed = transact(&mut link, fence.as_deref(), &mut items, &queue).await;
        if items.len() > 1 && matches!(committed, Err(StoreError::Broken(_))) {
            // One of them may be to blame for all.
            for mut item in items {
                let alone =
                    transact(&mut link, fence.as_deref(), std::slice::from_mut(&mut item), &queue).await;
                item.answer(alone);
            }
            continue;
        }
        if let Err(error) = &committed {
            tracing::error!(%error, items = items.len(), "a transaction failed");
        }
        for item in items {
            let told = match &mut committed {
                Ok(()) => Ok(()),
                Err(error) => Err(same(error)),
            };
            item.answer(told);
        }
    }
    link.close().await;
}

fn same(error: &StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(text) => StoreError::Unavailable(text.clone()),
        StoreError::Broken(text) => StoreError::Broken(text.clone()),
        StoreError::Fenced => StoreError::Fenced,
    }
}

/// Why there was no commit.
pub(crate) enum Failed {
    /// Nothing was written.
    Before(StoreError),
    /// The connection was lost in mid-commit.
    Unknown(StoreError),
}

async fn transact<J: Item>(
    link: &mut Link,
    fence: Option<&Fence>,
    items: &mut [J],
    queue: &Queue<J>,
) -> Result<(), StoreError> {
    let mut last = match fence {
        Some(fence) => Some((fence, fence.last.lock().await)),
        None => None,
    };
    let mut tries = 1;
    loop {
        let number = last.as_ref().map(|(fence, last)| (*fence, **last + 1));
        let error = match once(link, number, items).await {
            Ok(committed) => {
                if let Some((_, last)) = &mut last {
                    **last += i64::from(committed);
                }
                return Ok(());
            }
            Err(Failed::Before(error)) => error,
            Err(Failed::Unknown(error)) => {
                let Some((fence, last)) = &mut last else {
                    return Err(unavailable(format!("{error}; whether it was written is not known")));
                };
                if landed(link, fence, **last + 1, || queue.is_closed()).await? {
                    **last += 1;
                    return Ok(());
                }
                error
            }
        };
        if tries == TRIES || !matches!(error, StoreError::Unavailable(_)) {
            return Err(error);
        }
        tracing::warn!(%error, "a transaction is tried again");
        tries += 1;
    }
}

/// Whether there was something to commit.
async fn once<J: Item>(
    link: &mut Link,
    fence: Option<(&Fence, i64)>,
    items: &mut [J],
) -> Result<bool, Failed> {
    let begin = link.server.begin();
    let mut db = link.db().await.map_err(Failed::Before)?;
    let written = async {
        db.word(begin).await?;
        if let Some((fence, number)) = fence {
            fence.pass(&mut db, number).await?;
        }
        J::write(items, &mut db).await
    };
    let written = written.await;
    end(link, written).await
}

/// Commits what went well and undoes the rest.
pub(crate) async fn end(link: &mut Link, written: Result<bool, StoreError>) -> Result<bool, Failed> {
    if matches!(written, Ok(true)) {
        let committed = match link.current() {
            Ok(mut db) => db.word("COMMIT".to_owned()).await,
            Err(error) => return Err(Failed::Before(error)),
        };
        return committed.map(|()| true).map_err(|error| {
            link.drop_connection();
            Failed::Unknown(error)
        });
    }
    let undone = match link.current() {
        Ok(mut db) => db.word("ROLLBACK".to_owned()).await,
        Err(error) => Err(error),
    };
    if undone.is_err() {
        link.drop_connection();
    }
    written.map_err(Failed::Before)
}

/// Asks, until there is an answer or the end, whether the batch of this number is there.
pub(crate) async fn landed(
    link: &mut Link,
    fence: &Fence,
    number: i64,
    ended: impl Fn() -> bool,
) -> Result<bool, StoreError> {
    let mut wait = RECONNECT;
    loop {
        let asked = async {
            let begin = link.server.begin();
            let mut db = link.db().await?;
            db.word(begin).await?;
            let landed = fence.landed(&mut db, number).await?;
            db.word("ROLLBACK".to_owned()).await?;
            Ok(landed)
        };
        match asked.await {
            Err(StoreError::Unavailable(error)) if !ended() => {
                link.drop_connection();
                tracing::warn!(
                    error,
                    "a connection was lost in mid-commit, and the database cannot be asked yet"
                );
                pause(wait).await;
                wait = (wait * 2).min(RECONNECT_MOST);
            }
            answer => return answer,
        }
    }
}
