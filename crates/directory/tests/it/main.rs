//! The port over a Graph that answers as it is told: what is asked, and what each answer comes to.

#![expect(clippy::unwrap_used, reason = "what surprises a test ends it")]

mod installs;
mod stand_in;

use std::collections::HashMap;
use std::time::Duration;

use nuncio_directory::{Access, GraphDirectory, TeamsApp};
use nuncio_domain::directory::{Asker, Directory as _, DirectoryError, DirectorySource, Resolved};
use nuncio_teams::cloud::{Cloud, Endpoints};
use nuncio_teams::http::HttpClient;
use nuncio_teams::token::{Credential, GraphIdentity, GraphTokens, Identity, ManagedIdentity};
use serde_json::{Value, json};

use stand_in::{Answer, StandIn};

const TENANT: &str = "6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913";
const ASKER: Asker<'static> = Asker { app: "main", tenant: TENANT };
const MANIFEST: &str = "9a1f3c5e-7b2d-4e60-8f41-2c6d0b9e8a73";
/// The plan that Teams is in.
const TEAMS: &str = "57ff2da0-773e-42df-b2af-ffb7a2317929";

fn directory(stand_in: &StandIn) -> GraphDirectory {
    let endpoints = Endpoints::simulator(&stand_in.base);
    let http = HttpClient::builder().build().unwrap();
    let identity = GraphIdentity::App {
        client_id: "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4".to_owned(),
        credential: Credential::Secret("not a secret".to_owned().into()),
    };
    let tokens = GraphTokens::new(http.clone(), &endpoints, identity);
    let app = TeamsApp { manifest_id: MANIFEST.to_owned(), permissions: Vec::new() };
    let access = Access::Graph { root: endpoints.graph_root().unwrap(), tokens: Box::new(tokens), app };
    GraphDirectory::new(http, HashMap::from([("main".to_owned(), access)]))
}

fn user(id: &str) -> Value {
    json!({"id": id, "displayName": id.to_uppercase(), "userPrincipalName": format!("{id}@contoso.com"),
           "mail": null, "userType": "Member", "accountEnabled": true,
           "assignedPlans": [{"servicePlanId": TEAMS, "capabilityStatus": "Enabled", "service": "TeamspaceAPI"}]})
}

fn refusal(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message}})
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn ids(resolved: &[Resolved]) -> Vec<&str> {
    resolved.iter().map(id).collect()
}

fn id(resolved: &Resolved) -> &str {
    match resolved {
        Resolved::One(person) => person.object_id.as_str(),
        Resolved::None => "none",
        Resolved::Several => "several",
    }
}

#[tokio::test]
async fn a_source_is_read_page_by_page_from_the_link_that_was_kept() {
    let stand_in = StandIn::start().await;
    let link = format!("{}/v1.0/users?$skiptoken=abc", stand_in.base);
    stand_in.answers([
        Answer::ok(json!({"value": [user("ann"), {"id": ""}], "@odata.nextLink": link})),
        Answer::ok(json!({"value": [user("bob")]})),
    ]);
    let directory = directory(&stand_in);
    let first = directory.page(ASKER, &DirectorySource::Everyone, None).await.unwrap();
    let ann = &first.people[0];
    assert_eq!((first.people.len(), ann.object_id.as_str(), ann.licensed), (1, "ann", Some(true)));
    assert_eq!(first.next.as_deref(), Some(link.as_str()));
    let asked = stand_in.asked();
    assert!(asked[0].starts_with("GET /v1.0/users?$select=id,displayName,"), "{asked:?}");
    assert!(asked[0].contains("assignedPlans") && asked[0].ends_with("&$top=50"), "{asked:?}");
    let last = directory.page(ASKER, &DirectorySource::Everyone, first.next.as_deref()).await.unwrap();
    assert_eq!((last.people.len(), last.next), (1, None));
    assert_eq!(stand_in.asked()[1], "GET /v1.0/users?$skiptoken=abc");
    // A stored link is followed to Graph alone.
    let away = directory.page(ASKER, &DirectorySource::Everyone, Some("https://evil.example/x")).await;
    assert!(matches!(away, Err(DirectoryError::Refused(_))), "{away:?}");
    assert_eq!(stand_in.asked().len(), 2);
}

