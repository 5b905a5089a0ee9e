//! What an answer means for its delivery and for the lane (`docs/delivery.md`, Outcomes and Retry).

use std::collections::VecDeque;
use std::time::Duration;

use crate::batch::{Attempt, Change, Key, ReachChange, Why};
use crate::delivery::{DeliveryState, FailReason};
use crate::lane::core::{Fetched, Flight, Item, LaneCore, Met, Next};
use crate::lane::retry;
use crate::lane::threads::Whose;
use crate::lane::trouble::DISABLED;
use crate::message::WHENEVER;
use crate::outcome::{Answer, LaneCause, LaneCauseKind, Operation, Outcome};
use crate::people::{ReachState, RecipientKind};
use crate::reach::ReachEvidence;
use crate::time::Time;

/// An ambiguous delivery of a message that resends goes out again within this.
const RESEND_WITHIN: Duration = Duration::from_secs(2);

/// What becomes of a delivery.
pub(super) enum Fate {
    Final(DeliveryState, Option<FailReason>),
    Again(Next),
}

impl LaneCore {
    pub(super) fn answered(&mut self, now: Time, key: crate::Key, started_at: Time, answer: Answer) {
        let Some(Flight { mut item, operation, .. }) = self.flights.remove(&key) else { return };
        self.watch_lane(now, item.row.thread_no, &answer.outcome);
        item.row_mut().attempts += 1;
        item.met = match answer.outcome {
            Outcome::Throttled { .. } => Met::Throttled,
            Outcome::NeverSent => Met::Nobody,
            _ => Met::Other,
        };
        let accepted = matches!(answer.outcome, Outcome::Accepted { .. });
        if accepted && let Some(reference) = &item.row.reference {
            self.left.remove(&reference.service_url);
        }
        self.note_reach(now, &item, operation, &answer);
        let fate = self.fate(now, started_at, &mut item, operation, &answer);
        self.threads.finish(item.row.thread_no, now, accepted);
        let attempt = Attempt {
            call: operation,
            started_at,
            ended_at: now,
            outcome: answer.outcome.word(),
            status: answer.status,
            code: answer.code,
            text: answer.text,
            correlation: answer.correlation,
        };
        let activity_id = match answer.outcome {
            Outcome::Accepted { activity_id, .. } if operation.makes_message() => activity_id,
            _ => None,
        };
        let from = if operation.makes_message() { DeliveryState::InFlight } else { DeliveryState::Pending };
        self.apply(now, item, from, fate, Some(attempt), activity_id);
    }

    /// Writes what became of a delivery and puts it where it goes next.
    pub(super) fn apply(
        &mut self,
        now: Time,
        mut item: Item,
        from: DeliveryState,
        fate: Fate,
        attempt: Option<Attempt>,
        activity_id: Option<String>,
    ) {
        let closed = self.messages.get(&item.row.key.message_no).and_then(super::messages::Open::closed_to);
        let fate = match (fate, closed) {
            (Fate::Again(_), Some(DeliveryState::Expired)) if item.met == Met::Throttled => {
                Fate::Final(DeliveryState::Failed, Some(FailReason::ThrottledOut))
            }
            // From pending it was counted as closed already; the store keeps the attempt only.
            (Fate::Again(_), Some(to)) => Fate::Final(to, None),
            (fate, _) => fate,
        };
        let fate = match fate {
            // That the second try was refused says nothing about what became of the first.
            Fate::Final(DeliveryState::Failed, _) if item.row.resent => {
                Fate::Final(DeliveryState::Ambiguous, None)
            }
            Fate::Final(DeliveryState::Failed, Some(reason)) if self.awaits(&item, reason) => {
                Fate::Again(Next::Whenever)
            }
            fate => fate,
        };
        let thread_no = item.row.thread_no;
        let mut change = Change {
            key: item.row.key,
            from,
            to: DeliveryState::Pending,
            why: None,
            attempt,
            activity_id,
            due_at: None,
            tries: item.row.tries,
            resent: item.row.resent,
            at: now,
        };
        match fate {
            Fate::Final(to, reason) => {
                change.to = to;
                change.why = reason.map(Why::Failed);
                self.change(change);
                self.unhold(&item);
            }
            Fate::Again(next) => {
                if let Next::WaitUntil(due) = next {
                    change.due_at = Some(due);
                    item.row_mut().due_at = Some(due);
                }
                if matches!(next, Next::Whenever) {
                    change.due_at = Some(WHENEVER);
                    self.unhold(&item);
                    item.holds = false;
                } else if !item.holds {
                    self.hold(&item);
                    item.holds = true;
                }
                self.change(change);
                self.settling.insert(item.row.key, (item, next));
            }
        }
        self.unpark_thread(thread_no);
    }

