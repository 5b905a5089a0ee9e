//! What a server says by itself, against the simulator: welcomes, answers to words and to buttons; and what it knows of
//! teams.

use nuncio_api::{Audience, ContentRequest, Message, NewMessage};
use nuncio_client::{ConversationFilter, MessageFilter, PageOf, TeamFilter};
use nuncio_testkit::wait_until;
use serde_json::{Value, json};

use crate::counts;
use crate::world::{LONG, Plan, World, message, reasons, to_installed, to_users};

const WELCOME: &str = r#"welcome = { personal = "Welcome aboard", team = "Good day, team.", installed_by = "{name} has set this up." }"#;

/// What the app said there, as texts, once it said so many things.
async fn texts(world: &World, conversation: &str, count: usize) -> Vec<String> {
    let came = wait_until(async || world.sim.said(conversation).await.len() >= count, LONG).await;
    let said = world.sim.said(conversation).await;
    assert!(came, "{count} texts: {said:?}\n{}", world.log());
    let text = |activity: Value| activity["text"].as_str().unwrap_or("-").to_owned();
    said.into_iter().map(text).collect()
}

/// Messages with a label, when all of them are over.
async fn labelled(world: &World, label: &str) -> Vec<Message> {
    let filter = MessageFilter { label: Some(label.to_owned()), ..MessageFilter::default() };
    let listed = world.client.messages(&filter, PageOf::default()).await.unwrap().items;
    let mut over = Vec::new();
    for message in listed {
        over.push(world.over(&message.id).await);
    }
    over
}

/// Teams tells everything twice, the second time under another id, and in no order.
async fn at_its_worst(world: &World) {
    let worst =
        json!({"event_delivery": {"order": "shuffled", "twice": "new_id"}, "event_second_after_s": 1});
    world.sim.patch("settings", &worst).await;
}

#[tokio::test]
async fn one_welcome_however_often_an_install_is_told() {
    let world = Plan::people(12).app(WELCOME).start_unmet().await;
    at_its_worst(&world).await;
    world.everyone_installs().await;
    let people = world.sim.people("installed").await;
    assert_eq!(people.len(), 12);
    for person in &people {
        texts(&world, person, 1).await;
    }
    // Whoever removes it and has it again on the same day knows it already.
    world.sim.turn(&people[0], "uninstalled").await;
    world.sim.turn(&people[0], "installed").await;
    let welcomes = labelled(&world, "welcome").await;
    assert_eq!(welcomes.iter().map(|message| message.counts.delivered).sum::<i64>(), 12);
    assert!(welcomes.iter().all(|message| message.priority == "bulk" && message.counts.audience > 0));
    world.sent(&to_users(&people[1..], "after it")).await;
    for person in &people[1..] {
        assert_eq!(texts(&world, person, 2).await, ["Welcome aboard", "after it"]);
    }
    assert_eq!(texts(&world, &people[0], 1).await, ["Welcome aboard"]);
    world.end().await;
}

#[tokio::test]
async fn a_welcome_survives_a_kill() {
    let mut world = Plan::people(2).app(WELCOME).start_unmet().await;
    world.everyone_installs().await;
    world.kill().await;
    world.start().await;
    for person in world.sim.people("installed").await {
        assert_eq!(texts(&world, &person, 1).await, ["Welcome aboard"]);
    }
    labelled(&world, "welcome").await;
    world.end().await;
}

#[tokio::test]
async fn a_team_is_welcomed_once_in_the_channel_that_was_picked() {
    let world = Plan::people(6).app(WELCOME).start_unmet().await;
    at_its_worst(&world).await;
    let teams = world.sim.get("teams").await["items"].clone();
    let (team, channel) = (&teams[0], &teams[0]["channels"][1]);
    let (id, picked) = (team["id"].as_str().unwrap(), channel["id"].as_str().unwrap());
    let group = team["aadGroupId"].as_str().unwrap();
    world.sim.happens(&format!("teams/{group}/install"), &json!({"channel": picked})).await;

    texts(&world, picked, 1).await;
    let known = world.client.team(id, &TeamFilter::default()).await.unwrap();
    assert_eq!((known.name.as_deref(), known.state.as_str()), (team["name"].as_str(), "active"));
    assert_eq!(known.picked_channel.as_deref(), Some(picked));
    assert_eq!(known.group_id.as_deref(), Some(group));
    let by = known.installed_by.expect("the event says who it was");
    world.sim.get(&format!("people/{}", by.id)).await;
    assert_eq!(world.client.team(group, &TeamFilter::default()).await.unwrap().id, id);
    let ran = world.run(&["teams"]).await.exits(0);
    assert!(ran.stdout.contains(known.name.as_deref().unwrap()), "{}", ran.stdout);
    assert!(ran.stdout.contains("# General"), "{}", ran.stdout);
    let ran = world.run(&["conversations", "--kind", "channel", "--json"]).await.exits(0);
    let ids: Vec<Value> = ran.json().as_array().unwrap().iter().map(|known| known["id"].clone()).collect();
    assert!(ids.contains(&json!(id)) && ids.contains(&json!(picked)), "{ids:?}");

    let welcomes = labelled(&world, "welcome").await;
    assert_eq!(welcomes.iter().map(|message| message.counts.delivered).sum::<i64>(), 1);
    let said = texts(&world, picked, 1).await;
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("Good day, team."), "{said:?}");
    assert_eq!(world.sim.said(id).await.len(), 0, "nothing in General");
    world.end().await;
}

