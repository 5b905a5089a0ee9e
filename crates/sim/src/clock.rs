//! The simulator's clock: the only module that reads the time or waits.
//!
//! There are two times. The real one is for what outside parties check against their own clocks: tokens, assertions,
//! certificates, and how long a bot may take for an answer. Everything else, windows, latency, delays, second tries,
//! outages, runs on simulated time, which is the real one, a faster one, or one that moves only when told.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    sync::{oneshot, watch},
    task,
};

/// Microseconds since the Unix epoch.
pub(crate) type Micros = i64;

/// How simulated time moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Time {
    /// As the world's does.
    #[default]
    Real,
    /// So many times as fast.
    Scaled {
        /// 0.01 to 10000
        scale: f64,
    },
    /// Only by `POST /sim/time/advance`.
    Explicit,
}

impl Time {
    pub(crate) fn check(self) -> Result<(), String> {
        match self {
            Self::Scaled { scale } if !(0.01..=10_000.0).contains(&scale) => {
                Err("scale must be between 0.01 and 10000".into())
            }
            _ => Ok(()),
        }
    }
}

/// When a sleeper is due, and its number among those of the same time.
type Place = (Micros, u64);
/// Tells a sleeper that it is time. What it is given is dropped when it waits again.
type Wake = oneshot::Sender<oneshot::Sender<()>>;
/// So long, in real time, an advance leaves somebody whom it woke before it goes on: time for what follows at once, such as
/// the next wait of a job that sends one event after the other.
const TURN: Duration = Duration::from_millis(5);

struct State {
    time: Time,
    /// Simulated time was this …
    anchor: Micros,
    /// … when the real one was this.
    anchor_real: Micros,
    /// Who waits in explicit time.
    sleepers: BTreeMap<Place, Wake>,
    /// Who was woken by an advance and did not wait again yet.
    awake: HashMap<task::Id, oneshot::Sender<()>>,
    last: u64,
}

/// Wall time at the start, moved on by a monotonic clock: windows never jump with the machine's time.
pub(crate) struct Clock {
    started: Instant,
    started_at: Micros,
    state: Mutex<State>,
    /// Bumped at every change of the mode: who waits reckons anew.
    changes: watch::Sender<u64>,
    /// One advance at a time.
    advancing: tokio::sync::Mutex<()>,
}

