//! Turns for heavy requests: so many are worked on at a time, others wait in the order in which they came, and no more wait
//! than are worked on before a client gives up.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Previews that are counted at a time. Each keeps 16 bytes and more for everybody in it, and reads pages without a pause:
/// two leave readers of the database to everything else.
const PREVIEWS: usize = 2;
/// Previews that wait. One of 300,000 people takes seconds.
const WAITING: usize = 16;

/// Who is worked on, and who waits.
pub(crate) struct Turns {
    at_work: Semaphore,
    /// Of those at work and those who wait.
    here: Semaphore,
}

/// Somebody's turn, until it is dropped.
pub(crate) struct Turn<'t> {
    _at_work: SemaphorePermit<'t>,
    _here: SemaphorePermit<'t>,
}

impl Turns {
    pub(crate) fn of_previews() -> Self {
        Self { at_work: Semaphore::new(PREVIEWS), here: Semaphore::new(PREVIEWS + WAITING) }
    }

    /// Waits for a turn. `None` where too many wait already, and for who has waited for so long.
    pub(crate) async fn turn(&self, within: Duration) -> Option<Turn<'_>> {
        let here = self.here.try_acquire().ok()?;
        let at_work = tokio::time::timeout(within, self.at_work.acquire()).await.ok()?.ok()?;
        Some(Turn { _at_work: at_work, _here: here })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn in_order_and_not_without_end() {
        let long = Duration::from_secs(25);
        let turns = Turns { at_work: Semaphore::new(1), here: Semaphore::new(3) };
        let first = turns.turn(long).await.unwrap();
        let mut second = Box::pin(turns.turn(long));
        let mut third = Box::pin(turns.turn(long));
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        assert!(turns.turn(long).await.is_none(), "a fourth is not let in");
        drop(first);
        assert!(third.as_mut().now_or_never().is_none(), "it came later than another");
        let second = second.await.unwrap();
        drop(third);
        assert!(turns.turn(Duration::ZERO).await.is_none(), "nobody waits for ever");
        drop(second);
        assert!(turns.turn(long).await.is_some());
    }
}
