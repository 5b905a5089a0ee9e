//! What becomes of people, and what the report says of it: they block, remove, come back, lose their account.

use nuncio_api::{Audience, Person};
use nuncio_client::{PageOf, PeopleFilter};
use nuncio_testkit::wait_until;
use serde_json::{Value, json};

use crate::counts;
use crate::world::{LONG, Plan, World, message, to_users};

/// State, how it is known, status and code.
type Short = (String, String, Option<u16>, Option<String>);

fn short(person: &Person) -> Short {
    let known = person.evidence.as_ref().unwrap();
    (person.state.clone(), known.how.clone(), known.status, known.code.clone())
}

fn is(state: &str, how: &str, answer: Option<(u16, &str)>) -> Short {
    let (status, code) = answer.unzip();
    (state.to_owned(), how.to_owned(), status, code.map(str::to_owned))
}

async fn known(world: &World, id: &str) -> Person {
    world.client.person(id, &PeopleFilter::default()).await.unwrap().person
}

/// The history of somebody, oldest first, with brackets around what only stands beside it.
async fn history(world: &World, id: &str) -> Vec<String> {
    let mut past = world.client.person(id, &PeopleFilter::default()).await.unwrap().history;
    past.reverse();
    past.into_iter()
        .map(|past| {
            let text = format!("{} {}", past.state, past.evidence.how);
            if past.contradicts { format!("({text})") } else { text }
        })
        .collect()
}

async fn upn(world: &World, id: &str) -> String {
    world.sim.get(&format!("people/{id}")).await["upn"].as_str().unwrap().to_owned()
}

async fn says(world: &World, id: &str, text: &str) {
    let said = world.sim.post(&format!("people/{id}/says"), &json!({ "text": text })).await;
    assert_eq!(said["bots"][0]["status"], 200, "{said}");
}

/// Nine people of whom each comes to something else, and nobody's id.
async fn nine() -> (World, Vec<String>) {
    let world = Plan::people(9).start().await;
    world.sim.patch("settings", &json!({"uninstall_event": "remove"})).await;
    let mut people = world.sim.people("installed").await;
    let states =
        ["blocked", "uninstalled", "uninstalled", "blocked", "installed", "installed", "admin_disabled"];
    for (person, state) in people.iter().zip(states) {
        world.sim.turn(person, state).await;
    }
    world.sim.turn(&people[2], "installed").await;
    world.sim.patch(&format!("people/{}", people[4]), &json!({"account_enabled": false})).await;
    world.sim.patch(&format!("people/{}", people[5]), &json!({"licensed": false})).await;
    people.push("00000000-0000-4000-8000-00000000abcd".to_owned());

    // The call tells of blocks; names are looked up in the directory.
    let mut users = people.clone();
    for n in [4, 5] {
        users[n] = upn(&world, &people[n]).await;
    }
    let sent = world.sent(&to_users(&users, "who is there?")).await;
    assert_eq!(sent.counts, counts! { audience: 10, delivered: 3, failed: 4, skipped: 3 });
    world.sim.turn(&people[3], "installed").await;
    says(&world, &people[3], "I am back").await;
    (world, people)
}

