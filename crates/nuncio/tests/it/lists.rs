//! Uploaded lists and groups that are left out, from the command line to the simulator.

use nuncio_api::{Audience, Exclude};
use nuncio_client::{ListFormat, ListOf};
use nuncio_testkit::wait_until;
use serde_json::{Value, json};

use crate::counts;
use crate::directory::{consent, group, people};
use crate::preview::compared;
use crate::world::{LONG, Plan, World, message, reasons};

fn write(world: &World, name: &str, text: &str) {
    std::fs::write(world.folder.path().join(name), text).unwrap();
}

/// Waits until the names of a list were looked up.
async fn ready(world: &World, id: &str) {
    let ready = async || world.client.list(id).await.unwrap().state == "ready";
    assert!(wait_until(ready, LONG).await, "{:#?}", world.client.list(id).await);
}

#[tokio::test]
async fn ids_and_names_in_a_csv_but_for_a_group() {
    let world = Plan::people(12).start().await;
    let all = people(&world).await;
    let id = |n: usize| all[n].0.as_str();
    let inner = group(&world, "Night shift", &[id(1)]).await;
    let out = group(&world, "On leave", &[id(0), &inner, id(11)]).await;
    // Ids, names, somebody twice (by id and by name), nobody, and an empty line; as Excel writes it.
    let mut csv = "\u{feff}Name;User\r\n".to_owned();
    for (n, (id, upn)) in all.iter().enumerate().take(8) {
        let named = if n % 2 == 0 { id.clone() } else { upn.to_uppercase() };
        csv.extend(["Person ", &n.to_string(), ";", &named, "\r\n"]);
    }
    csv.extend([";\r\nPerson 2 again;", &all[2].1, "\r\nGone;gone@contoso.example\r\n"]);
    write(&world, "staff.csv", &csv);
    let ran = world
        .run(&[
            "send",
            "hello",
            "--list",
            "staff.csv",
            "--exclude-group",
            &out,
            "--user",
            id(3),
            "--wait",
            "--json",
        ])
        .await
        .exits(0);
    assert!(ran.stderr.contains("staff.csv is uploaded as aud_"), "{}", ran.stderr);
    assert!(ran.stderr.contains("10 people in 11 lines (0 duplicates, 1 empty)"), "{}", ran.stderr);
    let sent = world.message(ran.json()["id"].as_str().unwrap()).await;
    assert_eq!(sent.counts, counts! { audience: 9, delivered: 6, failed: 1, skipped: 2 });
    assert_eq!(sent.skipped_by_reason, reasons(&[("excluded", 2)]));
    assert_eq!(sent.failed_by_reason, reasons(&[("recipient_not_found", 1)]));
    // The one who is named as well.
    assert_eq!(sent.duplicates_removed, 1);
    for n in 0..12 {
        assert_eq!(world.sim.times(id(n)).await, usize::from((2..8).contains(&n)), "{n}");
    }
    let report = world.run(&["messages", "report", &sent.id]).await.exits(0).stdout;
    let line = report.lines().find(|line| line.contains("gone@contoso.example")).unwrap();
    assert!(line.contains("failed,recipient_not_found"), "{line}");

    // What is known of the list now.
    let lists = world.run(&["audiences", "list", "--json"]).await.exits(0).json();
    let list = lists[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&lists[0]["people"], &lists[0]["duplicates"]), (&json!(9), &json!(1)));
    let shown = world.run(&["audiences", "show", &list]).await.exits(0).stdout;
    let line = shown.lines().find(|line| line.contains("gone@contoso.example")).unwrap();
    assert!(line.starts_with("12") && line.contains("knows nobody"), "{shown}");

    // Exclusions hold for a retry, and so does that nobody has the name.
    let again =
        ["messages", "retry", &sent.id, "--state", "skipped", "--state", "failed", "--wait", "--json"];
    let again = world.run(&again).await.exits(0).json();
    let retried = world.message(again["id"].as_str().unwrap()).await;
    assert_eq!(retried.counts, counts! { audience: 3, failed: 1, skipped: 2 });

    // The same list again, and another beside it.
    write(&world, "more.ndjson", &format!("\"{}\"\n{{\"upn\": \"{}\"}}\n", id(2), all[8].1));
    let more = world.run(&["audiences", "upload", "more.ndjson", "--name", "More"]).await.exits(0);
    let more = more.stdout.trim().to_owned();
    ready(&world, &more).await;
    // Counted before, without the group and with it, as they come to.
    let lists = vec![list.clone(), more.clone()];
    let exclude = Exclude { groups: vec![out], ..Exclude::default() };
    let without = Audience { lists: lists.clone(), exclude, ..Audience::default() };
    let (told, _) = compared(&world, &message(without, "some of you")).await;
    assert_eq!((&told.would_skip, &told.would_fail), (&reasons(&[("excluded", 2)]), &sent.failed_by_reason));
    let whole = message(Audience { lists, ..Audience::default() }, "all of you");
    let (told, _) = compared(&world, &whole).await;
    assert_eq!((told.audience, told.duplicates_removed, told.would_skip.len()), (10, 1, 0));
    let ran =
        world.run(&["send", "again", "--list", &list, "--list", &more, "--wait", "--json"]).await.exits(0);
    let both = world.message(ran.json()["id"].as_str().unwrap()).await;
    assert_eq!(both.counts, counts! { audience: 10, delivered: 9, failed: 1 });
    assert_eq!(both.duplicates_removed, 1);
    world.run(&["audiences", "delete", &more]).await.exits(0);
    world.run(&["audiences", "show", &more]).await.exits(3);
    let gone = world.run(&["send", "hello", "--list", &more]).await.exits(2);
    assert!(gone.stderr.contains("unknown_list"), "{}", gone.stderr);
    world.end().await;
}

