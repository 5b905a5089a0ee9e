//! Who is given the app before anything is said to them (`docs/adr/0027`): installs are beside the calls of the lane, with
//! turns of their own, so that they take no slot of a send and hold up nobody who has the app. How the conversation comes
//! of an install is in [`meeting`](super::meeting), what is wrong with all of them in [`install_trouble`](super::install_trouble).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::batch::{Attempt, Change, Greeted, Key, ReachChange, Row};
use crate::delivery::{DeliveryState, FailReason};
use crate::install::{self, InstallAnswer, InstallOutcome};
use crate::lane::core::{Action, Item, LaneCore, Met, Next};
use crate::lane::install_trouble::InstallTrouble;
use crate::lane::meeting::{ASK_GRAPH, Meetings};
use crate::lane::messages::{Open, Reading};
use crate::lane::pace::LEASE_LEFT;
use crate::lane::settle::Fate;
use crate::lane::turns::Turns;
use crate::message::{Class, OpenMessage};
use crate::outcome::Operation;
use crate::own_words::Purpose;
use crate::people::{Origin, ReachState, RecipientKind};
use crate::time::Time;

/// A message that also speaks holds so many installs in memory; others stay in the store, so that people who have the
/// app are read past them.
const HELD: usize = 600;
/// More are read when so few are left.
const LOW: usize = HELD / 2;

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

/// What of one message waits to be installed.
#[derive(Debug, Default)]
pub(super) struct ToInstall {
    queue: VecDeque<Item>,
    in_turn: bool,
    /// The first that was read and left in the store.
    left: Option<i64>,
    /// They are being read again; how far the message itself was read.
    reads: Option<Reading>,
    /// What its cause says.
    pub(super) told: Option<String>,
}

impl ToInstall {
    /// As an owner before this one left it.
    pub(super) fn of(message: &OpenMessage) -> Self {
        let cause = message.cause.as_deref().filter(|cause| install::read_cause(cause).is_some());
        Self { told: cause.map(str::to_owned), ..Self::default() }
    }

    pub(super) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn reads(&self) -> bool {
        self.reads.is_some()
    }

    pub(super) fn has_read_all(&self) -> bool {
        self.left.is_none() && self.reads.is_none()
    }

    /// All of the message is read from its beginning.
    pub(super) fn forget_place(&mut self) {
        self.left = None;
        self.reads = None;
    }
}

/// The installs of a lane.
#[derive(Debug, Default)]
pub(super) struct Installs {
    turns: Turns,
    /// It is being committed that nobody is welcomed for them.
    greeting: BTreeMap<Key, Item>,
    /// Of these the batch that is being put together says so.
    greets: Vec<Key>,
    pub(super) calls: BTreeMap<Key, (Item, Operation)>,
    pub(super) meetings: Meetings,
    pub(super) trouble: InstallTrouble,
    /// Messages that say that installing is what they wait for.
    pub(super) told: BTreeSet<i64>,
}

impl Installs {
    /// Those of which something is to be installed.
    pub(super) fn messages(&self) -> impl Iterator<Item = i64> {
        let under_way = self.greeting.keys().chain(self.calls.keys()).map(|key| key.message_no);
        self.turns.messages().chain(under_way)
    }

    pub(super) fn remove(&mut self, class: Class, message_no: i64) {
        self.turns.remove(class, message_no);
    }

    /// Those whose greeting is in the batch that goes out now.
    pub(super) fn greeted(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.greets)
    }

    pub(super) fn clock_set(&mut self, by_us: i64) {
        self.meetings.clock_set(by_us);
        self.trouble.clock_set(by_us);
    }

    fn under_way(&self) -> usize {
        self.greeting.len() + self.calls.len()
    }

    /// Calls of one message that are under way or about to be.
    pub(super) fn under_way_of(&self, message_no: i64) -> usize {
        let all = Key { message_no, recipient_no: i64::MIN }..=Key { message_no, recipient_no: i64::MAX };
        self.greeting.range(all.clone()).count() + self.calls.range(all).count()
    }
}

impl Open {
    /// Whether nothing of it is left to be read but what waits to be installed.
    pub(super) fn was_read_to_its_end(&self) -> bool {
        self.to_install.reads.unwrap_or(self.reading) == Reading::Ended
    }

    /// Whether this delivery is installed before, or instead of, anything else.
    fn installs(&self, row: &Row) -> bool {
        !self.purpose.speaks() || self.policy.install.wants(row)
    }
}

