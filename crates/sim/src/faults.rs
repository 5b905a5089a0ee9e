//! Faults on demand: refused, delayed, held and cut requests, and answers that get lost.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{exchange::Op, graph::PageFault, random::Rng};

/// Bytes of a raw answer at most: what fits into a socket's buffer for certain, so that it is written at once.
const RAW: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Accept {
    /// Taken and counted first, then comes the fault: a lost answer.
    Before,
    /// The fault's delay or cut comes first, then it is taken.
    After,
    /// Not taken at all.
    #[default]
    Never,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cut {
    #[default]
    None,
    BeforeStatus,
    MidBody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hold {
    Before,
    After,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Match {
    op: Option<Op>,
    /// Entra object id
    person: Option<String>,
    conversation: Option<String>,
    tenant: Option<String>,
    /// Of the bot that asks
    app_id: Option<String>,
    probability: Option<f64>,
    /// The how many-th of the requests that match all else, counted from 1.
    nth: Option<Vec<u64>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Do {
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    /// Instead of Microsoft's body for status and code: JSON, a text that is sent as it is, or null for none at all.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Value>,
    /// Seconds, or a text that is sent as it is (an HTTP date).
    pub(crate) retry_after: Option<Value>,
    pub(crate) accept: Option<Accept>,
    pub(crate) delay_ms: u64,
    pub(crate) cut: Cut,
    pub(crate) hold: Option<Hold>,
    /// Instead of an answer: these bytes, and then the end of the connection.
    pub(crate) raw: Option<String>,
    /// What is wrong with a page of Graph's that is answered otherwise as it should be.
    pub(crate) page: Option<PageFault>,
}

/// Tells a body of null from no word about the body.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Do {
    /// Without a word about it, a fault that only delays or holds lets the request through.
    pub(crate) fn accept(&self) -> Accept {
        self.accept.unwrap_or(match (self.status, self.cut, &self.raw) {
            (None, Cut::None, None) => Accept::After,
            _ => Accept::Never,
        })
    }

    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    pub(crate) fn retry_after(&self) -> Option<String> {
        match self.retry_after.as_ref()? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    #[serde(default, rename = "match")]
    matching: Match,
    #[serde(rename = "do")]
    action: Do,
    times: Option<u64>,
}

impl Order {
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some(probability) = self.matching.probability
            && !(0.0..=1.0).contains(&probability)
        {
            return Err("match.probability must be between 0 and 1".into());
        }
        if self.matching.nth.as_ref().is_some_and(|nth| nth.contains(&0)) {
            return Err("match.nth counts from 1".into());
        }
        let action = &self.action;
        if action.status.is_some_and(|status| !(200..=599).contains(&status)) {
            return Err("do.status must be between 200 and 599".into());
        }
        match &action.retry_after {
            None | Some(Value::Number(_)) => {}
            Some(Value::String(text)) if http::HeaderValue::from_str(text).is_ok() => {}
            Some(_) => return Err("do.retry_after must be a number of seconds or a text".into()),
        }
        if action.status.is_none() && (action.code.is_some() || action.body.is_some()) {
            return Err("do.code and do.body need do.status".into());
        }
        if let Some(raw) = &action.raw {
            if action.status.is_some() || action.retry_after.is_some() || action.cut != Cut::None {
                return Err(
                    "do.raw is the whole answer; status, retry_after and cut do not go with it".into()
                );
            }
            if !(1..=RAW).contains(&raw.len()) {
                return Err(format!("do.raw must have 1 to {RAW} bytes"));
            }
        } else if action.status.is_none()
            && action.cut == Cut::None
            && action.hold.is_none()
            && action.page.is_none()
            && (action.delay_ms == 0 || action.accept == Some(Accept::Never))
        {
            return Err(
                "do needs a status, a cut, a hold, raw, a page, or a delay_ms with the request accepted"
                    .into(),
            );
        }
        if action.page.is_some() && (action.status.is_some() || action.accept == Some(Accept::Never)) {
            return Err("do.page spoils an answer; status and accept: never do not go with it".into());
        }
        if action.hold.is_some() && action.accept == Some(Accept::Never) {
            return Err("do.hold parks a request that is accepted; accept: never does not go with it".into());
        }
        if action.delay_ms > 600_000 {
            return Err("do.delay_ms must be at most 600000".into());
        }
        Ok(())
    }
}

struct Fault {
    id: u64,
    order: Order,
    seen: u64,
    hits: u64,
}

/// What a held request does when it is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Release {
    GoOn,
    /// Its connection is closed and, if it was not yet accepted, it never is.
    Drop,
}

/// What faults look at.
pub(crate) struct Subject<'a> {
    pub(crate) op: Op,
    pub(crate) person: Option<&'a str>,
    pub(crate) conversation: Option<&'a str>,
    pub(crate) tenant: Option<&'a str>,
    pub(crate) app_id: Option<&'a str>,
}

#[derive(Clone)]
pub(crate) struct Hit {
    pub(crate) fault: u64,
    pub(crate) action: Do,
}

#[derive(Default)]
pub(crate) struct Faults {
    active: Vec<Fault>,
    last: u64,
    held: Vec<Held>,
    last_held: u64,
}

/// A parked request.
struct Held {
    id: u64,
    fault: u64,
    release: oneshot::Sender<Release>,
    shown: Value,
}

/// Which of the held requests are meant; without a word all of them.
#[derive(Debug, Default)]
pub(crate) struct Which {
    /// Those that this fault caught
    pub(crate) id: Option<u64>,
    /// This one alone
    pub(crate) held: Option<u64>,
    /// At most so many, the longest held first
    pub(crate) count: Option<usize>,
}

impl Faults {
    pub(crate) fn add(&mut self, order: Order) -> u64 {
        self.last += 1;
        self.active.push(Fault { id: self.last, order, seen: 0, hits: 0 });
        self.last
    }

    pub(crate) fn remove(&mut self, id: Option<u64>) -> usize {
        let before = self.active.len();
        self.active.retain(|fault| id.is_some_and(|id| fault.id != id));
        before - self.active.len()
    }

    /// The first fault that wants this request. Every fault that matches counts it as seen.
    pub(crate) fn pick(&mut self, subject: &Subject<'_>, rng: &mut Rng) -> Option<Hit> {
        let mut hit = None;
        for fault in &mut self.active {
            let wanted = &fault.order.matching;
            let same = |wanted: &Option<String>, is: Option<&str>| {
                wanted.as_ref().is_none_or(|wanted| is.is_some_and(|is| is.eq_ignore_ascii_case(wanted)))
            };
            if wanted.op.is_some_and(|op| op != subject.op)
                || !same(&wanted.person, subject.person)
                || !same(&wanted.conversation, subject.conversation)
                || !same(&wanted.tenant, subject.tenant)
                || !same(&wanted.app_id, subject.app_id)
            {
                continue;
            }
            fault.seen += 1;
            if hit.is_some()
                || fault.order.times.is_some_and(|times| fault.hits >= times)
                || wanted.nth.as_ref().is_some_and(|nth| !nth.contains(&fault.seen))
                || wanted.probability.is_some_and(|probability| rng.unit() >= probability)
            {
                continue;
            }
            fault.hits += 1;
            hit = Some(Hit { fault: fault.id, action: fault.order.action.clone() });
        }
        hit
    }

    /// Parks a request until it is let go, whether or not its client waits.
    pub(crate) fn hold(&mut self, fault: u64, mut shown: Value) -> oneshot::Receiver<Release> {
        let (release, receiver) = oneshot::channel();
        self.last_held += 1;
        shown["held"] = self.last_held.into();
        shown["fault"] = fault.into();
        self.held.push(Held { id: self.last_held, fault, release, shown });
        receiver
    }

    /// Lets go what is held now; what the fault catches later is held again.
    pub(crate) fn release(&mut self, which: &Which, release: Release) -> usize {
        let mut left = which.count.unwrap_or(usize::MAX);
        let (go, stay): (Vec<Held>, Vec<Held>) =
            std::mem::take(&mut self.held).into_iter().partition(|held| {
                let meant = which.id.is_none_or(|id| id == held.fault)
                    && which.held.is_none_or(|id| id == held.id)
                    && left > 0;
                left -= usize::from(meant);
                meant
            });
        self.held = stay;
        go.into_iter().filter_map(|held| held.release.send(release).ok()).count()
    }

    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// What is held, the longest first.
    pub(crate) fn show_held(&self) -> Vec<Value> {
        self.held.iter().map(|held| held.shown.clone()).collect()
    }

    pub(crate) fn show(&self) -> Vec<Value> {
        self.active
            .iter()
            .map(|fault| {
                json!({
                    "id": fault.id, "match": fault.order.matching, "do": fault.order.action, "times": fault.order.times,
                    "seen": fault.seen, "hits": fault.hits,
                    "held": self.held.iter().filter(|held| held.fault == fault.id).count(),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(value: Value) -> Order {
        serde_json::from_value(value).unwrap()
    }

    const SEND: Subject<'static> =
        Subject { op: Op::Send, person: Some("p"), conversation: None, tenant: None, app_id: Some("a") };
    const TOKEN: Subject<'static> =
        Subject { op: Op::Token, person: None, conversation: None, tenant: Some("t"), app_id: None };

    #[test]
    fn nth_and_times_count_only_what_matches() {
        let mut faults = Faults::default();
        let mut rng = Rng::new(1);
        faults.add(order(
            json!({"match": {"op": "send", "nth": [2, 3, 5]}, "do": {"status": 504}, "times": 2}),
        ));
        let hits: Vec<bool> = (0..5)
            .map(|_| {
                assert!(faults.pick(&TOKEN, &mut rng).is_none());
                faults.pick(&SEND, &mut rng).is_some()
            })
            .collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert_eq!(faults.remove(None), 1);
    }

    #[test]
    fn person_and_probability() {
        let mut faults = Faults::default();
        let mut rng = Rng::new(1);
        faults.add(order(json!({"match": {"person": "q"}, "do": {"status": 500}})));
        faults.add(order(json!({"match": {"app_id": "b"}, "do": {"status": 500}})));
        assert!(faults.pick(&SEND, &mut rng).is_none());
        faults.add(order(json!({"match": {"probability": 0.25}, "do": {"cut": "before_status"}})));
        let hits = (0..4000).filter(|_| faults.pick(&SEND, &mut rng).is_some()).count();
        assert!((900..1100).contains(&hits), "{hits}");
    }

    #[test]
    fn orders_that_mean_nothing_are_refused() {
        for bad in [
            json!({"do": {}}),
            json!({"do": {"code": "Throttled"}}),
            json!({"do": {"status": 99}}),
            json!({"do": {"status": 429, "retry_after": [1]}}),
            json!({"do": {"hold": "before", "accept": "never"}}),
            json!({"match": {"nth": [0]}, "do": {"status": 500}}),
            json!({"do": {"raw": ""}}),
            json!({"do": {"raw": "x".repeat(RAW + 1)}}),
            json!({"do": {"raw": "x", "status": 200}}),
            json!({"do": {"raw": "x", "cut": "mid_body"}}),
            json!({"do": {"raw": "x", "body": null}}),
            json!({"do": {"page": "half", "status": 200}}),
            json!({"do": {"page": "repeats", "accept": "never"}}),
        ] {
            assert!(order(bad.clone()).check().is_err(), "{bad}");
        }
        assert!(order(json!({"do": {"delay_ms": 5}})).check().is_ok());
        assert!(order(json!({"do": {"page": "half"}})).check().is_ok());
        assert!(serde_json::from_value::<Order>(json!({"do": {"satus": 500}})).is_err());
    }
}
