//! The commands that talk to a server: what they print, and their exit codes.

use nuncio_api::Audience;
use serde_json::{Value, json};

use crate::world::{Plan, World, message, nuncio, run, to_installed};

/// `msg_…`, alone on its line.
#[track_caller]
fn id_of(stdout: &str) -> String {
    let first = stdout.lines().next().unwrap_or_default();
    assert!(first.starts_with("msg_") && !first.contains(' '), "{stdout}");
    first.to_owned()
}

/// Ten people: one has blocked the app, one never had it.
async fn ten() -> World {
    Plan::people(10).states(json!({"blocked": 0.1, "never_installed": 0.1})).start().await
}

#[tokio::test]
async fn send_in_its_forms() {
    let world = ten().await;
    let people = world.sim.people("installed").await;
    let (one, two) = (people[0].as_str(), people[1].as_str());

    let sent = world.run(&["send", "First", "--user", one, "--summary", "Look", "--wait"]).await.exits(0);
    let id = id_of(&sent.stdout);
    assert!(sent.stdout.contains("delivered"), "{}", sent.stdout);
    assert_eq!(world.message(&id).await.counts.delivered, 1);

    let sent =
        world.run_with(&["send", "-", "--user", one, "--wait", "--json"], "From stdin\n").await.exits(0);
    let shown = sent.json();
    assert_eq!((&shown["state"], &shown["counts"]["delivered"]), (&json!("completed"), &json!(1)));

    let card =
        json!({"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "A card"}]});
    std::fs::write(world.folder.path().join("card.json"), card.to_string()).unwrap();
    std::fs::write(world.folder.path().join("users.txt"), format!("\u{feff}# on call\n{one}\n\n  {two}  \n"))
        .unwrap();
    world.run(&["send", "--card", "card.json", "--users-file", "users.txt", "--wait"]).await.exits(0);
    world.run_with(&["send", "Third", "--users-file", "-", "--wait"], &format!("{one}\n")).await.exits(0);
    let said = world.sim.said(one).await;
    let texts: Vec<&Value> = said.iter().map(|activity| &activity["text"]).collect();
    assert_eq!(texts, [&json!("First"), &json!("From stdin"), &Value::Null, &json!("Third")]);
    assert_eq!(said[0]["summary"], "Look");
    assert_eq!(said[2]["attachments"][0]["content"], card);
    assert_eq!(world.sim.times(two).await, 1);

    let channel = world.team_installs().await;
    world.run(&["send", "In a channel", "--channel", &channel, "--wait"]).await.exits(0);
    assert_eq!(world.sim.said(&channel).await.len(), 1);

    // Twice with one key is once.
    let twice = ["send", "Once", "--user", one, "--idempotency-key", "k", "--wait"];
    let first = id_of(&world.run(&twice).await.exits(0).stdout);
    assert_eq!(id_of(&world.run(&twice).await.exits(0).stdout), first);
    assert_eq!(world.sim.times(one).await, 5);
    world.end().await;
}

#[tokio::test]
async fn exit_codes_of_send() {
    let world = ten().await;
    let people = world.sim.people("installed").await;
    let never = world.sim.people("never_installed").await[0].clone();

    // 0: who cannot be reached is no failure, unless everyone has to have it.
    let all = ["send", "Hello", "--installed", "--user", &never, "--wait"];
    let sent = world.run(&all).await.exits(0);
    for line in ["audience 10", "delivered 8", "failed 2", "blocked_by_user 1", "not_installed 1"] {
        let lines: Vec<String> =
            sent.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert!(lines.iter().any(|shown| shown.starts_with(line)), "{line}: {}", sent.stdout);
    }
    world.run(&[&all[..], &["--strict"]].concat()).await.exits(1);
    world.run(&["send", "Hello", "--installed", "--exclude", &people[0], "--wait"]).await.exits(0);

    // 1: some do not have it for a cause that is not theirs.
    world.sim.fault(json!({"match": {"op": "send", "person": people[0]}, "do": {"status": 504}})).await;
    let sent = world.run(&["send", "Hello", "--user", &people[0], "--wait"]).await.exits(1);
    assert!(sent.stderr.contains("--state ambiguous"), "{}", sent.stderr);
    world.sim.no_faults().await;

    // 1: more than was allowed for, and nobody to be asked.
    let many = ["send", "Hello", "--user", &people[0], "--user", &people[1], "--max-recipients", "1"];
    let sent = world.run(&[&many[..], &["--wait"]].concat()).await.exits(1);
    let id = id_of(&sent.stdout);
    assert!(sent.stderr.contains(&format!("nuncio messages confirm {id}")), "{}", sent.stderr);
    let calls = world.sim.calls("send").await;
    world.run(&["messages", "confirm", &id]).await.exits(0);
    world.over(&id).await;
    assert_eq!(world.sim.calls("send").await, calls + 2);
    world.run(&[&many[..], &["--wait", "--yes"]].concat()).await.exits(0);
    assert_eq!(world.sim.calls("send").await, calls + 4);

    // 2: wrong use, found here or by the server.
    for wrong in [
        &["send", "Hello"][..],
        &["send", "--installed"],
        &["send", "Hello", "--installed", "--strict"],
        &["send", "Hello", "--user", "ines@contoso.com"],
        &["send", "Hello", "--channel", "Incidents"],
        &["send", "Hello", "--card", "card.json", "--installed"],
        &["send", "--card", "not-there.json", "--installed"],
        &["send", "Hello", "--installed", "--send-at", "tomorrow"],
        &["send", "", "--installed"],
        &["sned"],
    ] {
        let ran = world.run(wrong).await.exits(2);
        assert_eq!(ran.stdout, "", "{wrong:?}");
        assert!(!ran.stderr.is_empty(), "{wrong:?}");
    }
    let mut keyless = world.command(&["send", "Hello", "--installed"]);
    keyless.env_remove("NUNCIO_KEY");
    let ran = run(keyless, "").await.exits(2);
    assert!(ran.stderr.contains("NUNCIO_KEY"), "{}", ran.stderr);

    // 3: it could not be done.
    let key = ["send", "Hello", "--installed", "--key", "nnc_wrong"];
    let ran = world.run(&key).await.exits(3);
    assert!(ran.stderr.contains("unauthorized"), "{}", ran.stderr);
    let port = nuncio_testkit::free_port();
    let ran = world
        .run(&["send", "Hello", "--installed", "--url", &format!("http://127.0.0.1:{port}")])
        .await
        .exits(3);
    assert!(ran.stderr.contains("nuncio serve"), "{}", ran.stderr);
    // Another server in its place.
    let ran = world.run(&["send", "Hello", "--installed", "--url", &world.sim.base]).await.exits(3);
    assert!(ran.stderr.contains("Nuncio"), "{}", ran.stderr);
    assert_eq!(world.sim.calls("send").await, calls + 4, "nothing of all that was sent");
    world.end().await;
}

#[tokio::test]
async fn looking_at_messages_and_people() {
    let world = ten().await;
    let never = world.sim.people("never_installed").await;
    let audience = Audience { installed: true, users: never.clone(), ..Audience::default() };
    let mut first = message(audience, "Hello");
    first.label = Some("deploys".to_owned());
    let first = world.sent(&first).await;
    let second = world.sent(&to_installed("Again")).await;

    let json = async |args: &[&str]| world.run(&[args, &["--json"]].concat()).await.exits(0).json();
    let listed = json(&["messages"]).await;
    let ids: Vec<&str> =
        listed.as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&second.id, &first.id], "newest first");
    let listed = json(&["messages", "list", "--label", "deploys"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let shown = json(&["messages", "show", &first.id]).await;
    assert_eq!(
        (&shown["counts"]["delivered"], &shown["failed_by_reason"]["not_installed"]),
        (&json!(8), &json!(1))
    );
    let failed = json(&["messages", "deliveries", &first.id, "--state", "failed"]).await;
    assert_eq!(failed.as_array().unwrap().len(), 2);
    let blocked = json(&["messages", "deliveries", &first.id, "--reason", "blocked_by_user"]).await;
    assert_eq!(blocked[0]["code"], "ConversationBlockedByUser");
    let blocked = json(&["people", "--state", "blocked"]).await;
    assert_eq!(blocked.as_array().unwrap().len(), 1);
    let reachability = json(&["reachability"]).await;
    assert_eq!(reachability["total"], 10);
    assert_eq!(
        (&reachability["states"]["reachable"], &reachability["states"]["blocked"], &reachability["muted"]),
        (&json!(8), &json!(1), &json!("not detectable"))
    );

    for (args, parts) in [
        (&["messages"][..], &[first.id.as_str(), "deploys", "completed"][..]),
        (&["messages", "show", &first.id], &["completed", "blocked_by_user", "10"]),
        (
            &["messages", "deliveries", &first.id, "--state", "failed"],
            &["403 ConversationBlockedByUser", &never[0]],
        ),
        (&["people", "--limit", "3"], &["reachable"]),
        (&["reachability"], &["not detectable", "10"]),
    ] {
        let ran = world.run(args).await.exits(0);
        for part in parts {
            assert!(ran.stdout.contains(part), "{args:?}: {part:?} is not in:\n{}", ran.stdout);
        }
    }

    let report = world.run(&["messages", "report", &first.id]).await.exits(0);
    assert_eq!(report.stdout.lines().count(), 11);
    world.run(&["messages", "report", &first.id, "-o", "report.csv"]).await.exits(0);
    assert_eq!(std::fs::read_to_string(world.folder.path().join("report.csv")).unwrap(), report.stdout);

    world.run(&["messages", "show", "msg_01h455vb4pex5vsknk084sn02q"]).await.exits(3);
    world.run(&["messages", "show", "nonsense"]).await.exits(3);
    world.run(&["messages", "--state", "nonsense"]).await.exits(2);
    world.run(&["messages", "cancel", &first.id]).await.exits(3);
    world.end().await;
}

#[tokio::test]
async fn controlling_messages() {
    let world = ten().await;
    let later =
        world.run(&["send", "Later", "--installed", "--send-at", "2126-11-22T10:00:00+01:00"]).await.exits(0);
    let id = id_of(&later.stdout);
    let shown = world.message(&id).await;
    assert_eq!((shown.state.as_str(), shown.send_at.as_deref()), ("scheduled", Some("2126-11-22T09:00:00Z")));
    world.run(&["messages", "pause", &id]).await.exits(0);
    world.until(&id, "paused", |message| message.state == "paused").await;
    world.run(&["messages", "resume", &id]).await.exits(0);
    world.until(&id, "scheduled", |message| message.state == "scheduled").await;
    let cancelled = world.run(&["messages", "cancel", &id, "--json"]).await.exits(0).json();
    assert_eq!(cancelled["id"], id.as_str());
    let message = world.over(&id).await;
    assert_eq!((message.state.as_str(), message.counts.cancelled), ("cancelled", 9));
    assert_eq!(world.sim.calls("send").await, 0);
    world.end().await;
}

#[tokio::test]
async fn keys_are_made_shown_once_and_ended() {
    let mut world = ten().await;
    let made = world.run(&["keys", "create", "--name", "ci", "--role", "read"]).await.exits(0);
    let read = made.stdout.trim().to_owned();
    assert!(read.starts_with("nnc_") && made.stdout.lines().count() == 1, "{}", made.stdout);
    assert!(!made.stderr.contains(&read));
    let made =
        world.run(&["keys", "create", "--name", "alerts", "--role", "send", "--json"]).await.exits(0).json();
    let (send, send_id) = (made["secret"].as_str().unwrap(), made["key"]["id"].as_str().unwrap());

    let with = async |key: &str, args: &[&str]| world.run(&[args, &["--key", key]].concat()).await;
    // A key that looks may not send; one that sends makes no keys.
    with(&read, &["messages"]).await.exits(0);
    let refused = with(&read, &["send", "Hello", "--installed"]).await.exits(3);
    assert!(refused.stderr.contains("forbidden") && refused.stderr.contains("`send`"), "{}", refused.stderr);
    with(send, &["send", "Hello", "--installed", "--wait"]).await.exits(0);
    with(send, &["keys", "list"]).await.exits(3);
    with(send, &["keys", "create", "--name", "more", "--role", "admin"]).await.exits(3);

    let listed = world.run(&["keys", "list"]).await.exits(0).stdout;
    assert_eq!(listed.lines().count(), 4, "{listed}");
    assert!(!listed.contains("nnc_"), "{listed}");
    let listed = world.run(&["keys", "list", "--json"]).await.exits(0).json();
    assert!(!listed.to_string().contains("nnc_"), "{listed}");

    world.run(&["keys", "revoke", send_id]).await.exits(0);
    let refused = with(send, &["messages"]).await.exits(3);
    assert!(refused.stderr.contains("unauthorized"), "{}", refused.stderr);
    with(&read, &["messages"]).await.exits(0);
    let (read, send) = (read.clone(), send.to_owned());
    world.kill().await;
    world.start().await;
    world.run(&["messages", "--key", &send]).await.exits(3);
    world.run(&["messages", "--key", &read]).await.exits(0);

    // From a file, as services have it.
    std::fs::write(world.folder.path().join("read.key"), format!("{read}\n")).unwrap();
    let mut command = nuncio(world.folder.path(), &["people", "--url", &world.url]);
    command.env("NUNCIO_KEY_FILE", "read.key");
    run(command, "").await.exits(0);
    let log = world.log();
    assert!(!log.contains(&read) && !log.contains(&send), "{log}");
    world.end().await;
}

#[tokio::test]
async fn help_goes_to_stdout_and_names_the_exit_codes() {
    let world = Plan::people(1).start_unmet().await;
    let help = world.run(&["--help"]).await.exits(0);
    assert!(help.stdout.contains("nuncio demo") && help.stdout.contains("Exit codes"), "{}", help.stdout);
    assert_eq!(help.stderr, "");
    let version = world.run(&["--version"]).await.exits(0);
    assert!(version.stdout.starts_with("nuncio "), "{}", version.stdout);
    for command in ["demo", "serve", "sim", "send", "messages", "people", "reachability", "keys"] {
        let help = world.run(&[command, "--help"]).await.exits(0);
        assert!(!help.stdout.contains(&world.key), "{command} shows the key that is in the environment");
        assert!(help.stdout.contains("Usage: nuncio"), "{command}");
    }
    world.end().await;
}
