//! Rate limits (protocol section 7.1), counted here on our own: the sender's pacing must not agree with itself.
//!
//! Only admitted requests count. A refused one is not counted against the window (else a sender that keeps asking would
//! never get out); Microsoft does not say.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::clock::Micros;

/// What Microsoft calls a thread: all 1:1 chats with one person, a group chat, or a channel without `;messageid=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Thread {
    Person(u32),
    Channel {
        team: u32,
        channel: u32,
    },
    /// A group chat or the chat of a meeting.
    Chat(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Send,
    Create,
    Members,
    Conversations,
    /// The deprecated whole roster of a team: 5 a minute (protocol section 5.5).
    WholeRoster,
    /// Counts only in the limit of app and tenant.
    Other,
}

/// How the second of the app's limit is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WindowKind {
    #[default]
    #[serde(rename = "sliding_1s")]
    Sliding,
    #[serde(rename = "fixed_1s")]
    Fixed,
    Bucket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    AppTenant,
    Thread,
}

pub(crate) struct Rules {
    pub(crate) per_second: u32,
    pub(crate) window: WindowKind,
    /// Multiplies the length of every window.
    pub(crate) scale: f64,
}

const SECOND: Micros = 1_000_000;

/// (admitted at most, in so many seconds)
type Window = (usize, i64);

const SEND: &[Window] = &[(7, 1), (8, 2), (60, 30), (1800, 3600)];
const MEMBERS: &[Window] = &[(14, 1), (16, 2), (120, 30), (3600, 3600)];
const WHOLE_ROSTER: &[Window] = &[(5, 60)];
const SEND_ALL_BOTS: &[Window] = &[(14, 1), (16, 2)];
const MEMBERS_ALL_BOTS: &[Window] = &[(28, 1), (32, 2)];

fn windows(kind: Kind) -> &'static [Window] {
    match kind {
        Kind::Send | Kind::Create => SEND,
        Kind::Members | Kind::Conversations => MEMBERS,
        Kind::WholeRoster => WHOLE_ROSTER,
        Kind::Other => &[],
    }
}

fn windows_of_all_bots(kind: Kind) -> &'static [Window] {
    match kind {
        Kind::Send | Kind::Create => SEND_ALL_BOTS,
        Kind::Members | Kind::Conversations => MEMBERS_ALL_BOTS,
        Kind::WholeRoster | Kind::Other => &[],
    }
}

#[derive(Default)]
struct AppWindow {
    admitted: VecDeque<Micros>,
    tokens: Option<f64>,
    filled_at: Micros,
}

impl AppWindow {
    /// Whether `cost` more requests fit now; nothing is taken yet.
    fn fits(&mut self, now: Micros, cost: usize, rules: &Rules) -> bool {
        let length = scaled(1, rules.scale);
        let limit = rules.per_second as usize;
        match rules.window {
            WindowKind::Sliding => {
                drop_until(&mut self.admitted, now - length);
                self.admitted.len() + cost <= limit
            }
            WindowKind::Fixed => {
                let start = now.div_euclid(length) * length;
                drop_until(&mut self.admitted, start - 1);
                self.admitted.len() + cost <= limit
            }
            WindowKind::Bucket => {
                let full = f64::from(rules.per_second);
                let refill = (now - self.filled_at) as f64 / length as f64 * full;
                let tokens = self.tokens.map_or(full, |left| (left + refill.max(0.0)).min(full));
                self.tokens = Some(tokens);
                self.filled_at = now;
                // A millionth of slack: ten refills of a tenth must make a whole one.
                tokens + 1e-6 >= cost as f64
            }
        }
    }

    fn take(&mut self, now: Micros, cost: usize, rules: &Rules) {
        if rules.window == WindowKind::Bucket {
            self.tokens = self.tokens.map(|left| left - cost as f64);
        } else {
            self.admitted.extend(std::iter::repeat_n(now, cost));
        }
    }
}

/// When which app was admitted: microseconds since the first request of all (48 bits, which are nine years), and the
/// app. There may be millions.
#[derive(Clone, Copy)]
struct Admission(u64);

impl Admission {
    fn new(at: Micros, app: u16) -> Self {
        Self((at.max(0) as u64) << 16 | u64::from(app))
    }

    fn at(self) -> Micros {
        (self.0 >> 16) as Micros
    }

    fn app(self) -> u16 {
        self.0 as u16
    }
}

