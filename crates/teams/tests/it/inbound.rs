//! What is posted to the bot endpoint: one good activity, and every way of forging it.

use std::collections::BTreeSet;

use nuncio_teams::cloud::Endpoints;
use nuncio_teams::inbound::{AcceptedApp, AllowedTenants, Authenticator, InboundError, Verified};
use nuncio_teams::schema::ActivityKind;
use serde_json::{Value, json};

use crate::stand_in::{HandClock, StandIn, client, keys, signed_part};

pub(crate) const APP: &str = "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4";
pub(crate) const TENANT: &str = "6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913";
const NOW: u64 = 1_795_356_312;
const SERVICE_URL: &str = "http://127.0.0.1:4100/teams/";

pub(crate) fn header(kid: &str) -> Value {
    json!({"alg": "RS256", "kid": kid, "typ": "JWT", "x5t": kid})
}

pub(crate) fn claims(now: u64) -> Value {
    json!({"serviceurl": SERVICE_URL, "nbf": now - 60, "exp": now + 3540, "iss": "https://api.botframework.com", "aud": APP})
}

pub(crate) fn activity() -> Value {
    json!({
        "type": "message", "id": "1795356312044", "channelId": "msteams", "serviceUrl": SERVICE_URL,
        "from": {"id": "29:1kQpZfW8sYt0bXc", "aadObjectId": "b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b"},
        "conversation": {"conversationType": "personal", "tenantId": TENANT, "id": "a:1Xv9QnB3pLr"},
        "recipient": {"id": format!("28:{APP}"), "name": "Dispatch Bot"},
        "text": "stop alerts", "channelData": {"tenant": {"id": TENANT}},
    })
}

pub(crate) fn apps(tenants: AllowedTenants) -> Vec<AcceptedApp> {
    let other =
        AcceptedApp { app_id: "00000000-0000-0000-0000-000000000001".into(), tenants: AllowedTenants::Any };
    vec![other, AcceptedApp { app_id: APP.into(), tenants }]
}

fn own_tenant() -> AllowedTenants {
    AllowedTenants::Only(BTreeSet::from([TENANT.to_owned()]))
}

/// An endpoint that knows the first key (endorsed for Teams) and the second (endorsed for another channel).
struct World {
    issuer: StandIn,
    authenticator: Authenticator,
}

impl World {
    async fn new() -> Self {
        let issuer = StandIn::start().await;
        let [first, second] = keys();
        issuer.publish(&[first.jwk(Some(&["msteams", "skype"])), second.jwk(Some(&["webchat"]))]);
        let authenticator = Authenticator::new(
            Endpoints::simulator(&issuer.base()),
            apps(own_tenant()),
            client(),
            HandClock::at(NOW).clock(),
        );
        Self { issuer, authenticator }
    }

    async fn post(&self, bearer: &str, body: &Value) -> Result<Verified, InboundError> {
        self.authenticator.authenticate(Some(bearer), body.to_string().as_bytes()).await
    }
}

/// `value` with one member changed; `null` takes it away.
fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if new.is_null() {
        parent.remove(name);
    } else {
        parent.insert(name.to_owned(), new);
    }
    value
}

#[tokio::test]
async fn a_good_one_passes() {
    let world = World::new().await;
    let [first, _] = keys();
    for algorithm in ["RS256", "RS384", "RS512"] {
        let header = with(header(first.kid), "/alg", json!(algorithm));
        let verified = world.post(&first.bearer(&header, &claims(NOW)), &activity()).await.unwrap();
        assert_eq!((verified.app_id.as_str(), verified.tenant_id.as_str()), (APP, TENANT));
        assert_eq!(verified.service_url.as_str(), SERVICE_URL);
        assert_eq!(verified.activity.kind(), ActivityKind::Message);
    }
    assert_eq!(world.issuer.count("openidconfiguration"), 1, "keys are kept");
}

#[tokio::test]
async fn spelling_that_is_no_difference() {
    let world = World::new().await;
    let [first, _] = keys();
    for (claims, body) in [
        (with(claims(NOW), "/serviceurl", json!("HTTP://127.0.0.1:4100/Teams")), activity()),
        (claims(NOW), with(activity(), "/serviceUrl", json!("http://127.0.0.1:4100/teams"))),
        (with(claims(NOW), "/aud", json!(APP.to_uppercase())), activity()),
        (with(claims(NOW), "/aud", json!([APP])), activity()),
        (claims(NOW), with(activity(), "/conversation/tenantId", json!(TENANT.to_uppercase()))),
        (claims(NOW), with(activity(), "/conversation/tenantId", Value::Null)),
        (claims(NOW), with(activity(), "/channelData/tenant", Value::Null)),
        (with(claims(NOW), "/nbf", Value::Null), activity()),
        (with(claims(NOW), "/exp", json!(NOW - 299)), activity()),
        (with(claims(NOW), "/nbf", json!(NOW + 300)), activity()),
    ] {
        let result = world.post(&first.bearer(&header(first.kid), &claims), &body).await;
        assert!(result.is_ok(), "{claims} {body}: {result:?}");
    }
}