/// Of a team: its own state, those of General and of another channel, and that one's name.
async fn states(world: &World, team: &str, channel: &str) -> [String; 4] {
    let known = world.client.team(team, &TeamFilter::default()).await.unwrap();
    let one = |id: &str| known.channels.iter().find(|one| one.id == id).unwrap().clone();
    let (general, other) = (one(team), one(channel));
    [known.state, general.state, other.state, other.name.unwrap_or_default()]
}

#[tokio::test]
async fn teams_are_known_through_all_that_happens_to_them() {
    let world = Plan::people(6).start_unmet().await;
    let teams = world.sim.get("teams").await["items"].clone();
    let id = teams[0]["id"].as_str().unwrap();
    let group = teams[0]["aadGroupId"].as_str().unwrap();
    let team = |what: &str| format!("teams/{group}/{what}");
    world.sim.happens(&team("install"), &json!({})).await;
    world.sim.happens(&team("rename"), &json!({"name": "Platform"})).await;
    world.sim.happens(&team("channels"), &json!({"name": "Drills", "kind": "standard"})).await;
    let known = world.client.team(id, &TeamFilter::default()).await.unwrap();
    assert_eq!(known.name.as_deref(), Some("Platform"));
    let drills = known.channels.iter().find(|channel| channel.name.as_deref() == Some("Drills"));
    let drills = drills.unwrap_or_else(|| panic!("{known:?}")).id.clone();
    let of_channel = |what: &str| team(&format!("channels/{drills}/{what}"));
    let (well, gone) = ("reachable", "chat_gone");
    for (path, body, expected) in [
        (of_channel("rename"), json!({"name": "Exercises"}), ["active", well, well]),
        (of_channel("delete"), json!({}), ["active", well, gone]),
        (of_channel("restore"), json!({}), ["active", well, well]),
        (team("archive"), json!({}), ["archived", well, well]),
        (team("unarchive"), json!({}), ["active", well, well]),
        (team("delete"), json!({}), ["deleted", gone, gone]),
        (team("restore"), json!({}), ["active", well, well]),
        (team("remove"), json!({}), ["removed", "removed", "removed"]),
        (team("install"), json!({}), ["active", well, well]),
    ] {
        world.sim.happens(&path, &body).await;
        let [first, second, third] = expected;
        assert_eq!(states(&world, id, &drills).await, [first, second, third, "Exercises"], "{path}");
    }
    let filter = TeamFilter { state: Some("active".to_owned()), ..TeamFilter::default() };
    assert_eq!(world.client.teams(&filter, PageOf::default()).await.unwrap().items.len(), 1);
    world.end().await;
}

