//! Keeping a token until it is nearly over, and asking once for all who want it (protocol section 2.6).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

use super::{AccessToken, TokenError, TokenSource};
use crate::clock::Clock;
use crate::http::Answer;

/// A token is asked for anew this long before it expires.
const EARLY: Duration = Duration::from_mins(5);
/// What an answer that says nothing of its life is taken for; Microsoft's always do.
const UNSAID: Duration = Duration::from_mins(10);
/// Nothing lives longer; the bound keeps arithmetic on times from overflowing.
const LONGEST: Duration = Duration::from_hours(7 * 24);
/// After an early refresh that failed, the token at hand is used this long before the next try.
const NEXT_TRY: Duration = Duration::from_secs(30);

/// Something that can be asked for a token.
#[async_trait]
pub trait Grantor: Send + Sync + fmt::Debug {
    /// Asks once.
    async fn grant(&self, clock: &Clock) -> Result<Grant, TokenError>;
}

/// A token as it was granted.
#[derive(Debug)]
pub struct Grant {
    token: AccessToken,
    life: Duration,
}

/// Both forms: numbers (Entra's v2) and strings (v1, managed identities).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    expires_on: Value,
}

impl Grant {
    /// The token of a 2xx.
    pub(super) fn read(answer: &Answer, now: SystemTime) -> Result<Self, TokenError> {
        let unreadable = || TokenError::Unreachable {
            cause: format!("it answered {} with what is no token", answer.status.as_u16()),
            retry_after: None,
        };
        let granted: Granted = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
        let token = AccessToken::new(&granted.access_token).ok_or_else(unreadable)?;
        Ok(Self { token, life: lifetime(&granted.expires_in, &granted.expires_on, now) })
    }

    /// The token, for whoever uses it once.
    pub(super) fn into_token(self) -> AccessToken {
        self.token
    }
}

/// Tokens of one grantor. Concurrent callers share one request, and its failure.
pub struct CachedTokens<G> {
    grantor: G,
    clock: Clock,
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

impl<G: Grantor> CachedTokens<G> {
    pub(super) fn of(grantor: G) -> Self {
        Self {
            grantor,
            clock: Clock::system(),
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
        // Counted from before the question: the answer's way back is part of its life.
        let asked_at = self.clock.now();
        let Grant { token, life } = self.grantor.grant(&self.clock).await?;
        self.put(Some(Cached {
            token: token.clone(),
            refresh_at: asked_at + refresh_after(life),
            expires_at: asked_at + life,
        }));
        Ok(token)
    }
}

#[async_trait]
impl<G: Grantor> TokenSource for CachedTokens<G> {
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

impl<G: Grantor> fmt::Debug for CachedTokens<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.grantor.fmt(f)
    }
}

/// `expires_in`, else the time until `expires_on` (Unix seconds); each as a number or as text.
fn lifetime(expires_in: &Value, expires_on: &Value, now: SystemTime) -> Duration {
    let seconds = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let left = || {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64();
        Some(seconds(expires_on)? - now)
    };
    match seconds(expires_in).or_else(left) {
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
    use serde_json::json;

    use super::*;

    #[test]
    fn lifetimes_of_both_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_356_007);
        for (expires_in, expires_on, seconds) in [
            (json!(3599), Value::Null, 3599),
            (json!("3599"), json!("1"), 3599),
            (json!(86398), Value::Null, 86398),
            (json!(-5), Value::Null, 0),
            (json!(1e300), Value::Null, LONGEST.as_secs()),
            (json!("NaN"), Value::Null, 0),
            (json!("soon"), Value::Null, 600),
            (Value::Null, Value::Null, 600),
            (Value::Null, json!("1795442407"), 86400),
            (Value::Null, json!(1_795_356_067), 60),
            (Value::Null, json!("1"), 0),
            (json!("soon"), json!("11/22/2026 12:00:00 AM +00:00"), 600),
        ] {
            assert_eq!(
                lifetime(&expires_in, &expires_on, now).as_secs(),
                seconds,
                "{expires_in} {expires_on}"
            );
        }
    }

    #[test]
    fn early_refresh() {
        for (life, after) in [(3600, 3300), (86398, 86098), (600, 300), (400, 200), (10, 5), (0, 0)] {
            assert_eq!(refresh_after(Duration::from_secs(life)).as_secs(), after, "{life}");
        }
    }
}
