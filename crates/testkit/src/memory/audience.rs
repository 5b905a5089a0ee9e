//! Taking messages in, controlling and expanding them.

use std::collections::BTreeSet;
use std::time::Duration;

use nuncio_domain::message::{Controlled, Expanded, Idempotency, Named, Submitted};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{
    Control, DeliveryState, MessageId, MessageState, NewMessage, ReachState, RecipientKind, Scope, Time,
};

use super::{Delivery, Message, Part, Place, Recipient, State};

const DAY: Duration = Duration::from_hours(24);

impl State {
    pub(super) fn repeated(&self, scope: &Scope, idempotency: &Idempotency, now: Time) -> Option<Submitted> {
        let (before, message_no, at) = self.idempotency.get(&(scope.key_no, idempotency.key.clone()))?;
        (*at > now - DAY).then(|| {
            if before.body_hash == idempotency.body_hash {
                Submitted::Repeated(self.messages[message_no].new.id)
            } else {
                Submitted::KeyReused
            }
        })
    }

    pub(super) fn submit(&mut self, scope: &Scope, mut new: NewMessage) -> Result<Submitted, StoreError> {
        if let Some(idempotency) = &new.idempotency
            && let Some(before) = self.repeated(scope, idempotency, new.created_at)
        {
            return Ok(before);
        }
        if !self.lanes.get(&new.lane_no).is_some_and(|lane| scope.sees_app(&lane.app)) {
            return Err(StoreError::Broken("no such lane for this caller".to_owned()));
        }
        let all_there = |list_no: &i64| self.lists.get(list_no).is_some_and(|list| list.is_of(new.lane_no));
        if !new.lists.iter().all(all_there) {
            return Err(StoreError::Unavailable("a list of the audience was deleted".to_owned()));
        }
        let excluded = new.exclude_groups.iter().map(|from| Place::Excluded(Part::of(from.clone())));
        let mut sources: Vec<Place> = excluded.collect();
        let distinct: BTreeSet<Named> = new.named.iter().cloned().collect();
        if !distinct.is_empty() {
            sources.push(Place::Named(self.named(new.lane_no, &distinct)));
        }
        sources.extend(new.lists.iter().map(|list_no| Place::Uploaded(*list_no)));
        for person in &new.resolved {
            self.told(new.lane_no, person, new.created_at);
        }
        sources.extend(new.directory.iter().map(|from| Place::Directory(Part::of(from.clone()))));
        if new.installed {
            sources.push(Place::Installed);
        }
        if let Some(retries) = &new.retries {
            let of = self
                .messages
                .iter()
                .find(|(_, message)| message.new.id == retries.of && message.new.lane_no == new.lane_no);
            let Some((of_no, of)) = of else {
                return Err(StoreError::Broken("no such message to try again".to_owned()));
            };
            // Whoever was left out is left out still.
            new.exclude.extend(of.new.exclude.iter().cloned());
            new.include = of.new.include;
            sources.push(Place::Retry(*of_no, retries.states.clone(), retries.reasons.clone()));
        }
        let message_no = self.messages.keys().next_back().map_or(1, |last| last + 1);
        if let Some(idempotency) = &new.idempotency {
            let key = (scope.key_no, idempotency.key.clone());
            self.idempotency.insert(key, (idempotency.clone(), message_no, new.created_at));
        }
        let later = new.send_at.is_some_and(|at| at > new.created_at);
        let message = Message {
            state: if later { MessageState::Scheduled } else { MessageState::Expanding },
            control: None,
            cause: None,
            max_recipients: new.max_recipients,
            sources,
            source: 0,
            after: 0,
            fence: self.recipients.keys().next_back().copied().unwrap_or(0),
            audience_final: false,
            duplicates: (new.named.len() - distinct.len()) as i64,
            completed_at: None,
            closed_to: None,
            swept: true,
            rows: std::collections::BTreeMap::new(),
            new,
        };
        self.messages.insert(message_no, message);
        Ok(Submitted::Stored)
    }

    fn named(&mut self, lane_no: i64, distinct: &BTreeSet<Named>) -> BTreeSet<i64> {
        let numbers: Vec<i64> =
            distinct.iter().map(|named| self.recipient(lane_no, named.kind, &named.key)).collect();
        // Replies belong to the thread of their channel.
        for named in distinct {
            if let Some((base, _)) = named.key.split_once(";messageid=") {
                let reply = self.recipient(lane_no, named.kind, &named.key);
                let base = self.recipient(lane_no, named.kind, base);
                if let Some(reply) = self.recipients.get_mut(&reply) {
                    reply.thread_no = base;
                }
            }
        }
        numbers.into_iter().collect()
    }

    pub(super) fn control(&mut self, scope: &Scope, id: MessageId, control: Control) -> Controlled {
        let Some(message) = self.messages.values_mut().find(|message| message.new.id == id) else {
            return Controlled::NotFound;
        };
        let Some(lane) = self.lanes.get_mut(&message.new.lane_no) else { return Controlled::NotFound };
        if !scope.sees_app(&lane.app) {
            return Controlled::NotFound;
        }
        let state = message.state;
        if state.is_final() {
            return Controlled::TooLate { state };
        }
        if message.closed_to.is_some() {
            return Controlled::TooLate { state: MessageState::Completed };
        }
        let asks = state == MessageState::Waiting && message.cause.as_deref() == Some("confirm");
        let cancelling = message.control == Some(Control::Cancel);
        let sense = match control {
            Control::Cancel => true,
            Control::Pause => !cancelling && !asks,
            Control::Resume => {
                !cancelling && (state == MessageState::Paused || message.control == Some(Control::Pause))
            }
            Control::Confirm => !cancelling && asks,
        };
        if !sense {
            return Controlled::TooLate { state };
        }
        if control == Control::Confirm {
            message.max_recipients = message.max_recipients.max(message.rows.len() as i64);
        }
        message.control = Some(control);
        lane.control_rev += 1;
        Controlled::Taken { lane_no: message.new.lane_no }
    }

