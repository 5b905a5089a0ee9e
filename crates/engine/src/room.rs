//! How many deliveries a process may have in flight, whatever the number of its lanes (`docs/delivery.md`, Intents), and
//! how many in memory (`docs/engine.md`, Tables).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Deliveries in flight on a node at most.
pub(crate) const NODE: usize = 2_000;

/// Deliveries in memory on a node at most, beside the few that every lane may have.
const ROWS: usize = 50_000;

/// What the lanes hold in memory.
#[derive(Debug, Default)]
pub(crate) struct Rows(AtomicUsize);

impl Rows {
    /// What a lane may hold that holds so many now.
    pub(crate) fn most(&self, held: usize) -> usize {
        (ROWS + held).saturating_sub(self.0.load(Ordering::Relaxed))
    }

    /// A lane holds another number than before.
    pub(crate) fn moved(&self, before: usize, held: usize) {
        // Wraps around to the right sum where a lane holds less.
        self.0.fetch_add(held.wrapping_sub(before), Ordering::Relaxed);
    }
}

/// What is left of them.
#[derive(Debug)]
pub(crate) struct Room {
    free: Mutex<usize>,
    freed: Notify,
}

impl Room {
    pub(crate) fn new(free: usize) -> Self {
        Self { free: Mutex::new(free), freed: Notify::new() }
    }

    /// Takes up to `most`.
    pub(crate) fn take(&self, most: usize) -> usize {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = most.min(*free);
        *free -= taken;
        taken
    }

    /// Gives some back, and tells one lane that waits for it.
    pub(crate) fn give(&self, back: usize) {
        if back == 0 {
            return;
        }
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += back;
        self.freed.notify_one();
    }

    /// Waits until something was given back.
    pub(crate) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Passes the word on: who was told may have left some.
    pub(crate) fn pass_on(&self) {
        let left = *self.free.lock().unwrap_or_else(PoisonError::into_inner) > 0;
        if left {
            self.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_lane_holds_others_may_not() {
        let rows = Rows::default();
        assert_eq!(rows.most(0), ROWS);
        rows.moved(0, 300);
        rows.moved(0, 50);
        assert_eq!((rows.most(300), rows.most(0)), (ROWS - 50, ROWS - 350));
        rows.moved(300, 20);
        assert_eq!(rows.most(50), ROWS - 20);
        rows.moved(20, ROWS);
        assert_eq!(rows.most(0), 0);
    }

    #[tokio::test]
    async fn what_one_lane_gives_back_another_gets() {
        let room = Room::new(3);
        assert_eq!(room.take(2), 2);
        assert_eq!(room.take(2), 1);
        assert_eq!(room.take(2), 0);
        room.give(2);
        room.freed().await;
        assert_eq!(room.take(1), 1);
        room.pass_on();
        room.freed().await;
        assert_eq!(room.take(9), 1);
    }
}
