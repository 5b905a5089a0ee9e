//! Who may post to the bot endpoint (protocol section 3).
//!
//! Order matters: the token is checked whole (issuer, algorithm, key, signature, times, audience, endorsement) before the
//! body is looked at, and the body is bound to the token before anything in it is believed. Whoever weakens a check here
//! hands the bot's token, which opens all of its conversations, to a stranger's service URL.

mod body;
mod error;
mod jwt;
mod keys;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::clock::Clock;
use crate::cloud::{Cloud, Endpoints, ServiceUrl};
use crate::http::HttpClient;
use crate::schema::Activity;

pub use error::InboundError;
pub use keys::KeyPolicy;

use jwt::Token;
use keys::KeyStore;

/// The channel that keys must be endorsed for, and activities must come from.
const CHANNEL: &str = "msteams";

/// One app that may be spoken to, and by which tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedApp {
    /// The app id.
    pub app_id: String,
    /// The tenants.
    pub tenants: AllowedTenants,
}

/// From which tenants activities are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedTenants {
    /// From any: `["*"]` in the configuration.
    Any,
    /// From these.
    Only(BTreeSet<String>),
}

impl AllowedTenants {
    fn allow(&self, tenant_id: &str) -> bool {
        match self {
            AllowedTenants::Any => true,
            AllowedTenants::Only(tenants) => {
                tenants.iter().any(|allowed| allowed.eq_ignore_ascii_case(tenant_id))
            }
        }
    }
}

/// An activity that passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// Which of our apps it is for, as it was configured.
    pub app_id: String,
    /// From which tenant it is. In local mode the nil id where the activity names none.
    pub tenant_id: String,
    /// Where answers go: signed by Microsoft and one of the cloud's hosts.
    pub service_url: ServiceUrl,
    /// The activity.
    pub activity: Activity,
    /// Taken without a token, in local mode; ids may have forms that Microsoft's never have.
    pub unsigned: bool,
}

/// Checks what is posted to the bot endpoint. One serves all apps of one cloud.
pub struct Authenticator {
    endpoints: Endpoints,
    clock: Clock,
    mode: Mode,
}

enum Mode {
    Checked { apps: Vec<AcceptedApp>, keys: Arc<KeyStore> },
    Local { app_id: String },
}

impl Authenticator {
    /// Takes what Microsoft (or the simulator) signed for one of `apps`.
    pub fn new(endpoints: Endpoints, apps: Vec<AcceptedApp>, http: HttpClient, clock: Clock) -> Self {
        Self::with_key_policy(endpoints, apps, http, clock, KeyPolicy::default())
    }

    /// The same, with other intervals for fetching keys.
    pub fn with_key_policy(
        endpoints: Endpoints,
        apps: Vec<AcceptedApp>,
        http: HttpClient,
        clock: Clock,
        policy: KeyPolicy,
    ) -> Self {
        let keys = KeyStore::new(endpoints.openid_metadata().to_owned(), http, clock.clone(), policy);
        Self { endpoints, clock, mode: Mode::Checked { apps, keys: Arc::new(keys) } }
    }

    /// Takes anything that is posted and believes it, for `nuncio serve --local`: no token is needed, and the only service
    /// URLs are this computer's, so nothing can leave it.
    pub fn local(app_id: impl Into<String>) -> Self {
        Self {
            endpoints: Endpoints::of(Cloud::Simulator),
            clock: Clock::system(),
            mode: Mode::Local { app_id: app_id.into() },
        }
    }

    /// Fetches the keys now, so that the first activity need not wait and a wrong metadata URL shows at start.
    pub async fn warm_up(&self) -> Result<(), InboundError> {
        match &self.mode {
            Mode::Checked { keys, .. } => keys.warm_up().await,
            Mode::Local { .. } => Ok(()),
        }
    }

    /// The checks, with the `Authorization` header and the whole body (bounded by the caller).
    pub async fn authenticate(
        &self,
        authorization: Option<&str>,
        body: &[u8],
    ) -> Result<Verified, InboundError> {
        match &self.mode {
            Mode::Checked { apps, keys } => self.checked(apps, keys, authorization, body).await,
            Mode::Local { app_id } => self.believed(app_id, body),
        }
    }

    async fn checked(
        &self,
        apps: &[AcceptedApp],
        keys: &Arc<KeyStore>,
        authorization: Option<&str>,
        body: &[u8],
    ) -> Result<Verified, InboundError> {
        let token = Token::read(authorization)?;
        if token.claims.iss.as_deref() != Some(self.endpoints.issuer()) {
            return Err(InboundError::Issuer);
        }
        let algorithm = token.algorithm()?;
        let key = keys.find(token.kid()?).await?;
        token.check_signature(&key.decoding, algorithm)?;
        token.check_times(self.clock.unix_seconds())?;
        let audience = token.claims.audience().ok_or(InboundError::Audience)?;
        let app = apps
            .iter()
            .find(|app| app.app_id.eq_ignore_ascii_case(audience))
            .ok_or(InboundError::Audience)?;
        if !key.endorsements.iter().any(|endorsed| endorsed == CHANNEL) {
            return Err(InboundError::Endorsement);
        }
        // Only now is the body worth reading.
        let activity = body::parse(body)?;
        if activity.channel_id.as_deref() != Some(CHANNEL) {
            return Err(InboundError::Channel);
        }
        body::check_recipient(&activity, &app.app_id)?;
        let claimed = token.claims.serviceurl.as_deref().ok_or(InboundError::ServiceUrlClaimMissing)?;
        let named = activity.service_url.as_deref().ok_or(InboundError::ServiceUrlMissing)?;
        if !body::same_service_url(claimed, named) {
            return Err(InboundError::ServiceUrlMismatch);
        }
        let service_url =
            self.endpoints.check_service_url(named).map_err(|_| InboundError::ServiceUrlNotAllowed)?;
        let tenant_id = body::tenant(&activity)?.ok_or(InboundError::TenantMissing)?.to_owned();
        if !app.tenants.allow(&tenant_id) {
            return Err(InboundError::TenantNotAllowed);
        }
        Ok(Verified { app_id: app.app_id.clone(), tenant_id, service_url, activity, unsigned: false })
    }

    fn believed(&self, app_id: &str, body: &[u8]) -> Result<Verified, InboundError> {
        let activity = body::parse(body)?;
        let named = activity.service_url.as_deref().ok_or(InboundError::ServiceUrlMissing)?;
        let service_url =
            self.endpoints.check_service_url(named).map_err(|_| InboundError::ServiceUrlNotAllowed)?;
        let tenant_id = body::tenant(&activity)?.map_or_else(|| uuid::Uuid::nil().to_string(), str::to_owned);
        Ok(Verified { app_id: app_id.to_owned(), tenant_id, service_url, activity, unsigned: true })
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("cloud", &self.endpoints.cloud()).finish_non_exhaustive()
    }
}
