//! X.509 certificates as far as assertions need them: the public key and the two thumbprints (protocol section 2.3).
//! Their validity is not looked at. The TLS port asks for the end of its own authority.

use aws_lc_rs::{
    digest,
    rsa::PublicKey,
    signature::{RsaParameters, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::signing::{b64, sha256};

pub(crate) struct Certificate {
    /// SubjectPublicKeyInfo
    key: Vec<u8>,
    /// `x5t`
    pub(crate) sha1: String,
    /// `x5t#S256`
    pub(crate) sha256: String,
}

impl Certificate {
    /// From PEM or the base64 text of the DER.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let der = der_of_pem(text)?;
        let key = public_key(&der)?.to_vec();
        PublicKey::from_der(&key).ok()?;
        let sha1 = b64(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &der));
        Some(Self { key, sha1, sha256: b64(sha256(&[&der])) })
    }

    pub(super) fn verifies(&self, algorithm: &'static RsaParameters, input: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(algorithm, &self.key).verify(input, signature).is_ok()
    }
}

/// The DER of the first certificate in PEM, or of bare base64.
pub(crate) fn der_of_pem(text: &str) -> Option<Vec<u8>> {
    let inner = match text.split_once("-----BEGIN CERTIFICATE-----") {
        Some((_, rest)) => rest.split_once("-----END CERTIFICATE-----")?.0,
        None => text,
    };
    let packed: String = inner.split_whitespace().collect();
    STANDARD.decode(packed).ok()
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;

/// When it ends, in seconds since 1970. Only the form of dates before 2050, as ours are.
pub(crate) fn not_after(der: &[u8]) -> Option<i64> {
    let mut rest = fields(der)?;
    // Serial number, signature algorithm and issuer come first.
    for _ in 0..3 {
        rest = element(rest)?.1;
    }
    let (validity, _) = element(rest)?;
    let (end, _) = element(element(validity.content)?.1)?;
    let text = std::str::from_utf8(end.content).ok().filter(|_| end.tag == UTC_TIME)?;
    let time = jiff::fmt::strtime::parse("%Y%m%d%H%M%SZ", format!("20{text}")).ok()?;
    let time = time.to_datetime().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(time.timestamp().as_second())
}

/// Certificate → TBSCertificate → SubjectPublicKeyInfo (RFC 5280, section 4.1).
fn public_key(der: &[u8]) -> Option<&[u8]> {
    let mut rest = fields(der)?;
    // Serial number, signature algorithm, issuer, validity and subject come first.
    for _ in 0..5 {
        rest = element(rest)?.1;
    }
    let (key, _) = element(rest)?;
    (key.tag == SEQUENCE).then_some(key.whole)
}

/// What a certificate says, from its serial number on.
fn fields(der: &[u8]) -> Option<&[u8]> {
    let (certificate, rest) = element(der)?;
    if certificate.tag != SEQUENCE || !rest.is_empty() {
        return None;
    }
    let (tbs, _) = element(certificate.content)?;
    let mut rest = tbs.content;
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.1;
    }
    Some(rest)
}

struct Element<'a> {
    tag: u8,
    whole: &'a [u8],
    content: &'a [u8],
}

/// The first element of some DER, and what follows it.
fn element(der: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (tag, first) = (*der.first()?, usize::from(*der.get(1)?));
    let (length, start) = if first < 0x80 {
        (first, 2)
    } else {
        let digits = first - 0x80;
        if digits == 0 || digits > 3 {
            return None;
        }
        let length = der.get(2..2 + digits)?.iter().fold(0, |sum, byte| sum * 256 + usize::from(*byte));
        (length, 2 + digits)
    };
    let whole = der.get(..start + length)?;
    Some((Element { tag, whole, content: &whole[start..] }, &der[start + length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with OpenSSL, which also told its thumbprints.
    const PEM: &str = "-----BEGIN CERTIFICATE-----\n\
MIIDDzCCAfegAwIBAgIUbCL84X2kafpHYqCNdI1D1a0ajzgwDQYJKoZIhvcNAQEL\n\
BQAwFzEVMBMGA1UEAwwMZGlzcGF0Y2gtYm90MB4XDTI2MTEyMjE5MjE1NVoXDTM2\n\
MTExOTE5MjE1NVowFzEVMBMGA1UEAwwMZGlzcGF0Y2gtYm90MIIBIjANBgkqhkiG\n\
9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzEhrAdWmej7vpWqEepHtVdM3GqD+kAjrrKhS\n\
wKKJVIxZZrqaY8lhTN5PVz2+OhUUDkxGIVraEjOIgoa+amHrWj3H1vQCxX6KQqoA\n\
8PLwvNDmnXH2cqUtIEm7BgESn9kpkt9SWt5GptGPRnMXU8UWpPr4eG+srt7sNMZj\n\
6EQLtLXYeR82jCGl1KVdt4JaAD+g4p1QX0ySUXQrCfPkJ1WJ7zzRN63ktPbRtUrf\n\
jhzxbeSD/eFTeZTd5ACS9qcyAyADGSxknuco88vz/c++Fag0IT6tTLJAMJ8C6pb1\n\
k3121mhC5gpXLi8OADewpDDxq8l+VovpfNUFaPmBj+CLvgjluwIDAQABo1MwUTAd\n\
BgNVHQ4EFgQU5BZQgNIeh7Qwpx+lsBdD4nftwCMwHwYDVR0jBBgwFoAU5BZQgNIe\n\
h7Qwpx+lsBdD4nftwCMwDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOC\n\
AQEAEVzjDuyti3tRDuQ4sP7LxYiWgcW8UQrQkpVn4WSaAxu0eG8714ShQ6EYKEVc\n\
qIZq/bsDQq1ik066duJHZC4W86cvKthpA9yw4afDhLq6pKowb+cgf9CoCxNQWqNX\n\
B0/g7VXxTz7KgpdJJumwod0aMQBrTknB1X/vEa/6i37o1pefCnI51eJvtDhhJKCQ\n\
czGzNIS02gcuTRPbBcH/Lm0Rsz6wRbi05hToF9enHBDMAdqj9F6hJU+D1yxhMnly\n\
JHIAaUu2lvi3d72Hs3LCCdn0WJSwD3tINI1sMfyrjwxokmgszMOnJpy96IDwSvhy\n\
p9hkkfSzbthi1TzD1QU4B2uQ3A==\n\
-----END CERTIFICATE-----";

    #[test]
    fn thumbprints_are_those_of_openssl() {
        let certificate = Certificate::read(PEM).unwrap();
        assert_eq!(certificate.sha1, "tCA6E_Z_SJ62fkEXCIVznAoAp6Q");
        assert_eq!(certificate.sha256, "9ldbK67xcSw2-tZMpsP8gHWwKqkegCJKOxKZ0mUQNQ8");
        // 2036-11-19T19:21:55Z
        assert_eq!(not_after(&der_of_pem(PEM).unwrap()), Some(2_110_735_315));
        let bare: String = PEM.lines().filter(|line| !line.starts_with('-')).collect();
        assert_eq!(Certificate::read(&bare).unwrap().sha256, certificate.sha256);
    }

    #[test]
    fn anything_else_is_no_certificate() {
        let bare: String = PEM.lines().filter(|line| !line.starts_with('-')).collect();
        for bad in ["", "x", "MAA=", "MIIB", &bare[..400], &PEM[..400]] {
            assert!(Certificate::read(bad).is_none(), "{bad}");
        }
    }
}
