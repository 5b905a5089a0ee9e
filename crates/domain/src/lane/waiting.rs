//! Deliveries that go out again: at once, when their time comes, or when their other references are known.

use crate::batch::{Inherited, Key, Row, Why};
use crate::delivery::DeliveryState;
use crate::lane::core::{Action, Fetched, Inheritance, Item, LaneCore, Met, Next};
use crate::lane::threads::LONGEST;
use crate::people::{RecipientKind, Reference};
use crate::skip::unwanted;
use crate::time::Time;

impl LaneCore {
    /// Retries that have come due go to the front of their message's queue.
    pub(super) fn promote_due(&mut self, now: Time) {
        while let Some(entry) = self.waiting.first_entry() {
            let due = entry.key().0;
            if due > now {
                self.wake_by(due);
                break;
            }
            let item = entry.remove();
            self.queue_front(item);
        }
        let room = self.most_rows.saturating_sub(self.waiting.len());
        if self.due_left && !self.due_loading && room > self.most_rows / 2 && !self.messages.is_empty() {
            self.due_loading = true;
            self.due_limit = self.config.chunk.min(self.most_rows as i64);
            self.actions.push(Action::LoadDue { limit: self.due_limit });
        }
    }

    pub(super) fn due_loaded(&mut self, now: Time, rows: Vec<Row>) {
        self.due_loading = false;
        self.due_left = rows.len() as i64 >= self.due_limit;
        self.take_retries(now, rows);
    }

    /// Asks for what holds channels and chats, once.
    pub(super) fn load_inherited(&mut self, now: Time) {
        if self.inheritance == Inheritance::Unread {
            self.inheritance = Inheritance::Loading;
            self.actions.push(Action::LoadInherited { since: now - LONGEST });
        }
    }

    pub(super) fn inherited_loaded(&mut self, now: Time, inherited: Inherited) {
        self.inheritance = Inheritance::Read;
        for (thread_no, ended_at) in inherited.calls {
            self.threads.ended_before(thread_no, ended_at);
        }
        self.take_retries(now, inherited.retries);
        self.unpark_all();
    }

    fn take_retries(&mut self, now: Time, rows: Vec<Row>) {
        for row in rows {
            self.goes_on(row.key.message_no);
            let Some(open) = self.messages.get(&row.key.message_no) else { continue };
            // A new word of theirs holds for a retry as well; what was refused meanwhile does not.
            if let Some(reason) = unwanted(&row, open.purpose) {
                if !self.known.contains(&row.key) {
                    self.end_uncalled(now, &row, DeliveryState::Skipped, Some(Why::Skipped(reason)));
                }
                continue;
            }
            let due = row.due_at.unwrap_or(Time::ZERO);
            if let Some(item) = self.item(row) {
                self.hold(&item);
                self.waiting.insert((due, item.row.key), item);
            }
        }
    }

    pub(super) fn put_back(&mut self, item: Item, next: &Next) {
        let key = item.row.key;
        if !self.messages.contains_key(&key.message_no) {
            return self.forget(key);
        }
        match next {
            Next::Front => self.queue_front(item),
            // What holds a channel or chat stays in memory: out of sight it would be overtaken.
            Next::WaitUntil(due)
                if self.waiting.len() < self.most_rows || item.row.kind != RecipientKind::Person =>
            {
                self.waiting.insert((*due, key), item);
            }
            // No room: it has its due time in the store and is loaded again when there is.
            Next::WaitUntil(_) => {
                self.forget(key);
                self.due_left = true;
            }
            Next::Whenever => self.forget(key),
            Next::References => self.fetch(item, false),
            Next::Renew => self.fetch(item, true),
            Next::Meet => self.meet(item),
        }
    }

    /// Those who wait for what is over by now are due.
    pub(super) fn hasten(&mut self, now: Time, met: Met) {
        for ((due, key), item) in std::mem::take(&mut self.waiting) {
            let due = if item.met == met { due.min(now) } else { due };
            self.waiting.insert((due, key), item);
        }
    }

    fn fetch(&mut self, item: Item, renew: bool) {
        let key = item.row.key;
        self.fetching.insert(key, (item, renew));
        self.actions.push(Action::LoadReferences { key });
    }

    pub(super) fn references(&mut self, now: Time, key: Key, references: Vec<Reference>) {
        let Some((mut item, renew)) = self.fetching.remove(&key) else {
            return self.met(now, key, references);
        };
        if !self.messages.contains_key(&key.message_no) {
            return self.forget(key);
        }
        let used = item.row_mut().reference.take();
        let id = |reference: &Reference| Some(reference.conversation_id.clone());
        let other = references
            .into_iter()
            .find(|reference| !reference.suspect && (renew || id(reference) != used.as_ref().and_then(id)));
        if renew {
            let (before, after) = (used.as_ref().map(url), other.as_ref().map(url));
            if let Some(dead) = before.filter(|before| after.is_some_and(|after| after != *before)) {
                self.left.insert(dead.to_owned());
            }
            item.fetched = Fetched::Anew;
            item.row_mut().reference = other.or(used);
            self.queue_front(item);
        } else if other.is_some() {
            item.row_mut().reference = other;
            self.queue_front(item);
        } else {
            item.row_mut().reference = used;
            self.fail_not_installed(now, item, DeliveryState::Pending, None);
        }
    }

    /// Reads the reference of a delivery again if it was read before its service URL was left; whether it did.
    pub(super) fn renew_outdated(&mut self, item: Item) -> Option<Item> {
        let outdated = item.fetched != Fetched::Anew
            && item.row.reference.as_ref().is_some_and(|known| self.left.contains(url(known)));
        if outdated {
            self.fetch(item, true);
            return None;
        }
        Some(item)
    }
}

fn url(reference: &Reference) -> &str {
    reference.service_url.as_str()
}
