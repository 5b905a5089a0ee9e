//! API keys as they are shown once and stored as a hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nuncio_api::SECRET_PREFIX;

/// The secret over 32 random bytes: `nnc_` and 43 characters.
pub fn make(random: [u8; 32]) -> String {
    format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

/// What is stored of a secret. 32 random bytes cannot be guessed, so a fast hash without salt is enough, and the key
/// is found by it.
pub fn hash(secret: &str) -> [u8; 32] {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

/// Whether it can be a secret at all.
pub(crate) fn is_secret(text: &str) -> bool {
    text.strip_prefix(SECRET_PREFIX)
        .and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok())
        .is_some_and(|bytes| bytes.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_one() {
        let secret = make([7; 32]);
        assert_eq!(secret.len(), 47);
        assert!(is_secret(&secret));
        assert_ne!(hash(&secret), hash(&make([8; 32])));
        for text in ["", "nnc_", "nnc_short", &secret[4..], &format!("{secret}A")] {
            assert!(!is_secret(text), "{text}");
        }
    }
}
