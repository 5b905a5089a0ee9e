//! Words about ambiguous deliveries and about lanes.

use std::time::Duration;

use nuncio_domain::batch::Late;
use nuncio_domain::message::{LaneControl, Opened, SettleRequest, Settled, Settlement, Verdict};
use nuncio_domain::views::SettledView;
use nuncio_domain::{DeliveryState, Key, MessageState, Scope, Time};

use super::State;
use super::commit::key;

/// One entry of the mailbox.
pub(super) struct Word {
    key: Key,
    verdict: Verdict,
    activity_id: Option<String>,
    at: Time,
    done: bool,
    /// It is what the delivery was settled by.
    took: bool,
}

/// An intent names a moment up to so much ahead (`docs/delivery.md`, Intents).
const SAME_ATTEMPT: Duration = Duration::from_millis(25);

/// There are no keys here, so that whoever speaks is nobody in particular.
const EVIDENCE: &str = "an operator said so";

impl Word {
    fn new(key: Key, verdict: Verdict, activity_id: Option<String>, at: Time) -> Self {
        Self { key, verdict, activity_id, at, done: false, took: false }
    }
}

impl State {
    /// What calls came to whose owner was taken over: the attempt that the takeover made ambiguous, and no other.
    pub(super) fn testify(&mut self, accepted: Vec<Late>, now: Time) -> i64 {
        let before = self.settlements.len();
        for late in accepted {
            let row =
                self.messages.get(&late.key.message_no).and_then(|m| m.rows.get(&late.key.recipient_no));
            let meant = row.is_some_and(|row| {
                matches!(row.state, DeliveryState::Ambiguous | DeliveryState::InFlight)
                    && row.started_at.is_some_and(|at| at <= late.started_at + SAME_ATTEMPT)
            });
            if meant {
                self.settlements.push(Word::new(late.key, Verdict::Delivered, late.activity_id, now));
            }
        }
        (self.settlements.len() - before) as i64
    }

    pub(super) fn settle(&mut self, request: &SettleRequest<'_>, now: Time) -> Settled {
        let Some((message_no, message)) = self.seen(request.scope, request.id) else {
            return Settled::NotFound;
        };
        let over = message.closed_to.is_some() || message.new.expires_at <= now;
        if request.verdict == Verdict::Resend && over {
            let state = if message.state.is_final() { message.state } else { MessageState::Completed };
            return Settled::TooLate { state };
        }
        let lane_no = message.new.lane_no;
        let keys: Vec<Key> = message
            .rows
            .iter()
            .filter(|(_, row)| row.state == DeliveryState::Ambiguous)
            .filter(|(no, _)| request.recipients.as_ref().is_none_or(|named| named.contains(no)))
            .map(|(no, _)| key(message_no, *no))
            .collect();
        for key in &keys {
            let said = |word: &Word| word.key == *key && word.verdict == request.verdict && !word.done;
            if !self.settlements.iter().any(said) {
                let verdict = request.verdict;
                self.settlements.push(Word::new(*key, verdict, None, now));
            }
        }
        if let Some(lane) = self.lanes.get_mut(&lane_no)
            && !keys.is_empty()
        {
            lane.control_rev += 1;
        }
        Settled::Taken { lane_no, settled: keys.len() as i64 }
    }

    pub(super) fn control_lane(
        &mut self,
        scope: &Scope,
        lane_no: i64,
        control: LaneControl,
        now: Time,
    ) -> bool {
        let Some(lane) = self.lanes.get_mut(&lane_no).filter(|lane| scope.sees_app(&lane.app)) else {
            return false;
        };
        lane.paused = control == LaneControl::Pause;
        if control == LaneControl::Resume {
            lane.resumed_at = Some(now);
        }
        lane.control_rev += 1;
        true
    }

    pub(super) fn look(&self, lane_no: i64, after: i64) -> Opened {
        let lane = self.lanes.get(&lane_no);
        let open = self.settlements.iter().zip(1..).filter(|(word, _)| !word.done);
        Opened {
            messages: self.open(lane_no, after),
            paused: lane.is_some_and(|lane| lane.paused),
            reached: self.is_reached(lane_no),
            resumed_at: lane.and_then(|lane| lane.resumed_at),
            settlements: open
                .filter(|(word, _)| self.messages[&word.key.message_no].new.lane_no == lane_no)
                .map(|(word, settlement_no)| Settlement {
                    settlement_no,
                    key: word.key,
                    verdict: word.verdict,
                    activity_id: word.activity_id.clone(),
                    tries: self.messages[&word.key.message_no].rows[&word.key.recipient_no].tries,
                })
                .collect(),
            names_of: self.lists_with_names(lane_no),
            service_url: lane.and_then(|lane| lane.service_url.clone()),
        }
    }

    /// `moved` is what ambiguous deliveries became with this batch.
    pub(super) fn obeyed(&mut self, numbers: &[i64], mut moved: Vec<(Key, DeliveryState)>) {
        for (word, number) in self.settlements.iter_mut().zip(1..) {
            if word.done || !numbers.contains(&number) {
                continue;
            }
            word.done = true;
            if let Some(at) = moved.iter().position(|entry| *entry == (word.key, word.verdict.becomes())) {
                moved.remove(at);
                word.took = true;
            }
        }
    }

    pub(super) fn settled(&self, key: Key) -> Option<SettledView> {
        let last = self.settlements.iter().rfind(|word| word.key == key && word.took)?;
        Some(SettledView { verdict: last.verdict, evidence: EVIDENCE.to_owned(), at: last.at })
    }
}
