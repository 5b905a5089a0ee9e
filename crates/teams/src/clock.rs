//! What time it is. The only place of this crate that reads the wall clock.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// A source of the current time, handed to whatever needs one, so that tests can say what time it is.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The computer's clock.
    pub fn system() -> Self {
        Self::new(system_now)
    }

    /// A clock that reads `now` each time it is asked.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The current time.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// Whole seconds since 1970, as tokens count time. Before 1970 it is zero.
    pub(crate) fn unix_seconds(&self) -> i64 {
        self.now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the real clock is read")]
fn system_now() -> SystemTime {
    SystemTime::now()
}
