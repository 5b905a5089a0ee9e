//! Managed identities: as the bot itself, and vouching for an app.

use std::sync::Arc;

use nuncio_teams::cloud::Endpoints;
use nuncio_teams::token::{
    Credential, EntraTokens, Identity, ManagedIdentity, ManagedIdentityTokens, TokenError, TokenSource,
};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::fixtures::one;
use crate::stand_in::{HandClock, Scripted, StandIn, client};

const NOW: u64 = 1_795_356_007;
const HEADER: &str = "p1atform-header";
const BOT: &str = "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4";

fn imds(stand_in: &StandIn) -> ManagedIdentity {
    ManagedIdentity::imds(&Endpoints::simulator(&stand_in.base()), Identity::UserAssigned(BOT.into()))
}

fn app_service(stand_in: &StandIn) -> ManagedIdentity {
    let endpoints = Endpoints::simulator(&stand_in.base());
    let endpoint = format!("{}/msi/token", stand_in.base());
    ManagedIdentity::app_service(&endpoints, &endpoint, &SecretString::from(HEADER), Identity::SystemAssigned)
        .unwrap()
}

fn bot(stand_in: &StandIn, identity: ManagedIdentity, clock: &HandClock) -> Arc<ManagedIdentityTokens> {
    let endpoints = Endpoints::simulator(&stand_in.base());
    Arc::new(ManagedIdentityTokens::new(client(), &endpoints, identity).with_clock(clock.clock()))
}

fn fixture(name: &str) -> Scripted {
    Scripted::json(200, &one("entra", name))
}

#[tokio::test]
async fn both_hosts_are_asked_as_they_want_it_and_once() {
    let stand_in = StandIn::start().await;
    stand_in.script([fixture("imds")]);
    let clock = HandClock::at(NOW);
    let tokens = bot(&stand_in, imds(&stand_in), &clock);
    let token = tokens.token().await.unwrap();
    assert_eq!(token.authorization().unwrap(), "Bearer eyJ.invented.token");
    let seen = stand_in.seen().remove(0);
    assert_eq!(seen.path, "/metadata/identity/oauth2/token");
    assert_eq!(
        seen.query,
        format!("api-version=2018-02-01&resource=https%3A%2F%2Fapi.botframework.com&client_id={BOT}")
    );
    assert_eq!(seen.headers["metadata"], "true");
    // Kept until 300 s before its end, which IMDS gives in 86398 s.
    clock.forward(86_398 - 301);
    tokens.token().await.unwrap();
    assert_eq!(stand_in.seen().len(), 1);
    clock.forward(2);
    tokens.token().await.unwrap();
    assert_eq!(stand_in.seen().len(), 2);

    let stand_in = StandIn::start().await;
    stand_in.script([fixture("app_service")]);
    let clock = HandClock::at(NOW);
    let tokens = bot(&stand_in, app_service(&stand_in), &clock);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let tokens = Arc::clone(&tokens);
            tokio::spawn(async move { tokens.token().await.is_ok() })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
    let seen = stand_in.seen();
    assert_eq!(seen.len(), 1, "one request for all");
    assert_eq!(seen[0].query, "api-version=2019-08-01&resource=https%3A%2F%2Fapi.botframework.com");
    assert_eq!(seen[0].headers["x-identity-header"], HEADER);
    // App Service says only when it ends: at 1795442400.
    clock.forward(1_795_442_400 - NOW - 301);
    tokens.token().await.unwrap();
    assert_eq!(stand_in.seen().len(), 1);
    clock.forward(2);
    tokens.token().await.unwrap();
    assert_eq!(stand_in.seen().len(), 2);
}