#[tokio::test]
async fn who_says_stop_gets_nothing_until_they_say_start() {
    let world = Plan::people(3).start().await;
    let one = world.sim.people("installed").await[0].clone();
    let says = async |text: &str| {
        let said = world.sim.post(&format!("people/{one}/says"), &json!({"text": text})).await;
        assert_eq!(said["bots"][0]["status"], 200, "{said}");
    };
    says("hello").await;
    let first = texts(&world, &one, 1).await;
    assert!(first[0].starts_with("Nobody reads what is written here."), "{first:?}");
    says("  STOP ").await;
    assert!(texts(&world, &one, 2).await[1].starts_with("You will get no more messages here."));

    let sent = world.sent(&to_installed("not for everybody")).await;
    assert_eq!(sent.counts, counts! { audience: 3, delivered: 2, skipped: 1 });
    assert_eq!(sent.skipped_by_reason, reasons(&[("opted_out", 1)]));
    let mut urgent = to_users(std::slice::from_ref(&one), "however urgent");
    urgent.priority = Some("urgent".to_owned());
    assert_eq!(world.sent(&urgent).await.skipped_by_reason, reasons(&[("opted_out", 1)]));
    assert_eq!(world.delivery(&sent.id, &one).await.calls.len(), 0);

    says("hello again").await;
    says("start").await;
    assert!(texts(&world, &one, 3).await[2].starts_with("You will get messages here again."));
    assert_eq!(
        world.sent(&to_installed("for everybody")).await.counts,
        counts! { audience: 3, delivered: 3 }
    );
    let all = texts(&world, &one, 4).await;
    assert_eq!((all.len(), all[3].as_str()), (4, "for everybody"));
    labelled(&world, "reply").await;
    world.end().await;
}

#[tokio::test]
async fn a_group_chat_is_learned_and_can_be_sent_to() {
    let world = Plan::people(4).start().await;
    let people = world.sim.people("installed").await;
    let order = json!({"name": "Crew", "members": people, "kind": "groupChat"});
    let chat = world.sim.post("chats", &order).await;
    let id = chat["id"].as_str().unwrap_or_else(|| panic!("{chat}")).to_owned();
    world.sim.happens(&format!("chats/{id}/install"), &json!({})).await;
    let known = world.client.conversation(&id, &ConversationFilter::default()).await.unwrap();
    // The events of a chat do not name it.
    let known = known.conversation;
    assert_eq!((known.kind.as_str(), known.name, known.installed), ("group_chat", None, Some(true)));
    let audience = Audience { chats: vec![id.clone()], ..Audience::default() };
    let sent = world.sent(&message(audience, "to the crew")).await;
    assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 });
    assert_eq!(texts(&world, &id, 1).await, ["to the crew"]);
    world.end().await;
}

#[tokio::test]
async fn whoever_presses_a_button_sees_an_answer() {
    let world = Plan::people(2).app("replies = { received = \"Noted.\" }").start().await;
    let one = world.sim.people("installed").await[0].clone();
    let card = json!({"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": "Drill at noon?"}],
        "actions": [{"type": "Action.Execute", "title": "I come", "verb": "come", "data": {"seats": 1}},
                    {"type": "Action.Submit", "title": "I do not", "data": {"answer": "no"}}]});
    let content = ContentRequest { card: Some(card), ..ContentRequest::default() };
    let audience = Audience { users: vec![one.clone()], ..Audience::default() };
    let sent = world.sent(&NewMessage { audience, content, ..NewMessage::default() }).await;
    assert_eq!(sent.counts, counts! { audience: 1, delivered: 1 });
    let message =
        world.delivery(&sent.id, &one).await.delivery.activity_id.expect("it was accepted with an id");

    let act = async |action: Value| {
        let path = format!("people/{one}/acts");
        world.sim.post(&path, &json!({"message": message, "action": action})).await
    };
    let pressed = act(json!({"type": "Action.Execute", "verb": "come"})).await;
    assert_eq!((&pressed["status"], &pressed["shown"]), (&json!(200), &json!("message")), "{pressed}");
    assert_eq!(pressed["body"]["value"], "Noted.", "{pressed}");
    assert!(pressed["took_ms"].as_f64().unwrap() < 5_000.0, "{pressed}");
    let submitted = act(json!({"type": "Action.Submit", "title": "I do not"})).await;
    assert_eq!((&submitted["status"], &submitted["problem"]), (&json!(200), &Value::Null), "{submitted}");

    let invoke = async |name: &str, value: Value| {
        world.sim.post(&format!("people/{one}/invokes"), &json!({"name": name, "value": value})).await
    };
    let feedback = json!({"actionName": "feedback", "actionValue": {"reaction": "like", "feedback": "{}"}});
    let liked = invoke("message/submitAction", feedback).await;
    assert_eq!((&liked["status"], &liked["shown"]), (&json!(200), &json!("nothing")), "{liked}");
    assert_eq!(invoke("task/fetch", json!({"data": {}})).await["status"], 501);
    assert_eq!(invoke("somethingNew", Value::Null).await["status"], 501);
    // None of it was a word.
    assert!(labelled(&world, "reply").await.is_empty());
    assert_eq!(world.sim.times(&one).await, 1);
    world.end().await;
}
