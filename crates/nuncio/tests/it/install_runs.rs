//! Runs that install the app and say nothing: people, teams, group chats.

use std::collections::BTreeSet;

use nuncio_api::{Audience, Install, InstallCounts, NewInstall};
use nuncio_client::{DeliveryFilter, MessageFilter, PageOf};
use nuncio_testkit::wait_until;
use serde_json::{Value, json};

use crate::world::{LONG, Plan, World, message, reasons};

async fn strangers(people: u32) -> World {
    let plan = Plan::people(people).states(json!({"never_installed": 1.0}));
    plan.app("may_install = true").start_unmet().await
}

async fn people(world: &World) -> Vec<String> {
    let page = world.sim.get("people?limit=10000").await;
    let items = page["items"].as_array().unwrap();
    items.iter().map(|person| person["id"].as_str().unwrap().to_owned()).collect()
}

async fn teams(world: &World) -> Vec<Value> {
    world.sim.get("teams").await["items"].as_array().unwrap().clone()
}

fn text(of: &Value, field: &str) -> String {
    of[field].as_str().unwrap().to_owned()
}

/// Waits until a run is over.
async fn over(world: &World, id: &str) -> Install {
    let ended = async || {
        let run = world.client.install_run(id).await.unwrap();
        matches!(run.state.as_str(), "completed" | "cancelled")
    };
    assert!(wait_until(ended, LONG).await, "{:?}\n{}", world.client.install_run(id).await, world.log());
    world.client.install_run(id).await.unwrap()
}

async fn installed(world: &World, asked: &NewInstall) -> Install {
    let id = world.client.install(asked, None).await.unwrap().id;
    over(world, &id).await
}

fn for_people(users: &[String]) -> NewInstall {
    NewInstall {
        audience: Audience { users: users.to_vec(), ..Audience::default() },
        ..NewInstall::default()
    }
}

