//! One limit: so many units in a window.

use std::collections::VecDeque;
use std::time::Duration;

/// Share of the limit that is used, as for the Connector (`docs/engine.md`, Pace).
const SHARE: f64 = 0.984;
/// Lag beyond this is dropped, never caught up.
const LAG: Duration = Duration::from_millis(200);
/// A window of our own clock is so much longer, for the jitter of the way.
const GUARD: Duration = Duration::from_millis(10);
/// Without a `Retry-After` this is rested first; each time that follows at once, twice as long …
const REST: Duration = Duration::from_secs(1);
/// … and no longer than this.
const LONGEST_REST: Duration = Duration::from_secs(64);

/// Evenly spaced on an absolute schedule. Beside it what was taken in the last window is kept, and no more than the limit
/// lies in any sliding window of our own clock: catching up a lag can never break it (`docs/adr/0008`).
#[derive(Debug, Clone)]
pub(super) struct Limit {
    units: u32,
    window: Duration,
    next: Duration,
    taken: VecDeque<Taken>,
    sum: u32,
    cool_until: Duration,
    rest: Duration,
}

/// What was taken at one time; of a window that is longer than a second, in a hundredth of it.
#[derive(Debug, Clone, Copy)]
struct Taken {
    first: Duration,
    last: Duration,
    units: u32,
}

impl Limit {
    pub(super) fn per_second(units: u32) -> Self {
        Self::new(units, Duration::from_secs(1))
    }

    pub(super) fn new(units: u32, window: Duration) -> Self {
        Self {
            units,
            window,
            next: Duration::ZERO,
            taken: VecDeque::new(),
            sum: 0,
            cool_until: Duration::ZERO,
            rest: REST,
        }
    }

    /// From now on so many. What was taken stays taken.
    pub(super) fn set_units(&mut self, units: u32) {
        self.units = units;
    }

    /// May this much be taken now? Else when to ask again. `evenly` is not asked of the later items of a batch: they go
    /// out together, at most a window's worth ahead of the schedule, which makes up for it afterwards.
    pub(super) fn ready(&mut self, now: Duration, cost: u32, evenly: bool) -> Result<(), Duration> {
        self.forget(now);
        let slot = if evenly { self.next } else { self.next.saturating_sub(self.window) };
        let mut at = now.max(self.cool_until).max(slot);
        // Room in the window: what is oldest leaves first.
        let mut left = self.sum;
        for taken in &self.taken {
            if left + cost <= self.units {
                break;
            }
            left -= taken.units;
            at = at.max(taken.last + self.window + GUARD);
        }
        if at > now { Err(at) } else { Ok(()) }
    }

    pub(super) fn take(&mut self, now: Duration, cost: u32) {
        let interval = self.window.as_secs_f64() / (f64::from(self.units) * SHARE);
        // Absolute: from where the schedule was, not from when we came to it.
        let base = if self.next + LAG < now { now } else { self.next };
        self.next = base + Duration::from_secs_f64(interval * f64::from(cost));
        self.sum += cost;
        let grain = if self.window > Duration::from_secs(1) { self.window / 100 } else { Duration::ZERO };
        match self.taken.back_mut() {
            Some(taken) if now < taken.first + grain => {
                // Counted as if all of the grain had come last: on the safe side.
                taken.last = now;
                taken.units += cost;
            }
            _ => self.taken.push_back(Taken { first: now, last: now, units: cost }),
        }
    }

    /// Microsoft refused. Those that were under way come back refused too, and say nothing new.
    pub(super) fn refused(&mut self, now: Duration, retry_after: Option<Duration>) {
        let again = now < self.cool_until;
        let wait = match retry_after {
            Some(wait) => wait,
            None if again => Duration::ZERO,
            None => {
                let followed = now < self.cool_until + self.rest * 2 && self.cool_until > Duration::ZERO;
                self.rest = if followed { (self.rest * 2).min(LONGEST_REST) } else { REST };
                self.rest
            }
        };
        self.cool_until = self.cool_until.max(now.saturating_add(wait));
    }

    /// Is it as if it had never been used?
    pub(super) fn is_idle(&mut self, now: Duration) -> bool {
        self.forget(now);
        self.taken.is_empty() && self.next <= now && self.cool_until + self.rest * 2 <= now
    }

    fn forget(&mut self, now: Duration) {
        while let Some(taken) = self.taken.front()
            && taken.last + self.window + GUARD <= now
        {
            self.sum -= taken.units;
            self.taken.pop_front();
        }
    }
}
