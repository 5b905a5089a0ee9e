//! Tokens of Entra for one app, by whichever credential it has (protocol sections 2.1 and 2.6).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ::http::Method;
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

use super::credential::Proof;
use super::{AccessToken, Credential, TokenError, TokenSource, refusal};
use crate::clock::Clock;
use crate::cloud::{Endpoints, check_own_endpoint};
use crate::http::{CallFailure, ContentType, HttpClient, Request, encoded};

/// A token is asked for anew this long before it expires (protocol section 2.6).
const EARLY: Duration = Duration::from_mins(5);
/// What an answer without `expires_in` is taken for; Entra always says it.
const UNSAID: Duration = Duration::from_mins(10);
/// Nothing lives longer; the bound keeps arithmetic on times from overflowing.
const LONGEST: Duration = Duration::from_hours(7 * 24);
/// After an early refresh that failed, the token at hand is used this long before the next try.
const NEXT_TRY: Duration = Duration::from_secs(30);

/// Tokens for one app. Concurrent callers share one request, and its failure.
pub struct EntraTokens {
    http: HttpClient,
    clock: Clock,
    authority: String,
    tenant: String,
    client_id: String,
    credential: Credential,
    scope: String,
    cached: Mutex<Option<Cached>>,
    /// Held for the time of a request. In it: how the last one failed, if it did.
    flight: tokio::sync::Mutex<Option<TokenError>>,
    /// Requests that have ended. A caller that sees it move while it waits takes that request's result.
    landed: AtomicU64,
}

#[derive(Clone)]
struct Cached {
    token: AccessToken,
    refresh_at: SystemTime,
    expires_at: SystemTime,
}

/// Both forms: numbers (v2) and strings (v1).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Value,
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
        Self {
            http,
            clock: Clock::system(),
            authority: endpoints.authority().to_owned(),
            tenant: tenant.unwrap_or(endpoints.login_tenant()).to_owned(),
            client_id: client_id.to_owned(),
            credential,
            scope: endpoints.bot_scope().to_owned(),
            cached: Mutex::new(None),
            flight: tokio::sync::Mutex::new(None),
            landed: AtomicU64::new(0),
        }
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    fn cached(&self) -> Option<Cached> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, cached: Option<Cached>) {
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = cached;
    }

    fn fresh(&self) -> Option<AccessToken> {
        let now = self.clock.now();
        self.cached().filter(|cached| now < cached.refresh_at).map(|cached| cached.token)
    }

    /// The cached token, if it is good but was due for its early refresh. It is then left alone for a while.
    fn still_good(&self) -> Option<AccessToken> {
        let now = self.clock.now();
        let mut cached = self.cached().filter(|cached| now < cached.expires_at)?;
        cached.refresh_at = cached.expires_at.min(now + NEXT_TRY);
        let token = cached.token.clone();
        self.put(Some(cached));
        Some(token)
    }

    async fn fetch(&self) -> Result<AccessToken, TokenError> {
        check_own_endpoint(&self.authority).map_err(|error| TokenError::Refused {
            code: None,
            problem: format!("the authority cannot be used, {error}"),
            fix: "check endpoints.authority".to_owned(),
            text: String::new(),
        })?;
        let url = self.url();
        let proof = self.credential.proof(&url, &self.client_id, &self.clock).await?;
        let asked_at = self.clock.now();
        let answer = self.http.send(&self.request(url, &proof), None).await.map_err(|failure| {
            let (CallFailure::NotSent { cause } | CallFailure::MaybeSent { cause }) = failure;
            TokenError::Unreachable { cause, retry_after: None }
        })?;
        if !answer.status.is_success() {
            let retry_after = answer.retry_after(self.clock.now());
            return Err(refusal::of(&answer, retry_after, proof.value()));
        }
        let unreadable = || TokenError::Unreachable {
            cause: format!("it answered {} with what is no token", answer.status.as_u16()),
            retry_after: None,
        };
        let granted: Granted = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
        let token = AccessToken::new(granted.access_token).ok_or_else(unreadable)?;
        // Counted from before the question: the answer's way back is part of its life.
        let life = lifetime(&granted.expires_in);
        self.put(Some(Cached {
            token: token.clone(),
            refresh_at: asked_at + refresh_after(life),
            expires_at: asked_at + life,
        }));
        Ok(token)
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
        Request { method: Method::POST, url, body: Some((ContentType::Form, form.join("&").into())) }
    }
}

#[async_trait]
impl TokenSource for EntraTokens {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let before = self.landed.load(Ordering::Acquire);
        let mut failed = self.flight.lock().await;
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        if self.landed.load(Ordering::Acquire) != before
            && let Some(error) = &*failed
        {
            return Err(error.clone());
        }
        let result = self.fetch().await;
        self.landed.fetch_add(1, Ordering::AcqRel);
        *failed = result.as_ref().err().cloned();
        match result {
            Ok(token) => Ok(token),
            Err(error) => match self.still_good() {
                Some(token) => {
                    tracing::warn!(%error, "early refresh of the access token failed, the old one is still good");
                    Ok(token)
                }
                None => Err(error),
            },
        }
    }

    async fn refused(&self, token: &AccessToken) {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        // Another caller may have brought a new one already: that one stays.
        if cached.as_ref().is_some_and(|cached| cached.token.same_as(token)) {
            *cached = None;
        }
    }
}

impl fmt::Debug for EntraTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntraTokens")
            .field("authority", &self.authority)
            .field("tenant", &self.tenant)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// `expires_in`, as a number or as text.
fn lifetime(expires_in: &Value) -> Duration {
    let seconds = match expires_in {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match seconds {
        Some(seconds) if seconds > 0.0 => Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())),
        Some(_) => Duration::ZERO,
        None => UNSAID,
    }
}

/// 300 s before the end, or half-way through a life that is shorter than twice that.
fn refresh_after(life: Duration) -> Duration {
    life.saturating_sub(EARLY).max(life / 2)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;

    #[test]
    fn lifetimes_of_both_forms() {
        for (value, seconds) in [
            (json!(3599), 3599),
            (json!("3599"), 3599),
            (json!(86398), 86398),
            (json!(-5), 0),
            (json!(1e300), LONGEST.as_secs()),
            (json!("NaN"), 0),
            (json!("soon"), 600),
            (Value::Null, 600),
        ] {
            assert_eq!(lifetime(&value).as_secs(), seconds, "{value}");
        }
    }

    #[test]
    fn early_refresh() {
        for (life, after) in [(3600, 3300), (86398, 86098), (600, 300), (400, 200), (10, 5), (0, 0)] {
            assert_eq!(refresh_after(Duration::from_secs(life)).as_secs(), after, "{life}");
        }
    }

    #[test]
    fn the_request_is_a_form() {
        let http = HttpClient::builder().build().unwrap();
        let endpoints = Endpoints::of(crate::cloud::Cloud::Public);
        let credential = Credential::Secret(SecretString::from("a&b=c d+ü"));
        let tokens = EntraTokens::new(http, &endpoints, None, "app", credential);
        let proof = Proof::Secret(SecretString::from("a&b=c d+ü"));
        let request = tokens.request(tokens.url(), &proof);
        assert_eq!(request.url, "https://login.microsoftonline.com/botframework.com/oauth2/v2.0/token");
        let (_, body) = request.body.unwrap();
        assert_eq!(
            body,
            "grant_type=client_credentials&client_id=app&client_secret=a%26b%3Dc%20d%2B%C3%BC&scope=https%3A%2F%2Fapi.botframework.com%2F.default"
        );
        assert!(!format!("{tokens:?}").contains("a&b"));
    }
}
