//! Which delivery goes next (`docs/delivery.md`, Priority): the messages in their [`turns`](super::turns), one call at a
//! time in a thread.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::batch::Intent;
use crate::lane::core::{Action, Flight, Inheritance, Item, LaneCore, Stage};
use crate::lane::pace::{LEAD, LEASE_LEFT};
use crate::lane::threads::Free;
use crate::lane::turns::Turns;
use crate::message::Class;
use crate::outcome::Operation;
use crate::people::RecipientKind;
use crate::time::Time;

/// Turns of the messages, and deliveries set aside because their thread is not free.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Messages that have something in their queue.
    turns: Turns,
    /// By thread: deliveries that wait for it, in the order they came to it.
    parked: BTreeMap<i64, VecDeque<Item>>,
    /// When a parked thread may be looked at again; `None` while a call is under way there.
    free_at: BTreeSet<(Time, i64)>,
    /// Retries waiting in a channel or chat hold later ones of their class.
    holds: BTreeMap<(i64, Class), u32>,
}

impl Order {
    pub(super) fn remove(&mut self, class: Class, message_no: i64) {
        self.turns.remove(class, message_no);
    }

    pub(super) fn unpark_message(&mut self, message_no: i64) -> Vec<Item> {
        let mut taken = Vec::new();
        self.parked.retain(|_, items| {
            let (mine, others): (VecDeque<_>, VecDeque<_>) =
                items.drain(..).partition(|item| item.row.key.message_no == message_no);
            taken.extend(mine);
            *items = others;
            !items.is_empty()
        });
        taken
    }

    pub(super) fn clock_set(&mut self, by_us: i64) {
        let at = std::mem::take(&mut self.free_at).into_iter();
        self.free_at = at.map(|(at, thread_no)| (at.moved(by_us), thread_no)).collect();
    }
}

impl LaneCore {
    /// Starts as much as limits allow.
    pub(super) fn fill(&mut self, now: Time) {
        self.unpark_free(now);
        if self.words.paused {
            return self.give_back_late(now, None);
        }
        loop {
            if !self.may_begin() {
                return;
            }
            // Late ones are not under way: one of them may well be the probe.
            if let Some(until) = self.trouble.blocks(now, self.flights.len() - self.late.len()) {
                if let Some(until) = until {
                    self.give_back_late(now, None);
                    self.wake_by(until);
                }
                return;
            }
            let slot = match self.pace.peek(now) {
                Ok(slot) => slot,
                Err(wake) => {
                    if self.pace.cooling_until(now).is_some() {
                        self.give_back_late(now, None);
                    }
                    if self.has_work() {
                        self.wake_by(wake);
                    }
                    return;
                }
            };
            // A renewal brings the next step.
            if slot + LEASE_LEFT > self.lease_until {
                return;
            }
            if let Some(key) = self.late.pop_front() {
                self.pace.take(slot);
                if let Some(flight) = self.flights.get_mut(&key) {
                    flight.stage = Stage::Calling;
                    flight.slot = slot;
                    self.actions.push(Action::Call(flight.order()));
                }
                continue;
            }
            if self.words.draining {
                return;
            }
            if !self.has_work() || !self.takes_room() {
                return;
            }
            let Some(item) = self.pick(now, slot) else { return };
            let Some(item) = self.renew_outdated(item) else { continue };
            self.pace.take(slot);
            self.start(item, slot);
        }
    }

    fn has_work(&self) -> bool {
        !self.late.is_empty() || !self.order.turns.is_empty()
    }

    /// A message whose queue has something gets its turn; if it may not send now, it loses it when it comes.
    pub(super) fn take_turn(&mut self, message_no: i64) {
        if let Some(class) = self.joins(message_no) {
            self.order.turns.push_back(class, message_no);
        }
    }

    /// The class in which it gets its turn, if it has none and has something to send; from now on it has one.
    fn joins(&mut self, message_no: i64) -> Option<Class> {
        let open = self.messages.get_mut(&message_no)?;
        if open.in_turn || open.queue.is_empty() {
            return None;
        }
        open.in_turn = true;
        Some(open.class)
    }

    /// Before all others of its message, which goes before other messages: it was there before them.
    pub(super) fn queue_front(&mut self, item: Item) {
        let Some(item) = self.install_first(item) else { return };
        let key = item.row.key;
        let Some(open) = self.messages.get_mut(&key.message_no) else { return self.forget(key) };
        open.queue.push_front(item);
        if let Some(class) = self.joins(key.message_no) {
            self.order.turns.push_front(class, key.message_no);
        }
    }

    pub(super) fn queue_back(&mut self, item: Item) {
        let Some(item) = self.install_first(item) else { return };
        let key = item.row.key;
        let Some(open) = self.messages.get_mut(&key.message_no) else { return self.forget(key) };
        open.queue.push_back(item);
        self.take_turn(key.message_no);
    }

