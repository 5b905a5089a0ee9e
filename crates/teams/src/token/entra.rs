//! Tokens of Entra for one app, by whichever credential it has (protocol section 2.1).

use std::fmt;

use ::http::Method;
use async_trait::async_trait;

use super::cache::{CachedTokens, Grant, Grantor};
use super::credential::Proof;
use super::{Credential, TokenError, refusal};
use crate::clock::Clock;
use crate::cloud::{Endpoints, check_own_endpoint};
use crate::http::{CallFailure, ContentType, HttpClient, Request, encoded};

/// Tokens for one app from Entra's token endpoint.
pub type EntraTokens = CachedTokens<Entra>;

/// Entra's token endpoint, as one app asks it.
pub struct Entra {
    http: HttpClient,
    authority: String,
    tenant: String,
    client_id: String,
    credential: Credential,
    scope: String,
}

impl EntraTokens {
    /// Tokens for `client_id` from `tenant` (a single-tenant app: its own tenant; a multi-tenant one: the cloud's login
    /// tenant), with the cloud's bot scope.
    pub fn new(
        http: HttpClient,
        endpoints: &Endpoints,
        tenant: Option<&str>,
        client_id: &str,
        credential: Credential,
    ) -> Self {
        let tenant = tenant.unwrap_or(endpoints.login_tenant());
        let scope = endpoints.bot_scope().to_owned();
        Self::of(Entra::for_scope(http, endpoints, tenant, client_id, credential, scope))
    }
}

#[async_trait]
impl Grantor for Entra {
    async fn grant(&self, clock: &Clock) -> Result<Grant, TokenError> {
        check_own_endpoint(&self.authority).map_err(|error| TokenError::Refused {
            code: None,
            problem: format!("the authority cannot be used, {error}"),
            fix: "check endpoints.authority".to_owned(),
            text: String::new(),
        })?;
        let url = self.url();
        let proof = self.credential.proof(&self.http, &url, &self.client_id, clock).await?;
        let answer = self.http.send(&self.request(url, &proof), None).await.map_err(|failure| {
            let (CallFailure::NotSent { cause } | CallFailure::MaybeSent { cause }) = failure;
            TokenError::Unreachable { cause, retry_after: None }
        })?;
        if !answer.status.is_success() {
            let retry_after = answer.retry_after(clock.now());
            return Err(refusal::of(&answer, retry_after, proof.value()));
        }
        Grant::read(&answer, clock.now())
    }
}

impl Entra {
    pub(super) fn for_scope(
        http: HttpClient,
        endpoints: &Endpoints,
        tenant: &str,
        client_id: &str,
        credential: Credential,
        scope: String,
    ) -> Self {
        let (authority, tenant) = (endpoints.authority().to_owned(), tenant.to_owned());
        Self { http, authority, tenant, client_id: client_id.to_owned(), credential, scope }
    }

    fn url(&self) -> String {
        format!("{}/{}/oauth2/v2.0/token", self.authority, encoded(&self.tenant))
    }

    fn request(&self, url: String, proof: &Proof) -> Request {
        let form = [
            "grant_type=client_credentials".to_owned(),
            format!("client_id={}", encoded(&self.client_id)),
            proof.form(),
            format!("scope={}", encoded(&self.scope)),
        ];
        Request::new(Method::POST, url).with_body(ContentType::Form, form.join("&").into())
    }
}

impl fmt::Debug for Entra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntraTokens")
            .field("authority", &self.authority)
            .field("tenant", &self.tenant)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    #[test]
    fn the_request_is_a_form() {
        let http = HttpClient::builder().build().unwrap();
        let endpoints = Endpoints::of(crate::cloud::Cloud::Public);
        let credential = Credential::Secret(SecretString::from("a&b=c d+ü"));
        let entra = Entra {
            http,
            authority: endpoints.authority().to_owned(),
            tenant: endpoints.login_tenant().to_owned(),
            client_id: "app".to_owned(),
            credential,
            scope: endpoints.bot_scope().to_owned(),
        };
        let proof = Proof::Secret(SecretString::from("a&b=c d+ü"));
        let request = entra.request(entra.url(), &proof);
        assert_eq!(request.url, "https://login.microsoftonline.com/botframework.com/oauth2/v2.0/token");
        let (_, body) = request.body.unwrap();
        assert_eq!(
            body,
            "grant_type=client_credentials&client_id=app&client_secret=a%26b%3Dc%20d%2B%C3%BC&scope=https%3A%2F%2Fapi.botframework.com%2F.default"
        );
        assert!(!format!("{entra:?}").contains("a&b"));
    }
}
