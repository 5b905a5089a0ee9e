//! The life of a message in its owner's hands: taken up, expanded, read in pages, sent when it is due.

use std::collections::{BTreeSet, VecDeque};

use crate::batch::{Change, MessageChange, Row, Why};
use crate::delivery::{DeliveryState, SkipReason};
use crate::lane::core::{Action, Item, LaneCore};
use crate::lane::fetch::Fetching;
use crate::lane::in_order::InOrder;
use crate::lane::install_pages::ToInstall;
use crate::message::{Class, Expanded, MessageState, OnAmbiguous, OpenMessage, UNREACHABLE, WhenUnreachable};
use crate::own_words::Purpose;
use crate::people::RecipientKind;
use crate::skip::{Policy, without_a_call};
use crate::time::Time;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its audience still grows; it is expanded at `send_at`.
    Gathering,
    Expanding,
    /// Larger than allowed: waits for a word.
    Confirm,
    /// Sends, or waits for `send_at`.
    Sending,
    Paused,
    Closed(DeliveryState),
}

/// How far its pending deliveries were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Ready,
    Loading,
    /// The last page was read.
    Ended,
}

/// What the store was asked to do with it, which only ends with a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    ToComplete,
    ToSweep,
}

/// A message under way.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) class: Class,
    pub(super) purpose: Purpose,
    pub(super) policy: Policy,
    /// Whom it cannot reach now it waits for.
    pub(super) waits: bool,
    pub(super) phase: Phase,
    pub(super) queue: VecDeque<Item>,
    /// Has its turn among the messages of its class.
    pub(super) in_turn: bool,
    on_ambiguous: Option<OnAmbiguous>,
    pub(super) send_at: Option<Time>,
    expires_at: Time,
    pub(super) audience_final: bool,
    /// How many deliveries it has, if its expansion began here.
    size: Option<i64>,
    pub(super) cursor: i64,
    pub(super) reading: Reading,
    /// Rows of the page that is being loaded.
    pub(super) limit: i64,
    /// Not to be read again before this.
    pub(super) again_at: Time,
    pub(super) alarm: Option<Time>,
    pub(super) asked: Asked,
    pub(super) state: MessageState,
    pub(super) fetching: Fetching,
    pub(super) to_install: ToInstall,
}

impl Open {
    pub(super) fn sends(&self, now: Time) -> bool {
        self.phase == Phase::Sending && self.send_at.is_none_or(|send_at| send_at <= now)
    }

    /// Deliveries that were read ahead. Where the app is all that is brought, those that wait for it are.
    fn ahead(&self) -> usize {
        let installs = if self.purpose.speaks() { 0 } else { self.to_install.len() };
        self.queue.len() + installs
    }

    /// Whether nothing more of it is in the store alone.
    pub(super) fn has_read_all(&self) -> bool {
        self.reading == Reading::Ended && self.to_install.has_read_all()
    }

    /// Rows of memory that its next page may take.
    pub(super) fn reserves(&self, page: i64) -> usize {
        self.size.map_or(page, |size| size.min(page)) as usize
    }

    /// The same for the page that is being loaded.
    pub(super) fn loads(&self) -> usize {
        self.reserves(self.limit)
    }

    pub(super) fn closed_to(&self) -> Option<DeliveryState> {
        if let Phase::Closed(to) = self.phase { Some(to) } else { None }
    }

    /// What the message wants done with what cannot be known; a lost alert is worse than one twice.
    pub(super) fn resends(&self, kind: RecipientKind) -> bool {
        let default = kind != RecipientKind::Person || self.class == Class::Urgent;
        self.on_ambiguous.map_or(default, |policy| policy == OnAmbiguous::Resend)
    }
}

/// Which messages have to be looked at, so that a step costs what happened and not what is open.
#[derive(Debug, Default)]
pub(super) struct Tending {
    /// Something changed with them.
    pub(super) touched: BTreeSet<i64>,
    /// When each is to be looked at although nothing happens.
    pub(super) alarms: BTreeSet<(Time, i64)>,
    /// They want a page, and there was no room for it.
    pub(super) hungry: BTreeSet<(Class, i64)>,
    /// They may have come to their end.
    pub(super) ending: BTreeSet<i64>,
    /// Rows of pages that are being read.
    pub(super) loading: usize,
    pub(super) pages: InOrder<Vec<Row>>,
    expansions: InOrder<Expanded>,
}

