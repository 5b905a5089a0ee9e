//! Managed identities: tokens that the machine in Azure gives to whatever runs on it (protocol section 2.4).

use std::fmt;
use std::net::IpAddr;

use ::http::{HeaderName, HeaderValue, Method};
use async_trait::async_trait;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::cache::{CachedTokens, Grant, Grantor};
use super::{TokenError, refusal};
use crate::clock::Clock;
use crate::cloud::{Endpoints, Hosts};
use crate::http::{CallFailure, HttpClient, Request, encoded};

/// Which of the machine's identities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The machine's own.
    SystemAssigned,
    /// One that was assigned to it; its client id.
    UserAssigned(String),
}

/// Whom to ask.
#[derive(Clone)]
enum Host {
    /// The metadata service of virtual machines and AKS nodes.
    Imds { base: String },
    /// App Service, Functions, Container Apps: what the platform put into the environment.
    AppService { endpoint: String, header: HeaderValue },
}

/// One identity of this machine. Without what proves that we are on it.
#[derive(Clone)]
pub struct ManagedIdentity {
    host: Host,
    identity: Identity,
    /// What its token is for, where it vouches for an app.
    token_exchange: &'static str,
}

/// Why `IDENTITY_ENDPOINT` cannot be used. The text names neither it nor the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ManagedIdentityError {
    /// Only this machine and its link-local addresses may be asked over http.
    #[error("IDENTITY_ENDPOINT is not an address of this machine (loopback or 169.254.0.0/16)")]
    Endpoint,
    /// It cannot stand in a header.
    #[error("IDENTITY_HEADER is not a text that a header can hold")]
    Header,
}

impl ManagedIdentity {
    /// The identity as the metadata service gives it (IMDS).
    pub fn imds(endpoints: &Endpoints, identity: Identity) -> Self {
        let host = Host::Imds { base: endpoints.imds().to_owned() };
        Self { host, identity, token_exchange: endpoints.token_exchange() }
    }

    /// The identity as App Service gives it: what `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` say.
    ///
    /// The token is as good as a password, and plain http protects nothing: it is asked for only on this machine, or on
    /// the link-local addresses that App Service on Linux has, which no packet leaves the machine's network for.
    pub fn app_service(
        endpoints: &Endpoints,
        endpoint: &str,
        header: &SecretString,
        identity: Identity,
    ) -> Result<Self, ManagedIdentityError> {
        let url = Url::parse(endpoint).map_err(|_| ManagedIdentityError::Endpoint)?;
        if !is_near(&url, *endpoints.hosts() == Hosts::Loopback) {
            return Err(ManagedIdentityError::Endpoint);
        }
        let mut header =
            HeaderValue::from_str(header.expose_secret()).map_err(|_| ManagedIdentityError::Header)?;
        header.set_sensitive(true);
        let host = Host::AppService { endpoint: url.into(), header };
        Ok(Self { host, identity, token_exchange: endpoints.token_exchange() })
    }

    pub(super) fn token_exchange(&self) -> &'static str {
        self.token_exchange
    }

    /// Asks once for a token for `resource`, which has no `/.default`.
    pub(super) async fn ask(
        &self,
        http: &HttpClient,
        resource: &str,
        clock: &Clock,
    ) -> Result<Grant, TokenError> {
        let answer = http.send(&self.request(resource), None).await.map_err(|failure| {
            let (CallFailure::NotSent { cause } | CallFailure::MaybeSent { cause }) = failure;
            TokenError::Unreachable {
                cause: format!("{} does not answer ({cause}): {}", self.place(), self.place_fix()),
                retry_after: None,
            }
        })?;
        if answer.status.is_success() {
            return Grant::read(&answer, clock.now());
        }
        let secret = match &self.host {
            Host::Imds { .. } => "",
            Host::AppService { header, .. } => header.to_str().unwrap_or_default(),
        };
        Err(refusal::of_managed_identity(&answer, answer.retry_after(clock.now()), self.place(), secret))
    }

    fn request(&self, resource: &str) -> Request {
        let (url, version, name, value) = match &self.host {
            Host::Imds { base } => (
                format!("{base}/metadata/identity/oauth2/token"),
                "2018-02-01",
                HeaderName::from_static("metadata"),
                HeaderValue::from_static("true"),
            ),
            Host::AppService { endpoint, header } => {
                (endpoint.clone(), "2019-08-01", HeaderName::from_static("x-identity-header"), header.clone())
            }
        };
        let which = match &self.identity {
            Identity::SystemAssigned => String::new(),
            Identity::UserAssigned(client_id) => format!("&client_id={}", encoded(client_id)),
        };
        let url = format!("{url}?api-version={version}&resource={}{which}", encoded(resource));
        Request::new(Method::GET, url).with_header(name, value)
    }

    /// What it is called in errors.
    fn place(&self) -> &'static str {
        match &self.host {
            Host::Imds { .. } => "the metadata service of this machine (IMDS)",
            Host::AppService { .. } => "the platform's IDENTITY_ENDPOINT",
        }
    }

    fn place_fix(&self) -> &'static str {
        match &self.host {
            Host::Imds { .. } => "it is there only on a machine in Azure",
            Host::AppService { .. } => "it is there only inside the app that the platform started",
        }
    }
}

