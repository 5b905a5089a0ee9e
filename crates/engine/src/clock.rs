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