/// Oldest first.
type Admitted = Vec<Admission>;

#[derive(Default)]
pub(crate) struct Limits {
    /// When the first request came.
    first: Option<Micros>,
    apps: HashMap<u16, AppWindow>,
    threads: HashMap<(Thread, Kind), Admitted>,
    /// With so many threads, those that were idle for all of their windows are forgotten.
    forget_at: usize,
}

/// Below this, looking for idle threads is not worth it.
const FEW_THREADS: usize = 4096;

impl Limits {
    /// Admits and counts a request, or says which limit it broke (then nothing is counted). `cost` is 2 for a message
    /// that is split in two.
    pub(crate) fn admit(
        &mut self,
        now: Micros,
        app: u16,
        thread: Option<Thread>,
        kind: Kind,
        cost: usize,
        rules: &Rules,
    ) -> Result<(), Breach> {
        let since_first = now - *self.first.get_or_insert(now);
        let window = self.apps.entry(app).or_default();
        if !window.fits(now, cost, rules) {
            return Err(Breach::AppTenant);
        }
        if let Some(thread) = thread
            && let Some((_, longest)) = windows(kind).last()
        {
            if self.threads.len() >= self.forget_at.max(FEW_THREADS) {
                self.forget_idle(since_first, rules.scale);
            }
            let admitted = self.threads.entry((thread, kind)).or_default();
            drop_old(admitted, since_first - scaled(*longest, rules.scale));
            let fits = |windows, own| thread_fits(admitted, own, since_first, cost, windows, rules.scale);
            if !fits(windows(kind), Some(app)) || !fits(windows_of_all_bots(kind), None) {
                return Err(Breach::Thread);
            }
            // Most threads see one request in an hour, so no room is left for many.
            if admitted.capacity() - admitted.len() < cost {
                admitted.reserve_exact(cost + admitted.len() / 4);
            }
            admitted.extend(std::iter::repeat_n(Admission::new(since_first, app), cost));
        }
        if let Some(window) = self.apps.get_mut(&app) {
            window.take(now, cost, rules);
        }
        Ok(())
    }

    fn forget_idle(&mut self, now: Micros, scale: f64) {
        self.threads.retain(|(_, kind), admitted| {
            let longest = windows(*kind).last().map_or(0, |(_, seconds)| scaled(*seconds, scale));
            admitted.last().is_some_and(|last| last.at() > now - longest)
        });
        // Twice as many until the next look, so that looking costs little per request.
        self.forget_at = self.threads.len() * 2;
    }
}

/// `own`: whose requests count; all bots' when `None`.
fn thread_fits(
    admitted: &Admitted,
    own: Option<u16>,
    now: Micros,
    cost: usize,
    windows: &[Window],
    scale: f64,
) -> bool {
    windows.iter().all(|(limit, seconds)| {
        let since = now - scaled(*seconds, scale);
        let inside = admitted.iter().rev().take_while(|admission| admission.at() > since);
        inside.filter(|admission| own.is_none_or(|own| own == admission.app())).count() + cost <= *limit
    })
}

fn drop_old(admitted: &mut Admitted, until: Micros) {
    let old = admitted.iter().take_while(|admission| admission.at() <= until).count();
    admitted.drain(..old);
}

fn scaled(seconds: i64, scale: f64) -> Micros {
    (((seconds * SECOND) as f64 * scale) as Micros).max(1)
}

