//! The life of a message in its owner's hands: expanding, sending, paused, closed, completed.

use std::collections::VecDeque;
use std::time::Duration;

use crate::batch::{Change, Key, MessageChange, Row, Why};
use crate::delivery::{DeliveryState, FailReason, SkipReason};
use crate::lane::core::{Action, Item, LaneCore};
use crate::message::{Class, Control, Expanded, MessageState, OnAmbiguous, OpenMessage};
use crate::own_words::Purpose;
use crate::people::RecipientKind;
use crate::skip::{Policy, why_skipped};
use crate::time::Time;

/// How often a lane's status is written while it changes.
const STATUS_EVERY: Duration = Duration::from_secs(2);
/// A message that did not add up is looked through again after this.
const AGAIN: Duration = Duration::from_secs(1);

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
enum Reading {
    Ready,
    Loading,
    /// The last page was read.
    Ended,
}

/// A message under way.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) class: Class,
    pub(super) purpose: Purpose,
    retries: bool,
    pub(super) phase: Phase,
    pub(super) queue: VecDeque<Item>,
    on_ambiguous: Option<OnAmbiguous>,
    pub(super) send_at: Option<Time>,
    expires_at: Time,
    audience_final: bool,
    cursor: i64,
    reading: Reading,
    /// Not to be read again before this.
    again_at: Time,
    completing: bool,
    sweeping: bool,
    state: MessageState,
}

