//! Batches of owners, a part at a time and a row at a time.

use std::time::Duration;

use nuncio_domain::batch::{Attempt, Change, Intent, MessageChange, ReachChange, Why};
use nuncio_domain::views::AttemptView;
use nuncio_domain::{
    Batch, Class, Committed, Control, DeliveryState, Key, MessageState, OnAmbiguous, ReachState,
    RecipientKind, Time,
};

use super::{Delivery, Entry, State};

impl State {
    pub(super) fn commit(&mut self, batch: &Batch) -> Committed {
        let mut done = Committed::default();
        for intent in &batch.intents {
            if !self.intend(intent) {
                done.lost_intents.push(intent.key);
            }
        }
        let mut moved = Vec::new();
        for change in &batch.changes {
            if !self.change(change) {
                done.lost_changes.push(change.key);
            } else if change.from == DeliveryState::Ambiguous {
                moved.push((change.key, change.to));
            }
        }
        self.obeyed(&batch.settled, moved);
        for new in &batch.references {
            self.refer(new.recipient_no, &new.conversation_id, &new.service_url, new.origin, new.at);
        }
        let doubted = if batch.suspects.is_empty() { None } else { Some(self.recipients.values_mut()) };
        for recipient in doubted.into_iter().flatten() {
            for known in &mut recipient.references {
                known.reference.suspect |= batch.suspects.contains(&known.reference.reference_no);
            }
        }
        for change in &batch.reach {
            self.reach(change);
        }
        for change in &batch.messages {
            self.message_change(change, batch.at, &mut done);
        }
        for (lane_no, status) in &batch.lane_status {
            if let Some(lane) = self.lanes.get_mut(lane_no) {
                lane.status = Some(status.clone());
            }
        }
        done
    }

    fn intend(&mut self, intent: &Intent) -> bool {
        let open =
            self.messages.get(&intent.key.message_no).is_some_and(|message| message.closed_to.is_none());
        let Some(row) = self.row_mut(intent.key) else { return false };
        if !open || row.state != DeliveryState::Pending {
            return false;
        }
        row.state = DeliveryState::InFlight;
        row.started_at = Some(intent.at);
        row.due_at = None;
        true
    }

    fn change(&mut self, change: &Change) -> bool {
        let may = self.row_change(change);
        if may
            && change.from == DeliveryState::Ambiguous
            && change.to == DeliveryState::Pending
            && let Some(message) = self.messages.get_mut(&change.key.message_no)
            && message.state == MessageState::Completed
        {
            message.state = MessageState::Sending;
            message.completed_at = None;
        }
        may
    }

    fn row_change(&mut self, change: &Change) -> bool {
        let closed_to = self.messages.get(&change.key.message_no).and_then(|message| message.closed_to);
        let Some(row) = self.row_mut(change.key) else { return false };
        match closed_to {
            Some(closed_to) if change.from == DeliveryState::Pending => {
                // It is closed already, swept or not. A call that was made for it is kept all the same.
                let settled = [DeliveryState::Pending, closed_to].contains(&row.state);
                if change.attempt.is_none() || !settled {
                    return false;
                }
                row.becomes(change, closed_to);
                change.to == closed_to
            }
            // A retry that will not be: closed like those that were pending.
            Some(closed_to) if change.to == DeliveryState::Pending => {
                let may = row.state == change.from && change.from.may_become(closed_to);
                if may {
                    row.becomes(change, closed_to);
                }
                may
            }
            _ => {
                let may = row.state == change.from && change.from.may_become(change.to);
                if may {
                    row.becomes(change, change.to);
                }
                may
            }
        }
    }

    fn reach(&mut self, change: &ReachChange) {
        let Some(recipient) = self.recipients.get_mut(&change.recipient_no) else { return };
        let good = change.state == ReachState::Reachable;
        let news = recipient.state() != change.state;
        let told = recipient.heard || recipient.standing.counts(recipient.reach_at).is_some();
        if good && told && recipient.state().is_refusal() {
            let last = recipient.history.iter().rev().find(|entry| !entry.late);
            if last.map(|entry| entry.state) != Some(change.state) {
                let (at, state) = (change.at, change.state);
                recipient.history.push(Entry { at, state, contradicts: true, late: false });
            }
        } else {
            recipient.becomes(change.state, &change.evidence.text, change.at, false);
        }
        if good && news {
            self.note_reached(change.recipient_no, change.at);
        }
    }

