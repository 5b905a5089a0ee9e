//! As much of a certificate as signing with it needs: whose key it holds and when it ends (RFC 5280, section 4.1).
//! Nothing is verified: it is the operator's own file, and whether it is trusted is for Entra to say.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, the version, which the oldest certificates leave out.
const VERSION: u8 = 0xa0;

/// What is read of a certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    /// The content of the public key's bit string; for RSA it is PKCS#1's `RSAPublicKey`.
    pub(super) public_key: &'a [u8],
    /// The last second that it is good in.
    pub(super) not_after: SystemTime,
}

/// Reads a certificate in DER form; `None` where it is none.
pub(super) fn parts(der: &[u8]) -> Option<Parts<'_>> {
    let mut certificate = Der(Der(der).expect(SEQUENCE)?);
    let mut signed = Der(certificate.expect(SEQUENCE)?);
    if signed.0.first() == Some(&VERSION) {
        signed.next()?;
    }
    let _serial = signed.next()?;
    let _algorithm = signed.expect(SEQUENCE)?;
    let _issuer = signed.expect(SEQUENCE)?;
    let mut validity = Der(signed.expect(SEQUENCE)?);
    let _not_before = validity.next()?;
    let (kind, not_after) = validity.next()?;
    let _subject = signed.expect(SEQUENCE)?;
    let mut key = Der(signed.expect(SEQUENCE)?);
    let _key_algorithm = key.expect(SEQUENCE)?;
    // The first byte of a bit string counts the bits that its last byte does not use: none here.
    let public_key = key.expect(BIT_STRING)?.strip_prefix(&[0])?;
    Some(Parts { public_key, not_after: time(kind, not_after)? })
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`.
fn time(kind: u8, text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match kind {
        UTC_TIME if text.len() == 12 => {
            let year: i16 = text[..2].parse().ok()?;
            // RFC 5280, section 4.1.2.5.1.
            (year + if year < 50 { 2000 } else { 1900 }, &text[2..])
        }
        GENERALIZED_TIME if text.len() == 14 => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let part = |at: usize| rest[at..at + 2].parse::<i8>().ok();
    let time = DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
    // "99991231235959Z", no end, is a day more than a timestamp can be.
    let seconds = TimeZone::UTC.to_timestamp(time).unwrap_or(Timestamp::MAX).as_second();
    let since = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(since)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(since)
    }
}

/// Values of DER, one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The tag and the content of the next value.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, length], rest) = self.0.split_first_chunk::<2>()?;
        // Up to 127 the byte is the length; above, its low bits say how many bytes of length follow.
        let (length, rest) = match length {
            0..=0x7f => (usize::from(length), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
                (
                    bytes
                        .iter()
                        .try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add((*byte).into()))?,
                    rest,
                )
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next value, which must have this tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            parts(&bytes);
        }
    }

    #[test]
    fn times() {
        let unix = |kind, text: &str| {
            let time = time(kind, text.as_bytes())?;
            Some(time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
        };
        assert_eq!(unix(UTC_TIME, "261122140509Z"), Some(1_795_356_309));
        assert_eq!(unix(GENERALIZED_TIME, "20261122140509Z"), Some(1_795_356_309));
        assert_eq!(unix(UTC_TIME, "700101000000Z"), Some(0));
        assert!(unix(GENERALIZED_TIME, "99991231235959Z").is_some());
        for wrong in ["", "Z", "261322140509Z", "2611221405Z", "261122140509", "26112214050éZ"] {
            assert_eq!(unix(UTC_TIME, wrong), None, "{wrong}");
            assert_eq!(unix(GENERALIZED_TIME, wrong), None, "{wrong}");
        }
    }
}
