//! Watches over credentials that come to an end: told 30 days ahead, at start and every day. It stops nothing; what is
//! over is refused where a token is asked for.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nuncio_domain::{Clock, Time};
use nuncio_server::{AppInfo, CredentialEnd, CredentialKind};
use nuncio_teams::token::Credential;

use crate::commands::pause;
use crate::config::{App, AppCredential};

const DAY: Duration = Duration::from_hours(24);

/// The end of an app's credential, where it is known.
pub fn end(app: &App) -> Option<CredentialEnd> {
    let Some(AppCredential::Entra(credential)) = &app.credential else { return None };
    match credential {
        Credential::Certificate(certificate) => {
            Some(CredentialEnd { kind: CredentialKind::Certificate, at: time(certificate.not_after()) })
        }
        Credential::Secret(_) => {
            let at = Time(app.client_secret_expires?.as_microsecond());
            Some(CredentialEnd { kind: CredentialKind::ClientSecret, at })
        }
        Credential::FederatedTokenFile(_) | Credential::FederatedIdentity(_) => None,
    }
}

/// Before 1970 no certificate ends that anybody has.
fn time(at: SystemTime) -> Time {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Says what there is to say, now and every day.
pub async fn watch(apps: Vec<AppInfo>, clock: Arc<dyn Clock>) {
    loop {
        let now = clock.now();
        for app in &apps {
            if let Some(warning) = app.credential.and_then(|end| end.warning(now)) {
                tracing::warn!(app = %app.name, "{warning}");
            }
        }
        pause(DAY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_is_known() {
        let mut app = App::local();
        assert_eq!(end(&app), None);
        let secret = Credential::Secret("hunter2".to_owned().into());
        app.credential = Some(AppCredential::Entra(secret));
        assert_eq!(end(&app), None);
        app.client_secret_expires = Some("2026-12-31T00:00:00Z".parse().unwrap());
        let told = CredentialEnd { kind: CredentialKind::ClientSecret, at: Time(1_798_675_200_000_000) };
        assert_eq!(end(&app), Some(told));

        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2026, 12, 31);
        let certificate = parameters.self_signed(&key).unwrap().pem();
        let certificate = nuncio_teams::token::Certificate::from_pem(
            certificate.as_bytes(),
            key.serialize_pem().as_bytes(),
        );
        app.credential = Some(AppCredential::Entra(Credential::Certificate(certificate.unwrap())));
        assert_eq!(end(&app), Some(CredentialEnd { kind: CredentialKind::Certificate, ..told }));
    }
}