#[tokio::test]
async fn everyone_gets_the_app_and_is_reached_later() {
    let world = strangers(20).await;
    let all = people(&world).await;
    for person in &all[..2] {
        world.sim.turn(person, "policy_blocked").await;
    }
    // What it would come to is told before, and nothing comes of asking.
    let asked = ["install", "--dry-run", "--everyone"];
    let told = world.run(&[&asked[..], &["--json"]].concat()).await.exits(0).json();
    assert_eq!(
        (&told["audience"], &told["have_it"], &told["would_install"]),
        (&json!(20), &json!(0), &json!(20))
    );
    assert_eq!((&told["calls"]["install"], &told["rate_per_s"]), (&json!(20), &json!(30.0)), "{told}");
    let shown = world.run(&[&asked[..], &["--max-recipients", "19"]].concat()).await.exits(0).stdout;
    for words in
        ["  have it", "  would get it", "to install the app", "30 a second", "more than 19 recipients"]
    {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
    world.run(&[&asked[..], &["--wait"]].concat()).await.exits(2);
    assert_eq!(world.sim.calls("graph.install").await, 0);

    let ran = world.run(&["install", "--everyone", "--wait", "--json"]).await.exits(0);
    assert!(ran.stderr.contains("installing") && !ran.stderr.contains("sending"), "{}", ran.stderr);
    let ran = ran.json();
    assert_eq!((&ran["state"], &ran["counts"]["installed"]), (&json!("completed"), &json!(18)), "{ran}");
    assert_eq!(ran["failed_by_reason"], json!({"blocked_by_policy": 2}));
    let id = text(&ran, "id");
    // It is no message in the list of messages, and one of the list of runs.
    let messages = world.client.messages(&MessageFilter::default(), PageOf::default()).await.unwrap();
    assert!(messages.items.is_empty(), "{messages:?}");
    let listed = world.run(&["install", "list"]).await.exits(0).stdout;
    assert!(listed.contains(&id), "{listed}");
    let shown = world.run(&["install", "show", &id]).await.exits(0).stdout;
    assert!(shown.contains("installed") && shown.contains("blocked_by_policy"), "{shown}");

    // Nothing was said, and everybody who has it can be spoken to without a call to create anything.
    assert_eq!((world.sim.calls("send").await, world.sim.calls("create").await), (0, 0));
    world.sim.events_answered().await;
    let sent = world.sent(&message(Audience { installed: true, ..Audience::default() }, "hello")).await;
    assert_eq!((sent.counts.audience, sent.counts.delivered), (18, 18));
    assert_eq!(world.sim.calls("create").await, 0);

    let told = world.run(&[&asked[..], &["--json"]].concat()).await.exits(0).json();
    assert_eq!((&told["have_it"], &told["would_skip"]), (&json!(18), &json!({"unreachable": 2})), "{told}");

    // Asked again, those who have it are known, and only the two are asked for.
    let before = world.sim.calls("graph.install").await;
    for person in &all[..2] {
        world.sim.turn(person, "never_installed").await;
    }
    let retried = world.run(&["messages", "retry", &id, "--wait", "--json"]).await.exits(0).json();
    assert_eq!(retried["counts"]["delivered"], 2, "{retried}");
    let again = installed(&world, &for_people(&all)).await;
    assert_eq!(again.counts, InstallCounts { audience: 20, installed: 20, ..InstallCounts::default() });
    assert_eq!(world.sim.calls("graph.install").await, before + 2);
    world.end().await;
}

#[tokio::test]
async fn teams_and_chats_as_a_whole() {
    let world = strangers(8).await;
    let members = people(&world).await;
    let chat =
        text(&world.sim.post("chats", &json!({"name": "Night shift", "members": members})).await, "id");
    let all = teams(&world).await;
    let (one, other) = (text(&all[0], "aadGroupId"), text(&all[1], "aadGroupId"));
    world.sim.post(&format!("teams/{other}/archive"), &json!({})).await;
    let nobody = "00000000-1111-4222-8333-444444444444".to_owned();
    let asked = NewInstall {
        teams: vec![one.clone(), other, nobody],
        chats: vec![chat.clone()],
        ..NewInstall::default()
    };
    let run = installed(&world, &asked).await;
    assert_eq!(run.failed_by_reason, reasons(&[("not_permitted", 1), ("recipient_not_found", 1)]));
    assert_eq!(
        run.counts,
        InstallCounts { audience: 4, installed: 2, failed: 2, ..InstallCounts::default() }
    );
    // Teams tells of both, and both can be spoken to.
    world.sim.events_answered().await;
    let general = text(&all[0], "id");
    let known = world.run(&["teams", "--json"]).await.exits(0).stdout;
    assert!(known.contains(&general), "{known}");
    let audience = Audience { channels: vec![general.clone()], chats: vec![chat], ..Audience::default() };
    assert_eq!(world.sent(&message(audience, "hello")).await.counts.delivered, 2);
    // The team by the id that Teams gives it: it is there already.
    let again = installed(&world, &NewInstall { teams: vec![general], ..NewInstall::default() }).await;
    assert_eq!(again.counts.installed, 1);
    assert_eq!(world.sim.requests("graph.install").await.get("409"), Some(&1));
    // Who the run was for, in its own words.
    let filter = DeliveryFilter { state: Some("installed".to_owned()), ..DeliveryFilter::default() };
    let page = world.client.install_recipients(&run.id, &filter, PageOf::default()).await.unwrap();
    let kinds: Vec<_> = page.items.iter().map(|one| (one.kind.as_str(), one.state.as_str())).collect();
    assert_eq!(BTreeSet::from_iter(kinds), BTreeSet::from([("team", "installed"), ("chat", "installed")]));
    let report = world.run(&["messages", "report", &run.id]).await.exits(0).stdout;
    assert!(report.contains("The team is archived."), "{report}");
    world.end().await;
}

#[tokio::test]
async fn a_private_channel_needs_the_app_by_hand() {
    let world = strangers(3).await;
    let all = teams(&world).await;
    let group = text(&all[0], "aadGroupId");
    let run = installed(&world, &NewInstall { teams: vec![group.clone()], ..NewInstall::default() }).await;
    assert_eq!(run.counts.installed, 1);
    let made = json!({"name": "Board", "kind": "private", "members": []});
    let team = world.sim.post(&format!("teams/{group}/channels"), &made).await;
    world.sim.events_answered().await;
    let channel = find(&team, "Board").unwrap_or_else(|| panic!("{team}"));
    let sent =
        world.sent(&message(Audience { channels: vec![channel], ..Audience::default() }, "hello")).await;
    assert_eq!((sent.counts.delivered, sent.counts.failed), (0, 1), "{sent:?}");
    world.end().await;
}

/// The id of a channel by its name, wherever it stands in an answer.
fn find(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Object(fields) if fields.get("name").is_some_and(|it| it == name) => {
            fields.get("id")?.as_str().map(str::to_owned)
        }
        Value::Object(fields) => fields.values().find_map(|value| find(value, name)),
        Value::Array(items) => items.iter().find_map(|value| find(value, name)),
        _ => None,
    }
}

