//! The synchronised copy of the directory: the first round, changes, what goes wrong between, and broadcasts that do not
//! wait for Microsoft Graph.

use nuncio_api::{Audience, DirectoryCopy, Message, NewMessage};
use nuncio_client::ClientError;
use nuncio_testkit::{Postgres, wait_until};
use serde_json::{Value, json};

use crate::counts;
use crate::directory::{group, people};
use crate::preview::compared;
use crate::world::{APP_ID, LONG, Plan, World, message, reasons};

const SYNCHRONISED: &str = "directory = \"synchronised\"";

async fn copy(world: &World) -> DirectoryCopy {
    world.client.directory().await.unwrap().items.remove(0)
}

/// Waits until something can be said of the copy.
async fn until(world: &World, what: &str, is: impl Fn(&DirectoryCopy) -> bool) -> DirectoryCopy {
    let mut last = None;
    let came = wait_until(
        async || {
            let now = copy(world).await;
            let came = is(&now);
            last = Some(now);
            came
        },
        LONG,
    )
    .await;
    let last = last.unwrap();
    assert!(came, "{what}: {last:#?}\n{}", world.server.output());
    last
}

async fn whole(world: &World) -> DirectoryCopy {
    until(world, "it is whole", |copy| copy.state == "current").await
}

/// A round now, to its end.
async fn sync(world: &World) -> DirectoryCopy {
    let ran = world.run(&["directory", "sync", "--wait", "--json"]).await.exits(0);
    serde_json::from_value(ran.json()).unwrap()
}

fn held(copy: &DirectoryCopy) -> (i64, i64, i64) {
    (copy.people, copy.groups, copy.members)
}

async fn change(world: &World, group: &str, add: &[&str], remove: &[&str]) {
    world.sim.post(&format!("groups/{group}/members"), &json!({"add": add, "remove": remove})).await;
}

async fn roles(world: &World, roles: &[&str]) {
    world.sim.patch(&format!("bots/{APP_ID}"), &json!({"graph_roles": roles})).await;
}

/// Calls to Graph of whatever kind.
async fn asked_of_graph(world: &World) -> u64 {
    let counts = world.sim.get("counts").await;
    let of = |statuses: &Value| statuses.as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
    let requests = counts["requests"].as_object().unwrap();
    requests.iter().filter(|(op, _)| op.starts_with("graph.")).map(|(_, statuses)| of(statuses)).sum()
}

fn everyone() -> NewMessage {
    message(Audience { everyone: true, ..Audience::default() }, "hello")
}

fn to_groups(groups: &[&String]) -> NewMessage {
    let groups = groups.iter().map(|id| (*id).clone()).collect();
    message(Audience { groups, ..Audience::default() }, "hello")
}

/// How many a message is for, without sending it and without a call to Graph.
async fn counted(world: &World) -> i64 {
    let before = asked_of_graph(world).await;
    let id = world.send(&NewMessage { max_recipients: Some(1), ..everyone() }).await;
    let counted = world.until(&id, "it is counted", |message| message.audience_final).await;
    assert_eq!(asked_of_graph(world).await, before, "{counted:?}");
    world.run(&["messages", "cancel", &id]).await.exits(0);
    world.over(&id).await;
    counted.counts.audience
}

/// Counted and sent without a call to Graph, to the same effect.
async fn sent_from_copy(world: &World, message: &NewMessage) -> Message {
    let before = asked_of_graph(world).await;
    let (told, sent) = compared(world, message).await;
    assert_eq!(told.calls.graph_pages, 0);
    assert_eq!(asked_of_graph(world).await, before, "{sent:?}");
    sent
}