    fn fate(
        &mut self,
        now: Time,
        started_at: Time,
        item: &mut Item,
        operation: Operation,
        answer: &Answer,
    ) -> Fate {
        let failed = |reason| Fate::Final(DeliveryState::Failed, Some(reason));
        match &answer.outcome {
            Outcome::Accepted { service_url, .. } if operation.makes_message() => {
                self.moved(now, item, service_url.as_deref());
                Fate::Final(DeliveryState::Delivered, None)
            }
            Outcome::Accepted { conversation_id: Some(conversation_id), service_url, .. } => {
                self.created(now, item, conversation_id, service_url.as_deref());
                Fate::Again(Next::Front)
            }
            // A create that names no conversation is asked once more, within the bounds of repeatable calls.
            Outcome::Accepted { .. } => self.try_again(now, item, None),
            Outcome::Throttled { retry_after } => {
                let until = match self.threads.throttled(item.row.thread_no, now, *retry_after) {
                    Whose::Thread(until) => until,
                    Whose::Lane => {
                        self.pace.throttled(now, started_at, *retry_after);
                        self.pace.cooling_until(now).unwrap_or(now)
                    }
                };
                Fate::Again(Next::WaitUntil(until))
            }
            Outcome::Conflict => {
                item.row_mut().tries += 1;
                match retry::after_conflict(item.row.tries, &mut self.dice) {
                    Some(wait) => Fate::Again(Next::WaitUntil(now + wait)),
                    None => failed(FailReason::UpstreamError),
                }
            }
            // While the lane itself is in trouble its deliveries lose no tries.
            Outcome::Unavailable { .. } if self.trouble.is_on() => Fate::Again(Next::Front),
            Outcome::Unavailable { retry_after } => self.try_again(now, item, *retry_after),
            // It may be that people are reached elsewhere by now.
            Outcome::NeverSent if self.trouble.is_on() => {
                item.fetched = Fetched::Not;
                Fate::Again(Next::Renew)
            }
            Outcome::NeverSent => {
                item.fetched = Fetched::Not;
                self.try_again(now, item, None)
            }
            // It may have been asked in the wrong place, or none was known, and Teams has named one meanwhile.
            Outcome::LaneWaits(LaneCause { kind: LaneCauseKind::NotAuthorized, .. }) => {
                item.fetched = Fetched::Not;
                Fate::Again(Next::Renew)
            }
            Outcome::LaneWaits(_) => Fate::Again(Next::Front),
            Outcome::Ambiguous => {
                let resends = self
                    .messages
                    .get(&item.row.key.message_no)
                    .is_some_and(|open| open.resends(item.row.kind));
                if resends && !item.row.resent {
                    item.row_mut().resent = true;
                    Fate::Again(Next::WaitUntil(now + self.dice.up_to(RESEND_WITHIN)))
                } else {
                    Fate::Final(DeliveryState::Ambiguous, None)
                }
            }
            // Of a thread: it is gone, and not the channel that it was in.
            Outcome::ReferenceGone if item.row.is_reply() => {
                item.gone += 1;
                match retry::after_gone(item.gone) {
                    Some(wait) => Fate::Again(Next::WaitUntil(now + wait.max(Duration::from_secs(1)))),
                    None => failed(FailReason::ConversationGone),
                }
            }
            Outcome::ReferenceGone => {
                item.gone += 1;
                if let Some(reference) =
                    item.row_mut().reference.take().filter(|reference| reference.reference_no > 0)
                {
                    self.batch.suspects.push(reference.reference_no);
                }
                match retry::after_gone(item.gone) {
                    // Only a 1:1 can be created anew at once; anything else is given time.
                    Some(Duration::ZERO) if item.row.kind == RecipientKind::Person => {
                        Fate::Again(Next::Front)
                    }
                    Some(wait) => Fate::Again(Next::WaitUntil(now + wait.max(Duration::from_secs(1)))),
                    None => failed(FailReason::ConversationGone),
                }
            }
            Outcome::NotInRoster { .. } if item.row.others > 0 && item.fetched != Fetched::Another => {
                item.fetched = Fetched::Another;
                Fate::Again(Next::References)
            }
            Outcome::NotInRoster { .. } => failed(FailReason::NotInstalled),
            Outcome::Permanent { reason: FailReason::DisabledByAdmin, .. }
                if self.trouble.disabled() >= DISABLED =>
            {
                Fate::Again(Next::Front)
            }
            Outcome::Permanent { reason, .. } => failed(*reason),
        }
    }