    pub(super) fn expand(&mut self, message_no: i64, limit: i64, now: Time) -> Result<Expanded, StoreError> {
        // Another message is looked at while this one is written.
        let Some(mut message) = self.messages.remove(&message_no) else {
            return Err(StoreError::Broken("no such message".to_owned()));
        };
        let expanded = self.expand_one(&mut message, limit, now);
        self.messages.insert(message_no, message);
        Ok(expanded)
    }

    fn expand_one(&self, message: &mut Message, limit: i64, now: Time) -> Expanded {
        let mut expanded = Expanded { done: true, ..Expanded::default() };
        if message.audience_final {
            return expanded;
        }
        let lane_no = message.new.lane_no;
        let mut left = limit.max(1) as usize;
        while left > 0 && message.source < message.sources.len() {
            let (after, mut fence) = (message.after, message.fence);
            match &message.sources[message.source] {
                Place::Directory(part) | Place::Excluded(part) => {
                    expanded.wants = part.wants(message.source);
                    fence = i64::MAX;
                }
                Place::Uploaded(list_no) => {
                    expanded.names_of = self.lists[list_no].wants().then_some(*list_no);
                    fence = i64::MAX;
                }
                _ => {}
            }
            if expanded.wants.is_some() || expanded.names_of.is_some() {
                break;
            }
            if let Place::Excluded(_) = &message.sources[message.source] {
                message.source += 1;
                continue;
            }
            if let Place::Retry(of, states, reasons) = &message.sources[message.source] {
                let of = &self.messages[of];
                // A chunk is rows read, meant or not.
                let rows = of.rows.range(after + 1..).take_while(|(no, _)| **no <= fence);
                let read: Vec<_> = rows.take(left).collect();
                for (recipient_no, row) in &read {
                    if of.is_meant(row, states, reasons) && !message.rows.contains_key(*recipient_no) {
                        message.rows.insert(**recipient_no, Delivery::pending(row.thread_no));
                        expanded.added += 1;
                    }
                    message.after = **recipient_no;
                }
                if read.len() < left {
                    message.source += 1;
                    message.after = 0;
                }
                left -= read.len();
                continue;
            }
            let recipients = self.recipients.range(after + 1..).take_while(|(no, _)| **no <= fence);
            let chunk: Vec<(i64, i64)> = recipients
                .filter(|(no, recipient)| match &message.sources[message.source] {
                    Place::Named(numbers) => numbers.contains(no),
                    Place::Uploaded(list_no) => self.lists[list_no].members.contains(no),
                    Place::Directory(part) => part.members.contains(no),
                    Place::Installed => recipient.lane_no == lane_no && recipient.has_installed(),
                    Place::Excluded(_) | Place::Retry(..) => false,
                })
                .map(|(no, recipient)| (*no, recipient.thread_no))
                .take(left)
                .collect();
            for (recipient_no, thread_no) in &chunk {
                if message.rows.contains_key(recipient_no) {
                    expanded.duplicates += 1;
                } else {
                    message.rows.insert(*recipient_no, Delivery::pending(*thread_no));
                    expanded.added += 1;
                }
                message.after = *recipient_no;
            }
            if chunk.len() < left {
                message.source += 1;
                message.after = 0;
            }
            left -= chunk.len();
        }
        message.duplicates += expanded.duplicates;
        expanded.done = message.source == message.sources.len();
        if expanded.done {
            message.audience_final = true;
            message.cause = None;
            let scheduled =
                message.state == MessageState::Scheduled && message.new.send_at.is_some_and(|at| at > now);
            if message.rows.len() as i64 > message.max_recipients {
                expanded.confirm = true;
                message.state = MessageState::Waiting;
                message.cause = Some("confirm".to_owned());
            } else if message.state != MessageState::Paused && !scheduled {
                message.state = MessageState::Sending;
            }
        }
        expanded
    }
}

impl Message {
    /// Whether a retry is for this one.
    fn is_meant(&self, row: &Delivery, states: &[DeliveryState], reasons: &[String]) -> bool {
        let state = self.shown(row);
        let by_reason =
            matches!(state, DeliveryState::Failed | DeliveryState::Skipped) && !reasons.is_empty();
        states.contains(&state)
            && (!by_reason || row.reason.as_ref().is_some_and(|reason| reasons.contains(reason)))
    }
}

impl Recipient {
    fn has_installed(&self) -> bool {
        self.kind == RecipientKind::Person
            && !self.references.is_empty()
            && !matches!(self.reach, ReachState::Removed | ReachState::NeverInstalled)
    }
}

impl Delivery {
    fn pending(thread_no: i64) -> Self {
        Self {
            thread_no,
            state: DeliveryState::Pending,
            reason: None,
            activity_id: None,
            tries: 0,
            resent: false,
            due_at: None,
            started_at: None,
            attempts: Vec::new(),
        }
    }
}
