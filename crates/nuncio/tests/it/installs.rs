//! People who do not have the app are given it through Graph before they are spoken to.

use std::time::Duration;

use nuncio_api::{Message, NewKey, NewMessage};
use nuncio_client::{Client, ClientError, MessageFilter, PageOf};
use serde_json::json;

use crate::counts;
use crate::preview::compared;
use crate::world::{APP_ID, Plan, World, reasons, to_users};

const CATALOGUE: &str = "AppCatalog.Read.All";
const INSTALL: &str = "TeamsAppInstallation.ReadWriteSelfForUser.All";

/// Nobody of these has the app, and the server may give it to them.
async fn strangers(people: u32) -> World {
    let plan = Plan::people(people).states(json!({"never_installed": 1.0}));
    plan.app("may_install = true\nwelcome = { personal = \"Welcome!\" }").start_unmet().await
}

fn given(users: &[String], text: &str) -> NewMessage {
    NewMessage { install: Some("if_never_installed".to_owned()), ..to_users(users, text) }
}

async fn everybody(world: &World) -> Vec<String> {
    let page = world.sim.get("people?limit=10000").await;
    let items = page["items"].as_array().unwrap();
    items.iter().map(|person| person["id"].as_str().unwrap().to_owned()).collect()
}

async fn roles(world: &World, roles: &[&str]) {
    world.sim.patch("settings", &json!({"graph_roles_at_once": true})).await;
    world.sim.patch(&format!("bots/{APP_ID}"), &json!({"graph_roles": roles})).await;
}

async fn catalogue(world: &World, place: &str) {
    world.sim.patch(&format!("bots/{APP_ID}"), &json!({"catalog": place})).await;
}

/// It waits for installing to work again, and says why.
async fn waits(world: &World, id: &str) -> (Message, String) {
    let message = world.until(id, "it waits", |message| message.state == "waiting").await;
    assert_eq!(message.cause.as_deref(), Some("install"), "{message:?}");
    let text = message.cause_text.clone().unwrap_or_default();
    (message, text)
}

#[tokio::test]
async fn people_who_never_had_the_app_get_the_message_and_no_welcome() {
    let world = strangers(10).await;
    let people = everybody(&world).await;
    let (told, sent) = compared(&world, &given(&people, "hello")).await;
    assert_eq!((told.calls.install, told.needs_install), (10, 10));
    assert_eq!(
        (sent.counts, sent.install.as_str()),
        (counts! { audience: 10, delivered: 10 }, "if_never_installed")
    );
    for person in &people {
        assert_eq!(world.sim.times(person).await, 1);
    }
    let calls = world.delivery(&sent.id, &people[0]).await;
    let calls: Vec<_> =
        calls.calls.iter().map(|call| (call.call.as_str(), call.outcome.as_str(), call.status)).collect();
    assert_eq!(calls, [("install", "accepted", Some(201)), ("send", "accepted", Some(201))]);
    assert_eq!(world.sim.requests("graph.install").await.get("201"), Some(&10));
    // The catalogue is asked once, and the conversations came with the events.
    assert_eq!((world.sim.calls("graph.catalog").await, world.sim.calls("graph.chat").await), (1, 0));
    // They have it now: another message installs nothing.
    let again = world.sent(&given(&people, "again")).await;
    assert_eq!(again.counts.delivered, 10);
    assert_eq!(world.sim.calls("graph.install").await, 10);
    // The events of all installs are here, and no welcome was made of them.
    world.sim.events_answered().await;
    let messages = world.client.messages(&MessageFilter::default(), PageOf::default()).await.unwrap();
    assert_eq!(messages.items.len(), 2, "{messages:?}");
    // Somebody who gets it in another way is welcomed.
    world.sim.post("reset", &json!({"people": 1, "teams": 0})).await;
    world.everyone_installs().await;
    let welcomed = everybody(&world).await;
    let came =
        nuncio_testkit::wait_until(async || world.sim.times(&welcomed[0]).await == 1, crate::world::LONG)
            .await;
    assert!(came, "no welcome");
    world.end().await;
}

#[tokio::test]
async fn who_has_it_already_is_found_by_graph() {
    let world = Plan::people(3).app("may_install = true").start_unmet().await;
    let people = everybody(&world).await;
    let sent = world.sent(&given(&people, "hello")).await;
    assert_eq!(sent.counts, counts! { audience: 3, delivered: 3 });
    let calls = world.delivery(&sent.id, &people[0]).await;
    let calls: Vec<_> = calls.calls.iter().map(|call| (call.call.as_str(), call.status)).collect();
    assert_eq!(calls, [("install", Some(409)), ("find_chat", Some(200)), ("send", Some(201))]);
    let known = world.run(&["conversations", "--json"]).await.exits(0).stdout;
    assert!(known.contains("@unq.gbl.spaces"), "{known}");
    world.end().await;
}

#[tokio::test]
async fn an_event_that_is_missed_is_made_up_for_by_graph() {
    let world = strangers(2).await;
    world.sim.patch("settings", &json!({"install_events_lost": 1.0})).await;
    let people = everybody(&world).await;
    let sent = world.sent(&given(&people, "hello")).await;
    assert_eq!(sent.counts, counts! { audience: 2, delivered: 2 });
    assert_eq!(world.sim.requests("graph.chat").await.get("200"), Some(&2));
    let calls = world.delivery(&sent.id, &people[0]).await;
    let at = |n: usize| calls.calls[n].started_at.parse::<jiff::Timestamp>().unwrap();
    let waited = Duration::try_from(at(1).duration_since(at(0))).unwrap();
    assert!(waited >= Duration::from_secs(19), "{waited:?}");
    world.end().await;
}

