//! Where to begin to look for what was said of late: by halving, since messages have no index by time.

use std::time::Duration;

use nuncio_domain::Time;
use nuncio_domain::ports::StoreError;

use crate::words::{AnyRow, get, time};

/// A message lives for a day unless it says otherwise (`docs/delivery.md`, Retry). What one that lives longer has said in
/// the last hour is not found; then Microsoft refuses once what is too much.
const LIFE: Duration = Duration::from_hours(24);

/// Looks for the first message that was made within a message's life before a time: numbers rise with time.
#[derive(Debug)]
pub(crate) struct Bisection {
    from: Time,
    low: i64,
    high: i64,
}

impl Bisection {
    /// `last` is the highest number there is.
    pub(crate) fn new(since: Time, last: i64) -> Self {
        Self { from: since - LIFE, low: 1, high: last + 1 }
    }

    /// From which number on the first message is asked for.
    pub(crate) fn asks(&self) -> Option<i64> {
        (self.low < self.high).then(|| self.low + (self.high - self.low) / 2)
    }

    /// Its number and when it was made; `None` if there is none.
    pub(crate) fn told(&mut self, found: Option<(i64, i64)>) {
        let Some(middle) = self.asks() else { return };
        match found {
            Some((message_no, created_at)) if created_at < self.from.0 => self.low = message_no + 1,
            _ => self.high = middle,
        }
    }

    pub(crate) fn found(&self) -> i64 {
        self.low
    }
}

/// (thread, when it ended), in the order of time.
pub(crate) fn by_time<R: AnyRow>(rows: &[R]) -> Result<Vec<(i64, Time)>, StoreError> {
    let call = |row| Ok((get(row, "thread_no")?, time(row, "ended_at")?));
    let mut calls = rows.iter().map(call).collect::<Result<Vec<_>, StoreError>>()?;
    calls.sort_by_key(|(thread_no, at)| (*at, *thread_no));
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_within_a_life_is_found_whatever_is_missing() {
        let day = LIFE.as_micros() as i64;
        // Numbers with gaps, one made each hour.
        let made: Vec<(i64, i64)> = (0..50).map(|n| (n * 3 + 2, n * day / 24)).collect();
        for since in 0..60 {
            let mut first = Bisection::new(Time(since * day / 24), 149);
            while let Some(asked) = first.asks() {
                first.told(made.iter().copied().find(|(message_no, _)| *message_no >= asked));
            }
            let wanted = made.iter().find(|(_, at)| *at >= (since - 24) * day / 24);
            let found = made.iter().find(|(message_no, _)| *message_no >= first.found());
            assert_eq!(found, wanted, "{since}");
        }
        assert_eq!(Bisection::new(Time(0), 0).asks(), None);
    }
}