impl Open {
    pub(super) fn sends(&self, now: Time) -> bool {
        self.phase == Phase::Sending && self.send_at.is_none_or(|send_at| send_at <= now)
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

impl LaneCore {
    pub(super) fn opened(&mut self, now: Time, message: &OpenMessage) {
        let message_no = message.message_no;
        match self.messages.get_mut(&message_no) {
            None => self.take_up(now, message),
            // Those who go on gathering may have put it off.
            Some(open) if open.phase == Phase::Gathering => open.send_at = message.send_at,
            Some(_) => {}
        }
        if let Some(control) = message.control {
            self.obey(now, message_no, control);
        }
    }

    fn take_up(&mut self, now: Time, message: &OpenMessage) {
        let message_no = message.message_no;
        let phase = match message.state {
            MessageState::Cancelled => Phase::Closed(DeliveryState::Cancelled),
            MessageState::Completed => Phase::Closed(DeliveryState::Expired),
            MessageState::Paused => Phase::Paused,
            _ if message.gathers => Phase::Gathering,
            MessageState::Waiting => Phase::Confirm,
            _ if message.audience_final => Phase::Sending,
            _ => Phase::Expanding,
        };
        let open = Open {
            class: message.class,
            purpose: message.purpose,
            retries: message.retries,
            phase,
            queue: VecDeque::new(),
            on_ambiguous: message.on_ambiguous,
            send_at: message.send_at,
            expires_at: message.expires_at,
            audience_final: message.audience_final,
            cursor: 0,
            reading: Reading::Ready,
            again_at: Time::ZERO,
            completing: false,
            sweeping: false,
            state: message.state,
        };
        self.messages.insert(message_no, open);
        self.order.add(message.class, message_no);
        // One that was begun before may have retries.
        self.due_left |= message.audience_final;
        match phase {
            Phase::Expanding => self.expand(message_no),
            Phase::Closed(to) => self.sweep(now, message_no, to),
            _ => {}
        }
    }

    fn obey(&mut self, now: Time, message_no: i64, control: Control) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        let state = match (control, open.phase) {
            (_, Phase::Closed(_)) => return,
            (Control::Cancel, _) => return self.close(now, message_no, DeliveryState::Cancelled),
            (Control::Pause, _) => {
                open.phase = Phase::Paused;
                self.give_back_late(now, Some(message_no));
                MessageState::Paused
            }
            (Control::Resume, Phase::Paused) | (Control::Confirm, Phase::Confirm) if open.audience_final => {
                open.phase = Phase::Sending;
                if open.send_at.is_some_and(|send_at| send_at > now) {
                    MessageState::Scheduled
                } else {
                    MessageState::Sending
                }
            }
            (Control::Resume, Phase::Paused) => {
                open.phase = Phase::Expanding;
                self.expand(message_no);
                MessageState::Expanding
            }
            // Said twice, or overtaken: the state as it is, so that the word is taken off.
            _ => open.state,
        };
        self.set_state(message_no, state, None);
    }

    fn set_state(&mut self, message_no: i64, state: MessageState, cause: Option<&str>) {
        if let Some(open) = self.messages.get_mut(&message_no) {
            open.state = state;
        }
        let cause = cause.map(str::to_owned);
        self.batch.messages.push(MessageChange::State { message_no, state, cause });
    }

    fn expand(&mut self, message_no: i64) {
        self.actions.push(Action::Expand { message_no, limit: self.config.chunk });
    }

    pub(super) fn expanded(&mut self, now: Time, message_no: i64, expanded: Expanded) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        if expanded.done {
            open.audience_final = true;
        }
        if open.phase != Phase::Expanding {
            return;
        }
        if !expanded.done {
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
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        let last = (rows.len() as i64) < self.config.page;
        open.reading = if last { Reading::Ended } else { Reading::Ready };
        if let Some(last) = rows.last() {
            open.cursor = last.key.recipient_no;
        }
        if open.closed_to().is_some() {
            return;
        }
        let policy = Policy {
            class: open.class,
            purpose: open.purpose,
            retries: open.retries,
            recheck: self.config.recheck,
        };
        for row in rows {
            match why_skipped(&row, policy, now) {
                Some(reason) if !self.known.contains(&row.key) => self.skip(now, &row, reason),
                Some(_) => {}
                None => {
                    let key = row.key;
                    if let Some(item) = self.item(row)
                        && let Some(open) = self.messages.get_mut(&key.message_no)
                    {
                        open.queue.push_back(item);
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

    /// Ends a message before its end: what is pending becomes `to` at once, what is in flight records what it comes to.
    fn close(&mut self, now: Time, message_no: i64, to: DeliveryState) {
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
            if to == DeliveryState::Expired && item.throttled {
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
                self.known.remove(&item.row.key);
            }
        }
        self.batch.messages.push(MessageChange::Close { message_no, to, at: now });
        if let Some(open) = self.messages.get_mut(&message_no) {
            open.sweeping = true;
        }
    }

    fn sweep(&mut self, now: Time, message_no: i64, to: DeliveryState) {
        if let Some(open) = self.messages.get_mut(&message_no) {
            open.sweeping = true;
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
            open.sweeping = false;
        }
    }

    /// Sends what is due, expires what is over, reads ahead.
    pub(super) fn tend_messages(&mut self, now: Time) {
        let numbers: Vec<i64> = self.messages.keys().copied().collect();
        let mut held = self.known.len();
        for message_no in numbers {
            let Some(open) = self.messages.get_mut(&message_no) else { continue };
            if open.closed_to().is_some() {
                continue;
            }
            if open.expires_at <= now {
                self.close(now, message_no, DeliveryState::Expired);
                continue;
            }
            let expires_at = open.expires_at;
            let mut wake = expires_at;
            if open.phase == Phase::Gathering {
                match open.send_at {
                    Some(send_at) if send_at > now => wake = wake.min(send_at),
                    _ => {
                        open.phase = Phase::Expanding;
                        self.expand(message_no);
                    }
                }
                self.wake_by(wake);
                continue;
            }
            if open.phase == Phase::Sending {
                match open.send_at {
                    Some(send_at) if send_at > now => wake = wake.min(send_at),
                    _ => {
                        let room = held + (self.config.page as usize) <= self.config.max_rows;
                        let low = (open.queue.len() as i64) < self.config.page;
                        if open.reading == Reading::Ready && low && room && open.again_at <= now {
                            open.reading = Reading::Loading;
                            held += self.config.page as usize;
                            let after = open.cursor;
                            let limit = self.config.page;
                            self.actions.push(Action::LoadPage { message_no, after, limit });
                        } else if open.again_at > now {
                            wake = wake.min(open.again_at);
                        }
                        if open.state == MessageState::Scheduled {
                            self.set_state(message_no, MessageState::Sending, None);
                        }
                    }
                }
            }
            self.wake_by(wake);
        }
    }

    /// Completes messages of which nothing is left here; the store has the last word.
    pub(super) fn complete_idle(&mut self, now: Time) {
        let idle: Vec<i64> = self
            .messages
            .iter()
            .filter(|(_, open)| match open.phase {
                Phase::Sending => open.reading == Reading::Ended && open.sends(now) && !open.completing,
                Phase::Closed(_) => !open.sweeping && !open.completing && open.again_at <= now,
                _ => false,
            })
            .map(|(message_no, _)| *message_no)
            .filter(|message_no| {
                let all = Key { message_no: *message_no, recipient_no: i64::MIN }..=Key {
                    message_no: *message_no,
                    recipient_no: i64::MAX,
                };
                self.known.range(all).next().is_none()
            })
            .collect();
        if self.due_loading || self.due_left {
            return;
        }
        for message_no in idle {
            let Some(open) = self.messages.get_mut(&message_no) else { continue };
            open.completing = true;
            self.batch.messages.push(MessageChange::Complete { message_no, at: now });
        }
    }

    pub(super) fn completed(&mut self, now: Time, message_no: i64, done: bool) {
        let Some(open) = self.messages.get_mut(&message_no) else { return };
        if done {
            let class = open.class;
            self.messages.remove(&message_no);
            self.order.remove(class, message_no);
            self.actions.push(Action::Forget { message_no });
        } else {
            // Something pending was passed over: read it all again, without haste.
            open.completing = false;
            open.reading = Reading::Ready;
            open.cursor = 0;
            open.again_at = now + AGAIN;
            self.due_left = true;
            self.wake_by(now + AGAIN);
        }
    }

    /// The lane's rate, cause and cool-down, for whoever asks (`docs/engine.md`, Tables: every 2 s).
    pub(super) fn write_status(&mut self, now: Time) {
        if self.messages.is_empty() && self.status.is_empty() {
            return;
        }
        if self.status_at + STATUS_EVERY > now {
            self.wake_by(self.status_at + STATUS_EVERY);
            return;
        }
        self.status_at = now;
        let status = serde_json::json!({
            "rate_per_s": self.pace.started_last_second(now),
            "allowed_per_s": if self.pace.rate().is_finite() { Some(self.pace.rate()) } else { None },
            "cause": self.trouble.cause().map(|cause| cause.kind.as_str()),
            "cause_text": self.trouble.cause().map(|cause| cause.text.as_str()),
            "cooling_until": self.trouble.until(now).or(self.pace.cooling_until(now)),
        })
        .to_string();
        if status != self.status {
            self.status.clone_from(&status);
            self.batch.lane_status.push((self.config.lane_no, status));
        }
        if !self.messages.is_empty() {
            self.wake_by(now + STATUS_EVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Committed;
    use crate::ids::MessageId;
    use crate::lane::{Input, LaneConfig};
    use crate::message::{Body, Content, Opened};

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
            audience_final: false,
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
        let actions = core.step(at(now), input);
        for action in &actions {
            if let Action::Commit { ticket, .. } = action {
                core.step(at(now), Input::Committed { ticket: *ticket, committed: Committed::default() });
            }
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
}
