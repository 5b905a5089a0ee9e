//! Pages: nothing less than all of them is ever taken for all of them, and no token follows a stranger's link.

use std::sync::Arc;

use nuncio_teams::cloud::{Endpoints, LinkError};
use nuncio_teams::graph::{CallError, Graph, GraphRefusal, List, User};
use serde_json::{Value, json};

use crate::graph_tokens::OneToken;
use crate::graph_world::{GraphWorld, fixture};
use crate::stand_in::{Scripted, StandIn, client};

const USERS: &str = "https://graph.microsoft.com/v1.0/users";

fn page(id: &str, next: &Value) -> Value {
    json!({"value": [{"id": id}], "@odata.nextLink": next})
}

#[tokio::test]
async fn a_token_does_not_follow_a_strangers_link() {
    let (own, stranger) = (StandIn::start().await, StandIn::start().await);
    let root = Endpoints::simulator(&own.base()).graph_root().unwrap();
    let graph = Graph::new(client(), root, Arc::new(OneToken));
    own.script([Scripted::json(200, &page("one", &json!(format!("{}/v1.0/users?x", stranger.base()))))]);
    let mut pages = graph.users(&List::default());
    let first = pages.next().await.unwrap().unwrap();
    assert_eq!(first.items.len(), 1, "what was read is there");
    for _ in 0..2 {
        let error = pages.next().await.unwrap().unwrap_err();
        assert_eq!(error, CallError::Link(LinkError::Elsewhere), "and it is not the end");
    }
    assert_eq!((pages.link(), pages.operation()), (None, None));
    let error = graph.resume::<User>(&format!("{}/v1.0/users?x", stranger.base())).unwrap_err();
    assert_eq!(error, LinkError::Elsewhere);
    assert_eq!((own.seen().len(), stranger.connections()), (1, 0));
    assert_eq!(own.seen()[0].authorization.as_deref(), Some("Bearer one"));
}

#[tokio::test]
async fn links_that_are_none() {
    let world = GraphWorld::new().await;
    for (link, error) in [
        (json!(""), CallError::Link(LinkError::NotAUrl)),
        (json!("/v1.0/users?$skiptoken=x"), CallError::Link(LinkError::NotAUrl)),
        (json!("https://user@graph.microsoft.com/"), CallError::Link(LinkError::UserInfo)),
    ] {
        world.bodies(&[page("one", &link)]);
        assert_eq!(world.graph.users(&List::default()).all().await, Err(error), "{link}");
    }
    for link in [json!(7), json!({}), json!([])] {
        world.bodies(&[page("one", &link)]);
        let error = world.graph.users(&List::default()).all().await.unwrap_err();
        assert!(matches!(error, CallError::Unreadable { .. }), "{link}");
    }
    world.bodies(&[page("one", &Value::Null)]);
    assert_eq!(world.graph.users(&List::default()).all().await.unwrap().len(), 1);
}

#[tokio::test]
async fn pages_that_go_round_are_an_error() {
    let world = GraphWorld::new().await;
    let to = |token: &str| json!(format!("{USERS}?$skiptoken={token}"));
    world.bodies(&[page("one", &to("a")), page("two", &to("b")), page("three", &to("a"))]);
    let mut pages = world.graph.users(&List::default());
    for id in ["one", "two", "three"] {
        let page = pages.next().await.unwrap().unwrap();
        assert_eq!(page.items[0].id.as_deref(), Some(id));
    }
    assert_eq!(pages.next().await, Some(Err(CallError::LinkRepeats)));
    assert_eq!(world.server.seen().len(), 3);

    // Also a page that names itself, gone on from a stored link.
    world.bodies(&[page("two", &to("b"))]);
    let link = world.here(&format!("{USERS}?$skiptoken=b"));
    let mut pages = world.graph.resume::<User>(&link).unwrap();
    pages.next().await.unwrap().unwrap();
    assert_eq!(pages.next().await, Some(Err(CallError::LinkRepeats)));
}

#[tokio::test]
async fn half_a_page_is_never_the_end() {
    let world = GraphWorld::new().await;
    for body in
        [json!({}), json!({"value": null}), json!({"@odata.count": 0}), json!({"@odata.nextLink": "x"})]
    {
        world.bodies(std::slice::from_ref(&body));
        let error = world.graph.users(&List::default()).all().await.unwrap_err();
        assert_eq!(error, CallError::NoValue, "{body}");
    }
    for body in ["", "<html>", "{\"value\":[{\"id\":\"a\"}", "[]", "{\"value\":{}}", "{\"value\":[7]}"] {
        world.server.script([Scripted { status: 200, headers: Vec::new(), body: body.into() }]);
        let error = world.graph.users(&List::default()).all().await.unwrap_err();
        assert!(matches!(error, CallError::Unreadable { status: 200, .. }), "{body}: {error}");
    }
    let long = json!({"value": [{"id": "x".repeat(1024 * 1024)}]});
    world.bodies(&[long]);
    assert_eq!(world.graph.users(&List::default()).all().await, Err(CallError::TooLong));
    // An empty page is one; the next may have somebody.
    let next = json!(format!("{USERS}?$skiptoken=a"));
    world.bodies(&[json!({"value": [], "@odata.nextLink": next}), json!({"value": [{"id": "a"}]})]);
    assert_eq!(world.graph.users(&List::default()).all().await.unwrap().len(), 1);
}

#[tokio::test]
async fn after_an_error_the_same_page_is_asked_for_again() {
    let world = GraphWorld::new().await;
    world.server.script([
        world.scripted(&fixture("users")),
        world.scripted(&fixture("throttled_directory")),
        world.scripted(&fixture("service_unavailable")),
        world.scripted(&fixture("users_last")),
    ]);
    let mut pages = world.graph.users(&List::default());
    let (mut read, mut refused) = (0, Vec::new());
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => read += page.items.len(),
            Err(error) => refused.push(error.refused().unwrap().refusal.clone()),
        }
    }
    assert_eq!(read, 2);
    assert_eq!(refused, [GraphRefusal::Throttled, GraphRefusal::Transient]);
    let asked: Vec<String> = world.server.seen().into_iter().map(|seen| seen.query).collect();
    assert_eq!(asked[1], asked[2]);
    assert_eq!(asked[2], asked[3]);
}

#[tokio::test]
async fn a_list_is_gone_on_with_from_a_stored_link() {
    let world = GraphWorld::new().await;
    world.answers(&["users", "users_last"]);
    let mut pages = world.graph.users(&List::default());
    assert_eq!(pages.link(), None);
    pages.next().await.unwrap().unwrap();
    let stored = pages.link().unwrap().to_owned();
    drop(pages);
    let mut pages = world.graph.resume::<User>(&stored).unwrap();
    assert_eq!(pages.link(), Some(stored.as_str()));
    assert_eq!(pages.operation().unwrap().units, 1);
    let page = pages.next().await.unwrap().unwrap();
    assert_eq!(page.items[0].display_name.as_deref(), Some("Omar Haddad"));
    assert!(pages.next().await.is_none());
    assert!(!format!("{pages:?}").contains("skiptoken"));
}

#[tokio::test]
async fn a_round_of_changes_ends_with_a_link_or_not_at_all() {
    let world = GraphWorld::new().await;
    world.bodies(&[json!({"value": []})]);
    assert_eq!(world.graph.users_delta(&[]).all().await, Err(CallError::NoDeltaLink));
}
