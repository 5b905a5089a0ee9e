//! Audiences that only Microsoft Graph knows: names, groups, teams and everyone; with a kill in the middle, and with consent
//! that is taken back and given again.

use nuncio_api::{Audience, NewMessage};
use nuncio_client::ClientError;
use serde_json::{Value, json};

use crate::counts;
use crate::world::{APP_ID, Plan, World, message, reasons};

/// Ids and sign-in names, in the simulator's order.
pub(crate) async fn people(world: &World) -> Vec<(String, String)> {
    let page = world.sim.get("people?limit=1000").await;
    let text = |person: &Value, field: &str| person[field].as_str().unwrap().to_owned();
    page["items"].as_array().unwrap().iter().map(|person| (text(person, "id"), text(person, "upn"))).collect()
}

pub(crate) async fn group(world: &World, name: &str, members: &[&str]) -> String {
    let made = world.sim.post("groups", &json!({"name": name, "members": members})).await;
    made["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn consent(world: &World, roles: &[&str]) {
    world.sim.patch(&format!("bots/{APP_ID}"), &json!({"graph_roles": roles})).await;
}

fn to(audience: Audience) -> NewMessage {
    message(audience, "hello")
}

#[tokio::test]
async fn names_groups_and_teams_each_person_once() {
    let world = Plan::people(12).start().await;
    let team = world.team_installs().await;
    let all = people(&world).await;
    let id = |n: usize| all[n].0.as_str();
    let inner = group(&world, "Night shift", &[id(0), id(1), id(2)]).await;
    let outer = group(&world, "Operations", &[id(2), id(3), &inner]).await;
    let users = vec![all[0].1.clone(), all[5].1.to_uppercase()];
    let sent = world.sent(&to(Audience { users, groups: vec![outer.clone()], ..Audience::default() })).await;
    // Of the four in both groups one is named too.
    assert_eq!((sent.counts, sent.duplicates_removed), (counts! { audience: 5, delivered: 5 }, 1));
    let deliveries = world.deliveries(&sent.id).await;
    for n in [0, 1, 2, 3, 5] {
        let delivery = deliveries.iter().find(|delivery| delivery.recipient == all[n].0).unwrap();
        assert_eq!(delivery.upn.as_deref(), Some(all[n].1.as_str()));
        assert_eq!(world.sim.times(id(n)).await, 1);
    }

    // A team that the app has met, by the id that Teams gives it, and by its group: the same people.
    let teams = world.sim.get("teams").await;
    let met =
        teams["items"].as_array().unwrap().iter().find(|one| one["id"] == team.as_str()).unwrap().clone();
    let of_group = met["aadGroupId"].as_str().unwrap().to_owned();
    let by_id = world.sent(&to(Audience { teams: vec![team], ..Audience::default() })).await;
    assert!(by_id.counts.audience > 0 && by_id.counts.delivered == by_id.counts.audience, "{by_id:?}");
    let by_group = world.sent(&to(Audience { teams: vec![of_group], ..Audience::default() })).await;
    assert_eq!(by_group.counts, by_id.counts);

    let ran = world
        .run(&[
            "send",
            "hello",
            "--user",
            &all[7].1,
            "--group",
            &outer,
            "--include",
            "guests",
            "--wait",
            "--json",
        ])
        .await
        .exits(0);
    assert_eq!(ran.json()["counts"]["delivered"], 5);
    world.end().await;
}

#[tokio::test]
async fn names_that_nobody_has_are_refused_together() {
    let world = Plan::people(3).start_unmet().await;
    let person = |name: &str, upn: &str, mail: &str| json!({"name": name, "upn": upn, "mail": mail});
    let described = [
        person("Ines Moreau", "ines@contoso.example", "i.moreau@contoso.example"),
        person("Omar Haddad", "omar@contoso.example", "o.haddad@contoso.example"),
    ];
    world.sim.post("reset", &json!({"people": 0, "teams": 0, "person": described})).await;
    world.everyone_installs().await;
    let users = ["i.moreau@contoso.example", "left@contoso.example", "gone@contoso.example"];
    let users: Vec<String> = users.map(str::to_owned).into();
    let refused =
        world.client.send(&to(Audience { users: users.clone(), ..Audience::default() }), None).await;
    let Err(ClientError::Problem(problem)) = refused else { panic!("{refused:?}") };
    let found: Vec<_> =
        problem.errors.iter().map(|error| (error.code.as_str(), error.pointer.as_str())).collect();
    assert_eq!(
        found,
        [("upn_not_resolvable", "/audience/users/1"), ("upn_not_resolvable", "/audience/users/2")]
    );
    let sent = world.sent(&to(Audience { users: users[..1].to_vec(), ..Audience::default() })).await;
    assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 });
    world.end().await;
}