fn drop_until(admitted: &mut VecDeque<Micros>, until: Micros) {
    while admitted.front().is_some_and(|at| *at <= until) {
        admitted.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(window: WindowKind) -> Rules {
        Rules { per_second: 50, window, scale: 1.0 }
    }

    /// How many of one request per millisecond get in, each to its own person.
    fn admitted(limits: &mut Limits, from_ms: i64, to_ms: i64, rules: &Rules) -> usize {
        (from_ms..to_ms)
            .filter(|ms| {
                let thread = Some(Thread::Person(*ms as u32));
                limits.admit(ms * 1000, 0, thread, Kind::Send, 1, rules).is_ok()
            })
            .count()
    }

    #[test]
    fn sliding_second_admits_fifty_in_any_second() {
        let rules = rules(WindowKind::Sliding);
        let mut limits = Limits::default();
        assert_eq!(admitted(&mut limits, 700, 1700, &rules), 50);
        // The first came at 700 ms, so at 1,700 ms exactly one place is free again.
        assert_eq!(admitted(&mut limits, 1700, 1701, &rules), 1);
        assert_eq!(admitted(&mut limits, 1701, 2700, &rules), 49);
    }

    #[test]
    fn fixed_second_admits_fifty_per_calendar_second() {
        let rules = rules(WindowKind::Fixed);
        let mut limits = Limits::default();
        assert_eq!(admitted(&mut limits, 900, 1000, &rules), 50);
        assert_eq!(admitted(&mut limits, 1000, 1100, &rules), 50);
        assert_eq!(admitted(&mut limits, 1100, 2000, &rules), 0);
    }

    #[test]
    fn bucket_admits_fifty_at_once_and_fifty_a_second() {
        let rules = rules(WindowKind::Bucket);
        let mut limits = Limits::default();
        assert_eq!(admitted(&mut limits, 0, 50, &rules), 50);
        assert_eq!(admitted(&mut limits, 50, 1050, &rules), 52);
    }

    #[test]
    fn apps_do_not_share_their_second() {
        let rules = rules(WindowKind::Sliding);
        let mut limits = Limits::default();
        for person in 0..50 {
            assert_eq!(limits.admit(0, 0, Some(Thread::Person(person)), Kind::Send, 1, &rules), Ok(()));
        }
        assert_eq!(
            limits.admit(0, 0, Some(Thread::Person(99)), Kind::Send, 1, &rules),
            Err(Breach::AppTenant)
        );
        assert_eq!(limits.admit(0, 1, Some(Thread::Person(99)), Kind::Send, 1, &rules), Ok(()));
    }

    #[test]
    fn thread_windows_7_8_60_1800() {
        let rules = rules(WindowKind::Sliding);
        let mut limits = Limits::default();
        let thread = Some(Thread::Person(1));
        let mut send = |ms: i64| limits.admit(ms * 1000, 0, thread, Kind::Send, 1, &rules);
        for _ in 0..7 {
            assert_eq!(send(0), Ok(()));
        }
        assert_eq!(send(0), Err(Breach::Thread));
        assert_eq!(send(1000), Ok(()));
        assert_eq!(send(1001), Err(Breach::Thread), "8 in 2 seconds");
        assert_eq!(send(2000), Ok(()));
        // One every 300 ms from here: the sixtieth within 30 s is the last.
        let got_in = (0..90).filter(|i| send(3000 + i * 300).is_ok()).count();
        assert_eq!(got_in, 60 - 9);
        assert_eq!(send(30_001), Ok(()), "the first seven have left the window");
    }

    #[test]
    fn all_bots_together_have_fourteen_a_second_in_a_thread() {
        let rules = rules(WindowKind::Sliding);
        let mut limits = Limits::default();
        let thread = Some(Thread::Channel { team: 0, channel: 0 });
        for app in 0..2 {
            for _ in 0..7 {
                assert_eq!(limits.admit(0, app, thread, Kind::Send, 1, &rules), Ok(()));
            }
        }
        assert_eq!(limits.admit(0, 2, thread, Kind::Send, 1, &rules), Err(Breach::Thread));
    }

    #[test]
    fn idle_threads_are_forgotten() {
        let rules = Rules { per_second: 1_000_000, window: WindowKind::Sliding, scale: 1.0 };
        let mut limits = Limits::default();
        let mut most = 0;
        for person in 0..100_000 {
            // Ten an hour long: 36,000 people are within the longest window at any time.
            let now = i64::from(person) * SECOND / 10;
            assert_eq!(limits.admit(now, 0, Some(Thread::Person(person)), Kind::Send, 1, &rules), Ok(()));
            most = most.max(limits.threads.len());
        }
        assert!((36_000..=72_000).contains(&most), "{most}");
    }

    #[test]
    fn a_split_message_costs_two_and_scale_shortens_windows() {
        let rules = Rules { per_second: 3, window: WindowKind::Sliding, scale: 0.1 };
        let mut limits = Limits::default();
        assert_eq!(limits.admit(0, 0, None, Kind::Other, 2, &rules), Ok(()));
        assert_eq!(limits.admit(0, 0, None, Kind::Other, 2, &rules), Err(Breach::AppTenant));
        assert_eq!(limits.admit(100_000, 0, None, Kind::Other, 2, &rules), Ok(()));
    }
}
