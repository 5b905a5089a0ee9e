//! The simulator's clock: the only module that reads the time or waits.

use std::time::{Duration, Instant};

/// Microseconds since the Unix epoch.
pub(crate) type Micros = i64;

/// Wall time at the start, moved on by a monotonic clock: windows never jump with the machine's time.
pub(crate) struct Clock {
    started: Instant,
    started_at: Micros,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), started_at: jiff::Timestamp::now().as_microsecond() }
    }

    pub(crate) fn now(&self) -> Micros {
        self.started_at + i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX / 2)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that waits")]
pub(crate) async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

pub(crate) fn seconds(at: Micros) -> i64 {
    at.div_euclid(1_000_000)
}

pub(crate) fn millis(at: Micros) -> i64 {
    at.div_euclid(1_000)
}

/// `2026-11-22T10:05:12.044Z`, as activities carry it.
pub(crate) fn rfc3339(at: Micros) -> String {
    match jiff::Timestamp::from_microsecond(at) {
        Ok(timestamp) => timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        Err(_) => String::new(),
    }
}

/// `2026-11-22 14:05:09Z`, as Entra writes it into its errors.
pub(crate) fn entra_time(at: Micros) -> String {
    match jiff::Timestamp::from_microsecond(at) {
        Ok(timestamp) => timestamp.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_microsoft_does() {
        assert_eq!(rfc3339(1_795_341_912_044_999), "2026-11-22T10:05:12.044Z");
        assert_eq!(entra_time(1_795_356_309_000_000), "2026-11-22 14:05:09Z");
    }
}
