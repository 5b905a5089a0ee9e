//! Tokens: one flight, early refresh, what is refused.

use std::sync::Arc;

use nuncio_teams::cloud::Endpoints;
use nuncio_teams::token::{Credential, EntraTokens, TokenError, TokenSource as _};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::stand_in::{HandClock, Scripted, StandIn, client};

const SECRET: &str = "a-very-secret-value";

fn tokens(stand_in: &StandIn, clock: &HandClock) -> Arc<EntraTokens> {
    let endpoints = Endpoints::simulator(&stand_in.base());
    let secret = Credential::Secret(SecretString::from(SECRET));
    Arc::new(EntraTokens::new(client(), &endpoints, Some("tenant"), "app", secret).with_clock(clock.clock()))
}

fn granted(token: &str, expires_in: impl Into<Value>) -> Scripted {
    let expires_in = expires_in.into();
    Scripted::json(200, &json!({"token_type": "Bearer", "expires_in": expires_in, "access_token": token}))
}

fn unavailable() -> Scripted {
    Scripted { status: 503, headers: Vec::new(), body: "<html>".into() }.with("retry-after", "9")
}

/// What the token shows as a header.
async fn shown(tokens: &EntraTokens) -> Result<String, TokenError> {
    let token = tokens.token().await?;
    Ok(token.authorization().unwrap().to_str().unwrap().to_owned())
}

#[tokio::test]
async fn concurrent_callers_share_one_request() {
    let stand_in = StandIn::start().await;
    stand_in.script([granted("one", 3599)]);
    stand_in.close_gate();
    let tokens = tokens(&stand_in, &HandClock::at(1_000_000));
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let tokens = Arc::clone(&tokens);
            tokio::spawn(async move { shown(&tokens).await })
        })
        .collect();
    while stand_in.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    stand_in.open_gate();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap(), "Bearer one");
    }
    let seen = stand_in.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("POST", "/tenant/oauth2/v2.0/token"));
    let form = String::from_utf8(seen[0].body.clone()).unwrap();
    assert_eq!(
        form,
        format!(
            "grant_type=client_credentials&client_id=app&client_secret={SECRET}&scope=https%3A%2F%2Fapi.botframework.com%2F.default"
        )
    );
}

#[tokio::test]
async fn concurrent_callers_share_one_failure() {
    let stand_in = StandIn::start().await;
    stand_in.script([unavailable()]);
    stand_in.close_gate();
    let tokens = tokens(&stand_in, &HandClock::at(1_000_000));
    let callers: Vec<_> = (0..64)
        .map(|_| {
            let tokens = Arc::clone(&tokens);
            tokio::spawn(async move { shown(&tokens).await })
        })
        .collect();
    // Every caller has been polled once by the time the request is there: the runtime has one thread.
    while stand_in.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    stand_in.open_gate();
    for caller in callers {
        assert!(caller.await.unwrap().unwrap_err().is_transient());
    }
    assert_eq!(stand_in.seen().len(), 1);
}

#[tokio::test]
async fn refreshed_early_and_kept_when_that_fails() {
    let stand_in = StandIn::start().await;
    let clock = HandClock::at(1_000_000);
    let tokens = tokens(&stand_in, &clock);
    stand_in.script([granted("one", "3599")]);
    assert_eq!(shown(&tokens).await.unwrap(), "Bearer one");
    clock.forward(3298);
    assert_eq!(shown(&tokens).await.unwrap(), "Bearer one");
    assert_eq!(stand_in.seen().len(), 1);

    // 300 s before its end a new one is asked for; the old one serves while there is none.
    clock.forward(1);
    stand_in.script([unavailable(), granted("two", 3599)]);
    assert_eq!(shown(&tokens).await.unwrap(), "Bearer one");
    assert_eq!(shown(&tokens).await.unwrap(), "Bearer one");
    assert_eq!(stand_in.seen().len(), 2, "not asked again at once");
    clock.forward(30);
    assert_eq!(shown(&tokens).await.unwrap(), "Bearer two");
    assert_eq!(stand_in.seen().len(), 3);

    // A short life is renewed half-way; past its end an old one is no longer given.
    tokens.refused(&tokens.token().await.unwrap()).await;
    stand_in.script([granted("three", 100), granted("four", 100), unavailable()]);
    assert_eq!(shown(&tokens).await.unwrap(), "Bearer three");
    clock.forward(49);
    assert_eq!(shown(&tokens).await.unwrap(), "Bearer three");
    clock.forward(1);
    assert_eq!(shown(&tokens).await.unwrap(), "Bearer four");
    clock.forward(100);
    let error = shown(&tokens).await.unwrap_err();
    let TokenError::Unreachable { retry_after, .. } = error else { panic!("{error}") };
    assert_eq!(retry_after.unwrap().wait().as_secs(), 9);
}

