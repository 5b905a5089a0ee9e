//! How an app proves to the token endpoint that it is the app.

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::{Certificate, ManagedIdentity, TokenError, federated};
use crate::clock::Clock;
use crate::http::{HttpClient, encoded};

/// What an app has to prove itself with.
#[derive(Clone)]
pub enum Credential {
    /// A secret, sent as it is (protocol section 2.2).
    Secret(SecretString),
    /// A certificate, whose key signs an assertion for each request (section 2.3).
    Certificate(Certificate),
    /// A file that another issuer's token is in, which Entra trusts for this app (section 2.5).
    FederatedTokenFile(PathBuf),
    /// A managed identity that Entra trusts for this app (section 2.5).
    FederatedIdentity(ManagedIdentity),
}

/// Without what is in it.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(_) => f.write_str("Secret([REDACTED])"),
            Self::Certificate(certificate) => f.debug_tuple("Certificate").field(certificate).finish(),
            Self::FederatedIdentity(identity) => f.debug_tuple("FederatedIdentity").field(identity).finish(),
            Self::FederatedTokenFile(file) => f.debug_tuple("FederatedTokenFile").field(file).finish(),
        }
    }
}

/// What proves one request.
pub(super) enum Proof {
    Secret(SecretString),
    Assertion(SecretString),
}

impl Proof {
    /// The fields of the form.
    pub(super) fn form(&self) -> String {
        let value = encoded(self.value());
        match self {
            Self::Secret(_) => format!("client_secret={value}"),
            Self::Assertion(_) => format!(
                "client_assertion_type={}&client_assertion={value}",
                encoded("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ),
        }
    }

    /// What must be in no text.
    pub(super) fn value(&self) -> &str {
        let (Self::Secret(value) | Self::Assertion(value)) = self;
        value.expose_secret()
    }
}

impl Credential {
    /// The proof for one request of `client_id` to the token endpoint `url`.
    pub(super) async fn proof(
        &self,
        http: &HttpClient,
        url: &str,
        client_id: &str,
        clock: &Clock,
    ) -> Result<Proof, TokenError> {
        match self {
            Self::Secret(secret) => Ok(Proof::Secret(secret.clone())),
            Self::Certificate(certificate) => {
                // Entra would refuse it too, and say so less clearly.
                if clock.now() > certificate.not_after() {
                    return Err(expired(certificate.not_after()));
                }
                Ok(Proof::Assertion(certificate.assertion(url, client_id, clock.unix_seconds())))
            }
            Self::FederatedIdentity(identity) => {
                federated::by_identity(http, identity, clock).await.map(Proof::Assertion)
            }
            Self::FederatedTokenFile(file) => federated::assertion(file).await.map(Proof::Assertion),
        }
    }
}

fn expired(not_after: SystemTime) -> TokenError {
    let when = Timestamp::try_from(not_after).map(|when| format!(" at {when}")).unwrap_or_default();
    TokenError::Refused {
        code: None,
        problem: format!("the certificate expired{when}"),
        fix: "register a new one in Entra, set certificate_file and private_key_file, and start again"
            .to_owned(),
        text: String::new(),
    }
}