#[tokio::test]
async fn the_report_says_what_became_of_people_and_how_it_is_known() {
    let (world, people) = nine().await;
    for (n, expected) in [
        (0, is("blocked", "refusal", Some((403, "ConversationBlockedByUser")))),
        (1, is("removed", "event", None)),
        (2, is("reachable", "event", None)),
        (3, is("reachable", "person", None)),
        (4, is("account_disabled", "graph", None)),
        (5, is("unlicensed", "graph", None)),
        (6, is("admin_disabled", "refusal", Some((403, "BotDisabledByAdmin")))),
        (7, is("reachable", "event", None)),
        (9, is("deleted", "refusal", Some((404, "ConversationNotFound")))),
    ] {
        assert_eq!(short(&known(&world, &people[n]).await), expected, "{n}");
    }
    assert_eq!(history(&world, &people[2]).await, ["reachable event", "removed event", "reachable event"]);
    assert_eq!(history(&world, &people[3]).await, ["reachable event", "blocked refusal", "reachable person"]);
    // What was seen before the directory was asked is still there.
    let disabled = known(&world, &people[4]).await;
    assert_eq!(disabled.seen.unwrap().state, "reachable");
    assert_eq!(disabled.directory.unwrap().enabled, Some(false));

    let counts = world.client.reachability(&PeopleFilter::default()).await.unwrap();
    assert_eq!(counts.total, 10);
    assert_eq!(
        serde_json::to_value(&counts.how).unwrap(),
        json!({
            "reachable": {"event": 3, "person": 1}, "removed": {"event": 1}, "blocked": {"refusal": 1},
            "admin_disabled": {"refusal": 1}, "deleted": {"refusal": 1},
            "account_disabled": {"graph": 1}, "unlicensed": {"graph": 1}
        })
    );

    // A message that is taken all the same stands beside the removal.
    world.sim.patch("settings", &json!({"uninstalled_as": "accepted"})).await;
    let urgent = nuncio_api::NewMessage {
        priority: Some("urgent".to_owned()),
        ..message(Audience { users: vec![people[1].clone()], ..Audience::default() }, "urgent")
    };
    assert_eq!(world.sent(&urgent).await.counts.delivered, 1);
    let removed = known(&world, &people[1]).await;
    assert_eq!(removed.state, "removed");
    let beside = removed.contradicted_by.unwrap();
    assert_eq!((beside.how.as_str(), beside.status), ("call", Some(201)));
    assert_eq!(history(&world, &people[1]).await, ["reachable event", "removed event", "(reachable call)"]);

    // The directory takes its word back, and the account is what was seen.
    world.sim.patch(&format!("people/{}", people[4]), &json!({"account_enabled": true})).await;
    let name = upn(&world, &people[4]).await;
    assert_eq!(world.sent(&to_users(&[name], "welcome back")).await.counts.delivered, 1);
    let again = known(&world, &people[4]).await;
    assert_eq!((again.state.as_str(), again.seen), ("reachable", None));
    assert_eq!(
        history(&world, &people[4]).await,
        ["reachable event", "account_disabled graph", "reachable graph"]
    );
    world.end().await;
}

#[tokio::test]
async fn the_audience_of_a_message_is_reported_once_each() {
    let (world, people) = nine().await;
    let users = [&people[..], &people[..3]].concat();
    let sent = world.sent(&to_users(&users, "again")).await;
    let filter = PeopleFilter { message: Some(sent.id.clone()), ..PeopleFilter::default() };
    let page = PageOf { limit: Some(1000), ..PageOf::default() };
    let mut listed: Vec<String> =
        world.client.people(&filter, page).await.unwrap().items.into_iter().map(|person| person.id).collect();
    listed.sort_unstable();
    let mut expected = people.clone();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    let counts = world.client.reachability(&filter).await.unwrap();
    assert_eq!((counts.total, counts.states["removed"]), (10, 1));
    world.end().await;
}

