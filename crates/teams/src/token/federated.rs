//! Another issuer's token as the app's credential: workload identity, and a managed identity that vouches for the app
//! (protocol section 2.5).

use std::path::Path;

use secrecy::SecretString;

use super::{ManagedIdentity, TokenError};
use crate::clock::Clock;
use crate::http::HttpClient;

/// A token of the identity. Asked for each time: it is needed once in the life of a token of the app, and its own
/// endpoint keeps it.
pub(super) async fn by_identity(
    http: &HttpClient,
    identity: &ManagedIdentity,
    clock: &Clock,
) -> Result<SecretString, TokenError> {
    Ok(identity.ask(http, identity.token_exchange(), clock).await?.into_token().to_secret())
}

/// The token in `file`. Read for each request: whoever writes it (Kubernetes, say) renews it before it expires.
pub(super) async fn assertion(file: &Path) -> Result<SecretString, TokenError> {
    let refused = |what: String| TokenError::Refused {
        code: None,
        problem: format!("the federated token file {} {what}", file.display()),
        fix: "check federated_token_file and what writes it".to_owned(),
        text: String::new(),
    };
    let text = tokio::fs::read_to_string(file)
        .await
        .map_err(|error| refused(format!("cannot be read: {}", error.kind())))?;
    let token = text.trim();
    // A wrong path may name a file that is nobody else's to see: only what can be a token leaves.
    if !is_jwt(token) {
        return Err(refused("holds no token (JWT)".to_owned()));
    }
    Ok(SecretString::from(token))
}

/// Three parts of base64url with dots between.
fn is_jwt(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    text.split('.').count() == 3 && text.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_token() {
        assert!(is_jwt("eyJhbGciOi.eyJhdWQ-_.c2ln"));
        for wrong in ["", "a", "a.b", "a.b.c.d", "a..c", "a.b.c\nd", "a.b.c=", "-----BEGIN PRIVATE KEY-----"]
        {
            assert!(!is_jwt(wrong), "{wrong}");
        }
    }
}
