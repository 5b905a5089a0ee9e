//! What comes in numbers waits here together for the writer, which takes all that has come as one job.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nuncio_domain::ports::StoreError;
use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use super::writer::{Job, Queue, Queues};
use crate::error::{of_sqlx, unavailable};

/// As many as are written together, and after what weight no more are added.
const TOGETHER: usize = 256;
const WEIGHT: usize = 10_000;

/// What became of one; nothing if it has to wait for the next transaction, which the first never has to.
pub(crate) type Written<A> = Option<Result<A, StoreError>>;

/// What waits together.
pub(crate) trait Kind: Send + Sync + Sized + 'static {
    type Item: Send + Sync + 'static;
    type Answer: Send + Sync + 'static;
    const QUEUE: Queue;

    fn weight(item: &Self::Item) -> usize;

    /// Writes them in order. An error of the whole means that nothing of it may stay written.
    fn write<'a>(
        &'a self,
        connection: &'a mut SqliteConnection,
        items: &'a [Self::Item],
    ) -> BoxFuture<'a, Result<Vec<Written<Self::Answer>>, StoreError>>;
}

type Answering<K> = oneshot::Sender<Result<<K as Kind>::Answer, StoreError>>;

struct Waiting<K: Kind> {
    /// In the order in which they came.
    items: Vec<K::Item>,
    answers: Vec<Answering<K>>,
    /// Whether a job is on its way that will take them.
    queued: bool,
}

pub(crate) struct Intake<K: Kind> {
    waiting: Mutex<Waiting<K>>,
    kind: K,
    queues: Arc<Queues>,
}

impl<K: Kind> Intake<K> {
    pub(crate) fn new(queues: Arc<Queues>, kind: K) -> Arc<Self> {
        let waiting = Waiting { items: Vec::new(), answers: Vec::new(), queued: false };
        Arc::new(Self { waiting: Mutex::new(waiting), kind, queues })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<K>> {
        // No code of ours panics while holding it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn write(self: &Arc<Self>, item: K::Item) -> Result<K::Answer, StoreError> {
        let (answer, answered) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting();
            waiting.items.push(item);
            waiting.answers.push(answer);
            !std::mem::replace(&mut waiting.queued, true)
        };
        if first {
            // Not under the lock: a job that is refused takes it to refuse what waits.
            self.queues.push(K::QUEUE, Box::new(Together::new(Arc::clone(self))))?;
        }
        answered.await.unwrap_or_else(|_| Err(unavailable("shutting down")))
    }
}

/// The job that writes what waits.
struct Together<K: Kind> {
    intake: Arc<Intake<K>>,
    taken: bool,
    items: Vec<K::Item>,
    answers: Vec<Answering<K>>,
    results: Vec<Result<K::Answer, StoreError>>,
}

impl<K: Kind> Together<K> {
    fn new(intake: Arc<Intake<K>>) -> Self {
        Self { intake, taken: false, items: Vec::new(), answers: Vec::new(), results: Vec::new() }
    }

    fn take(&mut self) {
        let mut waiting = self.intake.waiting();
        self.taken = true;
        let mut weight = 0;
        let n = waiting
            .items
            .iter()
            .take(TOGETHER)
            .take_while(|item| {
                let room = weight < WEIGHT;
                weight += K::weight(item);
                room
            })
            .count();
        self.items = waiting.items.drain(..n).collect();
        self.answers = waiting.answers.drain(..n).collect();
        waiting.queued = !waiting.items.is_empty();
        if waiting.queued {
            self.intake.queues.push_next(K::QUEUE, Box::new(Self::new(Arc::clone(&self.intake))));
        }
    }

    /// Puts those that have to wait before all others.
    fn put_back(&mut self, written: Vec<Written<K::Answer>>) {
        let (items, answers) = (std::mem::take(&mut self.items), std::mem::take(&mut self.answers));
        let (mut later, mut unanswered) = (Vec::new(), Vec::new());
        for (written, (item, answer)) in written.into_iter().zip(items.into_iter().zip(answers)) {
            if let Some(result) = written {
                self.results.push(result);
                self.answers.push(answer);
            } else {
                later.push(item);
                unanswered.push(answer);
            }
        }
        if later.is_empty() {
            return;
        }
        let mut waiting = self.intake.waiting();
        waiting.items.splice(..0, later);
        waiting.answers.splice(..0, unanswered);
        if !std::mem::replace(&mut waiting.queued, true) {
            self.intake.queues.push_next(K::QUEUE, Box::new(Self::new(Arc::clone(&self.intake))));
        }
    }

    /// All in one go, else each by itself, so that none takes another down.
    async fn write(&self, connection: &mut SqliteConnection) -> Result<Vec<Written<K::Answer>>, StoreError> {
        let [_, _, ..] = self.items[..] else {
            return self.part(connection, &self.items).await;
        };
        execute(connection, "SAVEPOINT together").await?;
        match self.part(connection, &self.items).await {
            Ok(results) => {
                execute(connection, "RELEASE together").await?;
                return Ok(results);
            }
            Err(error) => {
                tracing::warn!(%error, jobs = self.items.len(), "what came together is written one by one");
                execute(connection, "ROLLBACK TO together").await?;
            }
        }
        let mut results = Vec::with_capacity(self.items.len());
        for one in &self.items {
            execute(connection, "SAVEPOINT one").await?;
            match self.part(connection, std::slice::from_ref(one)).await {
                Ok(result) => results.extend(result),
                Err(error) => {
                    execute(connection, "ROLLBACK TO one").await?;
                    results.push(Some(Err(error)));
                }
            }
            execute(connection, "RELEASE one").await?;
        }
        execute(connection, "RELEASE together").await?;
        Ok(results)
    }

    async fn part(
        &self,
        connection: &mut SqliteConnection,
        part: &[K::Item],
    ) -> Result<Vec<Written<K::Answer>>, StoreError> {
        AssertUnwindSafe(self.intake.kind.write(connection, part))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(StoreError::Broken("a write panicked".to_owned())))
    }
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), StoreError> {
    sqlx::query(statement).execute(connection).await.map(|_| ()).map_err(of_sqlx)
}

impl<K: Kind> Job for Together<K> {
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, bool> {
        Box::pin(async move {
            self.take();
            match self.write(connection).await {
                Ok(written) => {
                    self.put_back(written);
                    true
                }
                Err(error) => {
                    // Of one this is its own error; of several, the transaction is broken.
                    let text = error.to_string();
                    self.results =
                        self.items.iter().skip(1).map(|_| Err(unavailable(text.as_str()))).collect();
                    self.results.push(Err(error));
                    false
                }
            }
        })
    }

    fn answer(mut self: Box<Self>, committed: Result<(), String>) {
        let results = std::mem::take(&mut self.results).into_iter();
        for (answer, result) in std::mem::take(&mut self.answers).into_iter().zip(results) {
            let result = match &committed {
                Ok(()) => result,
                Err(text) => result.and_then(|_| Err(unavailable(text.as_str()))),
            };
            // Nobody may be waiting any more, which changes nothing about what was written.
            let _ = answer.send(result);
        }
    }
}

impl<K: Kind> Drop for Together<K> {
    /// One that never ran refuses what it was to take.
    fn drop(&mut self) {
        if !self.taken {
            let mut waiting = self.intake.waiting();
            waiting.queued = false;
            waiting.items.clear();
            waiting.answers.clear();
        }
    }
}
