//! The budget of one app in one tenant, and the only waiting of this crate.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nuncio_teams::graph::Operation;
use nuncio_teams::graph::budget::{Budget, TenantSize};

#[derive(Debug)]
pub(crate) struct Pace {
    began: Instant,
    budget: Mutex<Budget>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), budget: Mutex::new(Budget::new(TenantSize::default())) }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        // No code of ours panics while holding it.
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until some of these may start together; how many of them, from the first.
    pub(crate) async fn take(&self, operations: &[Operation]) -> usize {
        loop {
            let now = self.began.elapsed();
            let taken = self.budget().take_batch(now, operations);
            match taken {
                Ok(taken) => return taken,
                Err(at) => wait(at.saturating_sub(now)).await,
            }
        }
    }

    /// Waits until this may start, if that is soon; else how long it would be.
    pub(crate) async fn take_soon(&self, operation: &Operation, most: Duration) -> Result<(), Duration> {
        let deadline = self.began.elapsed() + most;
        loop {
            let now = self.began.elapsed();
            let taken = self.budget().take(now, operation);
            match taken {
                Ok(()) => return Ok(()),
                Err(at) if at > deadline => return Err(at.saturating_sub(now)),
                Err(at) => wait(at.saturating_sub(now)).await,
            }
        }
    }

    /// A call was answered 429: those that come after it wait.
    pub(crate) fn refused(&self, operation: &Operation, retry_after: Option<Duration>) {
        self.budget().refused(self.began.elapsed(), operation, retry_after);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place here that waits: for the budget, and between rounds"
)]
pub(crate) async fn wait(span: Duration) {
    tokio::time::sleep(span).await;
}