#[tokio::test]
async fn everyone_but_guests_disabled_and_unlicensed() {
    let world = Plan::people(130).start().await;
    let all = people(&world).await;
    for (n, change) in [
        (0, json!({"user_type": "guest"})),
        (1, json!({"account_enabled": false})),
        (2, json!({"licensed": false})),
        (3, json!({"licensed": false})),
    ] {
        world.sim.patch(&format!("people/{}", all[n].0), &change).await;
    }
    let sent = world.sent(&to(Audience { everyone: true, ..Audience::default() })).await;
    assert_eq!(sent.counts, counts! { audience: 130, delivered: 126, skipped: 4 });
    let skipped = reasons(&[("account_disabled", 1), ("guest", 1), ("unlicensed", 2)]);
    assert_eq!(sent.skipped_by_reason, skipped);
    let include = vec!["guests".to_owned(), "disabled".to_owned()];
    let wider = world.sent(&to(Audience { everyone: true, include, ..Audience::default() })).await;
    assert_eq!(wider.skipped_by_reason, reasons(&[("unlicensed", 2)]));
    assert_eq!(wider.counts.audience, 130);
    world.end().await;
}

#[tokio::test]
async fn killed_in_the_middle_of_an_audience() {
    let mut world = Plan::people(60).start().await;
    world.sim.patch("settings", &json!({"graph_page_max": 10})).await;
    let third = json!({"match": {"op": "graph.users", "nth": [3]}, "do": {"hold": "before"}, "times": 1});
    world.sim.fault(third).await;
    let id = world.send(&to(Audience { everyone: true, ..Audience::default() })).await;
    world.sim.held(1).await;
    world.kill().await;
    world.sim.post("faults/release", &json!({"drop": true})).await;
    world.sim.no_faults().await;
    world.start().await;
    let sent = world.over(&id).await;
    assert_eq!(sent.counts, counts! { audience: 60, delivered: 60 });
    // Two pages before the kill, and the other four after it: it went on where it was.
    let whole = world.sim.requests("graph.users").await;
    assert_eq!(whole.get("200"), Some(&6), "{whole:?}");
    assert_eq!(world.sim.get("counts").await["most_per_recipient_total"], 1);
    world.end().await;
}

#[tokio::test]
async fn consent_is_taken_back_and_given_again() {
    let world = Plan::people(30).start().await;
    world.sim.patch("settings", &json!({"graph_page_max": 10, "graph_roles_at_once": true})).await;
    let everybody: Vec<String> = people(&world).await.into_iter().map(|(id, _)| id).collect();
    let everybody: Vec<&str> = everybody.iter().map(String::as_str).collect();
    let group = group(&world, "All", &everybody).await;
    let second = json!({"match": {"op": "graph.members", "nth": [2]}, "do": {"hold": "before"}, "times": 1});
    world.sim.fault(second).await;
    let id = world.send(&to(Audience { groups: vec![group], ..Audience::default() })).await;
    world.sim.held(1).await;
    consent(&world, &[]).await;
    world.sim.no_faults().await;
    let waits = world.until(&id, "it waits", |message| message.state == "waiting").await;
    assert_eq!(waits.cause.as_deref(), Some("directory"));
    assert!(waits.cause_text.as_deref().unwrap_or_default().contains("GroupMember.Read.All"), "{waits:?}");
    assert!(!waits.audience_final);
    // Others go on meanwhile, and a name is refused with what is missing.
    let other = world.sent(&crate::world::to_users(&[everybody[0].to_owned()], "meanwhile")).await;
    assert_eq!(other.counts.delivered, 1);
    let name = to(Audience { users: vec!["somebody@contoso.example".to_owned()], ..Audience::default() });
    let refused = world.client.send(&name, None).await;
    let Err(ClientError::Problem(problem)) = refused else { panic!("{refused:?}") };
    assert_eq!(problem.code, "directory_refused");
    assert!(problem.detail.unwrap().contains("User.Read.All"));

    consent(&world, &["User.Read.All", "GroupMember.Read.All"]).await;
    let sent = world.over(&id).await;
    assert_eq!((sent.counts, sent.cause), (counts! { audience: 30, delivered: 30 }, None));
    world.end().await;
}

#[tokio::test]
async fn a_group_that_does_not_exist_is_waited_for_until_it_is_cancelled() {
    let world = Plan::people(3).start().await;
    let missing = "00000000-1111-4222-8333-444444444444".to_owned();
    let id = world.send(&to(Audience { groups: vec![missing.clone()], ..Audience::default() })).await;
    let waits = world.until(&id, "it waits", |message| message.state == "waiting").await;
    assert_eq!(waits.cause.as_deref(), Some("directory"));
    assert!(waits.cause_text.as_deref().unwrap_or_default().contains(&missing), "{waits:?}");
    world.run(&["messages", "cancel", &id]).await.exits(0);
    let over = world.over(&id).await;
    assert_eq!((over.state.as_str(), over.counts), ("cancelled", counts! {}));
    world.end().await;
}