    fn pick(&mut self, now: Time, slot: Time) -> Option<Item> {
        for class in self.order.turns.classes() {
            for _ in 0..self.order.turns.len(class) {
                let message_no = self.order.turns.next(class)?;
                let picked = self.pick_from(now, slot, class, message_no);
                // More may have to be read for it.
                self.tending.touched.insert(message_no);
                if let Some(open) = self.messages.get_mut(&message_no) {
                    open.in_turn = false;
                }
                if picked.is_some() {
                    self.take_turn(message_no);
                    self.order.turns.went(class);
                    return picked;
                }
            }
        }
        None
    }

    fn pick_from(&mut self, now: Time, slot: Time, class: Class, message_no: i64) -> Option<Item> {
        loop {
            let open = self.messages.get_mut(&message_no)?;
            if !open.sends(now) {
                return None;
            }
            let item = open.queue.pop_front()?;
            let thread_no = item.row.thread_no;
            let unsure = self.inheritance != Inheritance::Read && item.row.kind != RecipientKind::Person;
            let held = !item.holds && (unsure || self.order.holds.contains_key(&(thread_no, class)));
            match self.threads.free(thread_no, slot) {
                Free::Now if !held => return Some(item),
                Free::At(at) if !held => {
                    self.order.free_at.insert((at, thread_no));
                    // Within the lead it is tried at its time: a wake that is past would come again and again.
                    self.wake_by(if at > now + LEAD { at - LEAD } else { at });
                }
                _ => {}
            }
            let parked = self.order.parked.entry(thread_no).or_default();
            // A retry goes before those that it holds.
            if item.holds { parked.push_front(item) } else { parked.push_back(item) }
        }
    }

    fn start(&mut self, item: Item, slot: Time) {
        let row = &item.row;
        let operation = match row.kind {
            RecipientKind::Person if row.reference.is_none() => Operation::Create,
            RecipientKind::Channel if !row.is_reply() => Operation::NewThread,
            _ => Operation::Send,
        };
        self.threads.start(row.thread_no, slot);
        let key = row.key;
        let intends = operation.makes_message();
        if intends {
            let reference_no = row.reference.as_ref().map(|reference| reference.reference_no);
            self.intend(Intent { key, reference_no: reference_no.filter(|no| *no > 0), at: slot });
        }
        let stage = if intends { Stage::Intending } else { Stage::Calling };
        let flight = Flight { item, operation, stage, slot, missed: false };
        if !intends {
            // Repeatable: the row stays pending, and a crash costs nothing (docs/adr/0009).
            self.actions.push(Action::Call(flight.order()));
        }
        self.flights.insert(key, flight);
    }

    /// The thread of a delivery is free again: its call is not made.
    pub(super) fn release(&mut self, item: &Item) {
        self.threads.give_back(item.row.thread_no);
        self.unpark_thread(item.row.thread_no);
    }

    /// A retry that waits in a channel or chat holds later ones of its thread and class; order is promised there.
    pub(super) fn hold(&mut self, item: &Item) {
        if item.row.kind != RecipientKind::Person
            && let Some(open) = self.messages.get(&item.row.key.message_no)
            && open.purpose.speaks()
        {
            *self.order.holds.entry((item.row.thread_no, open.class)).or_default() += 1;
        }
    }

    /// The counterpart of [`LaneCore::hold`], for an item that held.
    pub(super) fn unhold(&mut self, item: &Item) {
        if !item.holds || item.row.kind == RecipientKind::Person {
            return;
        }
        let holder = self.messages.get(&item.row.key.message_no).filter(|open| open.purpose.speaks());
        let Some(class) = holder.map(|open| open.class) else { return };
        if let Some(count) = self.order.holds.get_mut(&(item.row.thread_no, class)) {
            *count -= 1;
            if *count == 0 {
                self.order.holds.remove(&(item.row.thread_no, class));
            }
        }
        self.unpark_thread(item.row.thread_no);
    }

    fn unpark_free(&mut self, now: Time) {
        while let Some((at, thread_no)) = self.order.free_at.first().copied() {
            if at > now + LEAD {
                self.wake_by(at - LEAD);
                return;
            }
            self.order.free_at.pop_first();
            self.unpark_thread(thread_no);
        }
    }

    pub(super) fn unpark_all(&mut self) {
        let threads: Vec<i64> = self.order.parked.keys().copied().collect();
        for thread_no in threads {
            self.unpark_thread(thread_no);
        }
    }

    /// Gives all that waited for a thread back to their messages, in their order.
    pub(super) fn unpark_thread(&mut self, thread_no: i64) {
        let Some(items) = self.order.parked.remove(&thread_no) else { return };
        for item in items.into_iter().rev() {
            self.queue_front(item);
        }
    }
}