    pub(super) fn try_again(&mut self, now: Time, item: &mut Item, retry_after: Option<Duration>) -> Fate {
        item.row_mut().tries += 1;
        match retry::after_unavailable(item.row.tries, retry_after, &mut self.dice) {
            Some(wait) => Fate::Again(Next::WaitUntil(now + wait)),
            None => Fate::Final(DeliveryState::Failed, Some(FailReason::UpstreamError)),
        }
    }

    /// Keeps what the answer says of the recipient. Nothing is ever inferred from 429, 5xx or silence.
    fn note_reach(&mut self, now: Time, item: &Item, operation: Operation, answer: &Answer) {
        let state = match &answer.outcome {
            Outcome::Accepted { .. }
                if operation.makes_message()
                    && (item.row.reach != ReachState::Reachable || item.row.standing.state().is_some()) =>
            {
                ReachState::Reachable
            }
            Outcome::Permanent { reach: Some(reach), .. } => *reach,
            Outcome::NotInRoster { reach } if item.row.others == 0 || item.fetched == Fetched::Another => {
                *reach
            }
            Outcome::ReferenceGone if item.gone >= retry::GONE_TRIES && !item.row.is_reply() => {
                ReachState::ChatGone
            }
            _ => return,
        };
        self.batch.reach.push(ReachChange {
            recipient_no: item.row.place_no(),
            state,
            evidence: ReachEvidence::answer(state, operation, answer.status, answer.code.as_deref()),
            at: now,
        });
    }

    /// Calls that came too late for their slots and may not take others for now go back among the pending ones, or to
    /// what their message was closed to: they were never made, and nothing of a closed or waiting message is to be
    /// called later. Those of one message, or all.
    pub(super) fn give_back_late(&mut self, now: Time, of: Option<i64>) {
        let (back, stay): (VecDeque<Key>, VecDeque<Key>) =
            self.late.drain(..).partition(|key| of.is_none_or(|message_no| key.message_no == message_no));
        self.late = stay;
        for key in back {
            let Some(flight) = self.flights.remove(&key) else { continue };
            self.threads.give_back(flight.item.row.thread_no);
            if flight.operation.makes_message() {
                self.apply(now, flight.item, DeliveryState::InFlight, Fate::Again(Next::Front), None, None);
            } else {
                // It had no intent, so nothing has to be written.
                let thread_no = flight.item.row.thread_no;
                self.put_back(flight.item, &Next::Front);
                self.unpark_thread(thread_no);
            }
        }
    }

