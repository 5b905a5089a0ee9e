//! An outage of the Connector's whole region, and the slow start after it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Micros, rfc3339},
    random::Rng,
};

const SECOND: f64 = 1_000_000.0;

/// What becomes of a request. None is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The connection is closed without a byte. The port stays open, because the control API is on it too.
    Refuse,
    #[serde(rename = "503")]
    Unavailable,
    #[serde(rename = "504")]
    GatewayTimeout,
    /// The connection is reset.
    Reset,
    /// Nothing is answered; at the end of the outage the connection is closed.
    Hang,
}

impl Kind {
    pub(crate) fn status(self) -> u16 {
        if self == Self::GatewayTimeout { 504 } else { 503 }
    }
}

/// `POST /sim/outage`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    kind: Kind,
    /// `None`: until it is ended
    for_s: Option<f64>,
    /// Of the requests to the Connector
    #[serde(default = "whole")]
    share: f64,
    slow_start: Option<SlowStart>,
}

fn whole() -> f64 {
    1.0
}

/// The limit of app and tenant grows after an outage, and no answer tells so.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlowStart {
    /// Of the limit, right after the outage
    share: f64,
    /// Until the whole limit is there
    over_s: f64,
}

impl Order {
    pub(crate) fn lasts(&self) -> Option<Duration> {
        self.for_s.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if self.for_s.is_some_and(|seconds| !(0.0..=86_400.0).contains(&seconds)) {
            return Err("for_s must be between 0 and 86400".into());
        }
        if !(self.share > 0.0 && self.share <= 1.0) {
            return Err("share must be above 0 and at most 1".into());
        }
        match self.slow_start {
            Some(slow) if !(0.0..=1.0).contains(&slow.share) => {
                Err("slow_start.share must be between 0 and 1".into())
            }
            Some(slow) if !(slow.over_s > 0.0 && slow.over_s <= 86_400.0) => {
                Err("slow_start.over_s must be above 0 and at most 86400".into())
            }
            _ => Ok(()),
        }
    }
}

/// A request that the outage meets.
pub(crate) struct Strike {
    pub(crate) kind: Kind,
    pub(crate) over: CancellationToken,
}

struct Current {
    order: Order,
    began: Micros,
    ends: Option<Micros>,
    over: CancellationToken,
    hits: u64,
}

impl Drop for Current {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

#[derive(Default)]
pub(crate) struct Outage {
    current: Option<Current>,
    /// Since when the limit grows.
    slow: Option<(Micros, SlowStart)>,
    hits: u64,
}

impl Outage {
    /// Replaces an outage that goes on. Whoever has the token cancels it when the time is over.
    pub(crate) fn begin(&mut self, now: Micros, order: Order) -> CancellationToken {
        let over = CancellationToken::new();
        let ends = order.for_s.map(|seconds| now + (seconds * SECOND) as Micros);
        self.slow = None;
        self.current = Some(Current { order, began: now, ends, over: over.clone(), hits: 0 });
        self.pass(now);
        over
    }

    /// Ends it now; false when there was none.
    pub(crate) fn end(&mut self, now: Micros) -> bool {
        self.pass(now);
        match self.current.take() {
            Some(current) => {
                self.slow = current.order.slow_start.map(|slow| (now, slow));
                true
            }
            None => false,
        }
    }

    /// Ends it if its time is over.
    pub(crate) fn pass(&mut self, now: Micros) {
        if let Some(ends) = self.current.as_ref().and_then(|current| current.ends)
            && now >= ends
            && let Some(current) = self.current.take()
        {
            self.slow = current.order.slow_start.map(|slow| (ends, slow));
        }
    }

    pub(crate) fn strike(&mut self, now: Micros, rng: &mut Rng) -> Option<Strike> {
        self.pass(now);
        let current = self.current.as_mut()?;
        if current.order.share < 1.0 && rng.unit() >= current.order.share {
            return None;
        }
        current.hits += 1;
        self.hits += 1;
        Some(Strike { kind: current.order.kind, over: current.over.clone() })
    }

    /// What the limit of app and tenant is now; at least one request passes.
    pub(crate) fn limit(&mut self, now: Micros, whole: u32) -> u32 {
        self.pass(now);
        let Some((since, slow)) = self.slow else { return whole };
        let grown = (now - since) as f64 / (slow.over_s * SECOND);
        if grown >= 1.0 {
            self.slow = None;
            return whole;
        }
        let share = slow.share + (1.0 - slow.share) * grown.max(0.0);
        ((f64::from(whole) * share) as u32).clamp(1, whole)
    }

    /// Requests that met an outage since the last reset.
    pub(crate) fn hits(&self) -> u64 {
        self.hits
    }

    pub(crate) fn show(&mut self, now: Micros, whole: u32) -> Value {
        let limit = self.limit(now, whole);
        let current = self.current.as_ref().map(|current| {
            json!({
                "kind": current.order.kind, "for_s": current.order.for_s, "share": current.order.share,
                "slow_start": current.order.slow_start, "began": rfc3339(current.began),
                "ends": current.ends.map(rfc3339), "hits": current.hits,
            })
        });
        json!({"outage": current, "limit_now": limit, "slow_start": self.slow.map(|(_, slow)| slow)})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(value: Value) -> Order {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn it_ends_by_itself_and_the_limit_grows_back() {
        let mut outage = Outage::default();
        let mut rng = Rng::new(1);
        assert!(outage.strike(0, &mut rng).is_none());
        let slow = json!({"kind": "503", "for_s": 10, "slow_start": {"share": 0.2, "over_s": 40}});
        outage.begin(0, order(slow));
        let over = outage.strike(9_999_999, &mut rng).unwrap().over;
        assert!(!over.is_cancelled());
        assert!(outage.strike(10_000_000, &mut rng).is_none());
        assert!(over.is_cancelled());
        let limits: Vec<u32> = [10, 20, 30, 40, 50].map(|s| outage.limit(s * 1_000_000, 50)).to_vec();
        assert_eq!(limits, [10, 20, 30, 40, 50]);
        assert_eq!(outage.limit(20_000_000, 50), 50, "grown up once and for all");
    }

    #[test]
    fn a_share_of_the_requests_meets_it() {
        let mut outage = Outage::default();
        let mut rng = Rng::new(1);
        outage.begin(0, order(json!({"kind": "hang", "share": 0.3})));
        let met = (0..2000).filter(|_| outage.strike(1, &mut rng).is_some()).count();
        assert!((500..700).contains(&met), "{met}");
        assert!(outage.end(2) && !outage.end(3));
        assert_eq!(outage.limit(3, 50), 50);
        assert_eq!(outage.hits(), met as u64);
    }

    #[test]
    fn orders_that_cannot_be_are_refused() {
        for bad in [
            json!({"kind": "503", "share": 0}),
            json!({"kind": "503", "for_s": -1}),
            json!({"kind": "503", "slow_start": {"share": 2, "over_s": 1}}),
            json!({"kind": "503", "slow_start": {"share": 0.5, "over_s": 0}}),
        ] {
            assert!(order(bad.clone()).check().is_err(), "{bad}");
        }
    }
}