#[tokio::test]
async fn the_commands_show_it() {
    let (world, people) = nine().await;
    let shown = world.run(&["reachability"]).await.exits(0).stdout;
    let line = |begins: &str| {
        let line = shown.lines().find(|line| line.starts_with(begins));
        line.unwrap_or_else(|| panic!("no {begins}: {shown}")).to_owned()
    };
    assert!(line("blocked").contains("refusal 1") && line("blocked").contains("only they can unblock"));
    assert!(line("unlicensed").contains("graph 1"));
    assert!(line("muted").contains("not detectable"));
    assert_eq!(world.run(&["reachability", "--json"]).await.exits(0).json()["muted"], "not detectable");

    let listed = world.run(&["reachability", "list", "--state", "blocked"]).await.exits(0).stdout;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(
        listed.contains(&people[0]) && listed.contains("refusal 403 ConversationBlockedByUser"),
        "{listed}"
    );
    let listed = world.run(&["reachability", "list", "--how", "graph", "--json"]).await.exits(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 2);

    let to_stdout = world.run(&["reachability", "list", "--csv", "-"]).await.exits(0).stdout;
    world.run(&["reachability", "list", "--csv", "who.csv"]).await.exits(0);
    let file = std::fs::read_to_string(world.folder.path().join("who.csv")).unwrap();
    assert_eq!(file, to_stdout);
    assert_eq!(file.lines().count(), 11, "{file}");
    let blocked = file.lines().find(|line| line.starts_with(&people[0])).unwrap();
    assert!(
        blocked.contains(",blocked,") && blocked.contains(",refusal,403,ConversationBlockedByUser,"),
        "{blocked}"
    );

    let changes = world.run(&["reachability", "changes", "--state", "removed"]).await.exits(0);
    assert_eq!(changes.stdout.lines().count(), 3, "{}", changes.stdout);
    let resume = changes.stderr.split("--cursor ").nth(1).unwrap().trim().to_owned();
    world.sim.turn(&people[8], "uninstalled").await;
    let later = ["reachability", "changes", "--state", "removed", "--json", "--cursor", &resume];
    let later = world.run(&later).await.exits(0).json();
    let items: Vec<&Value> = later["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
    assert_eq!(items, [&json!(people[8])]);

    let shown = world.run(&["reachability", "show", &people[3]]).await.exits(0).stdout;
    for part in
        ["they wrote to the app (person)", "send answered 403 ConversationBlockedByUser", "not detectable"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    for wrong in [
        &["reachability", "--app", "main", "list"][..],
        &["reachability", "list", "--since", "yesterday"],
        &["reachability", "list", "--csv", "-", "--json"],
        &["reachability", "list", "--how", "rumour"],
    ] {
        assert_eq!(world.run(wrong).await.exits(2).stdout, "", "{wrong:?}");
    }
    world.run(&["reachability", "show", "nobody"]).await.exits(3);
    world.end().await;
}

#[tokio::test]
async fn an_install_that_arrives_after_the_removal_it_preceded() {
    let world = Plan::people(1).states(json!({"never_installed": 1.0})).start_unmet().await;
    world.sim.patch("settings", &json!({"uninstall_event": "remove"})).await;
    world.sim.patch("time", &json!({"mode": "explicit"})).await;
    let person = world.sim.people("never_installed").await.remove(0);
    let late = json!({"delivery": {"late_s": 60}});
    world.sim.post(&format!("people/{person}/installs"), &late).await;
    world.sim.post("time/advance", &json!({"by_s": 30})).await;
    world.sim.post(&format!("people/{person}/removes"), &json!({})).await;
    let removed = async || {
        let known = world.client.person(&person, &PeopleFilter::default()).await;
        known.is_ok_and(|known| known.person.state == "removed")
    };
    assert!(wait_until(removed, LONG).await, "{}", world.log());
    assert_eq!(history(&world, &person).await, ["removed event"]);
    world.sim.post("time/advance", &json!({"by_s": 30})).await;
    world.sim.events_answered().await;
    assert_eq!(history(&world, &person).await, ["removed event", "(reachable event)", "(reachable event)"]);
    let known = world.client.person(&person, &PeopleFilter::default()).await.unwrap();
    assert_eq!(known.person.state, "removed");
    assert!(known.person.contradicted_by.is_none(), "{known:?}");
    assert!(known.history[0].sent_at.is_some() && known.history[2].sent_at.is_none(), "{known:?}");
    let shown = world.run(&["reachability", "show", &person]).await.exits(0);
    assert!(shown.stdout.contains("came late"), "{}", shown.stdout);
    // Nobody is spoken to who has gone.
    let sent = world.sent(&to_users(std::slice::from_ref(&person), "hello?")).await;
    assert_eq!(sent.counts, counts! { audience: 1, skipped: 1 });
    world.end().await;
}
