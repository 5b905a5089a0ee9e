//! The issuer's keys: from the metadata document to its key set, kept and renewed (protocol sections 3 and 11).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ::http::Method;
use jsonwebtoken::DecodingKey;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::InboundError;
use crate::clock::Clock;
use crate::cloud::{check_own_endpoint, is_loopback};
use crate::http::{HttpClient, Request};

/// When keys are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPolicy {
    /// Again after this time, whatever happens.
    pub refresh_every: Duration,
    /// For a key that is not known at once, but not more often than this: strangers can name any key.
    pub unknown_key_every: Duration,
    /// After a fetch that failed, not again for this time, while there are old keys to go on with.
    pub after_failure: Duration,
}

impl Default for KeyPolicy {
    /// 24 h, an hour (protocol section 3, key cache), a minute.
    fn default() -> Self {
        Self {
            refresh_every: Duration::from_hours(24),
            unknown_key_every: Duration::from_hours(1),
            after_failure: Duration::from_mins(1),
        }
    }
}

/// One key.
pub(super) struct Key {
    pub(super) decoding: DecodingKey,
    /// The channels that it may sign for. A key without the field may sign for none.
    pub(super) endorsements: Vec<String>,
}

type Keys = HashMap<String, Arc<Key>>;

pub(super) struct KeyStore {
    metadata_url: String,
    http: HttpClient,
    clock: Clock,
    policy: KeyPolicy,
    state: Mutex<State>,
    /// Held for the time of a fetch.
    flight: tokio::sync::Mutex<()>,
    /// Fetches that have ended. A caller that sees it move while it waits does not start another one.
    landed: AtomicU64,
}

#[derive(Default, Clone)]
struct State {
    keys: Option<Arc<Keys>>,
    fetched_at: Option<SystemTime>,
    failed_at: Option<SystemTime>,
    /// When they were fetched for a key that was not known.
    sought_at: Option<SystemTime>,
}

#[derive(Deserialize)]
struct Metadata {
    jwks_uri: String,
}

/// Keys of other kinds, and fields of other types, are passed over one by one: one odd key must not hide the rest.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    n: String,
    e: String,
    #[serde(rename = "use", default)]
    key_use: Option<String>,
    #[serde(default)]
    endorsements: Vec<String>,
}

impl KeyStore {
    pub(super) fn new(metadata_url: String, http: HttpClient, clock: Clock, policy: KeyPolicy) -> Self {
        Self {
            metadata_url,
            http,
            clock,
            policy,
            state: Mutex::default(),
            flight: tokio::sync::Mutex::new(()),
            landed: AtomicU64::new(0),
        }
    }

    /// The key of that name, fetching when it is time to.
    pub(super) async fn find(self: &Arc<Self>, kid: &str) -> Result<Arc<Key>, InboundError> {
        let before = self.landed.load(Ordering::Acquire);
        if self.due(kid) {
            let (store, kid) = (Arc::clone(self), kid.to_owned());
            // A task of its own: whoever asks gives up within a second, and a fetch that took longer would be cut off
            // each time and never succeed. A task that failed shows as keys that are still missing.
            let _ = tokio::spawn(async move { store.fetch_if_due(&kid, before).await }).await;
        }
        let state = self.state();
        let keys = state.keys.ok_or(InboundError::KeysUnavailable)?;
        match keys.get(kid) {
            Some(key) => Ok(Arc::clone(key)),
            // It may be a new key that we could not hear of: Microsoft should send it again.
            None if state.failed_at.is_some() => Err(InboundError::KeysUnavailable),
            None => Err(InboundError::UnknownKey),
        }
    }

    async fn fetch_if_due(&self, kid: &str, before: u64) {
        let _flight = self.flight.lock().await;
        if self.landed.load(Ordering::Acquire) == before && self.due(kid) {
            self.fetch(self.state().keys.is_some_and(|keys| !keys.contains_key(kid))).await;
        }
    }

    pub(super) async fn warm_up(&self) -> Result<(), InboundError> {
        let _flight = self.flight.lock().await;
        self.fetch(false).await;
        self.state().keys.map(drop).ok_or(InboundError::KeysUnavailable)
    }

    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Is it time to fetch, given that this key is wanted?
    fn due(&self, kid: &str) -> bool {
        let now = self.clock.now();
        // A clock that was set back counts as no time passed.
        let since = |then: Option<SystemTime>| then.map(|then| now.duration_since(then).unwrap_or_default());
        let state = self.state();
        let (Some(keys), Some(age)) = (&state.keys, since(state.fetched_at)) else { return true };
        if since(state.failed_at).is_some_and(|age| age < self.policy.after_failure) {
            return false;
        }
        let sought = || since(state.sought_at).is_none_or(|age| age >= self.policy.unknown_key_every);
        age >= self.policy.refresh_every || (!keys.contains_key(kid) && sought())
    }