#[tokio::test]
async fn refusals_say_what_to_do_and_nothing_secret() {
    let stand_in = StandIn::start().await;
    let tokens = bot(&stand_in, app_service(&stand_in), &HandClock::at(NOW));
    let imds = |error: &str, text: &str| json!({"error": error, "error_description": text});
    for (status, body, expected) in [
        (
            400,
            imds("invalid_request", "Identity not found"),
            "this machine has no such managed identity: assign it",
        ),
        (
            400,
            json!({"statusCode": 400, "message": "No User Assigned or Delegated Managed Identity found for specified ClientId"}),
            "this machine has no such managed identity: assign it",
        ),
        (
            400,
            imds("invalid_request", "Multiple user assigned identities exist, please specify the clientId"),
            "this machine has several managed identities: name the one",
        ),
        (
            400,
            imds("invalid_resource", "AADSTS500011: The resource principal was not found"),
            "the tenant of the managed identity knows no such resource (AADSTS500011): check cloud",
        ),
        (400, imds("unauthorized_client", "AADSTS700016: no"), "app not found in that tenant (AADSTS700016)"),
        (
            401,
            json!({"message": format!("wrong {HEADER}")}),
            "the platform's IDENTITY_ENDPOINT answered 401: IDENTITY",
        ),
        (400, Value::Null, "the platform's IDENTITY_ENDPOINT answered 400: check that"),
    ] {
        stand_in.script([Scripted::json(status, &body)]);
        let error = tokens.token().await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(!error.is_transient() && !format!("{error:?}").contains(HEADER), "{error:?}");
    }
    for status in [404, 408, 410, 429, 500, 503] {
        let busy = Scripted::json(status, &json!({})).with("retry-after", "7");
        stand_in.script([busy]);
        let error = tokens.token().await.unwrap_err();
        let TokenError::Unreachable { retry_after, .. } = &error else { panic!("{error:?}") };
        assert_eq!(retry_after.unwrap().wait().as_secs(), 7);
    }
    stand_in.script([Scripted::json(200, &json!({"access_token": "a b"}))]);
    assert!(tokens.token().await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_machine_that_is_not_in_azure_is_told_so() {
    let stand_in = StandIn::start().await;
    let nobody = Endpoints::simulator("http://127.0.0.1:1");
    let identity = ManagedIdentity::imds(&nobody, Identity::SystemAssigned);
    let error = bot(&stand_in, identity, &HandClock::at(NOW)).token().await.unwrap_err();
    assert!(error.is_transient());
    assert!(error.to_string().ends_with("it is there only on a machine in Azure"), "{error}");
}

#[tokio::test]
async fn an_identity_vouches_for_an_app() {
    let stand_in = StandIn::start().await;
    let granted = json!({"access_token": "of-the-app", "expires_in": 3599});
    stand_in.script([fixture("imds"), Scripted::json(200, &granted), fixture("imds")]);
    let endpoints = Endpoints::simulator(&stand_in.base());
    let credential = Credential::FederatedIdentity(imds(&stand_in));
    let tokens = EntraTokens::new(client(), &endpoints, Some("tenant"), "app", credential)
        .with_clock(HandClock::at(NOW).clock());
    let token = tokens.token().await.unwrap();
    assert_eq!(token.authorization().unwrap(), "Bearer of-the-app");
    let seen = stand_in.seen();
    assert_eq!(
        seen[0].query,
        format!("api-version=2018-02-01&resource=api%3A%2F%2FAzureADTokenExchange&client_id={BOT}")
    );
    assert_eq!(seen[1].path, "/tenant/oauth2/v2.0/token");
    assert_eq!(
        String::from_utf8(seen[1].body.clone()).unwrap(),
        "grant_type=client_credentials&client_id=app&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=eyJ.invented.token&scope=https%3A%2F%2Fapi.botframework.com%2F.default"
    );
    // Entra's refusal of the assertion shows none of it.
    tokens.refused(&token).await;
    let refused = json!({"error": "invalid_client", "error_codes": [700_213], "error_description": "AADSTS700213: eyJ.invented.token"});
    stand_in.script([fixture("imds"), Scripted::json(401, &refused)]);
    let error = tokens.token().await.unwrap_err();
    assert!(error.to_string().contains("no federated credential of the app fits the token"), "{error}");
    assert!(!format!("{error:?} {tokens:?}").contains("invented"), "{error:?}");
}