impl LaneCore {
    pub(super) fn take_up(&mut self, now: Time, message: &OpenMessage) {
        let message_no = message.message_no;
        let to_install = ToInstall::of(message);
        let phase = match message.state {
            MessageState::Cancelled => Phase::Closed(DeliveryState::Cancelled),
            MessageState::Completed => Phase::Closed(DeliveryState::Expired),
            MessageState::Paused => Phase::Paused,
            _ if message.gathers => Phase::Gathering,
            // Only a whole audience can be too large; else the directory is waited for.
            MessageState::Waiting
                if message.audience_final
                    && message.cause.as_deref() != Some(UNREACHABLE)
                    && !to_install.is_told() =>
            {
                Phase::Confirm
            }
            _ if message.audience_final => Phase::Sending,
            _ => Phase::Expanding,
        };
        let open = Open {
            class: message.class,
            purpose: message.purpose,
            policy: Policy {
                class: message.class,
                purpose: message.purpose,
                install: message.install,
                retries: message.retries,
                include: message.include,
                created_at: message.created_at,
                recheck: self.config.recheck,
            },
            waits: message.when_unreachable == WhenUnreachable::Wait,
            phase,
            queue: VecDeque::new(),
            in_turn: false,
            on_ambiguous: message.on_ambiguous,
            send_at: message.send_at,
            expires_at: message.expires_at,
            audience_final: message.audience_final,
            size: (message.state == MessageState::Expanding || message.gathers).then_some(0),
            cursor: 0,
            reading: Reading::Ready,
            limit: 0,
            again_at: Time::ZERO,
            alarm: None,
            asked: Asked::Nothing,
            state: message.state,
            fetching: Fetching::default(),
            to_install,
        };
        if open.to_install.is_told() {
            self.installs.told.insert(message_no);
        }
        self.messages.insert(message_no, open);
        self.tending.touched.insert(message_no);
        // One that was begun before may have retries.
        self.due_left |= message.audience_final;
        self.load_inherited(now);
        match phase {
            Phase::Expanding => self.expand(message_no),
            Phase::Closed(to) => self.sweep(now, message_no, to),
            _ => {}
        }
    }

    pub(super) fn set_state(&mut self, message_no: i64, state: MessageState, cause: Option<&str>) {
        if let Some(open) = self.messages.get_mut(&message_no) {
            open.state = state;
        }
        let cause = cause.map(str::to_owned);
        self.batch.messages.push(MessageChange::State { message_no, state, cause });
    }

    pub(super) fn expand(&mut self, message_no: i64) {
        self.tending.expansions.ask(message_no);
        self.actions.push(Action::Expand { message_no, limit: self.config.chunk });
    }

    pub(super) fn expanded(&mut self, now: Time, message_no: i64, expanded: Expanded) {
        self.tending.expansions.came(message_no, expanded);
        while let Some((message_no, expanded)) = self.tending.expansions.next() {
            self.take_expansion(now, message_no, expanded);
        }
    }

