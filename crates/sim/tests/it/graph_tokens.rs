//! Tokens for Graph and the roles in them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    credentials::unpack,
    fixtures::fixture,
    graph::{Graph, SCOPE, assert_refused, header},
    harness::{APP, SECRET, World, read, text},
};

fn claims(token: &str) -> Value {
    unpack(token.split('.').nth(1).unwrap())
}

#[tokio::test]
async fn a_token_lists_the_roles_that_were_consented_to() {
    let mut graph = Graph::start().await;
    graph.consent(&["User.Read.All"]).await;
    let is = claims(&graph.token);
    let expected = fixture("entra/token_graph.json")["claims"].clone();
    let names = |claims: &Value| claims.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&is), names(&expected));
    for name in ["aud", "appid", "idtyp", "roles", "ver"] {
        assert_eq!(is[name], expected[name], "{name}");
    }
    assert_eq!(is["tid"], graph.world.sim.tenant_id());
    // Without consent the claim is not there.
    graph.consent(&[]).await;
    assert!(claims(&graph.token).get("roles").is_none());
    let (status, body) =
        graph.world.control(Method::PATCH, &format!("bots/{APP}"), Some(json!({"graph_roles": ["x"]}))).await;
    assert_eq!(status, 400, "{body}");
}

#[tokio::test]
async fn each_cloud_has_its_own_graph() {
    let world = World::start().await;
    for (cloud, host) in [
        ("public", "https://graph.microsoft.com"),
        ("gcc", "https://graph.microsoft.com"),
        ("gcc_high", "https://graph.microsoft.us"),
        ("dod", "https://dod-graph.microsoft.us"),
        ("china", "https://microsoftgraph.chinacloudapi.cn"),
    ] {
        world.post("bots", json!({"app_id": APP, "secret": SECRET, "cloud": cloud})).await;
        let tenant = world.sim.tenant_id();
        let (status, answer) = world.token(tenant, APP, SECRET, &format!("{host}/.default")).await;
        assert_eq!(status, 200, "{cloud}: {answer}");
        assert_eq!(claims(text(&answer["access_token"]))["aud"], host);
        let url = format!("{}/v1.0/users?$top=1", world.sim.base());
        let request = world.http.get(url).bearer_auth(text(&answer["access_token"]));
        assert_eq!(read(request.send().await.unwrap()).await.0, 200, "{cloud}");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", APP),
            ("client_secret", SECRET),
            ("resource", host),
        ];
        let url = format!("{}/{tenant}/oauth2/token", world.sim.base());
        let (status, answer) = read(world.http.post(url).form(&form).send().await.unwrap()).await;
        assert_eq!((status, &answer["resource"]), (200, &json!(host)), "{cloud}");
    }
}

#[tokio::test]
async fn only_a_token_for_graph_is_taken() {
    let mut graph = Graph::start().await;
    let url = format!("{}/v1.0/users", graph.world.sim.base());
    let bare = read(graph.world.http.get(&url).send().await.unwrap()).await;
    assert_refused(&bare, "empty_token");
    for header in ["Bearer", "Bearer ", "Basic eDp5"] {
        let request = graph.world.http.get(&url).header("authorization", header);
        assert_refused(&read(request.send().await.unwrap()).await, "empty_token");
    }
    let good = graph.token.clone();
    graph.token = "x".into();
    assert_refused(&graph.get("users").await, "malformed_token");
    graph.token = graph.world.token.clone();
    assert_refused(&graph.get("users").await, "invalid_audience");
    graph.token = format!("{}x", &good[..good.len() - 1]);
    assert_eq!(graph.get("users").await.0, 401);
    graph.world.settings(json!({"token_expires_in": 0})).await;
    graph.token = crate::graph::token(&graph.world).await;
    assert_refused(&graph.get("users").await, "expired_token");
    // And the Connector takes none that is for Graph.
    graph.world.token = good;
    assert_eq!(graph.world.create("x").await.0, 401);
}

#[tokio::test]
async fn a_role_is_needed_for_each_thing() {
    let mut graph = Graph::start().await;
    let group = graph.good("groups").await["value"][0]["id"].clone();
    let person = graph.world.person("never_installed").await;
    let bind = graph.bind().await;
    graph.consent(&["User.Read.All"]).await;
    assert_refused(&graph.get("appCatalogs/teamsApps").await, "missing_role");
    assert_refused(&graph.get("groups").await, "request_denied");
    let user = format!("users/{}/teamwork/installedApps", text(&person["id"]));
    let team = format!("teams/{}", text(&group));
    for path in [user.clone(), team.clone(), format!("{team}/members"), format!("{team}/channels")] {
        let (status, body) = graph.get(&path).await;
        assert_eq!((status, &body["error"]["code"]), (403, &json!("Forbidden")), "{path}");
    }
    assert_eq!(graph.get("users").await.0, 200);
    graph.consent(&["TeamsAppInstallation.ReadForUser.All"]).await;
    assert_eq!(graph.get(&user).await.0, 200);
    let (status, body) = graph.post(&user, bind).await;
    assert_eq!(status, 403);
    assert!(text(&body["error"]["message"]).contains("ReadWriteSelfForUser.All"), "{body}");
    assert_refused(&graph.get("users").await, "request_denied");
}