#[tokio::test]
async fn what_a_refusal_means_to_an_audience() {
    let denied = refusal("Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
    let missing = refusal("Request_ResourceNotFound", "Resource 'g' does not exist.");
    let group = DirectorySource::Group("g".to_owned());
    let gone = || DirectoryError::NotFound { id: "g".to_owned() };
    let stand_in = StandIn::start().await;
    let directory = directory(&stand_in);
    let link = format!("{}/v1.0/groups/g/transitiveMembers/microsoft.graph.user?$skiptoken=1", stand_in.base);
    for (answer, cursor, expected) in [
        (
            Answer::new(403, denied),
            None,
            DirectoryError::NotPermitted { role: "GroupMember.Read.All".to_owned() },
        ),
        (Answer::new(404, missing.clone()), None, gone()),
        (
            Answer::new(429, refusal("TooManyRequests", "wait")).with("retry-after", "0"),
            None,
            DirectoryError::Throttled { retry_after: Some(Duration::ZERO) },
        ),
    ] {
        stand_in.answers([answer]);
        assert_eq!(directory.page(ASKER, &group, cursor).await.unwrap_err(), expected);
    }
    for (answer, link, passes) in [
        (Answer::new(503, json!({})), None, true),
        (Answer::new(400, refusal("BadRequest", "no")), None, false),
        // Behind the first page the same may only mean that the link is too old.
        (Answer::new(400, refusal("BadRequest", "skiptoken")), Some(&link), true),
        (Answer::new(404, missing), Some(&link), true),
        (Answer::ok(json!({"value": [], "@odata.nextLink": link})), Some(&link), true),
        (Answer::ok(json!({"error": "half an answer"})), None, true),
    ] {
        stand_in.answers([answer]);
        let error = directory.page(ASKER, &group, link.map(String::as_str)).await.unwrap_err();
        assert_eq!(error.passes(), passes, "{error:?}");
        assert_eq!(matches!(error, DirectoryError::Anew(_)), link.is_some(), "{error:?}");
    }
}

#[tokio::test]
async fn consent_that_comes_later_is_in_a_new_token() {
    let stand_in = StandIn::start().await;
    let denied = refusal("Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
    stand_in.answers([Answer::new(403, denied), Answer::ok(json!({"value": []}))]);
    let directory = directory(&stand_in);
    directory.page(ASKER, &DirectorySource::Everyone, None).await.unwrap_err();
    assert_eq!(stand_in.tokens(), 1);
    directory.page(ASKER, &DirectorySource::Everyone, None).await.unwrap();
    assert_eq!(stand_in.tokens(), 2);
}

#[tokio::test]
async fn an_answer_that_is_too_long_makes_pages_smaller() {
    let stand_in = StandIn::start().await;
    let plan = json!({"servicePlanId": TEAMS, "service": "x".repeat(1024 * 1024)});
    let long = json!({"value": [{"id": "ann", "assignedPlans": [plan]}]});
    stand_in.answers([Answer::ok(long), Answer::ok(json!({"value": []}))]);
    let directory = directory(&stand_in);
    let error = directory.page(ASKER, &DirectorySource::Everyone, None).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Anew(_)), "{error:?}");
    directory.page(ASKER, &DirectorySource::Everyone, None).await.unwrap();
    assert!(stand_in.asked()[1].ends_with("&$top=25"), "{:?}", stand_in.asked());
}