/// Why time is not advanced.
pub(crate) struct NotExplicit;

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub(crate) fn start(time: Time) -> Self {
        let started_at = jiff::Timestamp::now().as_microsecond();
        Self {
            started: Instant::now(),
            started_at,
            state: Mutex::new(State {
                time,
                anchor: started_at,
                anchor_real: started_at,
                sleepers: BTreeMap::new(),
                awake: HashMap::new(),
                last: 0,
            }),
            changes: watch::Sender::new(0),
            advancing: tokio::sync::Mutex::default(),
        }
    }

    /// What clocks elsewhere show.
    pub(crate) fn real(&self) -> Micros {
        self.started_at + i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX / 2)
    }

    /// Simulated time. It never goes back.
    pub(crate) fn now(&self) -> Micros {
        self.state().now(self.real())
    }

    /// How many seconds a client has to be told to wait so that so many simulated ones pass, rounded up. In explicit time
    /// nobody can know: it is told the simulated ones.
    pub(crate) fn told_seconds(&self, seconds: i64) -> i64 {
        match self.state().time {
            Time::Scaled { scale } => (seconds as f64 / scale).ceil() as i64,
            Time::Real | Time::Explicit => seconds,
        }
    }

    /// Whether time moves only when told.
    pub(crate) fn stands(&self) -> bool {
        self.state().time == Time::Explicit
    }

    /// Changes the mode; simulated time goes on from where it is. Who waits goes on waiting under the new one.
    pub(crate) fn set(&self, time: Time) {
        let mut state = self.state();
        let real = self.real();
        (state.anchor, state.anchor_real) = (state.now(real), real);
        state.time = time;
        // Sleepers of explicit time come back and reckon anew.
        state.sleepers.clear();
        drop(state);
        self.changes.send_modify(|change| *change += 1);
    }

    /// `GET /sim/time`
    pub(crate) fn show(&self) -> Value {
        let real = self.real();
        let state = self.state();
        let now = state.now(real);
        let mut shown = serde_json::to_value(state.time).unwrap_or_default();
        shown["now"] = rfc3339(now).into();
        shown["real_now"] = rfc3339(real).into();
        if state.time == Time::Explicit {
            shown["waiting"] = state.sleepers.len().into();
            let next = state.sleepers.first_key_value().map(|((due, _), _)| (due - now).max(0) as f64 / 1e6);
            shown["next_in_s"] = json!(next);
        }
        shown
    }

    /// Lets so much simulated time pass. Whoever waits is woken in the order of the due times, each at its own; the answer
    /// comes when all were woken who were due, with their number.
    pub(crate) async fn advance(&self, by: Duration) -> Result<u64, NotExplicit> {
        let _alone = self.advancing.lock().await;
        let target = match &*self.state() {
            state if state.time == Time::Explicit => state.anchor + micros(by),
            _ => return Err(NotExplicit),
        };
        let mut woken = 0;
        while let Some(wake) = self.next_due(target) {
            let (turn, turn_over) = oneshot::channel();
            if wake.send(turn).is_ok() {
                woken += 1;
                // Who went on may want to wait again, within this same advance.
                tokio::select! {
                    _ = turn_over => {}
                    () = rest(TURN) => {}
                }
            }
        }
        self.state().awake.clear();
        Ok(woken)
    }

    /// Moves explicit time to the next sleeper who is due, or to the target when there is none (left).
    fn next_due(&self, target: Micros) -> Option<Wake> {
        let mut state = self.state();
        if state.time != Time::Explicit {
            return None;
        }
        let next = state.sleepers.first_entry().filter(|next| next.key().0 <= target);
        let next = next.map(std::collections::btree_map::OccupiedEntry::remove_entry);
        let at = next.as_ref().map_or(target, |((due, _), _)| *due);
        state.anchor = state.anchor.max(at);
        next.map(|(_, wake)| wake)
    }

    /// Waits for simulated time to pass.
    pub(crate) async fn pause(&self, duration: Duration) {
        if duration.is_zero() {
            return;
        }
        let me = task::try_id();
        let mut changes = self.changes.subscribe();
        let due = self.now().saturating_add(micros(duration));
        loop {
            changes.borrow_and_update();
            let waiting = self.wait_for(due);
            // On the list again, or not waiting at all: an advance need not look after it any more.
            drop(me.and_then(|me| self.state().awake.remove(&me)));
            let Some(waiting) = waiting else { return };
            match waiting {
                Waiting::Real(left) => {
                    tokio::select! {
                        () = rest(left) => {}
                        // The sender lives in this clock.
                        _ = changes.changed() => {}
                    }
                }
                Waiting::Told(told, _gone) => {
                    // An error: the mode changed.
                    if let Ok(turn) = told.await {
                        if let Some(me) = me {
                            self.state().awake.insert(me, turn);
                        }
                        return;
                    }
                }
            }
        }
    }

    fn wait_for(&self, due: Micros) -> Option<Waiting<'_>> {
        let real = self.real();
        let mut state = self.state();
        let left = due - state.now(real);
        if left <= 0 {
            return None;
        }
        Some(match state.time {
            Time::Real => Waiting::Real(Duration::from_micros(left as u64)),
            Time::Scaled { scale } => {
                Waiting::Real(Duration::from_micros((left as f64 / scale).ceil() as u64))
            }
            Time::Explicit => {
                state.last += 1;
                let place = (due, state.last);
                let (wake, told) = oneshot::channel();
                state.sleepers.insert(place, wake);
                Waiting::Told(told, Gone { clock: self, place })
            }
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Waiting<'a> {
    Real(Duration),
    Told(oneshot::Receiver<oneshot::Sender<()>>, Gone<'a>),
}

/// Takes a sleeper off the list that is no longer there.
struct Gone<'a> {
    clock: &'a Clock,
    place: Place,
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.clock.state().sleepers.remove(&self.place);
    }
}

impl State {
    fn now(&self, real: Micros) -> Micros {
        let passed = real - self.anchor_real;
        self.anchor
            + match self.time {
                Time::Real => passed,
                Time::Scaled { scale } => (passed as f64 * scale) as Micros,
                Time::Explicit => 0,
            }
    }
}

