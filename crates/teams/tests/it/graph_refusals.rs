//! What is kept of each refusal.

use std::sync::Arc;
use std::time::Duration;

use nuncio_teams::cloud::Endpoints;
use nuncio_teams::graph::{CallError, Graph, GraphError, GraphRefusal, List, Scope};
use nuncio_teams::http::CallFailure;
use nuncio_teams::token::{Credential, GraphIdentity, GraphTokens, NoToken};
use secrecy::SecretString;
use serde_json::json;

use crate::graph_world::{CATALOGUE_ID, GraphWorld, INES, OMAR, fixture};
use crate::stand_in::{HandClock, Scripted, StandIn, client};

async fn install(world: &GraphWorld, name: &str) -> GraphError {
    world.answers(&[name]);
    let error = world.graph.install(Scope::User(INES), CATALOGUE_ID, &[]).await.unwrap_err();
    error.refused().unwrap_or_else(|| panic!("{name}: {error}")).clone()
}

#[tokio::test]
async fn refusals_of_an_install() {
    let world = GraphWorld::new().await;
    for (name, status, refusal) in [
        ("app_blocked", 403, "blocked_by_app_policy"),
        ("missing_role", 403, "missing_role"),
        ("not_allowed_to_manage_app", 403, "not_allowed_to_manage_app"),
        ("app_not_found", 404, "app_not_in_catalogue"),
        ("bare_not_found", 404, "other"),
        ("bare_bad_request", 400, "other"),
        ("user_not_found", 404, "user_not_found"),
        ("throttled_without_retry_after", 429, "throttled"),
        ("service_unavailable", 503, "transient"),
        ("token_expired", 401, "unauthorized"),
    ] {
        let error = install(&world, name).await;
        assert_eq!((error.status, error.refusal.as_str()), (status, refusal), "{name}");
        let body = &fixture(name)["body"]["error"];
        assert_eq!(error.code.as_deref(), body["code"].as_str(), "{name}");
        assert!(error.text.starts_with(body["message"].as_str().unwrap()), "{name}: {}", error.text);
        assert_eq!(error.request_id.as_deref(), Some("93b6f17e-c05d-4f45-ad2a-6665c708d8a0"), "{name}");
    }
    let error = install(&world, "app_blocked").await;
    assert_eq!(error.inner_code.as_deref(), Some("AccessDenied"));
    assert!(error.text.contains("App is blocked by app permission policy"), "{}", error.text);
    let GraphRefusal::MissingRole { any_of } = install(&world, "missing_role").await.refusal else {
        panic!()
    };
    assert_eq!(any_of[1], "TeamsAppInstallation.ReadWriteForUser.All");
}

#[tokio::test]
async fn limits_are_told() {
    let world = GraphWorld::new().await;
    world.answers(&["throttled_directory"]);
    let error = world.graph.users(&List::default()).all().await.unwrap_err();
    let error = error.refused().unwrap();
    assert_eq!(error.retry_after.unwrap().wait(), Duration::from_secs(10));
    assert_eq!((error.throttle.units, error.throttle.percentage), (Some(2), Some(1.3)));
    assert!(error.throttle.scope.as_ref().unwrap().starts_with("Tenant_Application/ReadWrite/"));
    assert_eq!(error.throttle.information.as_deref(), Some("ResourceUnitLimitExceeded"));

    // As a date, by our clock.
    let clock = HandClock::at(784_111_777 - 90);
    let graph = world.graph.clone().with_clock(clock.clock());
    let late = Scripted::json(429, &json!({})).with("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT");
    world.server.script([late]);
    let error = graph.user(OMAR, &[]).await.unwrap_err();
    assert_eq!(error.refused().unwrap().retry_after.unwrap().wait(), Duration::from_secs(90));
}

/// Graph at `server`, with tokens of `entra`.
fn with_tokens(entra: &StandIn, server: &StandIn) -> Graph {
    let identity = GraphIdentity::App {
        client_id: "app".into(),
        credential: Credential::Secret(SecretString::from("s3cret")),
    };
    let tokens = GraphTokens::new(client(), &Endpoints::simulator(&entra.base()), identity);
    let root = Endpoints::simulator(&server.base()).graph_root().unwrap();
    Graph::new(client(), root, tokens.of_tenant("contoso.com").unwrap())
}

#[tokio::test]
async fn a_401_is_tried_once_more_with_a_new_token() {
    let (entra, server) = (StandIn::start().await, StandIn::start().await);
    let graph = with_tokens(&entra, &server);
    let granted = |token: &str| Scripted::json(200, &json!({"access_token": token, "expires_in": 3599}));
    entra.script([granted("one"), granted("two"), granted("three")]);
    let expired = Scripted::json(401, &fixture("token_expired")["body"]);
    server.script([expired.clone(), Scripted::json(200, &fixture("user")["body"])]);
    graph.user(INES, &[]).await.unwrap();
    let used: Vec<_> = server.seen().into_iter().map(|seen| seen.authorization.unwrap()).collect();
    assert_eq!(used, ["Bearer one", "Bearer two"]);

    server.script([expired]);
    let error = graph.user(INES, &[]).await.unwrap_err();
    assert_eq!(error.refused().unwrap().refusal, GraphRefusal::Unauthorized);
    assert_eq!(server.seen().len(), 4, "and not a third time");
    assert!(!format!("{error} {error:?} {graph:?}").contains("three"));
}

#[tokio::test]
async fn no_token_no_call_and_nobody_there() {
    let (entra, server) = (StandIn::start().await, StandIn::start().await);
    entra.script([Scripted { status: 503, headers: Vec::new(), body: String::new() }]);
    let graph = with_tokens(&entra, &server);
    assert!(matches!(graph.user(INES, &[]).await.unwrap_err(), CallError::Token(_)));
    assert_eq!(server.seen().len(), 0);

    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let root = Endpoints::simulator(&base).graph_root().unwrap();
    let graph = Graph::new(client(), root, Arc::new(NoToken));
    let error = graph.user(INES, &[]).await.unwrap_err();
    assert!(matches!(error, CallError::Failed(CallFailure::NotSent { .. })), "{error}");
    assert!(!error.to_string().contains("127.0.0.1") && error.refused().is_none());
}
