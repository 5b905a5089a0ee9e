//! What is read in numbers is asked for together: while one statement runs the next questions wait here, and then are
//! answered by one statement over an array. A statement of its own for each costs a turn of sqlx's worker thread, which
//! is several times what SQLite does for it (`docs/PERFORMANCE.md`).

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nuncio_domain::ports::StoreError;
use sqlx::SqlitePool;
use tokio::sync::oneshot;

use crate::error::unavailable;

/// As many as are answered together.
const TOGETHER: usize = 64;

/// What is asked.
pub(crate) trait Question: Send + Sync + Sized + 'static {
    type Answer: Send + 'static;

    /// Answers in order; nothing for what has to wait for the next time, which the first never has to.
    fn answer<'a>(
        readers: &'a SqlitePool,
        asked: &'a [Self],
    ) -> BoxFuture<'a, Result<Vec<Option<Self::Answer>>, StoreError>>;
}

type Asker<Q> = oneshot::Sender<Result<<Q as Question>::Answer, StoreError>>;

struct Waiting<Q: Question> {
    /// In the order in which they came.
    asked: Vec<(Q, Asker<Q>)>,
    /// Whether somebody is answering.
    busy: bool,
}

pub(crate) struct Asks<Q: Question> {
    waiting: Mutex<Waiting<Q>>,
    readers: SqlitePool,
}

impl<Q: Question> Asks<Q> {
    pub(crate) fn new(readers: SqlitePool) -> Arc<Self> {
        Arc::new(Self { waiting: Mutex::new(Waiting { asked: Vec::new(), busy: false }), readers })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<Q>> {
        // No code of ours panics while holding it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn ask(self: &Arc<Self>, question: Q) -> Result<Q::Answer, StoreError> {
        let (answer, answered) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting();
            waiting.asked.push((question, answer));
            !std::mem::replace(&mut waiting.busy, true)
        };
        if first {
            // Not the asker: that one may give up, and the others would wait for ever.
            tokio::spawn(Arc::clone(self).answer_all());
        }
        answered.await.unwrap_or_else(|_| Err(unavailable("shutting down")))
    }

    async fn answer_all(self: Arc<Self>) {
        loop {
            let taken: Vec<_> = {
                let mut waiting = self.waiting();
                let n = waiting.asked.len().min(TOGETHER);
                waiting.busy = n > 0;
                waiting.asked.drain(..n).collect()
            };
            if taken.is_empty() {
                return;
            }
            let (asked, askers): (Vec<Q>, Vec<Asker<Q>>) = taken.into_iter().unzip();
            let answers = self.answer(&asked).await;
            let mut later = Vec::new();
            for (answer, (question, asker)) in answers.into_iter().zip(asked.into_iter().zip(askers)) {
                match answer {
                    // Nobody may be waiting any more.
                    Some(answer) => drop(asker.send(answer)),
                    None => later.push((question, asker)),
                }
            }
            self.waiting().asked.splice(..0, later);
        }
    }

    /// All in one go, else each by itself, so that none takes another down.
    async fn answer(&self, asked: &[Q]) -> Vec<Option<Result<Q::Answer, StoreError>>> {
        match self.part(asked).await {
            Ok(answers) => answers.into_iter().map(|answer| answer.map(Ok)).collect(),
            Err(error) if asked.len() == 1 => vec![Some(Err(error))],
            Err(error) => {
                tracing::warn!(%error, questions = asked.len(), "what was asked together is answered one by one");
                let mut answers = Vec::with_capacity(asked.len());
                for one in asked {
                    let answer = self.part(std::slice::from_ref(one)).await;
                    answers.push(answer.map(|mut answers| answers.pop().flatten()).transpose());
                }
                answers
            }
        }
    }

    async fn part(&self, asked: &[Q]) -> Result<Vec<Option<Q::Answer>>, StoreError> {
        AssertUnwindSafe(Q::answer(&self.readers, asked))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(StoreError::Broken("a read panicked".to_owned())))
    }
}
