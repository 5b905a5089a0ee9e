//! Deliveries that wait for their recipients.

use std::time::Duration;

use nuncio_domain::message::{WHENEVER, WhenUnreachable};
use nuncio_domain::{DeliveryState, Time};

use super::State;

/// A delivery may begin to wait a moment after its recipient was heard of.
const KEEP: Duration = Duration::from_mins(1);

impl State {
    pub(super) fn note_reached(&mut self, recipient_no: i64, at: Time) {
        let Some(lane_no) = self.recipients.get(&recipient_no).map(|recipient| recipient.lane_no) else {
            return;
        };
        let waits = self.messages.values().any(|message| {
            message.new.lane_no == lane_no
                && message.new.when_unreachable == WhenUnreachable::Wait
                && !message.state.is_final()
        });
        if waits {
            // Threads of a channel with it.
            let of_thread =
                self.recipients.iter().filter(|(_, recipient)| recipient.thread_no == recipient_no);
            self.reached.extend(of_thread.map(|(no, _)| (*no, at)));
        }
    }

    pub(super) fn is_reached(&self, lane_no: i64) -> bool {
        self.reached.keys().any(|recipient_no| self.recipients[recipient_no].lane_no == lane_no)
    }

    pub(super) fn make_due(&mut self, lane_no: i64, now: Time) -> i64 {
        let of_lane: Vec<(i64, Time)> = self
            .reached
            .iter()
            .filter(|(recipient_no, _)| self.recipients[*recipient_no].lane_no == lane_no)
            .map(|(recipient_no, at)| (*recipient_no, *at))
            .collect();
        let mut due = 0;
        for (recipient_no, at) in of_lane {
            let mut met = false;
            for message in self.messages.values_mut().filter(|message| message.closed_to.is_none()) {
                if let Some(row) = message.rows.get_mut(&recipient_no)
                    && row.state == DeliveryState::Pending
                    && row.due_at == Some(WHENEVER)
                {
                    row.due_at = Some(now);
                    met = true;
                    due += 1;
                }
            }
            if met || at < now - KEEP {
                self.reached.remove(&recipient_no);
            }
        }
        due
    }
}
