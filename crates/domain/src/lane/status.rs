//! What the owner says of its lane, for whoever asks.

use std::time::Duration;

use crate::lane::core::LaneCore;
use crate::lane::trouble::SHORT_REST;
use crate::outcome::LaneCauseKind;
use crate::time::Time;

/// How often a lane's status is written while it changes (`docs/engine.md`, Tables).
const STATUS_EVERY: Duration = Duration::from_secs(2);

impl LaneCore {
    /// Rate, cause and cool-down, where they changed.
    pub(super) fn write_status(&mut self, now: Time) {
        if self.messages.is_empty() && self.status.is_empty() {
            return;
        }
        if self.status_at + STATUS_EVERY > now {
            self.wake_by(self.status_at + STATUS_EVERY);
            return;
        }
        self.status_at = now;
        let (cause, text) = self.cause(now).unzip();
        let status = serde_json::json!({
            "rate_per_s": self.pace.started_last_second(now),
            "allowed_per_s": Some(self.pace.rate()).filter(|rate| rate.is_finite()),
            "limit_per_s": self.config.limit_per_s,
            "cause": cause.map(LaneCauseKind::as_str),
            "cause_text": text,
            "cooling_until": self.trouble.until(now).or(self.pace.cooling_until(now)),
        })
        .to_string();
        if status != self.status {
            self.status.clone_from(&status);
            self.batch.lane_status.push((self.config.lane_no, status));
        }
        if !self.messages.is_empty() {
            self.wake_by(now + STATUS_EVERY);
        }
    }

    /// Why nothing goes out, if nothing does.
    fn cause(&self, now: Time) -> Option<(LaneCauseKind, String)> {
        if self.words.paused {
            return Some((LaneCauseKind::Paused, "an operator holds the lane: resume it".to_owned()));
        }
        if let Some(cause) = self.trouble.cause() {
            return Some((cause.kind, cause.text.clone()));
        }
        let long = self.pace.cooling_until(now).is_some_and(|until| until.since(now) > SHORT_REST);
        let text = "Teams answered 429 and named a time to wait, which is obeyed; resuming the lane ends it";
        long.then(|| (LaneCauseKind::Throttled, text.to_owned()))
    }
}
