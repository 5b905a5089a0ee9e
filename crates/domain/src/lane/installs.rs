//! Who is given the app before anything is said to them (`docs/adr/0027`): installs are beside the calls of the lane, with
//! turns of their own, so that they take no slot of a send and hold up nobody who has the app. Who of a message they are is
//! read in [`install_pages`](super::install_pages), how the conversation comes of an install is in [`meeting`](super::meeting),
//! what is wrong with all of them in [`install_trouble`](super::install_trouble).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::batch::{Attempt, Greeted, Key, ReachChange};
use crate::delivery::{DeliveryState, FailReason};
use crate::install::{InstallAnswer, InstallOutcome};
use crate::lane::core::{Action, Item, LaneCore, Met, Next};
use crate::lane::install_trouble::InstallTrouble;
use crate::lane::meeting::{ASK_GRAPH, Meetings};
use crate::lane::pace::LEASE_LEFT;
use crate::lane::settle::Fate;
use crate::lane::turns::Turns;
use crate::message::Class;
use crate::outcome::Operation;
use crate::own_words::Purpose;
use crate::people::{Origin, ReachState, RecipientKind};
use crate::reach::ReachEvidence;
use crate::time::Time;

/// How a delivery stands to being installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Installed first, if its message has that done for somebody like them.
    Open,
    /// The app is there. The event that brings the conversation is waited for, and Graph is asked for it at `until`.
    There { since: Time, until: Time },
    /// Spoken to like anybody.
    Over,
}

/// What Graph is asked for of one kind: to install the app, or (by surveys) whether it is there. Graph has a limit for each,
/// and may refuse the one and not the other: neither waits for the other.
#[derive(Debug, Default)]
pub(super) struct Errands {
    turns: Turns,
    pub(super) trouble: InstallTrouble,
}

/// The installs of a lane, and its surveys.
#[derive(Debug, Default)]
pub(super) struct Installs {
    installing: Errands,
    asking: Errands,
    /// It is being committed that nobody is welcomed for them.
    greeting: BTreeMap<Key, Item>,
    /// Of these the batch that is being put together says so.
    greets: Vec<Key>,
    pub(super) calls: BTreeMap<Key, (Item, Operation)>,
    pub(super) meetings: Meetings,
    /// Messages that say that installing is what they wait for.
    pub(super) told: BTreeSet<i64>,
}

impl Installs {
    /// Those of which something is to be installed.
    pub(super) fn messages(&self) -> impl Iterator<Item = i64> {
        let under_way = self.greeting.keys().chain(self.calls.keys()).map(|key| key.message_no);
        self.installing.turns.messages().chain(self.asking.turns.messages()).chain(under_way)
    }

    /// What is asked for by messages of a purpose.
    pub(super) fn of(&self, purpose: Purpose) -> &Errands {
        if purpose == Purpose::Survey { &self.asking } else { &self.installing }
    }

    pub(super) fn of_mut(&mut self, purpose: Purpose) -> &mut Errands {
        if purpose == Purpose::Survey { &mut self.asking } else { &mut self.installing }
    }

    pub(super) fn remove(&mut self, class: Class, message_no: i64) {
        self.installing.turns.remove(class, message_no);
        self.asking.turns.remove(class, message_no);
    }

    /// Those whose greeting is in the batch that goes out now.
    pub(super) fn greeted(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.greets)
    }

    pub(super) fn clock_set(&mut self, by_us: i64) {
        self.meetings.clock_set(by_us);
        self.installing.trouble.clock_set(by_us);
        self.asking.trouble.clock_set(by_us);
    }

    fn under_way(&self, purpose: Purpose) -> usize {
        let asks = |operation: Operation| operation == Operation::AskInstalled;
        let asking = self.calls.values().filter(|(_, operation)| asks(*operation)).count();
        if purpose == Purpose::Survey { asking } else { self.greeting.len() + self.calls.len() - asking }
    }

    /// Calls of one message that are under way or about to be.
    pub(super) fn under_way_of(&self, message_no: i64) -> usize {
        let all = Key { message_no, recipient_no: i64::MIN }..=Key { message_no, recipient_no: i64::MAX };
        self.greeting.range(all.clone()).count() + self.calls.range(all).count()
    }
}

impl LaneCore {
    /// Takes who is to be installed first; anybody else is given back.
    pub(super) fn install_first(&mut self, item: Item) -> Option<Item> {
        let message_no = item.row.key.message_no;
        let Some(open) = self.messages.get_mut(&message_no) else { return Some(item) };
        if item.install != Step::Open || !open.installs(&item.row) {
            return Some(item);
        }
        // Who was tried before goes before the others.
        if item.row.attempts > 0 {
            open.to_install.queue.push_front(item);
        } else {
            open.to_install.queue.push_back(item);
        }
        self.take_install_turn(message_no);
        None
    }