#[tokio::test]
async fn consent_for_the_names_of_a_list_is_waited_for() {
    let mut world = Plan::people(250).start().await;
    world.sim.patch("settings", &json!({"graph_roles_at_once": true})).await;
    let all = people(&world).await;
    consent(&world, &[]).await;
    let csv =
        all.iter().map(|(_, upn)| format!("{upn}\n")).collect::<Vec<_>>().concat() + "gone@contoso.example\n";
    let of = ListOf::default();
    let list = world.client.upload_list(csv.into_bytes(), ListFormat::Csv, &of).await.unwrap();
    assert_eq!((list.state.as_str(), list.people, list.names), ("resolving", 251, 251));
    // Before there is a message, the list itself says what is missing.
    let says = async || world.client.list(&list.id).await.unwrap().cause_text.is_some();
    assert!(wait_until(says, LONG).await);
    let cause = world.client.list(&list.id).await.unwrap().cause_text.unwrap();
    assert!(cause.contains("User.Read.All"), "{cause}");
    let audience = Audience { lists: vec![list.id.clone()], ..Audience::default() };
    let id = world.send(&message(audience, "hello")).await;
    let waits = world.until(&id, "it waits", |message| message.state == "waiting").await;
    assert_eq!((waits.cause.as_deref(), waits.counts), (Some("directory"), counts! {}));
    let refused = world.client.delete_list(&list.id).await.unwrap_err();
    assert!(refused.to_string().contains("list_in_use"), "{refused}");

    // Killed in the middle of the names, it goes on where it was.
    let fault = json!({"match": {"op": "graph.batch", "nth": [9]}, "do": {"hold": "before"}, "times": 1});
    world.sim.fault(fault).await;
    consent(&world, &["User.Read.All", "GroupMember.Read.All"]).await;
    world.sim.held(1).await;
    world.kill().await;
    world.sim.post("faults/release", &json!({"drop": true})).await;
    world.sim.no_faults().await;
    world.start().await;
    let sent = world.over(&id).await;
    assert_eq!(sent.counts, counts! { audience: 251, delivered: 250, failed: 1 });
    ready(&world, &list.id).await;
    let list = world.client.list(&list.id).await.unwrap();
    assert_eq!((list.unresolved, list.cause_text), (1, None));
    assert_eq!((list.unresolved_names[0].line, list.unresolved_names[0].knows.as_str()), (251, "nobody"));
    assert_eq!(world.sim.get("counts").await["most_per_recipient_total"], 1);
    world.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_list_is_said_by_line() {
    let world = Plan::people(3).start().await;
    let ids: Vec<String> = people(&world).await.into_iter().map(|(id, _)| id).collect();
    write(&world, "staff.csv", &format!("id\n{}\nInes\n\n{}\n7\n", ids[0], ids[1]));
    for command in [&["audiences", "upload", "staff.csv"][..], &["send", "hello", "--list", "staff.csv"]] {
        let ran = world.run(command).await.exits(2);
        for line in ["lines 3, 6: this names nobody", "hint: Correct the lines"] {
            assert!(ran.stderr.contains(line), "{line}: {}", ran.stderr);
        }
        assert!(!ran.stderr.contains("Ines"), "{}", ran.stderr);
    }
    let nowhere = world.run(&["audiences", "upload", "nowhere.csv"]).await.exits(2);
    assert!(nowhere.stderr.contains("nowhere.csv: "), "{}", nowhere.stderr);
    let ran =
        world.run_with(&["audiences", "upload", "-", "--json"], &format!("{}\n", ids[0])).await.exits(0);
    assert_eq!((&ran.json()["state"], &ran.json()["people"]), (&json!("ready"), &json!(1)));
    let none = world.run(&["audiences", "list", "--app", "other", "--json"]).await.exits(0).json();
    assert_eq!(none, Value::Array(Vec::new()));
    world.end().await;
}

#[tokio::test]
async fn everybody_of_a_hundred_thousand_line_list_is_in_the_audience() {
    let world = Plan::people(1).start().await;
    let csv = (0..100_000).map(|n| format!("c0ffee00-0000-4000-8000-{n:012}\n")).collect::<Vec<_>>().concat();
    let begin = std::time::Instant::now();
    let list = world.client.upload_list(csv.into_bytes(), ListFormat::Csv, &ListOf::default()).await.unwrap();
    eprintln!("uploading 100,000 ids took {:?}", begin.elapsed());
    assert_eq!((list.state.as_str(), list.people), ("ready", 100_000));
    let out = group(&world, "Nobody", &[]).await;
    let audience = Audience {
        lists: vec![list.id],
        exclude: Exclude { groups: vec![out], ..Exclude::default() },
        ..Audience::default()
    };
    let begin = std::time::Instant::now();
    let id = world.send(&message(audience, "hello")).await;
    let waits = world.until(&id, "it asks", |message| message.cause.as_deref() == Some("confirm")).await;
    eprintln!("expanding 100,000 took {:?}", begin.elapsed());
    assert_eq!(waits.counts.audience, 100_000);
    world.run(&["messages", "cancel", &id]).await.exits(0);
    world.over(&id).await;
    world.end().await;
}