#[tokio::test]
async fn consent_that_is_taken_back() {
    let graph = Graph::start().await;
    graph.bot(json!({"graph_roles": []})).await;
    assert_eq!(graph.get("users").await.0, 200, "what the token says counts until it ends");
    graph.world.settings(json!({"graph_roles_at_once": true})).await;
    assert_refused(&graph.get("users").await, "request_denied");
}

#[tokio::test]
async fn the_tenant_of_the_token_is_whose_people_are_seen() {
    let mut graph = Graph::start().await;
    let home = "11111111-2222-4333-8444-555555555555";
    let bot = json!({"app_id": "other", "secret": "s", "tenant_id": home});
    graph.world.post("bots", bot).await;
    // The bot is at home elsewhere, and its Connector's token comes from there.
    let tenant = graph.world.sim.tenant_id().to_owned();
    assert_eq!(graph.world.token(&tenant, "other", "s", crate::harness::SCOPE).await.0, 400);
    let (status, answer) = graph.world.token(&tenant, "other", "s", SCOPE).await;
    assert_eq!(status, 200, "{answer}");
    text(&answer["access_token"]).clone_into(&mut graph.token);
    assert_eq!(graph.good("users?$top=5").await["value"].as_array().unwrap().len(), 5);
    // At home it sees nobody of this organisation.
    let person = graph.world.person("never_installed").await;
    let path = format!("users/{}", text(&person["id"]));
    assert_eq!(graph.get(&path).await.0, 200);
    let (_, answer) = graph.world.token(home, "other", "s", SCOPE).await;
    text(&answer["access_token"]).clone_into(&mut graph.token);
    for list in ["users", "groups", "users/delta", "appCatalogs/teamsApps"] {
        assert_eq!(graph.good(list).await["value"], json!([]), "{list}");
    }
    assert_eq!(graph.get(&path).await.0, 404);
    assert_eq!(graph.post(&format!("{path}/teamwork/installedApps"), json!({})).await.0, 404);
    // Where multi-tenant bots have their tokens from, nobody consents to anything.
    let (_, answer) = graph.world.token("botframework.com", "other", "s", SCOPE).await;
    text(&answer["access_token"]).clone_into(&mut graph.token);
    assert!(claims(&graph.token).get("roles").is_none());
    assert_refused(&graph.get("users").await, "request_denied");
}

#[tokio::test]
async fn a_managed_identity_that_is_the_bot() {
    let mut graph = Graph::start().await;
    graph.world.post("bots", json!({"app_id": APP, "managed_identity": APP})).await;
    let url = format!(
        "{}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com",
        graph.world.sim.base()
    );
    let (status, answer) =
        read(graph.world.http.get(&url).header("Metadata", "true").send().await.unwrap()).await;
    assert_eq!((status, &answer["resource"]), (200, &json!("https://graph.microsoft.com")));
    text(&answer["access_token"]).clone_into(&mut graph.token);
    assert_eq!(graph.get("users?$top=1").await.0, 200);
    // One that only vouches for the bot was given nothing itself.
    graph.world.post("bots", json!({"app_id": APP, "managed_identity": "identity"})).await;
    let (_, answer) = read(graph.world.http.get(&url).header("Metadata", "true").send().await.unwrap()).await;
    text(&answer["access_token"]).clone_into(&mut graph.token);
    assert_refused(&graph.get("users").await, "request_denied");
}

#[tokio::test]
async fn answers_can_be_told_apart() {
    let graph = Graph::start().await;
    let mine = "9c2e1f77-53a0-4c3e-8c25-04b7a7f1d6aa";
    let request = graph.request(Method::GET, "users/nobody@nowhere").header("client-request-id", mine);
    let response = request.send().await.unwrap();
    let id = header(&response, "request-id").unwrap();
    assert_eq!(header(&response, "client-request-id").as_deref(), Some(mine));
    assert_eq!(header(&response, "ms-cv"), None);
    let (status, body) = read(response).await;
    let inner = &body["error"]["innerError"];
    assert_eq!(status, 404);
    assert_eq!((&inner["request-id"], &inner["client-request-id"]), (&json!(id), &json!(mine)));
    let response = graph.request(Method::GET, "users?$top=1").send().await.unwrap();
    assert!(
        header(&response, "content-type").unwrap().starts_with("application/json;odata.metadata=minimal")
    );
    let journal = graph.world.get("journal").await;
    let last = journal["items"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["op"], &last["status"]), (&json!("graph.users"), &json!(200)));
    assert_eq!((&last["app_id"], &last["path"]), (&json!(APP), &json!("/v1.0/users")));
    let counts = graph.world.get("counts").await;
    assert_eq!(counts["requests"]["graph.user"], json!({"404": 1}));
    assert_eq!(counts["requests"]["graph.users"], json!({"200": 1}));
}
