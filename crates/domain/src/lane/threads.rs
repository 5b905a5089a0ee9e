//! Limits of one thread (1:1 chat, group chat or channel): one call at a time, and Microsoft's windows of sends per
//! bot and thread (`docs/protocol.md` section 7.1).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::time::Time;

/// (sends, within). Creating counts like sending: which thread it counts against is not known (protocol section 13), so
/// we take the thread it is for. When a call was counted is not told, but not after its answer, and the next one not
/// before its start: from answer to start no window can be broken, however uneven the way is.
const WINDOWS: [(usize, Duration); 4] = [
    (7, Duration::from_millis(1_010)),
    (8, Duration::from_millis(2_010)),
    (60, Duration::from_millis(30_010)),
    (1800, Duration::from_millis(3_600_010)),
];
/// What ended before this is in none of the windows.
pub(super) const LONGEST: Duration = WINDOWS[3].1;
/// A thread idle for so long …
const IDLE: Duration = Duration::from_secs(30);
/// … with at most so many sends in the hour is forgotten.
const FEW: usize = 10;
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// How many threads must be refused within a second for the refusal to be the lane's.
const MANY: usize = 3;

#[derive(Debug, Clone, Default)]
struct Thread {
    busy: bool,
    /// When each call was answered; of one under way, when it starts.
    calls: VecDeque<Time>,
    cool_until: Time,
    /// 429 in a row, for the backoff where Microsoft names no time.
    refusals: u32,
}

/// The threads that were spoken to lately.
#[derive(Debug, Clone, Default)]
pub struct Threads {
    known: BTreeMap<i64, Thread>,
    /// (when, thread) of refusals within the last second.
    refused: VecDeque<(Time, i64)>,
    swept_at: Time,
}

/// Whether something may be said in a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Free {
    Now,
    At(Time),
    /// A call is under way.
    Busy,
}

/// Whose refusal a 429 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Lane,
    /// This thread's alone, which may go on then.
    Thread(Time),
}

impl Threads {
    /// Whether a call may start at `slot`.
    pub fn free(&self, thread_no: i64, slot: Time) -> Free {
        let Some(thread) = self.known.get(&thread_no) else { return Free::Now };
        if thread.busy {
            return Free::Busy;
        }
        let at = WINDOWS.iter().fold(thread.cool_until, |at, (most, within)| {
            match thread.calls.len().checked_sub(*most) {
                Some(oldest) => at.max(thread.calls[oldest] + *within),
                None => at,
            }
        });
        if at <= slot { Free::Now } else { Free::At(at) }
    }

    /// A call is going to start.
    pub fn start(&mut self, thread_no: i64, slot: Time) {
        let thread = self.known.entry(thread_no).or_default();
        thread.busy = true;
        thread.calls.push_back(slot);
        while thread.calls.len() > WINDOWS[3].0 {
            thread.calls.pop_front();
        }
    }

    /// The call of a thread was not made after all.
    pub fn give_back(&mut self, thread_no: i64) {
        if let Some(thread) = self.known.get_mut(&thread_no) {
            thread.busy = false;
            thread.calls.pop_back();
        }
    }

    /// The call of a thread has ended.
    pub fn finish(&mut self, thread_no: i64, now: Time, accepted: bool) {
        if let Some(thread) = self.known.get_mut(&thread_no) {
            thread.busy = false;
            if let Some(last) = thread.calls.back_mut() {
                *last = now;
            }
            if accepted {
                thread.refusals = 0;
            }
        }
    }

    /// A call of an owner before this one; they come in the order of time, before any call of this one's.
    pub fn ended_before(&mut self, thread_no: i64, at: Time) {
        let calls = &mut self.known.entry(thread_no).or_default().calls;
        calls.push_back(at);
        if calls.len() > WINDOWS[3].0 {
            calls.pop_front();
        }
    }

    /// A call was answered 429. A thread to which nothing was said for 30 s cannot have used up its own windows, so
    /// the refusal is the lane's; three threads refused within a second are the lane's as well.
    pub fn throttled(&mut self, thread_no: i64, now: Time, retry_after: Option<Duration>) -> Whose {
        while self.refused.front().is_some_and(|(at, _)| *at + Duration::from_secs(1) < now) {
            self.refused.pop_front();
        }
        self.refused.push_back((now, thread_no));
        let mut distinct: Vec<i64> = self.refused.iter().map(|(_, thread_no)| *thread_no).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let thread = self.known.entry(thread_no).or_default();
        let before = thread.calls.len().checked_sub(2).map(|index| thread.calls[index]);
        let idle = before.is_none_or(|before| before + IDLE < now);
        if idle || distinct.len() >= MANY {
            return Whose::Lane;
        }
        thread.refusals += 1;
        let backoff = Duration::from_secs(1 << thread.refusals.min(5));
        thread.cool_until = now + retry_after.unwrap_or(backoff);
        Whose::Thread(thread.cool_until)
    }