#[tokio::test]
async fn names_are_looked_for_as_sign_in_names_and_then_as_addresses() {
    let stand_in = StandIn::start().await;
    let missing =
        || json!({"status": 404, "body": refusal("Request_ResourceNotFound", "Resource does not exist.")});
    let ok = |body: Value| json!({"status": 200, "body": body});
    let throttled =
        json!({"status": 429, "headers": {"Retry-After": "0"}, "body": refusal("TooManyRequests", "wait")});
    stand_in.answers([
        Answer::batch([ok(user("ann")), missing(), throttled, missing(), missing()]),
        Answer::batch([ok(user("cid"))]),
        Answer::batch([
            ok(json!({"value": [user("bob")]})),
            ok(json!({"value": [user("one"), user("two")]})),
            ok(json!({"value": []})),
        ]),
    ]);
    let asked = names(&["ann@x", "bob@x", "cid@x", "desk@x", "gone@x"]);
    let resolved = directory(&stand_in).resolve(ASKER, &asked).await.unwrap();
    assert_eq!(ids(&resolved), ["ann", "bob", "cid", "several", "none"]);
    let Resolved::One(ann) = &resolved[0] else { panic!("{resolved:?}") };
    assert_eq!((ann.guest, ann.enabled, ann.licensed), (Some(false), Some(true), Some(true)));
    let bodies = stand_in.bodies();
    let url = |call: usize, item: usize| bodies[call]["requests"][item]["url"].as_str().unwrap().to_owned();
    assert!(url(0, 0).starts_with("/users/ann%40x?$select=id,"), "{}", url(0, 0));
    assert!(url(1, 0).starts_with("/users/cid%40x?"), "the one that was throttled, again: {}", url(1, 0));
    assert!(url(2, 0).starts_with("/users?$filter=mail%20eq%20%27bob%40x%27"), "{}", url(2, 0));
}

#[tokio::test]
async fn many_names_go_in_calls_of_twenty() {
    let stand_in = StandIn::start().await;
    // They go out together, so that any may be answered first; what is more than was asked for is left out.
    stand_in.answers(
        (0..3)
            .map(|_| Answer::batch((0..20).map(|n| json!({"status": 200, "body": user(&format!("p{n}"))})))),
    );
    let asked: Vec<String> = (0..45).map(|n| format!("p{n}@x")).collect();
    let resolved = directory(&stand_in).resolve(ASKER, &asked).await.unwrap();
    assert_eq!(resolved.len(), 45);
    assert_eq!(stand_in.asked(), ["POST /v1.0/$batch"; 3]);
    let denied = refusal("Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
    stand_in.answers([Answer::batch([json!({"status": 403, "body": denied})])]);
    let error = directory(&stand_in).resolve(ASKER, &names(&["ann@x"])).await.unwrap_err();
    assert_eq!(error, DirectoryError::NotPermitted { role: "User.Read.All".to_owned() });
}

#[tokio::test]
async fn what_cannot_be_asked_says_what_is_missing() {
    let http = HttpClient::builder().build().unwrap();
    let endpoints = Endpoints::of(Cloud::Public);
    let identity = ManagedIdentity::imds(&endpoints, Identity::SystemAssigned);
    let identity = GraphIdentity::ManagedIdentity { identity, tenant: TENANT.to_owned() };
    let tokens = GraphTokens::new(http.clone(), &endpoints, identity);
    let app = TeamsApp { manifest_id: MANIFEST.to_owned(), permissions: Vec::new() };
    let apps = HashMap::from([
        ("local".to_owned(), Access::Missing("give it a credential".to_owned())),
        (
            "managed".to_owned(),
            Access::Graph { root: endpoints.graph_root().unwrap(), tokens: Box::new(tokens), app },
        ),
    ]);
    let directory = GraphDirectory::new(http, apps);
    let ready = |app, tenant| directory.ready(Asker { app, tenant });
    let missing = DirectoryError::NotConfigured("give it a credential".to_owned());
    assert_eq!(ready("local", TENANT), Err(missing));
    assert!(matches!(ready("unknown", TENANT), Err(DirectoryError::NotConfigured(_))));
    assert_eq!(ready("managed", TENANT), Ok(()));
    assert!(matches!(
        ready("managed", "0c5f7d21-6e48-4b93-a1d0-9f27c38be654"),
        Err(DirectoryError::NoToken(_))
    ));
}
