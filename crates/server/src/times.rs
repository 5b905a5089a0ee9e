//! Times on the wire: RFC 3339, UTC.

use jiff::Timestamp;
use nuncio_domain::Time;

/// As text. What no calendar has (only a broken row could) shows as the end of time.
pub(crate) fn text(time: Time) -> String {
    Timestamp::from_microsecond(time.0).unwrap_or(Timestamp::MAX).to_string()
}

/// From text, in any offset.
pub(crate) fn parse(text: &str) -> Option<Time> {
    text.parse::<Timestamp>().ok().map(|timestamp| Time(timestamp.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for wire in ["2026-11-22T10:05:12Z", "2026-11-22T10:05:12.044Z", "1970-01-01T00:00:00Z"] {
            assert_eq!(text(parse(wire).unwrap()), wire);
        }
        assert_eq!(text(parse("2026-11-22T11:05:12+01:00").unwrap()), "2026-11-22T10:05:12Z");
        for wire in ["", "tomorrow", "2026-11-22", "2026-11-22T10:05:12", "1795356312"] {
            assert_eq!(parse(wire), None, "{wire}");
        }
        assert!(text(Time::MAX).starts_with("9999"));
    }
}