#[tokio::test]
async fn a_run_is_killed_held_and_cancelled() {
    let mut world = strangers(90).await;
    let all = people(&world).await;
    let held = json!({"match": {"op": "graph.install", "nth": [15]}, "do": {"hold": "after"}, "times": 1});
    world.sim.fault(held).await;
    let id = world.client.install(&for_people(&all), None).await.unwrap().id;
    world.sim.held(1).await;
    world.kill().await;
    world.sim.post("faults/release", &json!({"drop": true})).await;
    world.sim.no_faults().await;
    world.start().await;
    world.run(&["messages", "pause", &id]).await.exits(0);
    let paused = async || world.client.install_run(&id).await.unwrap().state == "paused";
    assert!(wait_until(paused, LONG).await);
    world.run(&["messages", "resume", &id]).await.exits(0);
    let run = over(&world, &id).await;
    assert_eq!(run.counts, InstallCounts { audience: 90, installed: 90, ..InstallCounts::default() });

    let another = strangers_more(&world).await;
    let held = json!({"match": {"op": "graph.install", "nth": [10]}, "do": {"hold": "before"}, "times": 1});
    world.sim.fault(held).await;
    let id = world.client.install(&for_people(&another), None).await.unwrap().id;
    world.sim.held(1).await;
    world.run(&["messages", "cancel", &id]).await.exits(0);
    world.sim.no_faults().await;
    let run = over(&world, &id).await;
    assert_eq!(run.state, "cancelled");
    assert!(run.counts.cancelled > 0, "{run:?}");
    world.end().await;
}

/// A new organisation of people who do not have the app.
async fn strangers_more(world: &World) -> Vec<String> {
    world.sim.post("reset", &json!({"people": 80, "teams": 0, "states": {"never_installed": 1.0}})).await;
    people(world).await
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let world = strangers(1).await;
    let ran = world.run(&["install"]).await;
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let channels = Audience { channels: vec!["19:a@thread.tacv2".to_owned()], ..Audience::default() };
    for (asked, pointer) in [
        (NewInstall::default(), "/audience"),
        (NewInstall { audience: channels, ..NewInstall::default() }, "/audience/channels"),
        (NewInstall { teams: vec!["Sales".to_owned()], ..NewInstall::default() }, "/teams/0"),
        (
            NewInstall { teams: vec!["19:unknown@thread.tacv2".to_owned()], ..NewInstall::default() },
            "/teams/0",
        ),
        (NewInstall { chats: vec!["19:a@thread.tacv2".to_owned()], ..NewInstall::default() }, "/chats/0"),
        (NewInstall { install: Some("never".to_owned()), ..for_people(&people(&world).await) }, "/install"),
    ] {
        let Err(nuncio_client::ClientError::Problem(problem)) = world.client.install(&asked, None).await
        else {
            panic!("{asked:?} was taken");
        };
        assert_eq!(problem.errors[0].pointer, pointer, "{problem:?}");
    }
    let missing = world.client.install_run("msg_00000000000000000000000000").await;
    assert!(missing.is_err());
    world.end().await;
}

#[tokio::test]
async fn a_survey_finds_out_who_has_the_app_and_says_nothing() {
    let world = strangers(12).await;
    let all = people(&world).await;
    // Four have it, of whom the server has heard nothing, and one is not there any more.
    for person in &all[..4] {
        world.sim.patch(&format!("people/{person}"), &json!({"state": "installed"})).await;
    }
    world.sim.events_answered().await;
    let args = ["reachability", "survey", "--everyone", "--wait", "--json"];
    let ran = world.run(&args).await.exits(0).json();
    assert_eq!((&ran["state"], &ran["counts"]["asked"]), (&json!("completed"), &json!(12)), "{ran}");
    let known = world.run(&["reachability", "--json"]).await.exits(0).json();
    assert_eq!(
        (&known["states"]["reachable"], &known["states"]["never_installed"]),
        (&json!(4), &json!(8)),
        "{known}"
    );
    assert_eq!((world.sim.calls("send").await, world.sim.calls("graph.install").await), (0, 0));
    let surveys = world.client.surveys(&MessageFilter::default(), PageOf::default()).await.unwrap();
    assert_eq!(surveys.items.len(), 1);
    assert!(
        world.client.installs(&MessageFilter::default(), PageOf::default()).await.unwrap().items.is_empty()
    );
    world.end().await;
}
