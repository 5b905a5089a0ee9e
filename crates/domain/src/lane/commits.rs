//! What is handed to the committer, and what follows once it is durable.

use std::collections::BTreeMap;

use crate::batch::{Change, Committed, Key, MessageChange};
use crate::delivery::DeliveryState;
use crate::lane::core::{Action, LaneCore, Stage};
use crate::lane::pace::LATE;
use crate::message::{MessageState, WHENEVER};
use crate::people::ReachState;
use crate::time::Time;

/// Batches that are not durable yet.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    waiting: BTreeMap<u64, Ticket>,
    last: u64,
}

impl Tickets {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[derive(Debug, Default)]
struct Ticket {
    intents: Vec<Key>,
    settled: Vec<Key>,
    completes: Vec<i64>,
    closes: Vec<i64>,
    /// Messages that are to be expanded when it is durable that they are.
    expands: Vec<i64>,
    /// Settlements obeyed, and whether one of them makes a message go on.
    words: Vec<i64>,
    reopens: bool,
    /// Somebody can be reached again, or is waited for.
    reached: bool,
}

impl LaneCore {
    pub(super) fn flush(&mut self, now: Time) {
        if self.batch.is_empty() {
            return;
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.at = now;
        let reopens =
            |change: &Change| change.from == DeliveryState::Ambiguous && change.to == DeliveryState::Pending;
        self.tickets.last += 1;
        let ticket = self.tickets.last;
        let mut pending = Ticket {
            intents: batch.intents.iter().map(|intent| intent.key).collect(),
            settled: batch.changes.iter().map(|change| change.key).collect(),
            words: batch.settled.clone(),
            reopens: batch.changes.iter().any(reopens),
            reached: batch.reach.iter().any(|change| change.state == ReachState::Reachable)
                || batch.changes.iter().any(|change| change.due_at == Some(WHENEVER)),
            ..Ticket::default()
        };
        for change in &batch.messages {
            match change {
                MessageChange::Complete { message_no, .. } => {
                    pending.completes.push(*message_no);
                }
                MessageChange::Close { message_no, .. } | MessageChange::Sweep { message_no, .. } => {
                    pending.closes.push(*message_no);
                }
                MessageChange::State { message_no, state: MessageState::Expanding, .. } => {
                    pending.expands.push(*message_no);
                }
                MessageChange::State { .. } => {}
            }
        }
        self.tickets.waiting.insert(ticket, pending);
        self.actions.push(Action::Commit { ticket, batch });
    }

    pub(super) fn committed(&mut self, now: Time, ticket: u64, committed: &Committed) {
        let Some(ticket) = self.tickets.waiting.remove(&ticket) else { return };
        for key in ticket.intents {
            self.intending -= 1;
            if committed.lost_intents.contains(&key) {
                // Someone settled it meanwhile; it is theirs.
                if let Some(flight) = self.flights.remove(&key) {
                    self.pace.give_back(flight.slot);
                    self.release(&flight.item);
                }
                self.forget(key);
            } else {
                self.intent_committed(now, key);
            }
        }
        for key in ticket.settled {
            if let Some((item, next)) = self.settling.remove(&key) {
                if committed.lost_changes.contains(&key) {
                    self.unhold(&item);
                    self.forget(key);
                } else {
                    self.put_back(item, &next);
                }
            } else if !self.flights.contains_key(&key) {
                self.forget(key);
            }
        }
        let spoken = !ticket.words.is_empty();
        for settlement_no in ticket.words {
            self.words.obeying.remove(&settlement_no);
        }
        self.due_left |= ticket.reopens;
        // One that was over may be open again, and there may be more words than one look brings.
        if ticket.reopens || spoken {
            self.actions.push(Action::Look);
        }
        if ticket.reached && self.messages.values().any(|open| open.waits) {
            self.make_due();
        }
        for message_no in ticket.expands {
            self.expands_again(message_no);
        }
        for message_no in ticket.closes {
            self.closed(now, message_no, committed.sweep_more.contains(&message_no));
        }
        for message_no in ticket.completes {
            self.completed(now, message_no, !committed.not_complete.contains(&message_no));
        }
    }

    fn intent_committed(&mut self, now: Time, key: Key) {
        let Some(flight) = self.flights.get_mut(&key) else { return };
        if now > flight.slot + LATE {
            flight.stage = Stage::Late;
            self.pace.give_back(flight.slot);
            self.late.push_back(key);
        } else {
            flight.stage = Stage::Calling;
            self.actions.push(Action::Call(flight.order()));
        }
    }

    pub(super) fn missed(&mut self, key: Key) {
        let Some(flight) = self.flights.get_mut(&key) else { return };
        flight.stage = Stage::Late;
        flight.missed = true;
        self.pace.give_back(flight.slot);
        self.late.push_back(key);
    }
}
