//! What an app proves itself with comes to an end: told ahead, in the log and with its lanes.

use std::time::Duration;

use nuncio_domain::Time;

use crate::times;

/// How long ahead it is told.
const AHEAD: Duration = Duration::from_hours(30 * 24);
const DAY: u64 = 24 * 3600;

/// What comes to an end. Tokens of a managed identity and of a federated credential are renewed by who gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    Certificate,
    /// No secret tells when it ends: the configuration does.
    ClientSecret,
}

impl CredentialKind {
    /// The word for it in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::ClientSecret => "client_secret",
        }
    }
}

/// The end of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialEnd {
    pub kind: CredentialKind,
    pub at: Time,
}

impl CredentialEnd {
    /// What is to be said of it now, if anything is.
    pub fn warning(self, now: Time) -> Option<String> {
        let (what, fix) = match self.kind {
            CredentialKind::Certificate => (
                "the certificate",
                "register a new one in Entra, set certificate_file and private_key_file, and start again",
            ),
            CredentialKind::ClientSecret => (
                "the client secret",
                "make a new one in Entra, set client_secret or client_secret_file, and client_secret_expires, and start \
                 again",
            ),
        };
        let at = times::text(self.at);
        if self.at <= now {
            return Some(match self.kind {
                CredentialKind::Certificate => {
                    format!("{what} ended at {at}: no tokens are asked for; {fix}")
                }
                // Entra knows better: it is tried all the same.
                CredentialKind::ClientSecret => {
                    format!("{what} ended at {at}, as client_secret_expires says: {fix}")
                }
            });
        }
        let left = self.at.since(now);
        if left > AHEAD {
            return None;
        }
        let days = left.as_secs() / DAY;
        let within = match days {
            0 => "within a day".to_owned(),
            1 => "in 1 day".to_owned(),
            _ => format!("in {days} days"),
        };
        Some(format!("{what} ends {within}, at {at}: {fix}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_days_ahead_and_after_its_end() {
        let now = Time(1_795_341_600_000_000);
        let said = |kind, days: i64| {
            let at = Time(now.0 + days * 86_400_000_000);
            CredentialEnd { kind, at }.warning(now)
        };
        let secret = CredentialKind::ClientSecret;
        assert_eq!(said(secret, 31), None);
        for (kind, days, begins) in [
            (secret, 30, "the client secret ends in 30 days, at 2026-12-22T10:00:00Z: make a new one"),
            (CredentialKind::Certificate, 1, "the certificate ends in 1 day, at 2026-11-23"),
            (secret, 0, "the client secret ended at 2026-11-22T10:00:00Z, as client_secret_expires says"),
            (CredentialKind::Certificate, -3, "the certificate ended at 2026-11-19T10:00:00Z: no tokens"),
        ] {
            let said = said(kind, days).unwrap();
            assert!(said.starts_with(begins), "{said}");
        }
        let soon = CredentialEnd { kind: secret, at: now + Duration::from_hours(1) };
        assert!(soon.warning(now).unwrap().contains("within a day"));
    }
}
