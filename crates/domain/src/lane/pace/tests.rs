//! The limiter against services that count strictly.

use super::*;

const SECOND: i64 = 1_000_000;

/// Runs a lane with always something to send against a server that counts strictly; gives (started, refused).
fn run(
    seconds: i64,
    jitter_us: i64,
    limit: impl Fn(Time) -> usize,
    late: impl Fn(i64) -> i64,
) -> (usize, usize) {
    let mut pace = Pace::new(Some(50.0), Time(0));
    let mut window: VecDeque<i64> = VecDeque::new();
    let (mut now, mut started, mut refused, mut seed) = (Time(0), 0, 0, 7_u64);
    while now.0 < seconds * SECOND {
        match pace.peek(now) {
            Err(wake) => now = wake.max(Time(now.0 + 1)),
            Ok(slot) => {
                pace.take(slot);
                started += 1;
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let arrival = slot.0.max(now.0) + ((seed >> 33) as i64) % (jitter_us + 1);
                while window.front().is_some_and(|at| *at + SECOND <= arrival) {
                    window.pop_front();
                }
                if window.len() >= limit(Time(arrival)) {
                    refused += 1;
                    pace.throttled(Time(arrival), slot, Some(Duration::from_secs(1)));
                } else {
                    window.push_back(arrival);
                }
                now = Time(now.0 + late(now.0));
            }
        }
    }
    (started, refused)
}

#[test]
fn keeps_almost_the_whole_limit_and_is_not_refused() {
    let (started, refused) = run(150, 10_000, |_| 50, |_| 0);
    // 149 s after the first wait, at 49.2/s; 0.1 % of 429 is the bar of the issue.
    assert!(started >= 149 * 49, "{started}");
    assert!(refused * 1000 <= started, "{refused} of {started}");
}

#[test]
fn catching_up_a_lag_never_breaks_the_window() {
    // Every second the owner is held up for 150 ms.
    let (started, refused) = run(60, 5_000, |_| 50, |now| if now % SECOND < 20_000 { 150_000 } else { 0 });
    assert!(started >= 59 * 47, "{started}");
    assert!(refused * 1000 <= started, "{refused} of {started}");
}

#[test]
fn follows_a_lower_limit_and_comes_back() {
    let (_, refused) = run(300, 5_000, |at| if at.0 < 200 * SECOND { 20 } else { 50 }, |_| 0);
    assert!(refused <= 60, "{refused}");
    let (all, _) = run(400, 5_000, |at| if at.0 < 200 * SECOND { 20 } else { 50 }, |_| 0);
    let (first, _) = run(300, 5_000, |at| if at.0 < 200 * SECOND { 20 } else { 50 }, |_| 0);
    assert!(all - first >= 100 * 48, "back at full pace: {}", all - first);
}

#[test]
fn a_stray_refusal_costs_little_and_not_for_long() {
    let mut pace = Pace::new(Some(50.0), Time(0));
    // Held up: hardly anything went out in the last second.
    pace.throttled(Time(20 * SECOND), Time(20 * SECOND), Some(Duration::from_secs(1)));
    assert!((pace.rate() - 50.0 * SHARE * STRAY).abs() < 0.01, "{}", pace.rate());
    let _ = pace.peek(Time(120 * SECOND));
    assert!((pace.rate() - 50.0 * SHARE).abs() < 0.01, "{}", pace.rate());
    // One that follows at once is taken at its word, by halves.
    pace.throttled(Time(130 * SECOND), Time(130 * SECOND), None);
    pace.throttled(Time(132 * SECOND), Time(131 * SECOND), None);
    assert!((pace.rate() - 50.0 * SHARE * STRAY * CUT).abs() < 0.01, "{}", pace.rate());
}

#[test]
fn a_clock_that_steps_back_does_not_stop_the_lane() {
    let mut pace = Pace::new(Some(50.0), Time(3600 * SECOND));
    let slot = pace.peek(Time(3601 * SECOND)).unwrap();
    pace.take(slot);
    let back = Time(10 * SECOND);
    assert!(pace.peek(back).is_ok() || pace.peek(back).unwrap_err() <= back + Duration::from_secs(2));
}

#[test]
fn retry_after_is_obeyed_in_full() {
    let mut pace = Pace::new(Some(50.0), Time(0));
    pace.throttled(Time(5 * SECOND), Time(5 * SECOND), Some(Duration::from_mins(10)));
    assert_eq!(pace.peek(Time(6 * SECOND)), Err(Time(605 * SECOND) - LEAD));
    assert!(pace.peek(Time(605 * SECOND)).is_ok());
}

#[test]
fn no_limit_means_no_waiting() {
    let mut pace = Pace::new(None, Time(0));
    for _ in 0..10_000 {
        let slot = pace.peek(Time(1)).unwrap();
        pace.take(slot);
    }
}

