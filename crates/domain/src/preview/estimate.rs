//! When a message would be done (`docs/adr/0026`).
//!
//! A lane starts so many calls a second, whoever they are for. Urgent ones go strictly first, normal to bulk 4 : 1, and the
//! messages of a class take turns (`docs/delivery.md`, Priority). So before the last call of a message come its own, those
//! of its class that get a turn between them, all urgent ones, and of the other class what 4 : 1 leaves it meanwhile, at
//! most what it has. What is asked for later, what is refused and tried again, and creating conversations for others is not
//! foreseen.

use std::time::Duration;

use crate::message::Class;
use crate::time::Time;

/// Bulk gets one turn after so many of normal.
const NORMAL_TURNS: i64 = 4;
/// `POST …/installedApps`, of one app in one tenant (`docs/protocol.md` section 13).
pub const INSTALLS_PER_S: f64 = 30.0;
/// No end is estimated beyond this.
const LONGEST: f64 = 10.0 * 365.0 * 86_400.0;

/// What a lane still has to do in a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    pub class: Class,
    /// Deliveries that are pending or in flight.
    pub deliveries: i64,
    /// Those of them that go between the deliveries of a message of this class that begins now.
    pub between: i64,
}

/// Calls by what they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Calls {
    pub create: i64,
    pub send: i64,
    pub install: i64,
    /// Pages of the directory.
    pub pages: i64,
}

impl Calls {
    /// Those that the lane paces.
    pub const fn paced(self) -> i64 {
        self.create + self.send
    }
}

/// How many calls the lane starts until the last of a message's own.
pub fn until_its_last(class: Class, own: i64, ahead: &[Ahead]) -> i64 {
    let of = |class| ahead.iter().find(|ahead| ahead.class == class);
    let all = |class| of(class).map_or(0, |ahead| ahead.deliveries);
    if own == 0 {
        return 0;
    }
    let turns = own + of(class).map_or(0, |ahead| ahead.between);
    match class {
        Class::Urgent => turns,
        Class::Normal => all(Class::Urgent) + turns + all(Class::Bulk).min(turns / NORMAL_TURNS),
        Class::Bulk => {
            all(Class::Urgent) + turns + all(Class::Normal).min(turns.saturating_mul(NORMAL_TURNS))
        }
    }
}

/// From its first moment to its last call. `None` for a lane without a limit, whose pace nobody knows before.
pub fn takes(class: Class, calls: Calls, ahead: &[Ahead], rate_per_s: Option<f64>) -> Option<Duration> {
    let paced = until_its_last(class, calls.paced(), ahead) as f64;
    let installs = calls.install as f64 / INSTALLS_PER_S;
    // Installing goes on beside sending.
    let seconds = match rate_per_s.filter(|rate| rate.is_finite() && *rate > 0.0) {
        Some(rate) => (paced / rate).max(installs),
        None if paced == 0.0 => installs,
        None => return None,
    };
    Some(Duration::from_secs_f64(seconds.clamp(0.0, LONGEST)))
}

/// What a lane waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    Not,
    /// Microsoft asked it to.
    Until(Time),
    /// Until somebody does something.
    ForSomebody,
}

/// When it would begin: `None` if nobody knows.
pub fn begins(now: Time, read_for: Duration, send_at: Option<Time>, waits: Waits) -> Option<Time> {
    let ready = (now + read_for).max(send_at.unwrap_or(Time::ZERO));
    match waits {
        Waits::Not => Some(ready),
        Waits::Until(until) => Some(ready.max(until)),
        Waits::ForSomebody => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(urgent: (i64, i64), normal: (i64, i64), bulk: (i64, i64)) -> [Ahead; 3] {
        [(Class::Urgent, urgent), (Class::Normal, normal), (Class::Bulk, bulk)]
            .map(|(class, (deliveries, between))| Ahead { class, deliveries, between })
    }

    #[test]
    fn an_idle_lane_has_nothing_but_its_own() {
        for class in [Class::Urgent, Class::Normal, Class::Bulk] {
            assert_eq!(until_its_last(class, 100, &[]), 100);
            assert_eq!(until_its_last(class, 0, &ahead((5, 5), (5, 5), (5, 5))), 0);
        }
    }

    #[test]
    fn classes_go_before_each_other() {
        let busy = ahead((10, 10), (400, 100), (1_000, 100));
        assert_eq!(until_its_last(Class::Urgent, 100, &busy), 110);
        // 200 turns of normal leave 50 to bulk.
        assert_eq!(until_its_last(Class::Normal, 100, &busy), 10 + 200 + 50);
        // 200 turns of bulk leave 800 to normal, which has 400.
        assert_eq!(until_its_last(Class::Bulk, 100, &busy), 10 + 200 + 400);
        // No more of a class than it has, or than is left to it.
        assert_eq!(until_its_last(Class::Normal, 400, &ahead((0, 0), (0, 0), (3, 3))), 403);
        assert_eq!(until_its_last(Class::Bulk, 10, &ahead((0, 0), (9_999, 9), (0, 0))), 10 + 40);
    }

    #[test]
    fn the_slower_of_sending_and_installing_counts() {
        let calls = Calls { create: 100, send: 400, install: 0, pages: 7 };
        assert_eq!(takes(Class::Normal, calls, &[], Some(50.0)), Some(Duration::from_secs(10)));
        let calls = Calls { install: 600, ..calls };
        assert_eq!(takes(Class::Normal, calls, &[], Some(50.0)), Some(Duration::from_secs(20)));
        for rate in [None, Some(0.0), Some(f64::INFINITY)] {
            assert_eq!(takes(Class::Normal, calls, &[], rate), None);
            assert_eq!(takes(Class::Normal, Calls::default(), &[], rate), Some(Duration::ZERO));
        }
    }

    #[test]
    fn it_begins_when_everything_lets_it() {
        let (now, read_for) = (Time(1_000_000), Duration::from_secs(2));
        assert_eq!(begins(now, read_for, None, Waits::Not), Some(Time(3_000_000)));
        assert_eq!(begins(now, read_for, Some(Time(9_000_000)), Waits::Not), Some(Time(9_000_000)));
        assert_eq!(begins(now, read_for, None, Waits::Until(Time(5_000_000))), Some(Time(5_000_000)));
        assert_eq!(begins(now, read_for, Some(Time(9_000_000)), Waits::ForSomebody), None);
    }
}
