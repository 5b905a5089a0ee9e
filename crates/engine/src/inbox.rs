//! What a lane is told. A channel of tokio's keeps room for 32 words even when nothing is said, and there are thousands
//! of lanes: this one takes no more than what waits.

use std::sync::{Mutex, MutexGuard, PoisonError};

use nuncio_domain::lane::Input;
use nuncio_domain::people::Lane;
use tokio::sync::Notify;

#[derive(Debug)]
pub(crate) enum Event {
    /// Something was stored for it: look.
    Wake,
    /// It is known anew.
    Lane(Lane),
    /// The names of its uploaded lists were looked up.
    Named,
    /// For its core; [`Input::Drain`] ends the lane when all that is under way has ended.
    Input(Input),
}

impl From<Input> for Event {
    fn from(input: Input) -> Self {
        Self::Input(input)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Vec<Event>>,
    /// Keeps the word for a lane that is not listening just then.
    told: Notify,
}

impl Inbox {
    fn waiting(&self) -> MutexGuard<'_, Vec<Event>> {
        // No code of ours panics while holding it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tell(&self, event: impl Into<Event>) {
        self.waiting().push(event.into());
        self.told.notify_one();
    }

    /// Returns when something waits.
    pub(crate) async fn told(&self) {
        while self.waiting().is_empty() {
            self.told.notified().await;
        }
    }

    /// All that waits, in its order.
    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.waiting())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn nothing_that_is_told_is_missed() {
        let inbox = Arc::new(Inbox::default());
        inbox.tell(Event::Wake);
        inbox.tell(Input::Tick);
        inbox.told().await;
        assert!(matches!(inbox.take()[..], [Event::Wake, Event::Input(Input::Tick)]));
        assert!(inbox.take().is_empty());
        // The word for what was taken already is no news.
        let told = tokio::spawn({
            let inbox = Arc::clone(&inbox);
            async move { inbox.told().await }
        });
        tokio::task::yield_now().await;
        assert!(!told.is_finished());
        inbox.tell(Input::Drain);
        told.await.unwrap();
    }
}