impl LaneCore {
    /// Sees to a row that was read, if it need not be installed any more or has to wait in the store; whether it did.
    pub(super) fn takes_install(&mut self, now: Time, row: &Row) -> bool {
        let Some(open) = self.messages.get_mut(&row.key.message_no) else { return false };
        if open.purpose == Purpose::Install {
            // No event keeps what is known of a team as a recipient up to date.
            let there = row.kind != RecipientKind::Team && row.reach.installed() == Some(true);
            if there {
                self.is_there(now, row);
            }
            return there;
        }
        let leave = open.to_install.len() >= HELD && open.installs(row);
        if leave {
            let first =
                open.to_install.left.map_or(row.key.recipient_no, |left| left.min(row.key.recipient_no));
            open.to_install.left = Some(first);
        }
        leave
    }

    /// That they have the app is known: no call is made.
    fn is_there(&mut self, now: Time, row: &Row) {
        self.known.insert(row.key);
        self.change(Change {
            key: row.key,
            from: DeliveryState::Pending,
            to: DeliveryState::Delivered,
            why: None,
            attempt: None,
            activity_id: None,
            due_at: None,
            tries: row.tries,
            resent: row.resent,
            at: now,
        });
    }

    /// Those that were left in the store, read again.
    pub(super) fn take_installs(&mut self, now: Time, message_no: i64, rows: Vec<Row>) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        let Some(before) = open.to_install.reads.take() else { return };
        open.reading = before;
        if open.closed_to().is_some() {
            return;
        }
        let (policy, limit, last) = (open.policy, open.limit, rows.last().map(|row| row.key.recipient_no));
        // What is beyond is not read yet.
        let end = if before == Reading::Ended { i64::MAX } else { open.cursor };
        let whole = (rows.len() as i64) < limit;
        open.to_install.left = last.map(|last| last + 1).filter(|next| !whole && *next <= end);
        for row in rows.into_iter().take_while(|row| row.key.recipient_no <= end) {
            self.take_row(now, row, policy);
        }
    }

    /// Gives a message its turn among the installs, and reads those that were left in the store when there is room.
    pub(super) fn tend_installs(&mut self, message_no: i64, limit: i64) {
        self.take_install_turn(message_no);
        let held = self.known.len() + self.tending.loading;
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        let Some(left) = open.to_install.left else { return };
        if open.reading == Reading::Loading || open.to_install.len() > LOW || held >= self.most_rows {
            return;
        }
        open.to_install.reads = Some(open.reading);
        open.reading = Reading::Loading;
        open.limit = limit;
        self.tending.loading += open.reserves(limit);
        self.tending.pages.ask(message_no);
        self.actions.push(Action::LoadPage { message_no, after: left - 1, limit });
    }

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

    fn take_install_turn(&mut self, message_no: i64) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        if !open.to_install.in_turn && !open.to_install.queue.is_empty() {
            open.to_install.in_turn = true;
            self.installs.turns.push_back(open.class, message_no);
        }
    }

    /// Starts as many installs as may be under way.
    pub(super) fn fill_installs(&mut self, now: Time) {
        self.look_for_references(now);
        if self.words.paused || self.words.draining || now + LEASE_LEFT > self.lease_until {
            return;
        }
        while self.installs.under_way() < self.config.max_installs && !self.installs.turns.is_empty() {
            match self.installs.trouble.blocks(now, self.installs.under_way()) {
                None => {}
                Some(until) => {
                    if let Some(until) = until {
                        self.wake_by(until);
                    }
                    return;
                }
            }
            let Some(item) = self.pick_install(now) else { return };
            self.begin_install(now, item);
        }
    }

    fn pick_install(&mut self, now: Time) -> Option<Item> {
        for class in self.installs.turns.classes() {
            for _ in 0..self.installs.turns.len(class) {
                let message_no = self.installs.turns.next(class)?;
                let Some(open) = self.messages.get_mut(&message_no) else { continue };
                open.to_install.in_turn = false;
                // One that may not send now gets its turn when it may.
                let item = if open.sends(now) { open.to_install.queue.pop_front() } else { None };
                if item.is_some() {
                    self.take_install_turn(message_no);
                    self.installs.turns.went(class);
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
        self.installs.trouble.cool(now + retry_after);
        let key = item.row.key;
        match self.messages.get(&key.message_no) {
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
            InstallOutcome::Unavailable { .. } if self.installs.trouble.is_on() => Fate::Again(Next::Front),
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
        let status = answer.status.map_or_else(String::new, |status| status.to_string());
        let code = answer.code.as_deref().unwrap_or_default();
        let evidence = format!("Microsoft Graph answered {status} {code}").trim_end().to_owned();
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