    fn take_expansion(&mut self, now: Time, message_no: i64, expanded: Expanded) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        self.tending.touched.insert(message_no);
        open.size = open.size.map(|size| size + expanded.added);
        if expanded.done {
            open.audience_final = true;
        }
        if open.phase != Phase::Expanding {
            return;
        }
        if let Some(wanted) = expanded.wants {
            self.fetch_page(message_no, wanted);
        } else if let Some(list_no) = expanded.names_of {
            self.look_up(message_no, list_no);
        } else if !expanded.done {
            self.expand(message_no);
        } else if expanded.confirm {
            open.phase = Phase::Confirm;
            open.state = MessageState::Waiting;
        } else {
            open.phase = Phase::Sending;
            open.state = MessageState::Sending;
            if open.send_at.is_some_and(|send_at| send_at > now) {
                self.set_state(message_no, MessageState::Scheduled, None);
            }
        }
    }

    pub(super) fn paged(&mut self, now: Time, message_no: i64, rows: Vec<Row>) {
        self.tending.pages.came(message_no, rows);
        while let Some((message_no, rows)) = self.tending.pages.next() {
            self.take_page(now, message_no, rows);
        }
    }

    fn take_page(&mut self, now: Time, message_no: i64, rows: Vec<Row>) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        self.tending.loading -= open.loads();
        self.tending.touched.insert(message_no);
        if open.to_install.reads() {
            return self.take_installs(now, message_no, rows);
        }
        let last = (rows.len() as i64) < open.limit;
        open.reading = if last { Reading::Ended } else { Reading::Ready };
        if let Some(last) = rows.last() {
            open.cursor = last.key.recipient_no;
        }
        if open.closed_to().is_some() {
            return;
        }
        let policy = open.policy;
        for row in rows {
            self.take_row(now, row, policy);
        }
    }

    /// Puts a delivery that was read where it goes, unless it is here already or no call is to be made for it.
    pub(super) fn take_row(&mut self, now: Time, row: Row, policy: Policy) {
        let message_no = row.key.message_no;
        if self.known.contains(&row.key) {
            return;
        }
        let waits = self.messages.get(&message_no).is_some_and(|open| open.waits);
        match without_a_call(&row, policy, now) {
            Some(Why::Skipped(SkipReason::Unreachable)) if waits => self.await_recipient(now, &row),
            Some(why) => self.end_uncalled(now, &row, why.state(), Some(why)),
            None if self.takes_install(now, &row) => {}
            None => {
                if let Some(item) = self.item(row) {
                    self.goes_on(message_no);
                    self.queue_back(item);
                }
            }
        }
    }

    /// Ends a delivery for which no call is made.
    pub(super) fn end_uncalled(&mut self, now: Time, row: &Row, to: DeliveryState, why: Option<Why>) {
        self.known.insert(row.key);
        self.change(Change {
            key: row.key,
            from: DeliveryState::Pending,
            to,
            why,
            attempt: None,
            activity_id: None,
            due_at: None,
            tries: row.tries,
            resent: row.resent,
            at: now,
        });
    }

    /// Sends what is due, expires what is over, reads ahead.
    pub(super) fn tend_messages(&mut self, now: Time) {
        while let Some(&(at, message_no)) = self.tending.alarms.first() {
            if at > now {
                break;
            }
            self.tending.alarms.pop_first();
            if let Some(open) = self.messages.get_mut(&message_no) {
                open.alarm = None;
            }
            self.tending.touched.insert(message_no);
        }
        while let Some(message_no) = self.tending.touched.pop_first() {
            self.tend(now, message_no);
            self.tending.ending.insert(message_no);
        }
        // The most pressing first; each that finds no room stays, and those behind it need no look.
        while let Some(&(class, message_no)) = self.tending.hungry.first() {
            self.tending.hungry.pop_first();
            self.tend(now, message_no);
            if self.tending.hungry.contains(&(class, message_no)) {
                break;
            }
        }
        if let Some(&(at, _)) = self.tending.alarms.first() {
            self.wake_by(at);
        }
    }

    fn tend(&mut self, now: Time, message_no: i64) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        if open.closed_to().is_some() {
            if open.again_at > now {
                let at = open.again_at;
                self.set_alarm(message_no, at);
            }
            return;
        }
        if open.expires_at <= now {
            self.close(now, message_no, DeliveryState::Expired);
            return;
        }
        let mut wake = open.expires_at;
        let later = open.send_at.filter(|send_at| *send_at > now);
        match (open.phase, later) {
            (Phase::Expanding, _) => {
                if let Some(at) = open.fetching.due(now) {
                    wake = wake.min(at);
                } else if open.fetching.again() {
                    self.expand(message_no);
                }
            }
            (Phase::Gathering | Phase::Sending, Some(send_at)) => wake = wake.min(send_at),
            (Phase::Gathering, None) => {
                open.phase = Phase::Expanding;
                self.expand(message_no);
            }
            (Phase::Sending, None) => {
                let class = open.class;
                let limit = self.config.page.min(self.most_rows as i64 / 2);
                let wants = open.reading == Reading::Ready && (open.ahead() as i64) < limit;
                if wants && open.again_at > now {
                    wake = wake.min(open.again_at);
                } else if wants {
                    // What is urgent is read however full the memory is.
                    let reserves = open.reserves(limit);
                    let held = self.known.len() + self.tending.loading + reserves;
                    // Where an earlier one waits for room, a smaller one behind it waits as well.
                    let earlier = self.tending.hungry.range(..(class, message_no)).next().is_some();
                    if (held <= self.most_rows && !earlier) || class == Class::Urgent {
                        open.reading = Reading::Loading;
                        open.limit = limit;
                        self.tending.loading += reserves;
                        let after = open.cursor;
                        self.tending.pages.ask(message_no);
                        self.actions.push(Action::LoadPage { message_no, after, limit });
                    } else {
                        self.tending.hungry.insert((class, message_no));
                    }
                }
                if open.state == MessageState::Scheduled {
                    self.set_state(message_no, MessageState::Sending, None);
                }
                self.take_turn(message_no);
                self.tend_installs(now, message_no, limit);
            }
            _ => {}
        }
        self.set_alarm(message_no, wake);
    }

    fn set_alarm(&mut self, message_no: i64, at: Time) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        if open.alarm == Some(at) {
            return;
        }
        if let Some(old) = open.alarm.replace(at) {
            self.tending.alarms.remove(&(old, message_no));
        }
        self.tending.alarms.insert((at, message_no));
    }
}

#[cfg(test)]
mod tests;