async fn a_first_round_and_what_changes(world: &World) {
    let all = people(world).await;
    let id = |n: usize| all[n].0.as_str();
    let inner = group(world, "Night shift", &[id(0), id(1), id(2)]).await;
    let outer = group(world, "Operations", &[id(3), &inner]).await;
    // A circle.
    change(world, &inner, &[&outer], &[]).await;
    let first = sync(world).await;
    // Two teams beside the two groups.
    assert_eq!((first.state.as_str(), first.people, first.groups), ("current", 60, 4));
    assert_eq!(first.directory, "synchronised");
    assert!(first.used_until.is_some() && first.next_at.is_some() && first.round.is_none(), "{first:?}");

    let sent = sent_from_copy(world, &to_groups(&[&outer])).await;
    assert_eq!(sent.counts, counts! { audience: 4, delivered: 4 });
    let users = vec![all[7].1.to_uppercase(), all[8].1.clone()];
    let named = sent_from_copy(world, &message(Audience { users, ..Audience::default() }, "hello")).await;
    assert_eq!(named.counts, counts! { audience: 2, delivered: 2 });
    let whole = sent_from_copy(world, &everyone()).await;
    assert_eq!(whole.counts, counts! { audience: 60, delivered: 60 });
    let teams = world.sim.get("teams").await;
    let of_group = teams["items"][0]["aadGroupId"].as_str().unwrap().to_owned();
    let team = message(Audience { teams: vec![of_group], ..Audience::default() }, "hello");
    let to_team = sent_from_copy(world, &team).await;
    assert!(to_team.counts.audience > 0, "{to_team:?}");

    // Somebody joins a group and somebody leaves it, one is disabled, one loses the licence, one becomes a guest, one is
    // deleted, and a group that is in no other is made and dropped again.
    change(world, &inner, &[id(5)], &[id(0)]).await;
    for (n, change) in [
        (10, json!({"account_enabled": false})),
        (11, json!({"licensed": false})),
        (12, json!({"user_type": "guest"})),
        (13, json!({"state": "deleted"})),
    ] {
        world.sim.patch(&format!("people/{}", id(n)), &change).await;
    }
    let made = group(world, "New", &[id(20), id(21)]).await;
    let calls = world.sim.calls("graph.users_delta").await;
    let changed = sync(world).await;
    assert_eq!((changed.people, changed.groups), (59, 5), "{changed:?}");
    // Changes, and not everything.
    assert_eq!(world.sim.calls("graph.users_delta").await - calls, 1);
    let sent = sent_from_copy(world, &to_groups(&[&outer])).await;
    assert_eq!(sent.counts, counts! { audience: 4, delivered: 4 });
    let got: Vec<String> = world.deliveries(&sent.id).await.into_iter().map(|one| one.recipient).collect();
    assert!(got.contains(&all[5].0) && !got.contains(&all[0].0), "{got:?}");
    let whole = sent_from_copy(world, &everyone()).await;
    let skipped = reasons(&[("account_disabled", 1), ("guest", 1), ("unlicensed", 1)]);
    assert_eq!((whole.counts.audience, whole.skipped_by_reason), (59, skipped));
    let new = sent_from_copy(world, &to_groups(&[&made])).await;
    assert_eq!(new.counts, counts! { audience: 2, delivered: 2 });

    // Restored, and back in the audience; the group is gone, so that Graph is asked and says so.
    world.sim.turn(id(13), "installed").await;
    world.sim.delete(&format!("groups/{made}")).await;
    let back = sync(world).await;
    assert_eq!((back.people, back.groups), (60, 4));
    let gone = world.send(&to_groups(&[&made])).await;
    let waits = world.until(&gone, "it waits", |message| message.state == "waiting").await;
    assert!(waits.cause_text.unwrap_or_default().contains(&made));
    world.run(&["messages", "cancel", &gone]).await.exits(0);
    world.over(&gone).await;
}

#[tokio::test]
async fn from_the_first_round_to_what_changes() {
    let world = Plan::people(60).app(SYNCHRONISED).start().await;
    a_first_round_and_what_changes(&world).await;
    world.end().await;
}

#[tokio::test]
async fn the_same_on_postgresql() {
    let url = Postgres::shared().database(None);
    let world = Plan::people(60).app(SYNCHRONISED).database(&url).start().await;
    a_first_round_and_what_changes(&world).await;
    world.end().await;
}

