//! Messages wait here together for the writer, which takes all that have come as one job.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nuncio_domain::message::Submitted;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{NewMessage, Scope};
use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use super::submit::{self, Apps};
use super::writer::{Job, Queue, Queues};
use crate::error::{of_sqlx, unavailable};

type Answer = Result<Submitted, StoreError>;

/// As many as are written together, and after how many named recipients no more are added.
const TOGETHER: usize = 256;
const NAMED: usize = 10_000;

#[derive(Default)]
struct Waiting {
    /// In the order in which they came.
    messages: Vec<(Scope, NewMessage)>,
    answers: Vec<oneshot::Sender<Answer>>,
    /// Whether a job is on its way that will take them.
    queued: bool,
}

pub(crate) struct Intake {
    waiting: Mutex<Waiting>,
    apps: Apps,
    queues: Arc<Queues>,
}

impl Intake {
    pub(crate) fn new(queues: Arc<Queues>) -> Arc<Self> {
        Arc::new(Self { waiting: Mutex::default(), apps: Apps::default(), queues })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No code of ours panics while holding it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn submit(self: &Arc<Self>, scope: Scope, new: NewMessage) -> Answer {
        let (answer, answered) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting();
            waiting.messages.push((scope, new));
            waiting.answers.push(answer);
            !std::mem::replace(&mut waiting.queued, true)
        };
        if first {
            // Not under the lock: a job that is refused takes it to refuse what waits.
            self.queues.push(Queue::Api, Box::new(Together::new(Arc::clone(self))))?;
        }
        answered.await.unwrap_or_else(|_| Err(unavailable("shutting down")))
    }
}

/// The job that writes what waits.
struct Together {
    intake: Arc<Intake>,
    taken: bool,
    messages: Vec<(Scope, NewMessage)>,
    answers: Vec<oneshot::Sender<Answer>>,
    results: Vec<Answer>,
}

impl Together {
    fn new(intake: Arc<Intake>) -> Self {
        Self { intake, taken: false, messages: Vec::new(), answers: Vec::new(), results: Vec::new() }
    }

    fn take(&mut self) {
        let mut waiting = self.intake.waiting();
        self.taken = true;
        let mut named = 0;
        let n = waiting
            .messages
            .iter()
            .take(TOGETHER)
            .take_while(|(_, new)| {
                let room = named < NAMED;
                named += new.named.len();
                room
            })
            .count();
        self.messages = waiting.messages.drain(..n).collect();
        self.answers = waiting.answers.drain(..n).collect();
        waiting.queued = !waiting.messages.is_empty();
        if waiting.queued {
            self.intake.queues.push_next(Queue::Api, Box::new(Self::new(Arc::clone(&self.intake))));
        }
    }

    /// All in one go, else each by itself, so that none takes another down.
    async fn write(&self, connection: &mut SqliteConnection) -> Result<Vec<Answer>, StoreError> {
        let [_, _, ..] = self.messages[..] else {
            return self.part(connection, &self.messages).await;
        };
        execute(connection, "SAVEPOINT together").await?;
        match self.part(connection, &self.messages).await {
            Ok(results) => {
                execute(connection, "RELEASE together").await?;
                return Ok(results);
            }
            Err(error) => {
                tracing::warn!(%error, messages = self.messages.len(), "messages are written one by one");
                execute(connection, "ROLLBACK TO together").await?;
            }
        }
        let mut results = Vec::with_capacity(self.messages.len());
        for one in &self.messages {
            execute(connection, "SAVEPOINT one").await?;
            match self.part(connection, std::slice::from_ref(one)).await {
                Ok(result) => results.extend(result),
                Err(error) => {
                    execute(connection, "ROLLBACK TO one").await?;
                    results.push(Err(error));
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
        part: &[(Scope, NewMessage)],
    ) -> Result<Vec<Answer>, StoreError> {
        AssertUnwindSafe(submit::submit(connection, &self.intake.apps, part))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(StoreError::Broken("a write panicked".to_owned())))
    }
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), StoreError> {
    sqlx::query(statement).execute(connection).await.map(|_| ()).map_err(of_sqlx)
}

impl Job for Together {
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, bool> {
        Box::pin(async move {
            self.take();
            match self.write(connection).await {
                Ok(results) => {
                    self.results = results;
                    true
                }
                Err(error) => {
                    // Of one message this is its own error; of several, the transaction is broken.
                    let text = error.to_string();
                    self.results =
                        self.messages.iter().skip(1).map(|_| Err(unavailable(text.as_str()))).collect();
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

impl Drop for Together {
    /// One that never ran refuses what it was to take.
    fn drop(&mut self) {
        if !self.taken {
            let mut waiting = self.intake.waiting();
            waiting.queued = false;
            waiting.messages.clear();
            waiting.answers.clear();
        }
    }
}
