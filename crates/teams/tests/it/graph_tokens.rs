//! Tokens for Graph: of the tenant that is asked about.

use async_trait::async_trait;
use nuncio_teams::cloud::{Cloud, Endpoints};
use nuncio_teams::token::{
    AccessToken, Credential, GraphIdentity, GraphTenantError, GraphTokens, Identity, ManagedIdentity,
    TokenError, TokenSource,
};
use secrecy::SecretString;
use serde_json::json;

use crate::stand_in::{HandClock, Scripted, StandIn, client};

/// Always the same token.
#[derive(Debug)]
pub(crate) struct OneToken;

#[async_trait]
impl TokenSource for OneToken {
    async fn token(&self) -> Result<AccessToken, TokenError> {
        Ok(AccessToken::new("one").unwrap())
    }

    async fn refused(&self, _token: &AccessToken) {}
}

fn granted() -> Scripted {
    Scripted::json(200, &json!({"access_token": "t0ken", "expires_in": "3599"}))
}

fn app() -> GraphIdentity {
    GraphIdentity::App {
        client_id: "app".into(),
        credential: Credential::Secret(SecretString::from("s3cret")),
    }
}

#[tokio::test]
async fn each_tenant_has_its_own_and_all_share_it() {
    let entra = StandIn::start().await;
    entra.script([granted()]);
    let clock = HandClock::at(1_000_000);
    let tokens =
        GraphTokens::new(client(), &Endpoints::simulator(&entra.base()), app()).with_clock(clock.clock());
    for tenant in ["contoso.com", "Contoso.com", "6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913", "contoso.com"] {
        tokens.of_tenant(tenant).unwrap().token().await.unwrap();
    }
    let paths: Vec<String> = entra.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(
        paths,
        ["/contoso.com/oauth2/v2.0/token", "/6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913/oauth2/v2.0/token",]
    );
    let form = String::from_utf8(entra.seen()[0].body.clone()).unwrap();
    assert!(form.ends_with("&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"), "{form}");
    // The cache is the one that all tokens have: renewed early.
    clock.forward(3299);
    tokens.of_tenant("contoso.com").unwrap().token().await.unwrap();
    assert_eq!(entra.seen().len(), 3);
    assert!(!format!("{tokens:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_managed_identity_has_no_token_of_another_tenant() {
    let imds = StandIn::start().await;
    imds.script([granted()]);
    let endpoints = Endpoints::simulator(&imds.base());
    let identity = ManagedIdentity::imds(&endpoints, Identity::UserAssigned("3c9e7a52".into()));
    let own = "6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913";
    let tokens = GraphTokens::new(
        client(),
        &endpoints,
        GraphIdentity::ManagedIdentity { identity, tenant: own.into() },
    );
    let error = tokens.of_tenant("0b1f9d73-52c4-4a8e-b6d0-c3e7a5f81294").unwrap_err();
    assert_eq!(error, GraphTenantError::Foreign);
    assert!(error.to_string().contains("managed identity"), "{error}");
    assert_eq!(imds.seen().len(), 0);

    tokens.of_tenant(&own.to_uppercase()).unwrap().token().await.unwrap();
    let seen = &imds.seen()[0];
    assert_eq!(seen.path, "/metadata/identity/oauth2/token");
    assert!(seen.query.contains("resource=https%3A%2F%2Fgraph.microsoft.com&"), "{}", seen.query);
}

#[test]
fn one_tenant_at_a_time() {
    let tokens = GraphTokens::new(client(), &Endpoints::of(Cloud::Public), app());
    for tenant in ["common", "Organizations", "consumers", "", "  "] {
        assert_eq!(tokens.of_tenant(tenant).unwrap_err(), GraphTenantError::NotOne, "{tenant}");
    }
    assert!(tokens.of_tenant("contoso.com").is_ok());
}
