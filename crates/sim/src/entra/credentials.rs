//! How a bot can prove who it is, as it was registered.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{certificate::Certificate, federated::Federated};
use crate::signing::sha256;

#[derive(Default)]
pub(crate) struct Credentials {
    pub(crate) secret: Option<String>,
    /// The secret is right but no longer good: 7000222 (protocol section 2.7).
    pub(crate) secret_expired: bool,
    /// Whose keys may sign assertions instead of the secret (protocol section 2.3).
    pub(crate) certificates: Vec<Certificate>,
    /// The certificates were taken off the registration: 700027.
    pub(crate) certificates_removed: bool,
    /// `jti` of the assertions that were taken and when they expire.
    pub(crate) assertions_used: HashMap<String, i64>,
    /// Client id of the managed identity that the bot runs under (protocol section 2.4).
    pub(crate) managed_identity: Option<String>,
    /// Whose tokens stand for the secret (protocol section 2.5).
    pub(crate) federated: Vec<Federated>,
}

impl Credentials {
    pub(crate) fn none(&self) -> bool {
        self.secret.is_none()
            && self.certificates.is_empty()
            && self.managed_identity.is_none()
            && self.federated.is_empty()
    }

    /// Without the secret.
    pub(crate) fn show(&self) -> Value {
        let certificates: Vec<&str> =
            self.certificates.iter().map(|certificate| certificate.sha256.as_str()).collect();
        json!({
            "secret_expired": self.secret_expired, "certificates": certificates,
            "certificates_removed": self.certificates_removed, "managed_identity": self.managed_identity,
            "managed_identity_principal": self.managed_identity.as_deref().map(principal),
            "federated": self.federated.iter().map(Federated::show).collect::<Vec<_>>(),
        })
    }
}

/// The object id of a managed identity, which is not its client id.
pub(crate) fn principal(client_id: &str) -> uuid::Uuid {
    let hash = sha256(&[b"principal", client_id.to_ascii_lowercase().as_bytes()]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
