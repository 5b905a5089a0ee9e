//! Access tokens for the Connector and for Graph (protocol section 2).

mod cache;
mod certificate;
mod credential;
mod entra;
mod federated;
mod graph;
mod managed_identity;
mod refusal;
mod x509;

use std::fmt;

use ::http::HeaderValue;
use async_trait::async_trait;
use secrecy::SecretString;

use crate::retry_after::RetryAfter;

pub use cache::{CachedTokens, Grant, Grantor};
pub use certificate::{AssertionAlgorithm, Certificate, CertificateError};
pub use credential::Credential;
pub use entra::{Entra, EntraTokens};
pub use graph::{GraphIdentity, GraphTenantError, GraphTokens};
pub use managed_identity::{
    Identity, ManagedBot, ManagedIdentity, ManagedIdentityError, ManagedIdentityTokens,
};

/// Where tokens come from. One source serves one app; it is shared by all calls of that app.
#[async_trait]
pub trait TokenSource: Send + Sync + fmt::Debug {
    /// A token that is good now.
    async fn token(&self) -> Result<AccessToken, TokenError>;

    /// The other side answered 401 to this token: it must not be handed out again.
    async fn refused(&self, token: &AccessToken);
}

/// An access token. Shown nowhere; it leaves only as a header that is marked as sensitive. Kept as that header, whose
/// clones share it: every call has one.
#[derive(Clone)]
pub struct AccessToken(Option<HeaderValue>);

const BEARER: &str = "Bearer ";

impl AccessToken {
    /// A bearer token. `None` if it holds what cannot stand in a header, so that it never fails later.
    pub fn new(token: &str) -> Option<Self> {
        let usable = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        let mut value = HeaderValue::try_from([BEARER, token].concat()).ok().filter(|_| usable)?;
        value.set_sensitive(true);
        Some(Self(Some(value)))
    }

    /// No token: calls carry no `Authorization`.
    pub fn none() -> Self {
        Self(None)
    }

    /// Is there none?
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// As the proof of another request. `None` has no text, and no proof.
    pub(super) fn to_secret(&self) -> SecretString {
        let header = self.0.as_ref().and_then(|value| value.to_str().ok());
        SecretString::from(header.and_then(|value| value.strip_prefix(BEARER)).unwrap_or_default())
    }

    /// The value of `Authorization`.
    pub fn authorization(&self) -> Option<HeaderValue> {
        self.0.clone()
    }

    /// Is it the same token?
    pub fn same_as(&self, other: &AccessToken) -> bool {
        self.0 == other.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_none() { "AccessToken(none)" } else { "AccessToken([REDACTED])" })
    }
}

/// Why there is no token. No text holds the credential or a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The token endpoint cannot be reached or cannot answer now; it passes by itself.
    #[error("the token endpoint gave no token: {cause}")]
    Unreachable {
        /// What went wrong.
        cause: String,
        /// How long it asks to be left alone.
        retry_after: Option<RetryAfter>,
    },
    /// The token endpoint refuses this configuration: an operator must change something.
    #[error("{problem}{}: {fix}", code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Refused {
        /// Such as `AADSTS7000222`, where one was given.
        code: Option<String>,
        /// What is wrong, in a few words.
        problem: String,
        /// What to do.
        fix: String,
        /// What the endpoint said, shortened.
        text: String,
    },
}

impl TokenError {
    /// Does it pass by itself?
    pub fn is_transient(&self) -> bool {
        matches!(self, TokenError::Unreachable { .. })
    }
}

/// No tokens at all, for local work: calls carry no `Authorization`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoToken;

#[async_trait]
impl TokenSource for NoToken {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        Ok(AccessToken::none())
    }

    async fn refused(&self, _token: &AccessToken) {}
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_token_shows_itself_only_as_a_header() {
        let token = AccessToken::new("eyJhbGciOi").unwrap();
        assert!(!format!("{token:?}").contains("eyJ"));
        let header = token.authorization().unwrap();
        assert!(header.is_sensitive());
        assert_eq!(header.to_str().unwrap(), "Bearer eyJhbGciOi");
        assert!(!format!("{header:?}").contains("eyJ"));
        assert_eq!(token.to_secret().expose_secret(), "eyJhbGciOi");
        assert!(token.same_as(&token.clone()) && !token.same_as(&AccessToken::new("x").unwrap()));
        assert!(!token.same_as(&AccessToken::none()) && AccessToken::none().same_as(&AccessToken::none()));
        assert!(AccessToken::new("a\r\nb").is_none());
        assert!(AccessToken::new("").is_none());
        assert!(AccessToken::none().authorization().is_none());
    }
}
