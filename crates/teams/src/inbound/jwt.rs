//! A bearer token: taken apart, and its own checks.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::{Number, Value};

use super::InboundError;

/// Real ones have under 2 KiB.
const LONGEST: usize = 16 * 1024;
/// Clocks may differ by this much (protocol section 3, check 4).
const SKEW: i64 = 300;

/// A token that was read, not believed.
pub(super) struct Token<'a> {
    header: Header,
    pub(super) claims: Claims,
    signed: &'a str,
    signature: &'a str,
}

/// Only what is needed: real ones have a wrong `cty` (protocol section 11).
#[derive(Deserialize)]
struct Header {
    alg: Option<String>,
    kid: Option<String>,
    /// Extensions that must be understood: we understand none.
    crit: Option<Value>,
}

/// The five claims of a token from Teams (protocol section 11).
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) iss: Option<String>,
    aud: Option<Value>,
    exp: Option<Number>,
    nbf: Option<Number>,
    pub(super) serviceurl: Option<String>,
}

impl Claims {
    /// The audience; one, also where it is written as a list.
    pub(super) fn audience(&self) -> Option<&str> {
        match self.aud.as_ref()? {
            Value::String(audience) => Some(audience),
            Value::Array(list) if list.len() == 1 => list[0].as_str(),
            _ => None,
        }
    }
}

impl<'a> Token<'a> {
    /// Check 1: the header's shape; then the token's.
    pub(super) fn read(authorization: Option<&'a str>) -> Result<Self, InboundError> {
        let value = authorization.ok_or(InboundError::AuthorizationMissing)?;
        let mut parts = value.split_ascii_whitespace();
        let (Some(scheme), Some(token), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(InboundError::AuthorizationMalformed);
        };
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(InboundError::AuthorizationMalformed);
        }
        if token.len() > LONGEST {
            return Err(InboundError::TokenMalformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(InboundError::TokenMalformed)?;
        let (header, claims) = signed.split_once('.').ok_or(InboundError::TokenMalformed)?;
        Ok(Self { header: part(header)?, claims: part(claims)?, signed, signature })
    }

    /// Check 3: RSA with SHA-2, nothing else. `none` and HS256 would let anyone sign with what is public.
    pub(super) fn algorithm(&self) -> Result<Algorithm, InboundError> {
        if self.header.crit.is_some() {
            return Err(InboundError::Algorithm);
        }
        match self.header.alg.as_deref() {
            Some("RS256") => Ok(Algorithm::RS256),
            Some("RS384") => Ok(Algorithm::RS384),
            Some("RS512") => Ok(Algorithm::RS512),
            _ => Err(InboundError::Algorithm),
        }
    }

    pub(super) fn kid(&self) -> Result<&str, InboundError> {
        self.header.kid.as_deref().filter(|kid| !kid.is_empty()).ok_or(InboundError::UnknownKey)
    }

    /// Check 4, the signature.
    pub(super) fn check_signature(
        &self,
        key: &DecodingKey,
        algorithm: Algorithm,
    ) -> Result<(), InboundError> {
        match jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(InboundError::Signature),
        }
    }

    /// Check 4, the times: `exp` must be there, `nbf` may be.
    pub(super) fn check_times(&self, now: i64) -> Result<(), InboundError> {
        let expires = self.claims.exp.as_ref().and_then(seconds).ok_or(InboundError::Expired)?;
        if now.saturating_sub(SKEW) >= expires {
            return Err(InboundError::Expired);
        }
        if let Some(nbf) = &self.claims.nbf {
            let from = seconds(nbf).ok_or(InboundError::NotYetValid)?;
            if now.saturating_add(SKEW) < from {
                return Err(InboundError::NotYetValid);
            }
        }
        Ok(())
    }
}

fn part<T: for<'de> Deserialize<'de>>(encoded: &str) -> Result<T, InboundError> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| InboundError::TokenMalformed)?;
    serde_json::from_slice(&bytes).map_err(|_| InboundError::TokenMalformed)
}

/// Whole seconds; JSON allows fractions.
fn seconds(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn bearer(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("Bearer {}.{}.AAAA", part(header), part(claims))
    }

    fn error<T>(result: Result<T, InboundError>) -> Option<InboundError> {
        result.err()
    }

    #[test]
    fn shapes_of_the_header() {
        use InboundError::{AuthorizationMalformed, AuthorizationMissing, TokenMalformed};
        assert_eq!(error(Token::read(None)), Some(AuthorizationMissing));
        for value in ["", "Bearer", "Bearer a b", "Basic YTpi", "a.b.c", "Bearer\u{a0}a.b.c"] {
            assert_eq!(error(Token::read(Some(value))), Some(AuthorizationMalformed), "{value}");
        }
        for value in ["Bearer x", "Bearer a.b", "Bearer a.b.c", "Bearer e30.e30=.c", "Bearer e30.WzFd.c"] {
            assert_eq!(error(Token::read(Some(value))), Some(TokenMalformed), "{value}");
        }
        let long = format!("Bearer {}", "a".repeat(LONGEST + 1));
        assert_eq!(error(Token::read(Some(&long))), Some(TokenMalformed));
        assert!(Token::read(Some("bearer e30.e30.")).is_ok());
    }

    #[test]
    fn algorithms() {
        for (header, accepted) in [
            (json!({"alg": "RS256", "cty": "JWT"}), true),
            (json!({"alg": "RS384"}), true),
            (json!({"alg": "RS512"}), true),
            (json!({"alg": "none"}), false),
            (json!({"alg": "None"}), false),
            (json!({"alg": "HS256"}), false),
            (json!({"alg": "PS256"}), false),
            (json!({"alg": "ES256"}), false),
            (json!({"alg": "rs256"}), false),
            (json!({}), false),
            (json!({"alg": "RS256", "crit": ["b64"]}), false),
        ] {
            let value = bearer(&header, &json!({}));
            assert_eq!(Token::read(Some(&value)).unwrap().algorithm().is_ok(), accepted, "{header}");
        }
    }

    #[test]
    fn times_with_five_minutes_of_skew() {
        use InboundError::{Expired, NotYetValid};
        for (claims, expected) in [
            (json!({"exp": 1000, "nbf": 0}), None),
            (json!({"exp": 701}), None),
            (json!({"exp": 700}), Some(Expired)),
            (json!({"exp": 701.5}), None),
            (json!({}), Some(Expired)),
            (json!({"exp": -1e300}), Some(Expired)),
            (json!({"exp": 2000, "nbf": 1300}), None),
            (json!({"exp": 2000, "nbf": 1301}), Some(NotYetValid)),
            (json!({"exp": i64::MAX, "nbf": i64::MIN}), None),
        ] {
            let value = bearer(&json!({}), &claims);
            assert_eq!(error(Token::read(Some(&value)).unwrap().check_times(1000)), expected, "{claims}");
        }
    }

    #[test]
    fn one_audience() {
        for (aud, expected) in [
            (json!("a"), Some("a")),
            (json!(["a"]), Some("a")),
            (json!(["a", "b"]), None),
            (json!([]), None),
            (json!(5), None),
        ] {
            let value = bearer(&json!({}), &json!({ "aud": aud }));
            assert_eq!(Token::read(Some(&value)).unwrap().claims.audience(), expected);
        }
    }

    proptest! {
        #[test]
        fn any_header_is_taken_apart(value in ".{0,200}") {
            let _ = Token::read(Some(&value));
            let _ = Token::read(Some(&format!("Bearer {value}")));
        }
    }
}
