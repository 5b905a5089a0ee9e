//! How a message ends: cancelled, expired, or completed.

use std::time::Duration;

use crate::batch::{Change, Key, MessageChange, Why};
use crate::delivery::{DeliveryState, FailReason};
use crate::lane::core::{Action, Item, LaneCore, Met};
use crate::lane::messages::{Asked, Phase, Reading};
use crate::message::MessageState;
use crate::time::Time;

/// A message that did not add up is looked through again after this.
const AGAIN: Duration = Duration::from_secs(1);

impl LaneCore {
    /// Ends a message before its end: what is pending becomes `to` at once, what is in flight records what it comes to.
    pub(super) fn close(&mut self, now: Time, message_no: i64, to: DeliveryState) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        open.phase = Phase::Closed(to);
        self.give_back_late(now, Some(message_no));
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        let mut held: Vec<Item> = open.queue.drain(..).collect();
        held.extend(self.order.unpark_message(message_no));
        let retries: Vec<(Time, Key)> =
            self.waiting.keys().filter(|(_, key)| key.message_no == message_no).copied().collect();
        held.extend(retries.iter().filter_map(|entry| self.waiting.remove(entry)));
        for item in held {
            self.unhold(&item);
            if to == DeliveryState::Expired && item.met == Met::Throttled {
                self.change(Change {
                    key: item.row.key,
                    from: DeliveryState::Pending,
                    to: DeliveryState::Failed,
                    why: Some(Why::Failed(FailReason::ThrottledOut)),
                    attempt: None,
                    activity_id: None,
                    due_at: None,
                    tries: item.row.tries,
                    resent: item.row.resent,
                    at: now,
                });
            } else {
                self.forget(item.row.key);
            }
        }
        self.batch.messages.push(MessageChange::Close { message_no, to, at: now });
        if let Some(open) = self.messages.get_mut(&message_no) {
            open.asked = Asked::ToSweep;
        }
    }

    pub(super) fn sweep(&mut self, now: Time, message_no: i64, to: DeliveryState) {
        if let Some(open) = self.messages.get_mut(&message_no) {
            open.asked = Asked::ToSweep;
        }
        let limit = self.config.chunk;
        self.batch.messages.push(MessageChange::Sweep { message_no, to, limit, at: now });
    }

    /// A close or a sweep was committed.
    pub(super) fn closed(&mut self, now: Time, message_no: i64, more: bool) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        let Some(to) = open.closed_to() else { return };
        // The close itself sweeps nothing.
        if more || open.state != MessageState::Completed {
            open.state = if more { open.state } else { MessageState::Completed };
            self.sweep(now, message_no, to);
        } else {
            open.asked = Asked::Nothing;
            self.tending.ending.insert(message_no);
        }
    }

    /// Completes messages of which nothing is left here; the store has the last word.
    pub(super) fn complete_idle(&mut self, now: Time) {
        if self.due_loading || self.due_left {
            return;
        }
        for message_no in std::mem::take(&mut self.tending.ending) {
            let Some(open) = self.messages.get(&message_no) else { continue };
            let idle = match open.phase {
                Phase::Sending => open.reading == Reading::Ended && open.sends(now),
                Phase::Closed(_) => open.again_at <= now,
                _ => false,
            };
            let all = Key { message_no, recipient_no: i64::MIN }..=Key { message_no, recipient_no: i64::MAX };
            if !idle || open.asked != Asked::Nothing || self.known.range(all).next().is_some() {
                continue;
            }
            if let Some(open) = self.messages.get_mut(&message_no) {
                open.asked = Asked::ToComplete;
            }
            self.batch.messages.push(MessageChange::Complete { message_no, at: now });
        }
    }

    pub(super) fn completed(&mut self, now: Time, message_no: i64, done: bool) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        if done {
            let (class, alarm) = (open.class, open.alarm);
            if open.reading == Reading::Loading {
                self.tending.loading -= open.loads();
            }
            self.messages.remove(&message_no);
            self.order.remove(class, message_no);
            self.tending.hungry.remove(&(class, message_no));
            if let Some(at) = alarm {
                self.tending.alarms.remove(&(at, message_no));
            }
            self.actions.push(Action::Forget { message_no });
        } else {
            // Something pending was passed over: read it all again, without haste.
            if open.asked == Asked::ToComplete {
                open.asked = Asked::Nothing;
            }
            if self.only_awaits(message_no) {
                return;
            }
            let Some(open) = self.messages.get_mut(&message_no) else { return };
            open.reading = Reading::Ready;
            open.cursor = 0;
            open.again_at = now + AGAIN;
            self.due_left = true;
            self.tending.touched.insert(message_no);
        }
    }
}
