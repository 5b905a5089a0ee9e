//! A wall clock that was set. Waits are spans of real time: what is remembered as a moment moves with the clock. Only
//! what a caller named by the clock (`send_at`, `expires_at`) stays where it is.

use crate::lane::core::{LaneCore, Next};

impl LaneCore {
    pub(super) fn clock_set(&mut self, by_us: i64) {
        self.pace.clock_set(by_us);
        self.threads.clock_set(by_us);
        self.trouble.clock_set(by_us);
        self.order.clock_set(by_us);
        self.waiting = std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|((due, key), item)| ((due.moved(by_us), key), item))
            .collect();
        for (_, next) in self.settling.values_mut() {
            if let Next::WaitUntil(due) = next {
                *due = due.moved(by_us);
            }
        }
        self.installs.clock_set(by_us);
        for flight in self.flights.values_mut() {
            flight.slot = flight.slot.moved(by_us);
        }
        for (message_no, open) in &mut self.messages {
            open.again_at = open.again_at.moved(by_us);
            open.fetching.clock_set(by_us);
            self.tending.touched.insert(*message_no);
        }
        self.lease_until = self.lease_until.moved(by_us);
        self.status_at = self.status_at.moved(by_us);
    }
}
