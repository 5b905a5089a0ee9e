//! Words that were left for the owner of a lane: what callers want of a message, an operator's hold on the whole lane,
//! and what ambiguous deliveries are settled as.

use std::collections::BTreeSet;

use crate::batch::Change;
use crate::delivery::DeliveryState;
use crate::lane::core::{LaneCore, Met};
use crate::lane::messages::Phase;
use crate::message::{Control, MessageState, OpenMessage, Opened, Settlement, Verdict};
use crate::time::Time;

/// What the owner has heard.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// An operator holds the lane.
    pub(super) paused: bool,
    /// The process is to end: nothing new begins.
    pub(super) draining: bool,
    resumed_at: Option<Time>,
    looked: bool,
    /// Settlements whose changes are being committed.
    pub(super) obeying: BTreeSet<i64>,
}

impl LaneCore {
    pub(super) fn looked(&mut self, now: Time, opened: &Opened) {
        for message in &opened.messages {
            self.opened(now, message);
        }
        if self.words.paused != opened.paused {
            self.words.paused = opened.paused;
            self.status_at = Time::ZERO;
        }
        // What was said before this owner began is over.
        if self.words.looked && self.words.resumed_at < opened.resumed_at {
            self.go_on(now);
        }
        self.words.resumed_at = opened.resumed_at;
        self.words.looked = true;
        if opened.reached {
            self.make_due();
        }
        for settlement in &opened.settlements {
            self.settled(now, settlement);
        }
    }

    fn opened(&mut self, now: Time, message: &OpenMessage) {
        let message_no = message.message_no;
        match self.messages.get_mut(&message_no) {
            None => self.take_up(now, message),
            // Those who go on gathering may have put it off.
            Some(open) if open.phase == Phase::Gathering => {
                open.send_at = message.send_at;
                self.tending.touched.insert(message_no);
            }
            Some(_) => {}
        }
        if let Some(control) = message.control {
            self.obey(now, message_no, control);
        }
    }

    fn obey(&mut self, now: Time, message_no: i64, control: Control) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        let state = match (control, open.phase) {
            (_, Phase::Closed(_)) => return,
            (Control::Cancel, _) => return self.close(now, message_no, DeliveryState::Cancelled),
            (Control::Pause, _) => {
                open.phase = Phase::Paused;
                self.give_back_late(now, Some(message_no));
                MessageState::Paused
            }
            (Control::Resume, Phase::Paused) | (Control::Confirm, Phase::Confirm) if open.audience_final => {
                open.phase = Phase::Sending;
                if open.send_at.is_some_and(|send_at| send_at > now) {
                    MessageState::Scheduled
                } else {
                    MessageState::Sending
                }
            }
            (Control::Resume, Phase::Paused) => {
                // It goes on once that is durable.
                open.phase = Phase::Expanding;
                MessageState::Expanding
            }
            // Said twice, or overtaken: the state as it is, so that the word is taken off.
            _ => open.state,
        };
        self.set_state(message_no, state, None);
        self.tending.touched.insert(message_no);
    }

    /// An operator's word ends every rest and cool-down; those who wait for the end of one are due.
    fn go_on(&mut self, now: Time) {
        self.pace.go_on(now);
        self.threads.go_on(now);
        self.trouble.probe_now(now);
        self.hasten(now, Met::Throttled);
    }

    /// A person's word or evidence about a delivery of which no one could know (`docs/delivery.md`, Ambiguous). Where it
    /// is not ambiguous any more the store changes nothing.
    fn settled(&mut self, now: Time, settlement: &Settlement) {
        if !self.words.obeying.insert(settlement.settlement_no) {
            return;
        }
        let resend = settlement.verdict == Verdict::Resend;
        self.change(Change {
            key: settlement.key,
            from: DeliveryState::Ambiguous,
            to: if resend { DeliveryState::Pending } else { DeliveryState::Delivered },
            why: None,
            attempt: None,
            activity_id: settlement.activity_id.clone(),
            due_at: resend.then_some(now),
            tries: settlement.tries,
            resent: resend,
            at: now,
        });
        self.batch.settled.push(settlement.settlement_no);
    }
}
