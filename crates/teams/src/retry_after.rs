//! `Retry-After`: how long Microsoft asks to be left alone.

use std::time::{Duration, SystemTime};

/// A year. Nothing asks for more; the bound keeps later arithmetic on times from overflowing and is no policy.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// How long to wait, counted from when the answer was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RetryAfter(Duration);

impl RetryAfter {
    /// Reads the header's value: seconds, or an HTTP date. A negative value, and a date that has passed, is one second
    /// (`docs/delivery.md`, Retry). What is neither is `None`.
    pub fn parse(value: &str, now: SystemTime) -> Option<Self> {
        let value = value.trim();
        if let Ok(seconds) = value.parse::<f64>() {
            return Self::of_seconds(seconds);
        }
        let at = SystemTime::from(jiff::fmt::rfc2822::parse(value).ok()?.timestamp());
        let wait = at.duration_since(now).unwrap_or(Duration::from_secs(1));
        Some(Self(wait.min(LONGEST)))
    }

    fn of_seconds(seconds: f64) -> Option<Self> {
        if !seconds.is_finite() {
            return None;
        }
        if seconds < 0.0 {
            return Some(Self(Duration::from_secs(1)));
        }
        let whole = seconds.ceil().min(LONGEST.as_secs_f64());
        Some(Self(Duration::from_secs(whole as u64)))
    }

    /// The wait.
    pub fn wait(self) -> Duration {
        self.0
    }

    /// The same wait, for whoever builds one by hand.
    pub fn from_wait(wait: Duration) -> Self {
        Self(wait.min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(unix: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(unix)
    }

    fn seconds(value: &str, now: u64) -> Option<u64> {
        RetryAfter::parse(value, at(now)).map(|r| r.wait().as_secs())
    }

    #[test]
    fn seconds_dates_and_nonsense() {
        assert_eq!(seconds("2", 0), Some(2));
        assert_eq!(seconds(" 0 ", 0), Some(0));
        assert_eq!(seconds("-7", 0), Some(1));
        assert_eq!(seconds("1.2", 0), Some(2));
        assert_eq!(seconds("99999999999999999999", 0), Some(LONGEST.as_secs()));
        // 784111777 is the example of RFC 9110.
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777 - 90), Some(90));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777 + 90), Some(1));
        assert_eq!(seconds("soon", 0), None);
        assert_eq!(seconds("", 0), None);
        assert_eq!(seconds("NaN", 0), None);
        assert_eq!(seconds("inf", 0), None);
    }

    proptest! {
        #[test]
        fn anything_is_taken_and_bounded(value in ".{0,60}", number in any::<f64>()) {
            for value in [value, number.to_string()] {
                if let Some(retry_after) = RetryAfter::parse(&value, at(0)) {
                    prop_assert!(retry_after.wait() <= LONGEST);
                }
            }
        }
    }
}