#[tokio::test]
async fn forged_tokens() {
    let world = World::new().await;
    let [first, second] = keys();
    let (header, claims) = (header(first.kid), claims(NOW));
    let signed = |header: &Value, claims: &Value| first.bearer(header, claims);
    let changed = |name: &str, value: Value| signed(&header, &with(claims.clone(), name, value));

    let none = with(header.clone(), "/alg", json!("none"));
    let hs256 = with(header.clone(), "/alg", json!("HS256"));
    let good = signed(&header, &claims);
    let (good_head, good_signature) = good.rsplit_once('.').unwrap();
    let other_claims = signed_part(&header, &with(claims.clone(), "/exp", json!(NOW + 9999)));

    for (name, bearer, expected) in [
        (
            "alg none, no signature",
            format!("Bearer {}.", signed_part(&none, &claims)),
            InboundError::Algorithm,
        ),
        ("alg none, a signature", signed(&none, &claims), InboundError::Algorithm),
        ("HS256 with the public key", first.bearer_hs256(&hs256, &claims), InboundError::Algorithm),
        ("HMAC under RS256", first.bearer_hs256(&header, &claims), InboundError::Signature),
        ("PS256", signed(&with(header.clone(), "/alg", json!("PS256")), &claims), InboundError::Algorithm),
        ("a foreign key", second.bearer(&header, &claims), InboundError::Signature),
        ("no signature", format!("{good_head}."), InboundError::Signature),
        ("a cut signature", good[..good.len() - 4].to_owned(), InboundError::Signature),
        ("other claims", format!("Bearer {other_claims}.{good_signature}"), InboundError::Signature),
        (
            "an unknown key",
            signed(&with(header.clone(), "/kid", json!("x")), &claims),
            InboundError::UnknownKey,
        ),
        ("no key", signed(&with(header.clone(), "/kid", Value::Null), &claims), InboundError::UnknownKey),
        (
            "an unendorsed key",
            second.bearer(&with(header.clone(), "/kid", json!(second.kid)), &claims),
            InboundError::Endorsement,
        ),
        ("another issuer", changed("/iss", json!("https://sts.windows.net/x/")), InboundError::Issuer),
        (
            "the issuer with a slash",
            changed("/iss", json!("https://api.botframework.com/")),
            InboundError::Issuer,
        ),
        ("no issuer", changed("/iss", Value::Null), InboundError::Issuer),
        (
            "another audience",
            changed("/aud", json!("b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b")),
            InboundError::Audience,
        ),
        (
            "the Connector's audience",
            changed("/aud", json!("https://api.botframework.com")),
            InboundError::Audience,
        ),
        ("two audiences", changed("/aud", json!([APP, "x"])), InboundError::Audience),
        ("no audience", changed("/aud", Value::Null), InboundError::Audience),
        ("expired", changed("/exp", json!(NOW - 300)), InboundError::Expired),
        ("no expiry", changed("/exp", Value::Null), InboundError::Expired),
        ("from the future", changed("/nbf", json!(NOW + 301)), InboundError::NotYetValid),
        ("no service URL", changed("/serviceurl", Value::Null), InboundError::ServiceUrlClaimMissing),
        (
            "another service URL",
            changed("/serviceurl", json!("http://127.0.0.1:4101/teams/")),
            InboundError::ServiceUrlMismatch,
        ),
        ("an empty service URL", changed("/serviceurl", json!("")), InboundError::ServiceUrlMismatch),
        ("garbage", "Bearer garbage".to_owned(), InboundError::TokenMalformed),
    ] {
        let error = world.post(&bearer, &activity()).await.unwrap_err();
        assert_eq!(error, expected, "{name}");
        assert_eq!(error.status(), 401, "{name}");
    }
    let missing = world.authenticator.authenticate(None, b"{}").await.unwrap_err();
    assert_eq!((missing, missing.status()), (InboundError::AuthorizationMissing, 401));
}

