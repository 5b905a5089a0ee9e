//! The rows of `docs/faults.md` that take minutes and hours: the lane core against the made-up service, in virtual time.
//! Compared with the document, which `NUNCIO_BLESS=1` writes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

use nuncio_domain::Time;
use nuncio_testkit::generated::section;

use crate::service::{SECOND, Weather};
use crate::world::{World, people};

const START: i64 = 10_000 * SECOND;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// What befalls the world beside the weather, two seconds after the start.
enum Blow {
    Nothing,
    /// The store does not answer for so long.
    Store(i64),
    /// So many of a thousand commits take 300 ms.
    SlowStore(u64),
    /// The clock is set.
    Clock(i64),
}

/// A message to so many people, of whom a conversation is known, and what it comes to. The words are those of the
/// document; the numbers are what the words mean.
struct Row {
    fault: &'static str,
    to: usize,
    weather: Weather,
    blow: Blow,
    ledger: &'static str,
    calls: (&'static str, RangeInclusive<usize>),
    /// Seconds.
    took: (&'static str, RangeInclusive<u64>),
}

fn rows() -> Vec<Row> {
    let from = |span: i64| Some((START + 2 * SECOND, START + 2 * SECOND + span));
    let all = || ("one for each, and the probes", 300..=500);
    let hour = || ("the hour, and the message's own time; a probe at least every 30 s", 3_600..=3_650);
    let row = |fault, weather, blow, calls, took| Row {
        fault,
        to: 300,
        weather,
        blow,
        ledger: "all delivered, once each",
        calls,
        took,
    };
    let one = |fault, weather, ledger, calls, took| Row {
        fault,
        to: 1,
        weather,
        blow: Blow::Nothing,
        ledger,
        calls,
        took,
    };
    let fair = Weather::default;
    let gone = BTreeSet::from([people(1).remove(0)]);
    let storm = Some((0, i64::MAX, 0));
    vec![
        one(
            "503, always",
            Weather { unavailable: 100, ..fair() },
            "failed `upstream_error`",
            ("8", 8..=8),
            ("within 30 min", 0..=1_805),
        ),
        one(
            "404 `ConversationNotFound`, always, although it is created anew each time",
            Weather { gone, ..fair() },
            "failed `conversation_gone`",
            ("7: send, and three times create, send", 7..=7),
            ("5 min 30 s: created anew at once, after 30 s, after 5 min", 330..=336),
        ),
        one(
            "429 with Retry-After 1, always",
            Weather { storm, ..fair() },
            "failed `throttled_out`",
            ("one a second, each when it was told", 10_000..=86_400),
            ("a day, which is the message's `expires_at`", 86_400..=86_410),
        ),
        row(
            "503 for everyone, for an hour",
            Weather { broken: from(HOUR), ..fair() },
            Blow::Nothing,
            all(),
            hour(),
        ),
        row(
            "nothing can be reached for an hour",
            Weather { outage: from(HOUR), ..fair() },
            Blow::Nothing,
            ("one for each", 300..=300),
            hour(),
        ),
        row(
            "the secret is refused for an hour",
            Weather { expired_secret: from(HOUR), ..fair() },
            Blow::Nothing,
            ("one for each", 300..=300),
            hour(),
        ),
        row(
            "the store does not answer for 30 s",
            fair(),
            Blow::Store(30 * SECOND),
            ("one for each", 300..=300),
            ("30 s, and the message's own time", 34..=45),
        ),
        row(
            "every third commit takes 300 ms",
            fair(),
            Blow::SlowStore(333),
            ("one for each", 300..=300),
            ("slower: no call starts before it is noted", 6..=120),
        ),
        row(
            "the clock is set an hour ahead",
            fair(),
            Blow::Clock(HOUR),
            ("one for each", 300..=300),
            ("the message's own time", 6..=10),
        ),
        row(
            "the clock is set an hour back",
            fair(),
            Blow::Clock(-HOUR),
            ("one for each", 300..=300),
            ("the message's own time", 6..=10),
        ),
    ]
}

async fn run(row: Row) -> String {
    let Row { fault, to, weather, blow, ledger, calls, took } = row;
    let mut world = World::new(31, weather, |_| {});
    fault.clone_into(&mut world.story);
    match blow {
        Blow::Nothing => {}
        Blow::Store(span) => world.store_down = Some((START + 3 * SECOND, START + 3 * SECOND + span)),
        Blow::SlowStore(thousandth) => world.slow_commits = thousandth,
        Blow::Clock(by) => world.set_clock_after(3 * SECOND, by),
    }
    let to = people(to);
    world.met(&to);
    let expires_at = Time(world.now + DAY);
    let id = world.submit(&to, |message| message.expires_at = expires_at).await;
    world.finish(id, DAY / SECOND + 60).await;
    let spent = ((world.now - START) / SECOND).unsigned_abs();
    assert!(took.1.contains(&spent), "{fault}: {spent} s");
    assert!(calls.1.contains(&world.service.calls), "{fault}: {} calls", world.service.calls);
    let counts = world.check_ledger(id, to.len() as i64).await;
    let seen = match world.message(id).await.failed_by_reason.first_key_value() {
        Some((reason, 1)) if to.len() == 1 => format!("failed `{reason}`"),
        None if counts.delivered == to.len() as i64 => "all delivered, once each".to_owned(),
        _ => format!("{counts:?}"),
    };
    assert_eq!(seen, ledger, "{fault}");
    assert!(world.service.taken.values().all(|taken| taken.len() == 1), "{fault}");
    assert_eq!((world.service.overlaps, world.service.thread_refusals), (0, 0), "{fault}");
    format!("| {fault} | {seen} | {} | {} |\n", calls.0, took.0)
}

#[tokio::test]
async fn what_takes_hours_comes_to() {
    let mut lines = "| fault | ledger | calls | how long |\n| --- | --- | --- | --- |\n".to_owned();
    for row in rows() {
        let _ = write!(lines, "{}", run(row).await);
    }
    section("docs/faults.md", "virtual time", &lines);
}
