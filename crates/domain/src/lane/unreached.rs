//! Messages that wait for those whom nobody can reach now (`when_unreachable: wait`): their deliveries stay pending and out
//! of memory, due whenever they can be reached. What shows that (an install, a word of theirs, a call that was accepted) is
//! noted by the store, and the owner makes them due.

use crate::batch::{Change, Row};
use crate::delivery::{DeliveryState, FailReason};
use crate::lane::core::{Action, Item, LaneCore};
use crate::lane::messages::Phase;
use crate::message::{MessageState, UNREACHABLE, WHENEVER};
use crate::time::Time;

impl FailReason {
    /// Whether it is of those that end when somebody installs the app, unblocks it or allows it.
    const fn may_end(self) -> bool {
        matches!(
            self,
            Self::BlockedByUser
                | Self::BlockedOrRemoved
                | Self::NotInstalled
                | Self::DisabledByAdmin
                | Self::BlockedByPolicy
        )
    }
}

impl LaneCore {
    /// Whether a delivery that was refused for this waits for its recipient.
    pub(super) fn awaits(&self, item: &Item, reason: FailReason) -> bool {
        let waits = self.messages.get(&item.row.key.message_no).is_some_and(|open| open.waits);
        waits && reason.may_end()
    }

    /// The same of one that need not be called to know.
    pub(super) fn await_recipient(&mut self, now: Time, row: &Row) {
        if !self.known.insert(row.key) {
            return;
        }
        self.change(Change {
            key: row.key,
            from: DeliveryState::Pending,
            to: DeliveryState::Pending,
            why: None,
            attempt: None,
            activity_id: None,
            due_at: Some(WHENEVER),
            tries: row.tries,
            resent: row.resent,
            at: now,
        });
    }

    /// Of a message nothing is left but deliveries that wait for their recipients; whether that is so.
    pub(super) fn only_awaits(&mut self, message_no: i64) -> bool {
        let Some(open) = self.messages.get(&message_no) else { return false };
        if !open.waits || open.phase != Phase::Sending {
            return false;
        }
        // It was looked through once more since, and that is all there is.
        let sure = open.state == MessageState::Waiting;
        if !sure {
            self.set_state(message_no, MessageState::Waiting, Some(UNREACHABLE));
        }
        sure
    }

    /// Something of a message can be sent again.
    pub(super) fn goes_on(&mut self, message_no: i64) {
        let waits = |open: &crate::lane::messages::Open| {
            open.waits && open.phase == Phase::Sending && open.state == MessageState::Waiting
        };
        if self.messages.get(&message_no).is_some_and(waits) {
            self.set_state(message_no, MessageState::Sending, None);
        }
    }

    /// Somebody can be reached for whom deliveries may wait.
    pub(super) fn make_due(&mut self) {
        self.actions.push(Action::MakeDue);
    }

    pub(super) fn made_due(&mut self, deliveries: i64) {
        self.due_left |= deliveries > 0;
    }
}
