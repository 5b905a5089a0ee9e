//! The real clock and the only waiting of the engine.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use nuncio_domain::{Clock, Time};

/// Beyond this the wall clock was set, not merely trimmed, and is followed.
const STEP: Duration = Duration::from_secs(1);

/// Wall time that runs smoothly: it follows the monotonic clock, and the wall clock only where that was set.
#[derive(Debug)]
pub struct SystemClock {
    anchor: Mutex<(Instant, Time)>,
}

impl SystemClock {
    pub fn new() -> Self {
        Self { anchor: Mutex::new((Instant::now(), wall())) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let mut anchor = self.anchor.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let smooth = anchor.1 + anchor.0.elapsed();
        let wall = wall();
        if wall.since(smooth) > STEP || smooth.since(wall) > STEP {
            *anchor = (Instant::now(), wall);
            return wall;
        }
        smooth
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the engine reads the wall clock")]
fn wall() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Notices that a clock was set, by the time that has really passed between two looks.
#[derive(Debug)]
pub(crate) struct Stepped {
    at: Instant,
    clock: Time,
}

impl Stepped {
    pub(crate) fn new(now: Time) -> Self {
        Self { at: Instant::now(), clock: now }
    }

    /// By how many microseconds it was set since the last look, if it was.
    pub(crate) fn clock_set(&mut self, now: Time) -> Option<i64> {
        let expected = self.clock + self.at.elapsed();
        *self = Self::new(now);
        let by_us = now.0.saturating_sub(expected.0);
        (by_us.unsigned_abs() > STEP.as_micros() as u64).then_some(by_us)
    }
}

/// Waits for a moment of the given clock, or for ever.
#[expect(clippy::disallowed_methods, reason = "the one place where the engine waits")]
pub(crate) async fn wait_until(clock: &dyn Clock, at: Option<Time>) {
    match at {
        Some(at) => tokio::time::sleep(at.since(clock.now())).await,
        None => std::future::pending().await,
    }
}

/// Waits before a store is asked again.
#[expect(clippy::disallowed_methods, reason = "the one place where the engine waits")]
pub(crate) async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_noticed_once() {
        let hour = 3_600_000_000;
        let mut stepped = Stepped::new(Time(2 * hour));
        assert_eq!(stepped.clock_set(Time(2 * hour + 100_000)), None);
        let ahead = stepped.clock_set(Time(3 * hour)).unwrap();
        assert!((hour - ahead).abs() < 1_000_000, "{ahead}");
        assert_eq!(stepped.clock_set(Time(3 * hour)), None);
        let back = stepped.clock_set(Time(hour)).unwrap();
        assert!((back + 2 * hour).abs() < 1_000_000, "{back}");
    }
}