/// An address of this machine, or a link-local one; nothing that a query or a user name could be hidden in.
fn is_near(url: &Url, loopback_only: bool) -> bool {
    let host = url.host_str().unwrap_or_default();
    let link_local = host.parse::<IpAddr>().is_ok_and(|address| match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(_) => false,
    });
    matches!(url.scheme(), "http" | "https")
        && (crate::cloud::is_loopback(url) || (link_local && !loopback_only))
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}

impl fmt::Debug for ManagedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match &self.host {
            Host::Imds { .. } => "imds",
            Host::AppService { .. } => "app_service",
        };
        f.debug_struct("ManagedIdentity")
            .field("host", &host)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Tokens for a bot that is a managed identity.
pub type ManagedIdentityTokens = CachedTokens<ManagedBot>;

/// A bot that is a managed identity. Its tokens are of the identity's own tenant and no other.
#[derive(Debug)]
pub struct ManagedBot {
    http: HttpClient,
    identity: ManagedIdentity,
    resource: String,
}

impl ManagedIdentityTokens {
    /// Tokens for the cloud's Connector.
    pub fn new(http: HttpClient, endpoints: &Endpoints, identity: ManagedIdentity) -> Self {
        let scope = endpoints.bot_scope();
        let resource = scope.strip_suffix("/.default").unwrap_or(scope);
        Self::of(ManagedBot::for_resource(http, identity, resource))
    }
}

impl ManagedBot {
    pub(super) fn for_resource(http: HttpClient, identity: ManagedIdentity, resource: &str) -> Self {
        Self { http, identity, resource: resource.to_owned() }
    }
}

#[async_trait]
impl Grantor for ManagedBot {
    async fn grant(&self, clock: &Clock) -> Result<Grant, TokenError> {
        self.identity.ask(&self.http, &self.resource, clock).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Cloud;

    #[test]
    fn endpoints_of_this_machine_only() {
        let header = SecretString::from("h3ader");
        let taken = |cloud, url: &str| {
            ManagedIdentity::app_service(&Endpoints::of(cloud), url, &header, Identity::SystemAssigned)
                .is_ok()
        };
        for url in [
            "http://127.0.0.1:41741/msi/token/",
            "http://localhost:42356/msi/token",
            "http://169.254.129.2:8081/msi/token",
        ] {
            assert!(taken(Cloud::Public, url), "{url}");
        }
        for url in [
            "http://10.0.0.4:8081/msi/token",
            "https://evil.example/msi/token",
            "http://169.254.129.2.evil.example/msi/token",
            "http://user@127.0.0.1/msi/token",
            "http://127.0.0.1/msi/token?resource=x",
            "http://127.0.0.1/msi/token#",
            "ftp://127.0.0.1/msi/token",
            "/msi/token",
            "",
        ] {
            assert!(!taken(Cloud::Public, url), "{url}");
        }
        assert!(!taken(Cloud::Simulator, "http://169.254.129.2:8081/msi/token"));
        let wrong = SecretString::from("a\r\nb");
        let made = ManagedIdentity::app_service(
            &Endpoints::of(Cloud::Public),
            "http://127.0.0.1/",
            &wrong,
            Identity::SystemAssigned,
        );
        assert_eq!(made.unwrap_err(), ManagedIdentityError::Header);
    }

    #[test]
    fn requests_as_the_sheet_has_them() {
        let endpoints = Endpoints::of(Cloud::GccHigh);
        let imds = ManagedIdentity::imds(&endpoints, Identity::UserAssigned("3c9e7a52".into()));
        let request = imds.request("https://api.botframework.us");
        assert_eq!(
            request.url,
            "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fapi.botframework.us&client_id=3c9e7a52"
        );
        assert_eq!(
            request.headers,
            [(HeaderName::from_static("metadata"), HeaderValue::from_static("true"))]
        );
        let header = SecretString::from("h3ader");
        let hosted = ManagedIdentity::app_service(
            &endpoints,
            "http://127.0.0.1:41741/msi/token",
            &header,
            Identity::SystemAssigned,
        )
        .unwrap();
        let request = hosted.request("https://api.botframework.us");
        assert_eq!(
            request.url,
            "http://127.0.0.1:41741/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fapi.botframework.us"
        );
        let (name, value) = &request.headers[0];
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-identity-header", "h3ader"));
        assert!(value.is_sensitive());
        assert!(!format!("{hosted:?} {request:?}").contains("h3ader"));
    }
}
