//! How fast a lane may start calls (`docs/engine.md`, Pace; `docs/adr/0008`).
//!
//! Slots lie on an absolute schedule, so that a late start does not push all later ones back. Beside it the starts of
//! the last second are kept, and no more than the limit lie in any sliding second of our own clock: catching up a
//! lag can never break Microsoft's window.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Time;

/// A permit names its slot this far ahead, so that the intent can be committed before it.
pub const LEAD: Duration = Duration::from_millis(20);
/// A call starts only while the process owns the lane for so much longer (`docs/delivery.md`, Intents, leases).
pub const LEASE_LEFT: Duration = Duration::from_secs(2);
/// An intent committed later than this after its slot has lost the slot.
pub const LATE: Duration = Duration::from_millis(5);
/// A call that starts later than this after its slot is given another one.
pub const MISSED: Duration = Duration::from_millis(10);
/// Lag beyond this is dropped, never caught up.
const LAG: Duration = Duration::from_millis(200);
/// A new owner waits, since the last second's calls of the one before it are not known.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Sliding second of our own clock, with room for the jitter of the way.
const GUARD: Duration = Duration::from_millis(1010);
/// Share of the told limit that is used.
const SHARE: f64 = 0.984;
/// The way itself refuses some: calls that take longer than their neighbours arrive in the next one's second. Down to
/// this share of the limit a refusal may be its doing, and lowers the ceiling by `STRAY`; below it the limit fell.
const WAY: f64 = 0.84;
const STRAY: f64 = 0.95;
/// So does one that comes alone, whatever was going on: the process may have been held up.
const ALONE: Duration = Duration::from_secs(10);
/// The ceiling rises by this much times the square of the seconds since it was lowered: 2.5 calls a second in 90 s.
const RISE: f64 = 0.0003;
/// Rate kept after a cut, of what went out in the second before the refused call …
const KEEP: f64 = 0.95;
/// … and never less than this of what the rate was: a second in which little went out says little.
const CUT: f64 = 0.5;
const HOLD: Duration = Duration::from_secs(40);
/// Probing starts with this much more per second, each second …
const PROBE_STEP: f64 = 0.2;
/// … and the step grows by this factor each second.
const PROBE_GROWTH: f64 = 1.35;
/// A lane never goes slower than this: something has to notice that the limit is back.
const FLOOR: f64 = 2.0;
/// Without a Retry-After a refused lane rests this long.
const REST: Duration = Duration::from_secs(1);

/// Starts are remembered for as long as a call may be under way and still say something.
const REMEMBERED: Duration = Duration::from_secs(4);

/// The lane's own limiter.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Calls a second that Microsoft tells; `None` for no limit (benchmarks).
    limit: Option<f64>,
    rate: f64,
    next: Time,
    starts: VecDeque<Time>,
    /// When calls started that were refused.
    refused: VecDeque<Time>,
    cool_until: Time,
    /// What the way leaves of the limit, when it was lowered last, and from where it rises.
    ceiling: Ceiling,
    /// When a refusal was heeded last.
    heeded_at: Option<Time>,
    cut: Option<Cut>,
}

#[derive(Debug, Clone, Copy)]
struct Ceiling {
    lowered_at: Time,
    from: f64,
}

#[derive(Debug, Clone, Copy)]
struct Cut {
    hold_until: Time,
    step: f64,
    probed_at: Time,
}

impl Pace {
    /// A limiter for a lane taken over at `now`.
    pub fn new(limit: Option<f64>, now: Time) -> Self {
        Self {
            limit,
            rate: limit.map_or(f64::INFINITY, |limit| limit * SHARE),
            next: if limit.is_some() { now + FIRST_WAIT } else { now },
            starts: VecDeque::new(),
            refused: VecDeque::new(),
            cool_until: Time::ZERO,
            ceiling: Ceiling { lowered_at: now, from: f64::INFINITY },
            heeded_at: None,
            cut: None,
        }
    }

    /// Calls a second at present.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Until when nothing starts at all.
    pub fn cooling_until(&self, now: Time) -> Option<Time> {
        (self.cool_until > now).then_some(self.cool_until)
    }

    /// Calls started in the second before `now`.
    pub fn started_last_second(&self, now: Time) -> usize {
        self.starts.iter().filter(|start| **start + Duration::from_secs(1) > now && **start <= now).count()
    }