fn micros(duration: Duration) -> Micros {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

/// Waits in real time.
#[expect(clippy::disallowed_methods, reason = "the one place that waits")]
pub(crate) async fn rest(duration: Duration) {
    tokio::time::sleep(duration).await;
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

/// `2026-11-22T14:05:09`, as Graph writes it into its errors.
pub(crate) fn graph_time(at: Micros) -> String {
    match jiff::Timestamp::from_microsecond(at) {
        Ok(timestamp) => timestamp.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn times_are_written_as_microsoft_does() {
        assert_eq!(rfc3339(1_795_341_912_044_999), "2026-11-22T10:05:12.044Z");
        assert_eq!(entra_time(1_795_356_309_000_000), "2026-11-22 14:05:09Z");
        assert_eq!(graph_time(1_795_356_309_000_000), "2026-11-22T14:05:09");
    }

    /// Waits until so many sleep.
    async fn asleep(clock: &Clock, count: usize) {
        while clock.state().sleepers.len() != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn explicit_time_wakes_in_order_and_each_at_its_time() {
        let clock = Arc::new(Clock::start(Time::Explicit));
        let start = clock.now();
        let log = Arc::new(Mutex::new(Vec::new()));
        for (name, seconds) in [("c", 3), ("a", 1), ("b", 2), ("d", 20)] {
            let (clock, log) = (Arc::clone(&clock), Arc::clone(&log));
            tokio::spawn(async move {
                clock.pause(Duration::from_secs(seconds)).await;
                log.lock().unwrap().push((name, clock.now()));
                if name == "a" {
                    // Between b and c, within the same advance.
                    clock.pause(Duration::from_millis(1500)).await;
                    log.lock().unwrap().push(("again", clock.now()));
                }
            });
        }
        asleep(&clock, 4).await;
        assert_eq!(clock.show()["next_in_s"], 1.0);
        assert_eq!(clock.now(), start, "nothing moves by itself");
        assert_eq!(clock.advance(Duration::from_secs(10)).await.ok(), Some(4));
        let seen: Vec<(&str, i64)> =
            log.lock().unwrap().iter().map(|(name, at)| (*name, (at - start) / 1000)).collect();
        assert_eq!(seen, [("a", 1000), ("b", 2000), ("again", 2500), ("c", 3000)]);
        assert_eq!((clock.now() - start) / 1000, 10_000);
        assert_eq!(clock.show()["waiting"], 1);
    }

    #[tokio::test]
    async fn a_sleeper_that_is_given_up_is_not_waited_for() {
        let clock = Arc::new(Clock::start(Time::Explicit));
        let sleeping = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move { clock.pause(Duration::from_secs(1)).await }
        });
        asleep(&clock, 1).await;
        sleeping.abort();
        let _ = sleeping.await;
        asleep(&clock, 0).await;
        assert_eq!(clock.advance(Duration::from_secs(2)).await.ok(), Some(0));
    }

    #[tokio::test]
    async fn who_waits_goes_on_when_the_mode_changes() {
        let clock = Arc::new(Clock::start(Time::Explicit));
        let sleeping = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move { clock.pause(Duration::from_hours(1)).await }
        });
        asleep(&clock, 1).await;
        let before = clock.now();
        // 3600 s are 0.36 s now.
        clock.set(Time::Scaled { scale: 10_000.0 });
        sleeping.await.unwrap();
        assert!(clock.now() >= before + 3_600_000_000);
        assert!(clock.advance(Duration::from_secs(1)).await.is_err());
        // Back to real time, it stays ahead and does not jump.
        let ahead = clock.now();
        clock.set(Time::Real);
        assert!(clock.now() >= ahead && clock.now() - clock.real() >= 3_599_000_000);
    }

    #[test]
    fn seconds_to_wait_are_told_in_real_ones() {
        let told = |time, seconds| Clock::start(time).told_seconds(seconds);
        assert_eq!(told(Time::Real, 7), 7);
        assert_eq!(told(Time::Explicit, 7), 7);
        assert_eq!(told(Time::Scaled { scale: 60.0 }, 61), 2);
        assert_eq!(told(Time::Scaled { scale: 60.0 }, 1), 1);
        assert_eq!(told(Time::Scaled { scale: 60.0 }, 0), 0);
        assert_eq!(told(Time::Scaled { scale: 0.5 }, 1), 2);
        assert!(Time::Scaled { scale: 0.0 }.check().is_err());
    }
}