#[tokio::test]
async fn a_policy_that_forbids_it_and_a_removal_by_hand() {
    let world = strangers(6).await;
    // Whether Teams tells of a removal is not sure; here it does.
    world.sim.patch("settings", &json!({"uninstall_event": "remove"})).await;
    let people = everybody(&world).await;
    for person in &people[..2] {
        world.sim.turn(person, "policy_blocked").await;
    }
    // This one had it and took it away, of which Teams told.
    world.sim.patch("settings", &json!({"uninstall_event": "remove"})).await;
    world.sim.post(&format!("people/{}/installs", people[2]), &json!({})).await;
    world.sim.events_answered().await;
    world.sim.post(&format!("people/{}/removes", people[2]), &json!({})).await;
    world.sim.events_answered().await;
    let sent = world.sent(&given(&people, "hello")).await;
    assert_eq!(sent.failed_by_reason, reasons(&[("blocked_by_policy", 2)]));
    assert_eq!(sent.skipped_by_reason, reasons(&[("unreachable", 1)]));
    assert_eq!(sent.counts, counts! { audience: 6, delivered: 3, failed: 2, skipped: 1 });
    let reach = world.run(&["reachability", "--json"]).await.exits(0).stdout;
    assert!(reach.contains("policy_blocked"), "{reach}");
    // Asked for by name, it is given again.
    let also =
        NewMessage { install: Some("also_if_removed".to_owned()), ..to_users(&people[2..3], "once more") };
    assert_eq!(world.sent(&also).await.counts, counts! { audience: 1, delivered: 1 });
    world.end().await;
}

#[tokio::test]
async fn the_app_leaves_the_catalogue_in_the_middle_and_comes_back() {
    let world = strangers(40).await;
    let people = everybody(&world).await;
    let third = json!({"match": {"op": "graph.install", "nth": [5]}, "do": {"hold": "before"}, "times": 1});
    world.sim.fault(third).await;
    let id = world.send(&given(&people, "hello")).await;
    world.sim.held(1).await;
    catalogue(&world, "absent").await;
    world.sim.no_faults().await;
    let (message, text) = waits(&world, &id).await;
    assert!(text.contains(APP_ID) && text.contains("catalogue"), "{text}");
    assert_eq!(message.counts.failed, 0);
    // Who has the app is not kept waiting by it.
    let has = message.counts.delivered;
    assert!(has >= 1, "{message:?}");
    catalogue(&world, "organization").await;
    let sent = world.over(&id).await;
    assert_eq!((sent.counts, sent.cause), (counts! { audience: 40, delivered: 40 }, None));
    world.end().await;
}

#[tokio::test]
async fn a_role_is_missing_and_granted_while_others_go_on() {
    let world = strangers(8).await;
    let people = everybody(&world).await;
    // Two of them have it.
    for person in &people[..2] {
        world.sim.post(&format!("people/{person}/installs"), &json!({})).await;
    }
    world.sim.events_answered().await;
    roles(&world, &[CATALOGUE]).await;
    let id = world.send(&given(&people, "hello")).await;
    let (message, text) = waits(&world, &id).await;
    assert!(text.contains(INSTALL), "{text}");
    assert_eq!(message.counts, counts! { audience: 8, delivered: 2, pending: 6 });
    let other = world.sent(&to_users(&people[..2], "meanwhile")).await;
    assert_eq!(other.counts.delivered, 2);
    roles(&world, &[CATALOGUE, INSTALL]).await;
    assert_eq!(world.over(&id).await.counts, counts! { audience: 8, delivered: 8 });
    world.end().await;
}

#[tokio::test]
async fn killed_in_the_middle() {
    let mut world = strangers(60).await;
    let people = everybody(&world).await;
    let held = json!({"match": {"op": "graph.install", "nth": [20]}, "do": {"hold": "after"}, "times": 1});
    world.sim.fault(held).await;
    let id = world.send(&given(&people, "hello")).await;
    world.sim.held(1).await;
    world.kill().await;
    world.sim.post("faults/release", &json!({"drop": true})).await;
    world.sim.no_faults().await;
    world.start().await;
    let over = world.over(&id).await;
    assert_eq!(over.counts.delivered + over.counts.ambiguous, 60, "{over:?}");
    assert_eq!(world.sim.get("counts").await["most_per_recipient_total"], 1);
    world.end().await;
}

#[tokio::test]
async fn who_may_not_install_is_told_so() {
    let world = Plan::people(1).start_unmet().await;
    let people = everybody(&world).await;
    let refused = async |client: &Client| match client.send(&given(&people, "hello"), None).await {
        Err(ClientError::Problem(problem)) => {
            assert_eq!(problem.code, "install_not_allowed");
            problem.errors.into_iter().map(|error| error.text).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let texts = refused(&world.client).await;
    assert!(texts.len() == 1 && texts[0].contains("may_install = true in [app.main]"), "{texts:?}");
    let key = NewKey { name: "plain".to_owned(), role: "send".to_owned(), app: None, may_install: false };
    let plain = world.client.create_key(&key).await.unwrap();
    let texts = refused(&Client::new(&world.url, &plain.secret).unwrap()).await;
    assert!(texts.len() == 2 && texts[1].contains("--may-install"), "{texts:?}");
    world.end().await;
}