    fn message_change(&mut self, change: &MessageChange, now: Time, done: &mut Committed) {
        let message_no = change.message_no();
        let Some(message) = self.messages.get_mut(&message_no) else {
            if matches!(change, MessageChange::Complete { .. }) {
                done.not_complete.push(message_no);
            }
            return;
        };
        match change {
            MessageChange::State { state, cause, .. } => {
                if message.closed_to.is_some() || message.state == MessageState::Cancelled {
                    return;
                }
                message.state = *state;
                message.cause.clone_from(cause);
                message.completed_at = state.is_final().then_some(now);
                let obeyed = match message.control {
                    Some(Control::Cancel) => state.is_final(),
                    Some(Control::Pause) => state.is_final() || *state == MessageState::Paused,
                    Some(Control::Resume | Control::Confirm) => *state != MessageState::Paused,
                    None => false,
                };
                if obeyed {
                    message.control = None;
                }
            }
            MessageChange::Complete { at, .. } => {
                if message.state.is_final() {
                    return;
                }
                let counts = message.counts();
                if message.audience_final && counts.pending == 0 && counts.in_flight == 0 {
                    message.state = MessageState::Completed;
                    message.completed_at = Some(*at);
                    message.control = None;
                    message.cause = None;
                } else {
                    done.not_complete.push(message_no);
                }
            }
            MessageChange::Close { to, at, .. } => {
                if message.state.is_final() || message.closed_to.is_some() {
                    return;
                }
                message.swept = message.counts().pending == 0;
                message.closed_to = Some(*to);
                message.audience_final = true;
                message.control = None;
                message.cause = None;
                if *to == DeliveryState::Cancelled {
                    message.state = MessageState::Cancelled;
                    message.completed_at = Some(*at);
                }
            }
            MessageChange::Sweep { limit, .. } => {
                let (Some(closed_to), false) = (message.closed_to, message.swept) else { return };
                let pending = message.rows.values_mut().filter(|row| row.state == DeliveryState::Pending);
                let mut moved = 0;
                for row in pending.take(*limit as usize) {
                    row.state = closed_to;
                    row.due_at = None;
                    moved += 1;
                }
                if moved == *limit {
                    done.sweep_more.push(message_no);
                } else {
                    message.swept = true;
                }
            }
        }
    }

    /// What a dead owner left in flight.
    pub(super) fn recover(&mut self, lane_no: i64, now: Time) -> (i64, i64) {
        let (mut ambiguous, mut resent) = (0, 0);
        let recipients = &self.recipients;
        for message in self.messages.values_mut().filter(|message| message.new.lane_no == lane_no) {
            for (recipient_no, row) in &mut message.rows {
                if row.state != DeliveryState::InFlight {
                    continue;
                }
                let recipient = &recipients[recipient_no];
                let alert = recipient.kind != RecipientKind::Person || message.new.class == Class::Urgent;
                let again = message.new.on_ambiguous.map_or(alert, |policy| policy == OnAmbiguous::Resend);
                let started_at = row.started_at.unwrap_or(now);
                let thread =
                    recipient.kind == RecipientKind::Channel && !recipient.key.contains(";messageid=");
                row.attempts.push(AttemptView {
                    n: row.attempts.len() as i64 + 1,
                    call: if thread { "new_thread" } else { "send" }.to_owned(),
                    started_at,
                    ended_at: now,
                    outcome: "ambiguous".to_owned(),
                    status: None,
                    code: None,
                    text: Some("the process ended while the call was under way".to_owned()),
                    correlation: None,
                });
                if again && !row.resent && message.closed_to.is_none() {
                    row.state = DeliveryState::Pending;
                    row.due_at = Some(started_at + Duration::from_secs(30));
                    row.resent = true;
                    resent += 1;
                } else {
                    row.state = DeliveryState::Ambiguous;
                    ambiguous += 1;
                }
            }
        }
        (ambiguous, resent)
    }
}

impl Delivery {
    fn becomes(&mut self, change: &Change, to: DeliveryState) {
        self.state = to;
        self.reason = match change.why {
            Some(why @ (Why::Failed(_) | Why::Skipped(_)))
                if matches!(to, DeliveryState::Failed | DeliveryState::Skipped) =>
            {
                Some(why.as_str().to_owned())
            }
            _ => None,
        };
        if change.activity_id.is_some() {
            self.activity_id.clone_from(&change.activity_id);
        }
        self.due_at = if to == DeliveryState::Pending { change.due_at } else { None };
        self.tries = change.tries;
        self.resent = change.resent;
        if let Some(attempt) = &change.attempt {
            let n = self.attempts.len() as i64 + 1;
            self.attempts.push(view(n, attempt));
        }
    }
}

fn view(n: i64, attempt: &Attempt) -> AttemptView {
    AttemptView {
        n,
        call: attempt.call.to_string(),
        started_at: attempt.started_at,
        ended_at: attempt.ended_at,
        outcome: attempt.outcome.to_owned(),
        status: attempt.status,
        code: attempt.code.clone(),
        text: attempt.text.clone(),
        correlation: attempt.correlation.clone(),
    }
}

/// The key of a row, for those who page through them.
pub(super) const fn key(message_no: i64, recipient_no: i64) -> Key {
    Key { message_no, recipient_no }
}