/// Microseconds until a call is counted and until it is answered: lognormal, median 150 ms, p99 1.5 s, half of it
/// before counting.
struct Way(crate::lane::retry::Dice);

impl Way {
    fn one(&mut self) -> (i64, i64) {
        let mut even = || (self.0.up_to(Duration::from_secs(1)).as_secs_f64()).clamp(1e-9, 1.0 - 1e-9);
        let normal = (-2.0 * even().ln()).sqrt() * (std::f64::consts::TAU * even()).cos();
        let sigma = 10_f64.ln() / 2.326;
        let all = 150_000.0 * (sigma * normal).exp();
        ((all / 2.0) as i64, all as i64)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Window {
    Sliding,
    Fixed,
}

/// A service that takes 50 in any second, or in each second of its clock.
struct Service {
    window: Window,
    taken: VecDeque<i64>,
}

impl Service {
    fn takes(&mut self, at: i64) -> bool {
        let over = |taken: i64| match self.window {
            Window::Sliding => taken + SECOND <= at,
            Window::Fixed => taken / SECOND < at / SECOND,
        };
        while self.taken.front().is_some_and(|taken| over(*taken)) {
            self.taken.pop_front();
        }
        let takes = self.taken.len() < 50;
        if takes {
            self.taken.push_back(at);
        }
        takes
    }
}

/// Share of calls refused if they start exactly evenly, whatever is answered.
fn refused_evenly(window: Window, rate: f64) -> f64 {
    let mut way = Way(crate::lane::retry::Dice::new(1));
    let mut arrivals: Vec<i64> =
        (0..50_000).map(|n| (f64::from(n) / rate * 1e6) as i64 + way.one().0).collect();
    arrivals.sort_unstable();
    let mut service = Service { window, taken: VecDeque::new() };
    let refused = arrivals.iter().filter(|at| !service.takes(**at)).count();
    refused as f64 / arrivals.len() as f64
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Counted { slot: i64, answered: i64 },
    Refused { slot: i64 },
}

/// Calls accepted in a second and the share of all that was refused, with our pace over `seconds`.
fn paced(window: Window, seconds: i64, seed: u64) -> (f64, f64) {
    let mut pace = Pace::new(Some(50.0), Time(0));
    let mut way = Way(crate::lane::retry::Dice::new(seed));
    let mut service = Service { window, taken: VecDeque::new() };
    let mut events = std::collections::BTreeSet::new();
    let (mut now, mut accepted, mut refused) = (0, 0, 0);
    while now < seconds * SECOND {
        let wake = match pace.peek(Time(now)) {
            Ok(slot) => {
                pace.take(slot);
                let (counted, answered) = way.one();
                events.insert((
                    slot.0 + counted,
                    Happens::Counted { slot: slot.0, answered: slot.0 + answered },
                ));
                continue;
            }
            Err(wake) => wake.0.max(now + 1),
        };
        now = events.first().map_or(wake, |(at, _)| wake.min(*at)).max(now);
        while events.first().is_some_and(|(at, _)| *at <= now) {
            match events.pop_first() {
                Some((at, Happens::Counted { slot, answered })) => {
                    if service.takes(at) {
                        accepted += 1;
                    } else {
                        refused += 1;
                        events.insert((answered, Happens::Refused { slot }));
                    }
                }
                Some((at, Happens::Refused { slot })) => {
                    pace.throttled(Time(at), Time(slot), Some(Duration::from_secs(1)));
                }
                None => {}
            }
        }
    }
    (f64::from(accepted) / seconds as f64, f64::from(refused) / f64::from(accepted + refused))
}

#[test]
fn what_an_uneven_way_leaves_of_the_limit() {
    for (window, name, most) in [(Window::Sliding, "sliding", 44.0), (Window::Fixed, "fixed", 47.0)] {
        for rate in [42.0, 43.0, 44.0, 45.0, 46.0, 47.0, 48.5, 49.0] {
            let refused = refused_evenly(window, rate);
            println!("{name}, {rate} evenly: {:.3} % refused", refused * 100.0);
            // Nobody who starts calls evenly can have more and be refused 0.1 % only.
            assert_eq!(refused > 0.001, rate >= most, "{name} {rate}: {refused}");
        }
    }
}

#[test]
fn an_uneven_way_is_followed() {
    for (window, name, least) in [(Window::Sliding, "sliding", 41.0), (Window::Fixed, "fixed", 43.3)] {
        let runs: Vec<(f64, f64)> = (1..=10).map(|seed| paced(window, 300, seed)).collect();
        let rate = runs.iter().map(|run| run.0).sum::<f64>() / 10.0;
        let refused = runs.iter().map(|run| run.1).sum::<f64>() / 10.0;
        println!("{name}: {rate:.2}/s, {:.3} % refused; {runs:.4?}", refused * 100.0);
        assert!(rate >= least && refused <= 0.001, "{name}: {rate} {refused}");
    }
}
