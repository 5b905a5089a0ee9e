//! The issuer's keys over time: rotation, failure, and strangers who name keys that do not exist.

use std::sync::Arc;
use std::time::Duration;

use nuncio_teams::cloud::Endpoints;
use nuncio_teams::inbound::{AllowedTenants, Authenticator, InboundError, KeyPolicy};
use serde_json::json;

use crate::inbound::{activity, apps, claims, header};
use crate::stand_in::{HandClock, Key, Scripted, StandIn, client, keys};

const NOW: u64 = 1_795_356_312;
const HOUR: u64 = 3600;

struct World {
    issuer: StandIn,
    clock: HandClock,
    authenticator: Arc<Authenticator>,
}

impl World {
    async fn new(policy: KeyPolicy) -> Self {
        let issuer = StandIn::start().await;
        let clock = HandClock::at(NOW);
        let authenticator = Arc::new(Authenticator::with_key_policy(
            Endpoints::simulator(&issuer.base()),
            apps(AllowedTenants::Any),
            client(),
            clock.clock(),
            policy,
        ));
        Self { issuer, clock, authenticator }
    }

    async fn post(&self, key: &Key) -> Result<(), InboundError> {
        self.post_as(key, key.kid).await
    }

    async fn post_as(&self, key: &Key, kid: &str) -> Result<(), InboundError> {
        let bearer = key.bearer(&header(kid), &claims(self.clock.unix()));
        let body = activity().to_string();
        self.authenticator.authenticate(Some(&bearer), body.as_bytes()).await.map(drop)
    }

    fn fetches(&self) -> usize {
        self.issuer.count("openidconfiguration")
    }

    fn fail(&self) {
        self.issuer.script([Scripted { status: 500, headers: Vec::new(), body: String::new() }]);
    }
}

const TEAMS: Option<&[&str]> = Some(&["msteams"]);

#[tokio::test]
async fn a_new_key_is_found_at_once_and_then_at_most_once_an_hour() {
    let [first, second] = keys();
    let world = World::new(KeyPolicy::default()).await;
    world.issuer.publish(&[first.jwk(TEAMS)]);
    world.post(first).await.unwrap();
    assert_eq!(world.fetches(), 1);

    // Whose keys are changed within the hour must be heard all the same: a refused activity does not come again.
    world.issuer.publish(&[second.jwk(TEAMS)]);
    world.post(second).await.unwrap();
    assert_eq!(world.fetches(), 2);

    world.issuer.publish(&[first.jwk(TEAMS), second.jwk(TEAMS)]);
    assert_eq!(world.post(first).await, Err(InboundError::UnknownKey));
    for kid in ["a", "b", "c"] {
        assert_eq!(world.post_as(second, kid).await, Err(InboundError::UnknownKey));
    }
    assert_eq!(world.fetches(), 2, "strangers cannot make us fetch");

    world.clock.forward(HOUR);
    world.post(first).await.unwrap();
    world.post(second).await.unwrap();
    assert_eq!(world.post_as(second, "d").await, Err(InboundError::UnknownKey));
    assert_eq!(world.fetches(), 3);
}

#[tokio::test]
async fn the_interval_is_a_parameter() {
    let [first, second] = keys();
    let policy = KeyPolicy { unknown_key_every: Duration::ZERO, ..KeyPolicy::default() };
    let world = World::new(policy).await;
    world.issuer.publish(&[first.jwk(TEAMS)]);
    world.post(first).await.unwrap();
    world.issuer.publish(&[second.jwk(TEAMS)]);
    world.post(second).await.unwrap();
    assert_eq!(world.fetches(), 2);
    assert_eq!(world.post(first).await, Err(InboundError::UnknownKey), "a key taken away is gone");
}

#[tokio::test]
async fn keys_are_renewed_daily_and_kept_when_that_fails() {
    let [first, second] = keys();
    let world = World::new(KeyPolicy::default()).await;
    world.issuer.publish(&[first.jwk(TEAMS)]);
    world.post(first).await.unwrap();
    world.clock.forward(24 * HOUR - 1);
    world.post(first).await.unwrap();
    assert_eq!(world.fetches(), 1);

    world.clock.forward(1);
    world.fail();
    world.post(first).await.unwrap();
    world.post(first).await.unwrap();
    assert_eq!(world.fetches(), 2, "not again at once");
    assert_eq!(world.post(second).await, Err(InboundError::KeysUnavailable), "it may be a new one");

    world.clock.forward(60);
    world.issuer.publish(&[second.jwk(TEAMS)]);
    assert_eq!(world.post(first).await, Err(InboundError::UnknownKey));
    world.post(second).await.unwrap();
    assert_eq!(world.fetches(), 3);
}

#[tokio::test]
async fn no_keys_yet_is_not_a_refusal() {
    let [first, _] = keys();
    let world = World::new(KeyPolicy::default()).await;
    world.fail();
    assert_eq!(world.authenticator.warm_up().await, Err(InboundError::KeysUnavailable));
    let error = world.post(first).await.unwrap_err();
    assert_eq!((error, error.status()), (InboundError::KeysUnavailable, 503));
    for bad in
        ["<html>", "{\"jwks_uri\":\"http://example.com/keys\"}", "{\"jwks_uri\":\"file:///etc/passwd\"}"]
    {
        world.issuer.script([Scripted { status: 200, headers: Vec::new(), body: bad.into() }]);
        assert_eq!(world.post(first).await, Err(InboundError::KeysUnavailable), "{bad}");
    }
    // A key set without a usable key is as good as none.
    world.issuer.publish(&[json!({"kty": "EC", "kid": "e"}), json!(5)]);
    assert_eq!(world.post(first).await, Err(InboundError::KeysUnavailable));
    // As soon as there are keys, it goes on.
    world.issuer.publish(&[json!({"kty": "EC", "kid": "e"}), first.jwk(TEAMS)]);
    world.post(first).await.unwrap();
}

#[tokio::test]
async fn a_key_without_endorsements_signs_for_nobody() {
    let [first, _] = keys();
    let world = World::new(KeyPolicy::default()).await;
    world.issuer.publish(&[first.jwk(None)]);
    assert_eq!(world.post(first).await, Err(InboundError::Endorsement));
}

#[tokio::test]
async fn a_fetch_outlives_who_asked_for_it() {
    let [first, _] = keys();
    let world = Arc::new(World::new(KeyPolicy::default()).await);
    world.issuer.publish(&[first.jwk(TEAMS)]);
    world.issuer.close_gate();
    let post = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.post(first).await })
    };
    while world.issuer.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    post.abort();
    assert!(post.await.unwrap_err().is_cancelled());
    world.issuer.open_gate();
    world.post(first).await.unwrap();
    assert_eq!(world.fetches(), 1);
}

#[tokio::test]
async fn concurrent_posts_share_one_fetch() {
    let [first, _] = keys();
    let world = Arc::new(World::new(KeyPolicy::default()).await);
    world.issuer.publish(&[first.jwk(TEAMS)]);
    world.issuer.close_gate();
    let posts: Vec<_> = (0..32)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.post(first).await })
        })
        .collect();
    while world.issuer.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    world.issuer.open_gate();
    for post in posts {
        post.await.unwrap().unwrap();
    }
    assert_eq!(world.fetches(), 1);
}
