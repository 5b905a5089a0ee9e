//! The life of a message in its owner's hands: taken up, expanded, read in pages, sent when it is due.

use std::collections::{BTreeSet, VecDeque};

use crate::batch::{Change, MessageChange, Row, Why};
use crate::delivery::{DeliveryState, SkipReason};
use crate::lane::core::{Action, Item, LaneCore};
use crate::lane::fetch::Fetching;
use crate::lane::in_order::InOrder;
use crate::message::{Class, Expanded, MessageState, OnAmbiguous, OpenMessage, UNREACHABLE, WhenUnreachable};
use crate::own_words::Purpose;
use crate::people::RecipientKind;
use crate::skip::{Policy, why_skipped};
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
    policy: Policy,
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
    limit: i64,
    /// Not to be read again before this.
    pub(super) again_at: Time,
    pub(super) alarm: Option<Time>,
    pub(super) asked: Asked,
    pub(super) state: MessageState,
    pub(super) fetching: Fetching,
}

impl Open {
    pub(super) fn sends(&self, now: Time) -> bool {
        self.phase == Phase::Sending && self.send_at.is_none_or(|send_at| send_at <= now)
    }

    /// Rows of memory that its next page may take.
    fn reserves(&self, page: i64) -> usize {
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
    pages: InOrder<Vec<Row>>,
    expansions: InOrder<Expanded>,
}

impl LaneCore {
    pub(super) fn take_up(&mut self, now: Time, message: &OpenMessage) {
        let message_no = message.message_no;
        let phase = match message.state {
            MessageState::Cancelled => Phase::Closed(DeliveryState::Cancelled),
            MessageState::Completed => Phase::Closed(DeliveryState::Expired),
            MessageState::Paused => Phase::Paused,
            _ if message.gathers => Phase::Gathering,
            // Only a whole audience can be too large; else the directory is waited for.
            MessageState::Waiting
                if message.audience_final && message.cause.as_deref() != Some(UNREACHABLE) =>
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
        };
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
        let last = (rows.len() as i64) < open.limit;
        open.reading = if last { Reading::Ended } else { Reading::Ready };
        if let Some(last) = rows.last() {
            open.cursor = last.key.recipient_no;
        }
        if open.closed_to().is_some() {
            return;
        }
        let (policy, waits) = (open.policy, open.waits);
        for row in rows {
            match why_skipped(&row, policy, now) {
                Some(SkipReason::Unreachable) if waits => self.await_recipient(now, &row),
                Some(reason) if !self.known.contains(&row.key) => self.skip(now, &row, reason),
                Some(_) => {}
                None => {
                    if let Some(item) = self.item(row) {
                        self.goes_on(message_no);
                        self.queue_back(item);
                    }
                }
            }
        }
    }

    pub(super) fn skip(&mut self, now: Time, row: &Row, reason: SkipReason) {
        self.known.insert(row.key);
        self.change(Change {
            key: row.key,
            from: DeliveryState::Pending,
            to: DeliveryState::Skipped,
            why: Some(Why::Skipped(reason)),
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
                let wants = open.reading == Reading::Ready && (open.queue.len() as i64) < limit;
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
mod tests {
    use super::*;
    use crate::batch::Committed;
    use crate::directory::Include;
    use crate::ids::MessageId;
    use crate::lane::core::LEAST_ROWS;
    use crate::lane::{Input, LaneConfig};
    use crate::message::{Body, Content, Control, Opened};

    fn at(ms: i64) -> Time {
        Time(ms * 1_000)
    }

    fn gathering(until: i64, control: Option<Control>) -> OpenMessage {
        OpenMessage {
            message_no: 1,
            id: MessageId(uuid::Uuid::nil()),
            class: Class::Bulk,
            state: MessageState::Scheduled,
            control,
            content: Content { body: Body::Text("welcome".to_owned()), summary: None },
            purpose: Purpose::Welcome,
            gathers: true,
            on_ambiguous: None,
            when_unreachable: WhenUnreachable::Fail,
            cause: None,
            audience_final: false,
            include: Include::default(),
            created_at: at(0),
            send_at: Some(at(until)),
            expires_at: at(3_600_000),
            retries: false,
        }
    }

    fn looks(messages: Vec<OpenMessage>) -> Input {
        Input::Opened(Opened { messages, ..Opened::default() })
    }

    /// Whether a step asks for the audience.
    fn expands(core: &mut LaneCore, now: i64, input: Input) -> bool {
        let mut actions = core.step(at(now), input);
        let mut next = 0;
        while let Some(action) = actions.get(next) {
            if let Action::Commit { ticket, .. } = action {
                let committed = Input::Committed { ticket: *ticket, committed: Committed::default() };
                actions.extend(core.step(at(now), committed));
            }
            next += 1;
        }
        actions.iter().any(|action| matches!(action, Action::Expand { .. }))
    }

    #[test]
    fn an_audience_that_grows_is_read_when_its_time_has_come() {
        let mut core = LaneCore::new(LaneConfig::new(1, Some(50.0), 1), at(0));
        assert!(!expands(&mut core, 0, looks(vec![gathering(2_000, None)])));
        assert_eq!(core.wake_at(), Some(at(2_000)));
        // A wave has put it off.
        assert!(!expands(&mut core, 1_000, looks(vec![gathering(60_000, None)])));
        assert!(!expands(&mut core, 2_000, Input::Tick));
        assert!(expands(&mut core, 60_000, Input::Tick));
        // Once begun it stays begun.
        assert!(!expands(&mut core, 60_001, looks(vec![gathering(90_000, None)])));
    }

    #[test]
    fn it_can_be_cancelled_and_held_like_any_other() {
        let config = || LaneConfig::new(1, Some(50.0), 1);
        let mut core = LaneCore::new(config(), at(0));
        expands(&mut core, 0, looks(vec![gathering(2_000, Some(Control::Cancel))]));
        assert!(!expands(&mut core, 3_000, Input::Tick));
        let mut core = LaneCore::new(config(), at(0));
        expands(&mut core, 0, looks(vec![gathering(2_000, Some(Control::Pause))]));
        assert!(!expands(&mut core, 3_000, Input::Tick));
        assert!(expands(&mut core, 4_000, looks(vec![gathering(2_000, Some(Control::Resume))])));
    }

    #[test]
    fn a_lane_reads_less_where_others_hold_much() {
        let mut core = LaneCore::new(LaneConfig::new(1, Some(50.0), 1), at(0));
        let message =
            OpenMessage { gathers: false, audience_final: true, send_at: None, ..gathering(0, None) };
        let limit = |actions: Vec<Action>| {
            actions.iter().find_map(|action| match action {
                Action::LoadPage { limit, .. } => Some(*limit),
                _ => None,
            })
        };
        core.hold_at_most(300);
        assert_eq!(limit(core.step(at(0), looks(vec![message.clone()]))), Some(150));
        let mut core = LaneCore::new(LaneConfig::new(1, Some(50.0), 1), at(0));
        core.hold_at_most(0);
        assert_eq!(limit(core.step(at(0), looks(vec![message]))), Some(LEAST_ROWS as i64 / 2));
    }
}
