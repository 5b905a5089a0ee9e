//! Workload identity: the assertion is what a file holds now.

use std::path::Path;

use nuncio_teams::cloud::Endpoints;
use nuncio_teams::token::{Credential, EntraTokens, TokenError, TokenSource as _};
use serde_json::json;

use crate::stand_in::{HandClock, Scripted, StandIn, client};

const FIRST: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJmaXJzdCJ9.c2lnbmF0dXJl";
const SECOND: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZWNvbmQifQ.c2lnbmF0dXJl";

fn tokens(stand_in: &StandIn, file: &Path) -> EntraTokens {
    let endpoints = Endpoints::simulator(&stand_in.base());
    let credential = Credential::FederatedTokenFile(file.to_owned());
    EntraTokens::new(client(), &endpoints, Some("tenant"), "app", credential)
        .with_clock(HandClock::at(1_000_000).clock())
}

fn refusal(code: u64, description: &str) -> Scripted {
    let body = json!({"error": "invalid_client", "error_codes": [code], "error_description": description});
    Scripted::json(401, &body)
}

#[tokio::test]
async fn the_file_is_read_for_each_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let stand_in = StandIn::start().await;
    stand_in.script(
        ["one", "two"].map(|token| Scripted::json(200, &json!({"expires_in": 3599, "access_token": token}))),
    );
    let tokens = tokens(&stand_in, &file);
    for (written, sent) in [(FIRST.to_owned(), FIRST), (format!("{SECOND}\n"), SECOND)] {
        std::fs::write(&file, written).unwrap();
        let token = tokens.token().await.unwrap();
        let form = String::from_utf8(stand_in.seen().last().unwrap().body.clone()).unwrap();
        assert_eq!(
            form,
            format!(
                "grant_type=client_credentials&client_id=app&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={sent}&scope=https%3A%2F%2Fapi.botframework.com%2F.default"
            )
        );
        tokens.refused(&token).await;
    }
    assert_eq!(stand_in.seen().len(), 2);
}

#[tokio::test]
async fn only_a_token_leaves_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let stand_in = StandIn::start().await;
    let tokens = tokens(&stand_in, &file);
    let error = tokens.token().await.unwrap_err();
    assert!(error.to_string().contains("token cannot be read: entity not found: check federated"), "{error}");
    for wrong in ["", "-----BEGIN PRIVATE KEY-----", "not.a token.at all"] {
        std::fs::write(&file, wrong).unwrap();
        let error = tokens.token().await.unwrap_err();
        assert!(error.to_string().contains("token holds no token (JWT)"), "{error}");
        assert!(!error.is_transient());
    }
    assert_eq!(stand_in.connections(), 0);
}

#[tokio::test]
async fn refusals_are_named_and_show_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, FIRST).unwrap();
    let stand_in = StandIn::start().await;
    let tokens = tokens(&stand_in, &file);
    for (code, expected) in [
        (700_024, "client assertion outside its time (AADSTS700024)"),
        (70_021, "no federated credential of the app fits the token (AADSTS70021)"),
        (700_213, "no federated credential of the app fits the token (AADSTS700213)"),
    ] {
        stand_in.script([refusal(code, &format!("AADSTS{code}: presented {FIRST}"))]);
        let error = tokens.token().await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(matches!(error, TokenError::Refused { .. }));
        assert!(!format!("{error} {error:?}").contains(FIRST));
    }
}