#[tokio::test]
async fn a_good_token_with_another_body() {
    let world = World::new().await;
    let [first, _] = keys();
    let bearer = first.bearer(&header(first.kid), &claims(NOW));
    let changed = |pointer: &str, value: Value| with(activity(), pointer, value);
    for (name, body, expected, status) in [
        ("Web Chat", changed("/channelId", json!("webchat")), InboundError::Channel, 403),
        ("no channel", changed("/channelId", Value::Null), InboundError::Channel, 403),
        ("another bot", changed("/recipient/id", json!("28:other")), InboundError::Recipient, 403),
        (
            "another of our bots",
            changed("/recipient/id", json!("28:00000000-0000-0000-0000-000000000001")),
            InboundError::Recipient,
            403,
        ),
        ("a person", changed("/recipient/id", json!(APP)), InboundError::Recipient, 403),
        ("nobody", changed("/recipient", Value::Null), InboundError::Recipient, 403),
        (
            "a stranger's service URL",
            changed("/serviceUrl", json!("https://evil.example/")),
            InboundError::ServiceUrlMismatch,
            401,
        ),
        ("no service URL", changed("/serviceUrl", Value::Null), InboundError::ServiceUrlMissing, 403),
        ("two tenants", changed("/conversation/tenantId", json!("x")), InboundError::TenantMismatch, 403),
        (
            "another tenant",
            with(changed("/conversation/tenantId", json!("x")), "/channelData/tenant/id", json!("x")),
            InboundError::TenantNotAllowed,
            403,
        ),
        (
            "no tenant",
            with(changed("/conversation/tenantId", Value::Null), "/channelData", Value::Null),
            InboundError::TenantMissing,
            403,
        ),
        ("no activity", json!([1]), InboundError::Body, 400),
        ("a wrong type", changed("/text", json!(5)), InboundError::Body, 400),
    ] {
        let error = world.post(&bearer, &body).await.unwrap_err();
        assert_eq!((error, error.status()), (expected, status), "{name}");
    }
    let deep = format!("{{\"value\":{}{}}}", "[".repeat(64), "]".repeat(64));
    let error = world.authenticator.authenticate(Some(&bearer), deep.as_bytes()).await.unwrap_err();
    assert_eq!((error, error.status()), (InboundError::BodyTooDeep, 400));
}

#[tokio::test]
async fn signed_but_outside_the_cloud() {
    let world = World::new().await;
    let [first, _] = keys();
    for url in ["https://evil.example/", "https://smba.trafficmanager.net/emea/", "http://10.0.0.1/"] {
        let bearer = first.bearer(&header(first.kid), &with(claims(NOW), "/serviceurl", json!(url)));
        let body = with(activity(), "/serviceUrl", json!(url));
        let error = world.post(&bearer, &body).await.unwrap_err();
        assert_eq!((error, error.status()), (InboundError::ServiceUrlNotAllowed, 403), "{url}");
    }
}

#[tokio::test]
async fn a_bad_token_is_refused_before_its_body_is_read() {
    let world = World::new().await;
    let [first, second] = keys();
    let bearer = second.bearer(&header(first.kid), &claims(NOW));
    let error = world.authenticator.authenticate(Some(&bearer), b"garbage").await.unwrap_err();
    assert_eq!(error, InboundError::Signature);
}

#[tokio::test]
async fn any_tenant_must_be_asked_for() {
    let issuer = StandIn::start().await;
    let [first, _] = keys();
    issuer.publish(&[first.jwk(Some(&["msteams"]))]);
    let authenticator = Authenticator::new(
        Endpoints::simulator(&issuer.base()),
        apps(AllowedTenants::Any),
        client(),
        HandClock::at(NOW).clock(),
    );
    let bearer = first.bearer(&header(first.kid), &claims(NOW));
    let body = with(activity(), "/conversation/tenantId", json!("x"));
    let body = with(body, "/channelData/tenant/id", json!("x")).to_string();
    let verified = authenticator.authenticate(Some(&bearer), body.as_bytes()).await.unwrap();
    assert_eq!(verified.tenant_id, "x");
}

#[tokio::test]
async fn local_mode_believes_but_stays_on_this_computer() {
    let authenticator = Authenticator::local(APP);
    let post = async |body: Value| authenticator.authenticate(None, body.to_string().as_bytes()).await;
    let playground = json!({"type": "message", "channelId": "emulator", "serviceUrl": "http://localhost:56150/_connector"});
    let verified = post(playground.clone()).await.unwrap();
    assert_eq!(verified.app_id, APP);
    assert_eq!(verified.tenant_id, "00000000-0000-0000-0000-000000000000");
    assert_eq!(verified.service_url.as_str(), "http://localhost:56150/_connector");
    let stranger = with(playground, "/serviceUrl", json!("https://smba.trafficmanager.net/emea/"));
    assert_eq!(post(stranger).await.unwrap_err(), InboundError::ServiceUrlNotAllowed);
    assert_eq!(post(json!({"type": "message"})).await.unwrap_err(), InboundError::ServiceUrlMissing);
}