    /// The next slot if it may be taken now, else when to ask again.
    pub fn peek(&mut self, now: Time) -> Result<Time, Time> {
        if self.cool_until > now + LEAD {
            return Err(self.cool_until - LEAD);
        }
        let Some(limit) = self.limit else { return Ok(now.max(self.cool_until)) };
        self.probe(now);
        let interval = self.interval();
        // Lag is dropped; and a clock that stepped back must not leave the schedule in a far future.
        if self.next + LAG < now || self.next > now + FIRST_WAIT + interval {
            self.next = now;
        }
        self.next = self.next.max(self.cool_until);
        while self.starts.front().is_some_and(|start| *start + REMEMBERED <= now) {
            self.starts.pop_front();
        }
        let most = (limit.floor() as usize).max(1);
        let mut slot = self.next.max(now);
        if self.starts.len() >= most {
            slot = slot.max(self.starts[self.starts.len() - most] + GUARD);
        }
        if slot > now + LEAD { Err(slot - LEAD) } else { Ok(slot) }
    }

    /// Takes the slot that [`Pace::peek`] gave.
    pub fn take(&mut self, slot: Time) {
        if self.limit.is_none() {
            return;
        }
        let interval = self.interval();
        // Absolute: from where the schedule was, not from when we came to it; unless the guard moved the slot.
        let base = if slot > self.next + LAG { slot } else { self.next };
        self.next = base + interval;
        self.starts.push_back(slot);
    }

    /// Gives back a slot whose call did not start.
    pub fn give_back(&mut self, slot: Time) {
        if let Some(position) = self.starts.iter().rposition(|start| *start == slot) {
            self.starts.remove(position);
        }
    }

    /// The lane was refused a call that started at `started_at`. Refusals of calls that were under way when one was
    /// heeded say nothing new.
    pub fn throttled(&mut self, now: Time, started_at: Time, retry_after: Option<Duration>) {
        self.cool_until = self.cool_until.max(now + retry_after.unwrap_or(REST));
        let Some(limit) = self.limit else { return };
        self.refused.push_back(started_at);
        while self.refused.front().is_some_and(|at| *at + REMEMBERED <= now) {
            self.refused.pop_front();
        }
        if self.heeded_at.is_some_and(|heeded_at| started_at <= heeded_at) {
            return;
        }
        let alone = self.heeded_at.replace(now).is_none_or(|before| before + ALONE < now);
        let went = self.went(started_at);
        if self.cut.is_none() && (alone || went >= limit * WAY) {
            self.ceiling = Ceiling { lowered_at: now, from: (self.rate * STRAY).max(limit * WAY) };
            self.rate = self.rate.min(self.ceiling.from);
            return;
        }
        // What Microsoft let through in the second before it refused is its limit.
        self.rate = (went * KEEP).max(self.rate * CUT).clamp(FLOOR.min(limit * SHARE), self.rate);
        self.cut = Some(Cut { hold_until: now + HOLD, step: PROBE_STEP, probed_at: now + HOLD });
    }

    /// Ends a cool-down; the pace stays what it is.
    pub fn go_on(&mut self, now: Time) {
        self.cool_until = self.cool_until.min(now);
    }

    /// The clock was set by so many microseconds.
    pub fn clock_set(&mut self, by_us: i64) {
        for at in self.starts.iter_mut().chain(&mut self.refused).chain(&mut self.heeded_at) {
            *at = at.moved(by_us);
        }
        for at in [&mut self.next, &mut self.cool_until, &mut self.ceiling.lowered_at] {
            *at = at.moved(by_us);
        }
        if let Some(cut) = &mut self.cut {
            for at in [&mut cut.hold_until, &mut cut.probed_at] {
                *at = at.moved(by_us);
            }
        }
    }

    /// Calls that started in the second up to `started_at` and were not refused, as far as is known.
    fn went(&self, started_at: Time) -> f64 {
        let within = |at: &&Time| **at <= started_at && **at + Duration::from_secs(1) > started_at;
        let started = self.starts.iter().filter(within).count();
        started.saturating_sub(self.refused.iter().filter(within).count()) as f64
    }

    /// The rate to come back to.
    fn full(&self, now: Time) -> f64 {
        let seconds = now.since(self.ceiling.lowered_at).as_secs_f64();
        let ceiling = self.ceiling.from + RISE * seconds * seconds;
        self.limit.map_or(f64::INFINITY, |limit| limit * SHARE).min(ceiling)
    }

    fn interval(&self) -> Duration {
        if self.rate.is_finite() { Duration::from_secs_f64(1.0 / self.rate) } else { Duration::ZERO }
    }

    fn probe(&mut self, now: Time) {
        let full = self.full(now);
        let Some(cut) = &mut self.cut else {
            self.rate = full;
            return;
        };
        if now <= cut.hold_until {
            return;
        }
        let seconds = now.since(cut.probed_at).as_secs_f64().min(5.0);
        cut.probed_at = now;
        self.rate += cut.step * seconds;
        cut.step *= PROBE_GROWTH.powf(seconds);
        if self.rate >= full {
            self.rate = full;
            self.cut = None;
        }
    }
}

#[cfg(test)]
mod tests;
