//! A made-up Microsoft with its own counting; shares nothing with the limiter that it judges.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use nuncio_domain::batch::Row;
use nuncio_domain::outcome::{Answer, LaneCause, LaneCauseKind, Operation, Outcome};
use nuncio_domain::{FailReason, ReachState};

pub(crate) const SECOND: i64 = 1_000_000;

/// Small seeded dice of the tests' own.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    pub(crate) fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }
}

/// How the service behaves.
#[derive(Clone, Default)]
pub(crate) struct Weather {
    /// Of a hundred calls that make a message: answer lost after it was taken, and before.
    pub(crate) lost_after: u64,
    pub(crate) lost_before: u64,
    pub(crate) unavailable: u64,
    pub(crate) conflict: u64,
    /// From, until, calls a second meanwhile.
    pub(crate) storm: Option<(i64, i64, usize)>,
    /// From, until: every call is answered 503.
    pub(crate) broken: Option<(i64, i64)>,
    /// From, until: nothing can be reached.
    pub(crate) outage: Option<(i64, i64)>,
    /// From, until: the credential is refused.
    pub(crate) expired_secret: Option<(i64, i64)>,
    /// People (by address) who blocked the bot, and whose chats are gone for good.
    pub(crate) blocked: BTreeSet<String>,
    pub(crate) gone: BTreeSet<String>,
    /// People who do not have the app.
    pub(crate) strangers: BTreeSet<String>,
}

pub(crate) struct Service {
    pub(crate) weather: Weather,
    dice: Dice,
    lane: VecDeque<i64>,
    threads: BTreeMap<String, VecDeque<i64>>,
    open: BTreeMap<String, u32>,
    /// Messages taken, by address, with the time.
    pub(crate) taken: BTreeMap<String, Vec<i64>>,
    pub(crate) calls: usize,
    pub(crate) throttled: usize,
    /// Refusals of a thread's window, which we should never cause.
    pub(crate) thread_refusals: usize,
    /// Two calls of one thread at the same time.
    pub(crate) overlaps: usize,
}

impl Service {
    pub(crate) fn new(seed: u64, weather: Weather) -> Self {
        Self {
            weather,
            dice: Dice::new(seed),
            lane: VecDeque::new(),
            threads: BTreeMap::new(),
            open: BTreeMap::new(),
            taken: BTreeMap::new(),
            calls: 0,
            throttled: 0,
            thread_refusals: 0,
            overlaps: 0,
        }
    }

    /// A request arrives; what is answered, if the client still listens.
    pub(crate) fn arrive(&mut self, now: i64, operation: Operation, row: &Row) -> Answer {
        let address = &row.address;
        let during = |span: Option<(i64, i64)>| span.is_some_and(|(from, until)| from <= now && now < until);
        if during(self.weather.outage) {
            return Answer::bare(Outcome::NeverSent, "connection refused");
        }
        if during(self.weather.expired_secret) {
            let text = "client secret expired".to_owned();
            let cause = LaneCause { kind: LaneCauseKind::Credential, text: text.clone(), retry_after: None };
            return Answer::bare(Outcome::LaneWaits(cause), text);
        }
        self.calls += 1;
        if during(self.weather.broken) {
            return Answer::bare(Outcome::Unavailable { retry_after: None }, "503");
        }
        let open = self.open.entry(address.clone()).or_default();
        *open += 1;
        self.overlaps += usize::from(*open > 1);
        if let Some(refused) = self.refuse_for_limits(now, address) {
            return refused;
        }
        if self.weather.strangers.contains(address) {
            let reach = Some(ReachState::NeverInstalled);
            return Answer::bare(Outcome::Permanent { reason: FailReason::NotInstalled, reach }, "403");
        }
        if operation == Operation::Create {
            if self.dice.percent(self.weather.unavailable) {
                return Answer::bare(Outcome::Unavailable { retry_after: None }, "503");
            }
            return accepted(None, Some(format!("a:{address}")));
        }
        if self.weather.blocked.contains(address) {
            let reach = Some(ReachState::Blocked);
            return Answer::bare(Outcome::Permanent { reason: FailReason::BlockedByUser, reach }, "403");
        }
        if self.weather.gone.contains(address) {
            return Answer::bare(Outcome::ReferenceGone, "404");
        }
        let weather = &self.weather;
        let roll = self.dice.below(100);
        let (conflict, unavailable) = (weather.conflict, weather.conflict + weather.unavailable);
        let before = unavailable + weather.lost_before;
        let after = before + weather.lost_after;
        match roll {
            _ if roll < conflict => Answer::bare(Outcome::Conflict, "412"),
            _ if roll < unavailable => Answer::bare(Outcome::Unavailable { retry_after: None }, "503"),
            _ if roll < before => Answer::bare(Outcome::Ambiguous, "reset before the accept"),
            _ => {
                let taken = self.taken.entry(address.clone()).or_default();
                taken.push(now);
                if roll < after {
                    Answer::bare(Outcome::Ambiguous, "reset after the accept")
                } else {
                    accepted(Some(format!("{now}-{}", taken.len())), None)
                }
            }
        }
    }

    /// The call's connection is done with.
    pub(crate) fn leave(&mut self, address: &str) {
        if let Some(open) = self.open.get_mut(address) {
            *open = open.saturating_sub(1);
        }
    }

    fn refuse_for_limits(&mut self, now: i64, address: &str) -> Option<Answer> {
        let limit = match self.weather.storm {
            Some((from, until, limit)) if from <= now && now < until => limit,
            _ => 50,
        };
        let throttled =
            || Answer::bare(Outcome::Throttled { retry_after: Some(Duration::from_secs(1)) }, "429");
        while self.lane.front().is_some_and(|at| *at + SECOND <= now) {
            self.lane.pop_front();
        }
        if self.lane.len() >= limit {
            self.throttled += 1;
            return Some(throttled());
        }
        self.lane.push_back(now);
        let thread = self.threads.entry(address.to_owned()).or_default();
        for (most, within) in [(7, SECOND), (8, 2 * SECOND), (60, 30 * SECOND), (1800, 3600 * SECOND)] {
            if thread.iter().rev().take_while(|at| **at + within > now).count() >= most {
                self.thread_refusals += 1;
                return Some(throttled());
            }
        }
        thread.push_back(now);
        None
    }
}

fn accepted(activity_id: Option<String>, conversation_id: Option<String>) -> Answer {
    let service_url = Some("https://service.example/".to_owned());
    Answer {
        outcome: Outcome::Accepted { activity_id, conversation_id, service_url },
        status: Some(201),
        code: None,
        text: None,
        correlation: None,
    }
}