    /// Forgets threads whose windows are open again, at most every five seconds: all of them are walked over.
    pub fn forget(&mut self, now: Time) {
        if now.since(self.swept_at) < SWEEP_EVERY {
            return;
        }
        self.swept_at = now;
        self.known.retain(|_, thread| {
            let hour_ago = now - LONGEST;
            while thread.calls.front().is_some_and(|start| *start < hour_ago) {
                thread.calls.pop_front();
            }
            let idle = thread.calls.back().is_none_or(|last| *last + IDLE < now);
            thread.busy || thread.cool_until > now || !idle || thread.calls.len() > FEW
        });
    }

    /// Ends every cool-down.
    pub fn go_on(&mut self, now: Time) {
        for thread in self.known.values_mut() {
            thread.cool_until = thread.cool_until.min(now);
        }
    }

    /// The clock was set by so many microseconds.
    pub fn clock_set(&mut self, by_us: i64) {
        for thread in self.known.values_mut() {
            thread.cool_until = thread.cool_until.moved(by_us);
            for call in &mut thread.calls {
                *call = call.moved(by_us);
            }
        }
        for (at, _) in &mut self.refused {
            *at = at.moved(by_us);
        }
        self.swept_at = self.swept_at.moved(by_us);
    }

    /// How many threads are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Time {
        Time(ms * 1000)
    }

    #[test]
    fn one_call_at_a_time_and_seven_a_second() {
        let mut threads = Threads::default();
        for n in 0..7 {
            assert_eq!(threads.free(1, at(n * 20)), Free::Now);
            threads.start(1, at(n * 20));
            assert_eq!(threads.free(1, at(n * 20)), Free::Busy);
            threads.finish(1, at(n * 20 + 15), true);
        }
        // It may have been counted as late as it was answered.
        assert_eq!(threads.free(1, at(140)), Free::At(at(1025)));
        threads.start(1, at(1025));
        threads.finish(1, at(1030), true);
        // The eighth fills the window of two seconds.
        assert_eq!(threads.free(1, at(1031)), Free::At(at(2025)));
        assert_eq!(threads.free(2, at(1031)), Free::Now);
        // One that was not made does not count.
        threads.start(1, at(2025));
        threads.give_back(1);
        assert_eq!(threads.free(1, at(2025)), Free::Now);
    }

    #[test]
    fn whose_refusal() {
        let mut threads = Threads::default();
        threads.start(1, at(0));
        assert_eq!(threads.throttled(1, at(10), None), Whose::Lane, "nothing was said there before");
        let mut threads = Threads::default();
        for thread_no in 1..=3 {
            threads.start(thread_no, at(0));
            threads.start(thread_no, at(100));
        }
        let retry = Some(Duration::from_secs(2));
        assert_eq!(threads.throttled(1, at(110), retry), Whose::Thread(at(2110)));
        assert_eq!(threads.throttled(2, at(120), retry), Whose::Thread(at(2120)));
        assert_eq!(threads.throttled(3, at(130), retry), Whose::Lane);
        assert_eq!(threads.free(1, at(200)), Free::Busy);
        threads.finish(1, at(130), false);
        assert_eq!(threads.free(1, at(200)), Free::At(at(2110)));
    }

    #[test]
    fn forgets_the_idle_but_not_the_talkative() {
        let mut threads = Threads::default();
        threads.start(1, at(0));
        threads.finish(1, at(1), true);
        for n in 0..20 {
            threads.start(2, at(n * 1000));
            threads.finish(2, at(n * 1000), true);
        }
        threads.forget(at(60_000));
        assert_eq!(threads.len(), 1);
        threads.forget(at(4_000_000));
        assert!(threads.is_empty());
    }

    /// Seconds from the first to the last of so many messages counted by Microsoft, where the way takes as long as in the
    /// pace bars (lognormal, median 150 ms, p99 1.5 s, half of it before counting), nothing but these limits holds
    /// anything up, and a call begins when the one before has ended.
    fn one_after_the_other(count: usize, seed: u64) -> f64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut even = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let (mut threads, mut now, mut counted) = (Threads::default(), at(0), Vec::new());
        for _ in 0..count {
            if let Free::At(later) = threads.free(1, now) {
                now = later;
            }
            threads.start(1, now);
            let normal = (-2.0 * even().ln()).sqrt() * (std::f64::consts::TAU * even()).cos();
            let latency = 150_000.0 * (10_f64.ln() / 2.326 * normal).exp();
            counted.push(now.0 as f64 + latency / 2.0);
            now = Time(now.0 + latency as i64);
            threads.finish(1, now, true);
        }
        (counted[count - 1] - counted[0]) / 1e6
    }

    /// What the order in a channel costs where the way is uneven: the bar of 5 % over the ideal cannot be met.
    #[test]
    fn what_order_and_an_uneven_way_leave_of_a_channel() {
        for (count, ideal) in [(120, 44.0), (300, 134.0)] {
            let mut took: Vec<f64> = (1..=200).map(|seed| one_after_the_other(count, seed)).collect();
            took.sort_by(f64::total_cmp);
            let (best, median) = (took[10], took[100]);
            println!("{count} messages: {median:.1} s, one in twenty under {best:.1} s; ideal {ideal} s");
            assert!(best > ideal * 1.05 && median < ideal * 1.25, "{best} {median}");
        }
    }
}