#[tokio::test]
async fn killed_in_the_middle_and_with_the_database_lost() {
    let mut world = Plan::people(120).app(SYNCHRONISED).start_unmet().await;
    whole(&world).await;
    world.sim.patch("settings", &json!({"graph_page_max": 10})).await;
    let fourth =
        json!({"match": {"op": "graph.users_delta", "nth": [4]}, "do": {"hold": "before"}, "times": 1});
    world.sim.fault(fourth).await;
    let pages = async |world: &World| world.sim.requests("graph.users_delta").await.get("200").copied();
    let before = pages(&world).await.unwrap();
    world.run(&["directory", "sync", "--full"]).await.exits(0);
    world.sim.held(1).await;
    let middle = copy(&world).await;
    let round = middle.round.clone().unwrap();
    assert_eq!(
        (middle.state.as_str(), round.full, round.step.as_str(), round.read),
        ("running", true, "people", 30)
    );
    // What was whole is used meanwhile.
    assert_eq!(middle.people, 120);
    world.kill().await;
    world.sim.post("faults/release", &json!({"drop": true})).await;
    world.sim.no_faults().await;
    world.start().await;
    let after =
        until(&world, "it went on", |copy| copy.state == "current" && copy.complete_at != middle.complete_at)
            .await;
    assert_eq!(held(&after), held(&middle));
    // Twelve pages in all: it went on where it was.
    assert_eq!(pages(&world).await.unwrap() - before, 12);

    // Without its database the server reads it all from Graph again.
    world.stop().await;
    world.start_anew().await;
    assert_eq!(held(&whole(&world).await), held(&after));
    world.end().await;
}