    pub(super) fn fail_not_installed(
        &mut self,
        now: Time,
        item: Item,
        from: DeliveryState,
        attempt: Option<Attempt>,
    ) {
        let fate = Fate::Final(DeliveryState::Failed, Some(FailReason::NotInstalled));
        self.batch.reach.push(ReachChange {
            recipient_no: item.row.place_no(),
            state: ReachState::Removed,
            evidence: ReachEvidence::answer(
                ReachState::Removed,
                Operation::Send,
                Some(403),
                Some("BotNotInConversationRoster"),
            ),
            at: now,
        });
        self.apply(now, item, from, fate, attempt, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Batch, Committed, Row};
    use crate::lane::{Action, Input, LaneConfig};
    use crate::message::{Body, Class, Content, Control, MessageState, OpenMessage, Opened, WhenUnreachable};
    use crate::people::Reference;
    use crate::{Key, MessageId};

    fn looks(messages: Vec<OpenMessage>) -> Input {
        Input::Opened(Opened { messages, ..Opened::default() })
    }

    fn ms(n: u64) -> Time {
        Time(1_000_000_000) + Duration::from_millis(n)
    }

    fn message(control: Option<Control>) -> OpenMessage {
        OpenMessage {
            message_no: 1,
            id: MessageId(uuid::Uuid::nil()),
            class: Class::Normal,
            state: MessageState::Sending,
            control,
            content: Content { body: Body::Text("x".to_owned()), summary: None },
            install: crate::InstallPolicy::Never,
            purpose: crate::own_words::Purpose::Asked,
            gathers: false,
            on_ambiguous: None,
            when_unreachable: WhenUnreachable::Fail,
            cause: None,
            audience_final: true,
            include: crate::directory::Include::default(),
            send_at: None,
            expires_at: ms(3_600_000),
            created_at: Time::ZERO,
            retries: false,
        }
    }

    /// A person; with an odd number a conversation with them is known, else it has to be created.
    fn row(recipient_no: i64) -> Row {
        let reference = Reference {
            reference_no: recipient_no,
            conversation_id: format!("a:{recipient_no}"),
            service_url: String::new(),
            suspect: false,
        };
        Row {
            key: Key { message_no: 1, recipient_no },
            thread_no: recipient_no,
            kind: RecipientKind::Person,
            address: recipient_no.to_string(),
            mri: None,
            reference: Some(reference).filter(|_| recipient_no % 2 == 1),
            others: 0,
            reach: ReachState::Reachable,
            reach_at: None,
            standing: crate::directory::Standing::default(),
            excluded: false,
            opted_out: false,
            attempts: 0,
            tries: 0,
            resent: false,
            due_at: None,
        }
    }

    /// Gives an input, commits what follows from it, and says who is called and what is committed.
    fn run(core: &mut LaneCore, at: u64, input: Input) -> (Vec<i64>, Vec<Batch>) {
        let (mut calls, mut batches, mut inputs) = (Vec::new(), Vec::new(), vec![input]);
        while let Some(input) = inputs.pop() {
            for action in core.step(ms(at), input) {
                match action {
                    Action::Commit { ticket, batch } => {
                        batches.push(batch);
                        inputs.push(Input::Committed { ticket, committed: Committed::default() });
                    }
                    Action::Call(order) => calls.push(order.row.key.recipient_no),
                    _ => {}
                }
            }
        }
        (calls, batches)
    }

    /// Three calls are ordered; the process is held up, so that the second and third are not made, and the first comes
    /// to `outcome`.
    fn held_up(outcome: Outcome) -> LaneCore {
        let mut core = LaneCore::new(LaneConfig::new(1, Some(50.0), 1), ms(0));
        run(&mut core, 0, looks(vec![message(None)]));
        run(&mut core, 0, Input::Due { rows: Vec::new() });
        run(&mut core, 0, Input::Page { message_no: 1, rows: vec![row(1), row(2), row(3)] });
        let calls: Vec<i64> = (196..212).flat_map(|at| run(&mut core, at * 5, Input::Tick).0).collect();
        assert_eq!(calls, [1, 2, 3]);
        let key = |recipient_no| Key { message_no: 1, recipient_no };
        let answer = Answer::bare(outcome, "");
        run(&mut core, 1100, Input::Answered { key: key(1), started_at: ms(1000), answer });
        run(&mut core, 1101, Input::Missed { key: key(2) });
        run(&mut core, 1101, Input::Missed { key: key(3) });
        core
    }

    fn troubles() -> [Outcome; 2] {
        let retry_after = Some(Duration::from_mins(10));
        let kind = LaneCauseKind::TokenUnavailable;
        [
            Outcome::Throttled { retry_after },
            Outcome::LaneWaits(LaneCause { kind, text: String::new(), retry_after }),
        ]
    }

    #[test]
    fn calls_that_were_not_made_are_pending_while_the_lane_waits_and_made_afterwards() {
        for trouble in troubles() {
            let mut core = held_up(trouble.clone());
            assert!(core.is_quiet(), "{trouble:?}");
            let calls: Vec<i64> =
                (5_990..6_030).flat_map(|at| run(&mut core, at * 100, Input::Tick).0).collect();
            assert!(!calls.is_empty(), "{trouble:?}");
        }
    }

    #[test]
    fn nothing_of_a_closed_message_is_called_when_the_lane_goes_on() {
        for trouble in troubles() {
            let mut core = held_up(trouble.clone());
            let (_, batches) = run(&mut core, 2000, looks(vec![message(Some(Control::Cancel))]));
            let complete = |change: &crate::batch::MessageChange| {
                matches!(change, crate::batch::MessageChange::Complete { .. })
            };
            assert!(
                batches.iter().flat_map(|batch| &batch.messages).any(complete),
                "{trouble:?}: {batches:?}"
            );
            let calls: Vec<i64> =
                (20..7_000).flat_map(|at| run(&mut core, at * 100, Input::Tick).0).collect();
            assert!(calls.is_empty(), "{trouble:?}: {calls:?}");
        }
    }
}