#[tokio::test]
async fn only_the_refused_token_is_dropped() {
    let stand_in = StandIn::start().await;
    let tokens = tokens(&stand_in, &HandClock::at(1_000_000));
    stand_in.script([granted("one", 3599), granted("two", 3599)]);
    let one = tokens.token().await.unwrap();
    tokens.refused(&one).await;
    assert_eq!(shown(&tokens).await.unwrap(), "Bearer two");
    // A late refusal of the old one does not touch the new one.
    tokens.refused(&one).await;
    assert_eq!(shown(&tokens).await.unwrap(), "Bearer two");
    assert_eq!(stand_in.seen().len(), 2);
}

#[tokio::test]
async fn refusals_of_the_fixtures() {
    let stand_in = StandIn::start().await;
    let tokens = tokens(&stand_in, &HandClock::at(1_000_000));
    for (file, code) in [
        ("wrong_secret", "AADSTS7000215"),
        ("secret_expired", "AADSTS7000222"),
        ("app_not_found", "AADSTS700016"),
        ("tenant_not_found", "AADSTS90002"),
    ] {
        let path = format!("{}/../../fixtures/microsoft/entra/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let fixture: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let status = fixture["status"].as_u64().unwrap() as u16;
        stand_in.script([Scripted::json(status, &fixture["body"])]);
        let error = shown(&tokens).await.unwrap_err();
        assert!(error.to_string().contains(code), "{file}: {error}");
        assert!(!error.is_transient());
        assert!(!format!("{error} {error:?}").contains(SECRET));
    }
}

#[tokio::test]
async fn both_forms_of_a_grant() {
    let stand_in = StandIn::start().await;
    let tokens = tokens(&stand_in, &HandClock::at(1_000_000));
    for file in ["token", "token_v1"] {
        let path = format!("{}/../../fixtures/microsoft/entra/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let fixture: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        stand_in.script([Scripted::json(200, &fixture["body"])]);
        let expected = format!("Bearer {}", fixture["body"]["access_token"].as_str().unwrap());
        assert_eq!(shown(&tokens).await.unwrap(), expected, "{file}");
        tokens.refused(&tokens.token().await.unwrap()).await;
    }
}

#[tokio::test]
async fn answers_that_are_no_token() {
    let stand_in = StandIn::start().await;
    let tokens = tokens(&stand_in, &HandClock::at(1_000_000));
    for body in ["", "<html>", "{}", "{\"access_token\":\"\"}", "{\"access_token\":\"a\\nb\"}", "[]"] {
        stand_in.script([Scripted { status: 200, headers: Vec::new(), body: body.into() }]);
        assert!(shown(&tokens).await.unwrap_err().is_transient(), "{body}");
    }
    stand_in.script([Scripted { status: 200, headers: Vec::new(), body: "x".repeat(2 * 1024 * 1024) }]);
    assert!(shown(&tokens).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn the_secret_goes_to_safe_addresses_only() {
    let endpoints = Endpoints::simulator("http://192.0.2.1:4100");
    let tokens =
        EntraTokens::new(client(), &endpoints, None, "app", Credential::Secret(SecretString::from(SECRET)));
    let error = tokens.token().await.unwrap_err();
    assert!(!error.is_transient(), "{error}");

    // Nor along a redirect.
    let (stand_in, elsewhere) = (StandIn::start().await, StandIn::start().await);
    stand_in.script([Scripted { status: 307, headers: Vec::new(), body: String::new() }
        .with("location", &elsewhere.base())]);
    let tokens = self::tokens(&stand_in, &HandClock::at(1_000_000));
    assert!(!shown(&tokens).await.unwrap_err().is_transient());
    assert_eq!(elsewhere.connections(), 0);
}