#[tokio::test]
async fn what_graph_answers_wrongly_is_asked_again() {
    let world = Plan::people(60).app(SYNCHRONISED).start_unmet().await;
    let first = whole(&world).await;
    world.sim.patch("settings", &json!({"graph_page_max": 20, "graph_delta_untidy": true})).await;
    // Tokens that are too old, in either form: everything is read again, and nobody is lost.
    for as_ in ["gone", "bad_request"] {
        world.sim.patch("settings", &json!({"graph_delta_expired_as": as_})).await;
        world.sim.post("graph", &json!({"expire_delta_tokens": true})).await;
        assert_eq!(held(&sync(&world).await), held(&first));
    }
    // An answer that is cut, a page that leads to itself, one without its link, one that is empty; and too many calls.
    for (op, nth, wrong) in [
        ("graph.users_delta", 1, json!({"cut": "mid_body"})),
        ("graph.users_delta", 2, json!({"page": "repeats"})),
        ("graph.users_delta", 2, json!({"page": "ends"})),
        ("graph.users_delta", 1, json!({"page": "empty"})),
        ("graph.users_delta", 2, json!({"status": 200, "body": {"unexpected": true}})),
        ("graph.groups_delta", 1, json!({"status": 429, "retry_after": 1})),
        ("graph.groups_delta", 1, json!({"status": 503})),
        ("graph.groups_delta", 1, json!({"page": "ends"})),
    ] {
        let fault = json!({"match": {"op": op, "nth": [nth]}, "do": wrong, "times": 1});
        let fault = world.sim.fault(fault).await;
        let full = world.run(&["directory", "sync", "--full", "--wait", "--json"]).await.exits(0);
        let copy: DirectoryCopy = serde_json::from_value(full.json()).unwrap();
        assert_eq!(world.sim.hits(fault).await, 1, "{op} {wrong}");
        assert_eq!(held(&copy), held(&first), "{op} {wrong}");
        world.sim.no_faults().await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_great_loss_is_asked_for() {
    let mut world = Plan::people(40).app(SYNCHRONISED).start().await;
    let all = people(&world).await;
    whole(&world).await;
    // Half of a page is missing, and Graph says nothing of it.
    let half = json!({"match": {"op": "graph.users_delta"}, "do": {"page": "half"}, "times": 1});
    world.sim.fault(half).await;
    let ran = world.run(&["directory", "sync", "--full", "--wait"]).await.exits(3);
    assert!(
        ran.stderr.contains("does not name 20 of 40 people") && ran.stderr.contains("hint"),
        "{}",
        ran.stderr
    );
    let asks = copy(&world).await;
    assert_eq!((asks.state.as_str(), asks.asks.unwrap().people, asks.people), ("asks", 20, 40));
    let shown = world.run(&["directory"]).await.exits(0);
    assert!(
        shown.stdout.contains("asks") && shown.stderr.contains("nuncio directory reject"),
        "{shown:?}",
        shown = (shown.stdout, shown.stderr)
    );
    // Nothing of it was applied: everyone is everyone.
    assert_eq!(counted(&world).await, 40);
    let Err(ClientError::Problem(problem)) = world.client.sync_directory(&asks.lane, false).await else {
        panic!("a copy that asks goes on")
    };
    assert_eq!(problem.code, "directory_asks");
    // No: it is read anew, and all are there.
    let anew = world.run(&["directory", "reject", "--wait", "--json"]).await.exits(0).json();
    assert_eq!(
        (&anew["state"], &anew["people"], &anew["asks"]),
        (&json!("current"), &json!(40), &Value::Null)
    );
    let Err(ClientError::Problem(problem)) = world.client.confirm_directory(&asks.lane).await else {
        panic!("nothing asks")
    };
    assert_eq!(problem.code, "nothing_to_confirm");

    // Changes that take as much, which are true this time; a restart in between changes nothing.
    for (person, _) in &all[..8] {
        world.sim.patch(&format!("people/{person}"), &json!({"state": "deleted"})).await;
    }
    world.run(&["directory", "sync", "--wait"]).await.exits(3);
    let asks = copy(&world).await;
    assert_eq!((asks.state.as_str(), asks.asks.unwrap().people), ("asks", 8));
    assert_eq!(counted(&world).await, 40);
    world.stop().await;
    world.start().await;
    assert_eq!(copy(&world).await.asks.unwrap().people, 8);
    let ran = world.run(&["directory", "confirm", "--wait"]).await.exits(0);
    assert!(ran.stderr.contains("32 people"), "{}", ran.stderr);
    assert_eq!(counted(&world).await, 32);
    world.end().await;
}

#[tokio::test]
async fn consent_is_taken_back_in_the_middle_and_given_again() {
    let world = Plan::people(60).app(SYNCHRONISED).start_unmet().await;
    world.sim.patch("settings", &json!({"graph_page_max": 10, "graph_roles_at_once": true})).await;
    whole(&world).await;
    world.everyone_installs().await;
    // In the middle of a round that reads everything.
    let third =
        json!({"match": {"op": "graph.users_delta", "nth": [3]}, "do": {"hold": "before"}, "times": 1});
    world.sim.fault(third).await;
    world.run(&["directory", "sync", "--full"]).await.exits(0);
    world.sim.held(1).await;
    roles(&world, &[]).await;
    world.sim.no_faults().await;
    let failing = until(&world, "it says so", |copy| copy.state == "failing").await;
    assert!(failing.cause.unwrap().contains("User.Read.All"));
    let ran = world.run(&["directory", "sync", "--wait"]).await.exits(3);
    assert!(ran.stderr.contains("User.Read.All"), "{}", ran.stderr);
    // What was whole is whole still: nobody is left out of what is sent now.
    let sent = world.sent(&everyone()).await;
    assert_eq!(sent.counts, counts! { audience: 60, delivered: 60 });
    roles(&world, &["User.Read.All", "GroupMember.Read.All"]).await;
    let again = until(&world, "it went on", |copy| copy.state == "current").await;
    assert_eq!(again.people, 60);
    world.end().await;
}

#[tokio::test]
async fn before_the_first_round_is_whole_graph_is_asked() {
    let mut world = Plan::people(30).start().await;
    let shown = world.run(&["directory", "--json"]).await.exits(0).json();
    assert_eq!((&shown[0]["directory"], &shown[0]["state"]), (&json!("live"), &json!("never")));
    let refused = world.run(&["directory", "sync"]).await.exits(2);
    assert!(refused.stderr.contains("directory_not_synchronised"), "{}", refused.stderr);

    let down = json!({"match": {"op": "graph.users_delta"}, "do": {"status": 503}});
    world.sim.fault(down).await;
    configured(&mut world, true).await;
    until(&world, "it has begun", |copy| copy.cause.is_some()).await;
    let sent = world.sent(&everyone()).await;
    assert_eq!(sent.counts, counts! { audience: 30, delivered: 30 });
    assert_eq!(world.sim.requests("graph.users").await.get("200"), Some(&1));
    world.sim.no_faults().await;
    whole(&world).await;
    assert_eq!(counted(&world).await, 30);
    // A copy that is not kept up any more is not used.
    configured(&mut world, false).await;
    until(&world, "it is let go", |copy| copy.used_until.is_none()).await;
    world.sent(&everyone()).await;
    assert_eq!(world.sim.requests("graph.users").await.get("200"), Some(&2));
    world.end().await;
}

/// Restarts the server with a copy of the directory, or without.
async fn configured(world: &mut World, synchronised: bool) {
    world.stop().await;
    let file = world.folder.path().join("nuncio.toml");
    let without = std::fs::read_to_string(&file).unwrap().replace(SYNCHRONISED, "");
    let with = if synchronised { SYNCHRONISED } else { "" };
    std::fs::write(&file, format!("{}\n{with}\n", without.trim_end())).unwrap();
    world.start().await;
}