    /// Fetches, because of a key that was not known or not; a failure leaves the old keys as they are.
    async fn fetch(&self, unknown: bool) {
        let result = self.fetched().await;
        let now = self.clock.now();
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(keys) => {
                    let sought_at = if unknown { Some(now) } else { state.sought_at };
                    *state = State {
                        keys: Some(Arc::new(keys)),
                        fetched_at: Some(now),
                        failed_at: None,
                        sought_at,
                    };
                }
                Err(cause) => {
                    tracing::warn!(
                        cause,
                        old_keys = state.keys.is_some(),
                        "the issuer's keys cannot be fetched"
                    );
                    state.failed_at = Some(now);
                }
            }
        }
        self.landed.fetch_add(1, Ordering::AcqRel);
    }

    async fn fetched(&self) -> Result<Keys, String> {
        let metadata: Metadata = self.get(&self.metadata_url).await?;
        if !same_domain(&self.metadata_url, &metadata.jwks_uri) {
            return Err("the metadata document names keys of another domain".to_owned());
        }
        let set: KeySet = self.get(&metadata.jwks_uri).await?;
        let keys: Keys = set.keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() { Err("no usable key in the key set".to_owned()) } else { Ok(keys) }
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        check_own_endpoint(url).map_err(|error| error.to_string())?;
        let request = Request::new(Method::GET, url.to_owned());
        let answer = self.http.send(&request, None).await.map_err(|failure| failure.to_string())?;
        if !answer.status.is_success() {
            return Err(format!("answered {}", answer.status.as_u16()));
        }
        serde_json::from_slice(&answer.body).map_err(|_| "the answer cannot be read".to_owned())
    }
}

/// Whether the keys are of the domain that describes them, which is another one in each cloud: a government bot asks no
/// commercial host, whatever a document says. The last two labels count; addresses of this computer are all one.
fn same_domain(metadata: &str, keys: &str) -> bool {
    fn domain(url: &Url) -> Option<String> {
        let Some(name) = url.domain() else { return url.host_str().map(str::to_owned) };
        let labels: Vec<&str> = name.rsplitn(3, '.').take(2).collect();
        Some(labels.join("."))
    }
    let (Ok(metadata), Ok(keys)) = (Url::parse(metadata), Url::parse(keys)) else { return false };
    (is_loopback(&metadata) && is_loopback(&keys)) || domain(&metadata) == domain(&keys)
}

/// RSA keys for signing; the rest is passed over.
fn usable(jwk: Value) -> Option<(String, Arc<Key>)> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    if jwk.kty != "RSA" || jwk.key_use.is_some_and(|key_use| key_use != "sig") {
        return None;
    }
    let decoding = DecodingKey::from_rsa_components(&jwk.n, &jwk.e).ok()?;
    Some((jwk.kid, Arc::new(Key { decoding, endorsements: jwk.endorsements })))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cloud::{Cloud, Endpoints};

    #[test]
    fn keys_of_the_own_domain_only() {
        // Protocol section 1, inbound JWKS.
        for (cloud, keys) in [
            (Cloud::Public, "https://login.botframework.com/v1/.well-known/keys"),
            (Cloud::Gcc, "https://login.botframework.com/v1/.well-known/keys"),
            (Cloud::GccHigh, "https://login.botframework.azure.us/v1/.well-known/keys"),
            (Cloud::Dod, "https://login.botframework.azure.us/v1/.well-known/keys"),
            (Cloud::China, "https://login.botframework.azure.cn/v1/.well-known/keys"),
        ] {
            let endpoints = Endpoints::of(cloud);
            assert!(same_domain(endpoints.openid_metadata(), keys), "{cloud}");
            for other in Cloud::ALL {
                let other = Endpoints::of(other);
                let same = other.openid_metadata() == endpoints.openid_metadata()
                    || (other.issuer() == endpoints.issuer() && other.cloud() != Cloud::Simulator);
                assert_eq!(same_domain(other.openid_metadata(), keys), same, "{cloud} {}", other.cloud());
            }
        }
        assert!(same_domain("http://localhost:1/metadata", "http://127.0.0.1:2/keys"));
        assert!(!same_domain("https://login.botframework.com/", "https://127.0.0.1/keys"));
        assert!(!same_domain("https://10.0.0.1/", "https://10.0.0.2/keys"));
        assert!(!same_domain("https://login.botframework.com/", "keys"));
    }

    #[test]
    fn odd_keys_are_passed_over() {
        let good = json!({"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB", "use": "sig",
                          "x5c": ["x"], "endorsements": ["msteams"]});
        assert_eq!(usable(good.clone()).unwrap().1.endorsements, ["msteams"]);
        for (field, value) in [
            ("kty", json!("EC")),
            ("use", json!("enc")),
            ("n", json!("not base64!")),
            ("kid", json!(5)),
            ("endorsements", json!("msteams")),
        ] {
            let mut odd = good.clone();
            odd[field] = value;
            assert!(usable(odd).is_none(), "{field}");
        }
        let mut plain = good;
        plain.as_object_mut().unwrap().remove("endorsements");
        assert!(usable(plain).unwrap().1.endorsements.is_empty());
        assert!(usable(Value::Null).is_none());
    }
}
