//! Trouble that no single delivery can help: the lane waits, and one call at a time finds out whether it is over
//! (`docs/delivery.md`, Lane-wide causes; `docs/adr/0014`).

use std::collections::BTreeSet;
use std::time::Duration;

use crate::delivery::FailReason;
use crate::lane::core::{LaneCore, Met};
use crate::lane::retry;
use crate::outcome::{LaneCause, LaneCauseKind, Outcome};
use crate::time::Time;

/// So many failures to reach the service in a row make it the lane's trouble.
const UNREACHABLE: u32 = 10;
/// So many `BotDisabledByAdmin` in a row as well.
pub(super) const DISABLED: u32 = 20;
/// So many failures in a row at Microsoft's side open the breaker …
const FAILING: u32 = 20;
/// … if they were met in so many threads: a few that always fail are their own trouble and use up their tries.
const FAILING_THREADS: usize = 10;

/// Trouble of the whole lane: nothing is used up, one call at a time finds out whether it is over.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    cause: Option<LaneCause>,
    probe_at: Time,
    probes: u32,
    unreachable: u32,
    disabled: u32,
    failing: u32,
    failing_threads: BTreeSet<i64>,
}

impl Trouble {
    pub(super) fn is_on(&self) -> bool {
        self.cause.is_some()
    }

    pub(super) fn cause(&self) -> Option<&LaneCause> {
        self.cause.as_ref()
    }

    /// Calls in a row that an administrator's word refused.
    pub(super) fn disabled(&self) -> u32 {
        self.disabled
    }

    pub(super) fn until(&self, now: Time) -> Option<Time> {
        (self.cause.is_some() && self.probe_at > now).then_some(self.probe_at)
    }

    /// `None` if calls may start; else until when not, `Some(None)` while a probe is under way.
    #[expect(clippy::option_option, reason = "blocked, and whether time alone ends it, are two questions")]
    pub(super) fn blocks(&self, now: Time, in_flight: usize) -> Option<Option<Time>> {
        self.cause.as_ref()?;
        if in_flight > 0 {
            Some(None)
        } else if self.probe_at > now {
            Some(Some(self.probe_at))
        } else {
            None
        }
    }

    /// The next probe goes out now, whatever Microsoft named.
    pub(super) fn probe_now(&mut self, now: Time) {
        self.probe_at = self.probe_at.min(now);
    }

    pub(super) fn clock_set(&mut self, by_us: i64) {
        self.probe_at = self.probe_at.moved(by_us);
    }

    /// Whether the answers so far are all failures at Microsoft's side.
    fn fails(&mut self, thread_no: i64, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Unavailable { .. } | Outcome::Ambiguous => {
                self.failing = self.failing.saturating_add(1);
                if self.failing_threads.len() < FAILING_THREADS {
                    self.failing_threads.insert(thread_no);
                }
            }
            // Says nothing about what is behind the connection.
            Outcome::NeverSent => {}
            _ => {
                self.failing = 0;
                self.failing_threads.clear();
            }
        }
        self.failing >= FAILING && self.failing_threads.len() >= FAILING_THREADS
    }
}

impl LaneCore {
    /// Looks at an answer for what it says of the whole lane.
    pub(super) fn watch_lane(&mut self, now: Time, thread_no: i64, outcome: &Outcome) {
        let trouble = &mut self.trouble;
        trouble.disabled = match outcome {
            Outcome::Permanent { reason: FailReason::DisabledByAdmin, .. } => trouble.disabled + 1,
            Outcome::Accepted { .. } => 0,
            _ => trouble.disabled,
        };
        trouble.unreachable = if matches!(outcome, Outcome::NeverSent) { trouble.unreachable + 1 } else { 0 };
        let failing = trouble.fails(thread_no, outcome);
        let cause = match outcome {
            Outcome::LaneWaits(cause) => Some(cause.clone()),
            Outcome::NeverSent if trouble.unreachable >= UNREACHABLE => Some(LaneCause {
                kind: LaneCauseKind::Unreachable,
                text: "the service cannot be reached; calls go on by themselves when it can".to_owned(),
                retry_after: None,
            }),
            Outcome::Permanent { reason: FailReason::DisabledByAdmin, .. } if trouble.disabled >= DISABLED => {
                Some(LaneCause {
                    kind: LaneCauseKind::DisabledByAdmin,
                    text: "an administrator of the tenant has disabled the bot: enable it in the Teams admin centre"
                        .to_owned(),
                    retry_after: None,
                })
            }
            Outcome::Unavailable { .. } | Outcome::Ambiguous if failing => {
                let retry_after = match outcome {
                    Outcome::Unavailable { retry_after } => *retry_after,
                    _ => None,
                };
                Some(LaneCause {
                    kind: LaneCauseKind::Failing,
                    text: "call after call has failed at Microsoft's side and none was accepted; one call at a time \
                           finds out when it works again"
                        .to_owned(),
                    retry_after,
                })
            }
            // A single failure to connect says nothing about whether the trouble is over.
            Outcome::NeverSent => return,
            _ => None,
        };
        let Some(cause) = cause else {
            if let Some(over) = trouble.cause.take() {
                trouble.probes = 0;
                self.status_at = Time::ZERO;
                if over.kind == LaneCauseKind::Unreachable {
                    self.hasten(now, Met::Nobody);
                }
            }
            return;
        };
        // Answers of calls that were under way together are one sign, not many.
        if trouble.cause.is_none() || trouble.probe_at <= now {
            trouble.probes += 1;
            trouble.probe_at = now + retry::lane_rest(trouble.probes, cause.retry_after, &mut self.dice);
        }
        if trouble.cause.as_ref().map(|known| known.kind) != Some(cause.kind) {
            self.status_at = Time::ZERO;
        }
        trouble.cause = Some(cause);
    }
}

/// How long a lane may rest before its messages say so.
pub(super) const SHORT_REST: Duration = Duration::from_secs(5);