    /// Graph is asked for the chat of who was installed.
    pub(super) fn ask_for_chat(&mut self, item: Item) {
        let message_no = item.row.key.message_no;
        let Some(open) = self.messages.get_mut(&message_no) else { return self.forget(item.row.key) };
        open.to_install.queue.push_front(item);
        self.take_install_turn(message_no);
    }

    pub(super) fn take_install_turn(&mut self, message_no: i64) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        if !open.to_install.in_turn && !open.to_install.queue.is_empty() {
            open.to_install.in_turn = true;
            self.installs.of_mut(open.purpose).turns.push_back(open.class, message_no);
        }
    }

    /// Starts as many installs as may be under way.
    pub(super) fn fill_installs(&mut self, now: Time) {
        self.look_for_references(now);
        if self.words.paused || self.words.draining || now + LEASE_LEFT > self.lease_until {
            return;
        }
        for purpose in [Purpose::Install, Purpose::Survey] {
            self.fill_errands(now, purpose);
        }
    }

    fn fill_errands(&mut self, now: Time, purpose: Purpose) {
        let mut under_way = self.installs.under_way(purpose);
        while under_way < self.config.max_installs && !self.installs.of(purpose).turns.is_empty() {
            match self.installs.of(purpose).trouble.blocks(now, under_way) {
                None => {}
                Some(until) => {
                    if let Some(until) = until {
                        self.wake_by(until);
                    }
                    return;
                }
            }
            let Some(item) = self.pick_install(now, purpose) else { return };
            self.begin_install(now, item);
            under_way += 1;
        }
    }

    fn pick_install(&mut self, now: Time, purpose: Purpose) -> Option<Item> {
        for class in self.installs.of(purpose).turns.classes() {
            for _ in 0..self.installs.of(purpose).turns.len(class) {
                let message_no = self.installs.of_mut(purpose).turns.next(class)?;
                let Some(open) = self.messages.get_mut(&message_no) else { continue };
                open.to_install.in_turn = false;
                // One that may not send now gets its turn when it may.
                let item = if open.sends(now) { open.to_install.queue.pop_front() } else { None };
                if item.is_some() {
                    self.take_install_turn(message_no);
                    self.installs.of_mut(purpose).turns.went(class);
                    self.tending.touched.insert(message_no);
                    return item;
                }
            }
        }
        None
    }

    fn begin_install(&mut self, now: Time, item: Item) {
        let key = item.row.key;
        let speaks = self.messages.get(&key.message_no).is_some_and(|open| open.purpose.speaks());
        if !speaks || item.install != Step::Open {
            return self.call_install(item);
        }
        // The event of the install can be quicker than its answer.
        self.greet(now, &item, false);
        self.installs.greets.push(key);
        self.installs.greeting.insert(key, item);
    }

    fn greet(&mut self, now: Time, item: &Item, taken_back: bool) {
        let (lane_no, place) = (self.config.lane_no, item.row.address.clone());
        self.batch.greeted.push(Greeted { lane_no, place, at: now, taken_back });
    }

    /// It is durable that they are not welcomed.
    pub(super) fn install_greeted(&mut self, now: Time, key: Key) {
        let Some(item) = self.installs.greeting.remove(&key) else { return };
        match self.messages.get(&key.message_no) {
            Some(open) if open.sends(now) => self.call_install(item),
            Some(open) if open.closed_to().is_none() => {
                self.greet(now, &item, true);
                self.queue_front(item);
            }
            _ => {
                self.greet(now, &item, true);
                self.forget(key);
            }
        }
    }

    fn call_install(&mut self, item: Item) {
        let purpose = self.messages.get(&item.row.key.message_no).map(|open| open.purpose);
        let operation = match item.install {
            Step::Open if purpose == Some(Purpose::Survey) => Operation::AskInstalled,
            Step::Open => Operation::Install,
            _ => Operation::FindChat,
        };
        let (key, row) = (item.row.key, Arc::clone(&item.row));
        self.actions.push(Action::Install { operation, row });
        self.installs.calls.insert(key, (item, operation));
    }

    /// What came of a call. It was repeatable, so the row is pending still.
    pub(super) fn installed(&mut self, now: Time, key: Key, started_at: Time, answer: &InstallAnswer) {
        let Some((mut item, operation)) = self.installs.calls.remove(&key) else { return };
        if let InstallOutcome::NotMade { retry_after } = answer.outcome {
            return self.not_made(now, item, retry_after);
        }
        let attempt = Attempt {
            call: operation,
            started_at,
            ended_at: now,
            outcome: answer.outcome.word(),
            status: answer.status,
            code: answer.code.clone(),
            text: answer.text.clone(),
            correlation: answer.correlation.clone(),
        };
        item.row_mut().attempts += 1;
        let throttled = matches!(answer.outcome, InstallOutcome::Throttled { .. });
        item.met = if throttled { Met::Throttled } else { Met::Other };
        self.watch_installs(now, operation, answer);
        self.tending.touched.insert(key.message_no);
        let fate = match operation {
            Operation::Install => self.fate_of_install(now, &mut item, answer),
            Operation::AskInstalled => self.fate_of_question(now, &mut item, answer),
            _ => self.fate_of_chat(now, &mut item, answer),
        };
        self.apply(now, item, DeliveryState::Pending, fate, Some(attempt), None);
    }

    /// Nothing happened, so nothing is written down.
    fn not_made(&mut self, now: Time, item: Item, retry_after: Duration) {
        let key = item.row.key;
        let open = self.messages.get(&key.message_no);
        let purpose = open.map_or(Purpose::Install, |open| open.purpose);
        self.installs.of_mut(purpose).trouble.cool(now + retry_after);
        match open {
            Some(open) if open.closed_to().is_none() => {
                let there = item.install != Step::Open;
                if there { self.ask_for_chat(item) } else { self.queue_front(item) }
            }
            _ => self.forget(key),
        }
    }

    fn fate_of_install(&mut self, now: Time, item: &mut Item, answer: &InstallAnswer) -> Fate {
        let purpose = self.messages.get(&item.row.key.message_no).map(|open| open.purpose);
        match &answer.outcome {
            InstallOutcome::Installed | InstallOutcome::AlreadyThere => {
                self.note_there(now, item, answer);
                if purpose == Some(Purpose::Install) {
                    return Fate::Final(DeliveryState::Delivered, None);
                }
                let event = answer.outcome == InstallOutcome::Installed;
                let until = if event { now + ASK_GRAPH } else { now };
                item.install = Step::There { since: now, until };
                Fate::Again(Next::Meet)
            }
            InstallOutcome::Refused { reason, reach } => {
                self.note_refused(now, item, (*reach, answer));
                if purpose != Some(Purpose::Install) {
                    self.greet(now, item, true);
                }
                Fate::Final(DeliveryState::Failed, Some(*reason))
            }
            // What is wrong with all of them uses up the tries of none.
            InstallOutcome::Unavailable { .. } if self.installs.of(Purpose::Install).trouble.is_on() => {
                Fate::Again(Next::Front)
            }
            InstallOutcome::Unavailable { retry_after } => self.try_again(now, item, *retry_after),
            InstallOutcome::Throttled { .. }
            | InstallOutcome::NotMade { .. }
            | InstallOutcome::Waits { .. } => Fate::Again(Next::Front),
            InstallOutcome::Chat(_) | InstallOutcome::NotThere => {
                Fate::Final(DeliveryState::Failed, Some(FailReason::UpstreamError))
            }
        }
    }

    /// Without an answer the conversation is created, as with anybody who has the app.
    fn fate_of_chat(&mut self, now: Time, item: &mut Item, answer: &InstallAnswer) -> Fate {
        item.install = Step::Over;
        if let InstallOutcome::Chat(conversation_id) = &answer.outcome {
            self.refer(now, item, (conversation_id, ""), Origin::Graph);
        }
        Fate::Again(Next::Front)
    }

    fn note_there(&mut self, now: Time, item: &Item, answer: &InstallAnswer) {
        let news = match item.row.reach {
            ReachState::Unknown | ReachState::NeverInstalled | ReachState::PolicyBlocked => true,
            ReachState::Removed => answer.outcome == InstallOutcome::Installed,
            _ => false,
        };
        if news && item.row.kind != RecipientKind::Team {
            self.note(now, item, (ReachState::Reachable, answer));
        }
    }

    fn note_refused(
        &mut self,
        now: Time,
        item: &Item,
        (reach, answer): (Option<ReachState>, &InstallAnswer),
    ) {
        if let Some(state) = reach {
            self.note(now, item, (state, answer));
        }
    }

    pub(super) fn note(&mut self, now: Time, item: &Item, (state, answer): (ReachState, &InstallAnswer)) {
        let evidence = ReachEvidence::graph_answer(answer.status, answer.code.as_deref());
        let recipient_no = item.row.key.recipient_no;
        self.batch.reach.push(ReachChange { recipient_no, state, evidence, at: now });
    }

    /// A message ends: what of it was to be installed, and is not being called.
    pub(super) fn drop_installs(&mut self, message_no: i64) -> Vec<Item> {
        let mut dropped = self.installs.meetings.take_of(message_no);
        if let Some(open) = self.messages.get_mut(&message_no) {
            dropped.extend(open.to_install.queue.drain(..));
            open.to_install.left = None;
        }
        dropped
    }
}
