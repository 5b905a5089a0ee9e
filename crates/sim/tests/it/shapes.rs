//! Each activity of `fixtures/microsoft/activities` is sent, with exactly its fields.

use serde_json::{Value, json};

use crate::{
    acting::{does, permit},
    clicks::send_card,
    events::difference,
    fixtures::{fixture, folder},
    harness::{APP, BotServer, Received, World, text},
};

/// A sample of Microsoft's that shows only some of the fields.
const SHORTENED: [&str; 1] = ["message_group_chat"];

/// What tells one activity from another.
fn kind(activity: &Value) -> String {
    let event = activity["channelData"]["eventType"].as_str().unwrap_or_default().to_lowercase();
    let place = &activity["conversation"]["conversationType"];
    format!("{} {} {} {event} {place}", activity["type"], activity["name"], activity["action"])
}

/// Whether everything that is expected is there, perhaps among other things.
fn includes(is: &Value, expected: &Value) -> bool {
    match (is, expected) {
        (Value::Object(is), Value::Object(expected)) => {
            expected.iter().all(|(name, expected)| is.get(name).is_some_and(|is| includes(is, expected)))
        }
        (Value::Array(is), Value::Array(expected)) => {
            expected.iter().all(|expected| is.iter().any(|is| includes(is, expected)))
        }
        _ => std::mem::discriminant(is) == std::mem::discriminant(expected),
    }
}

/// Provokes everything that Teams tells a bot.
async fn tour() -> Vec<Received> {
    let (bot, url) = BotServer::start().await;
    let world = World::with(60, Some(&url)).await;
    let all = [
        "ChatMessageReadReceipt.Read.Chat",
        "OnlineMeeting.ReadBasic.Chat",
        "OnlineMeetingParticipant.Read.Chat",
    ];
    permit(&world, &bot, &all).await;
    world.settings(json!({"uninstall_event": "remove", "event_again_after_s": 0})).await;
    personal(&world).await;
    invokes(&world).await;
    teams(&world).await;
    chats(&world).await;
    world.until("events", |events| events["pending"] == 0).await;
    bot.received()
}

async fn personal(world: &World) {
    let person = world.person("uninstalled").await;
    does(world, &person, "installs", json!({})).await;
    let said = does(world, &person, "says", json!({"text": "stop"})).await;
    does(world, &person, "edits", json!({"message": said["activity"], "text": "please stop"})).await;
    does(world, &person, "deletes", json!({"message": said["activity"]})).await;
    does(world, &person, "undeletes", json!({"message": said["activity"]})).await;
    let card = send_card(world, text(&person["conversation_id"])).await;
    does(world, &person, "reacts", json!({"message": card, "type": "like"})).await;
    does(world, &person, "reacts", json!({"message": card, "type": "heart", "replaces": "like"})).await;
    does(world, &person, "reads", json!({})).await;
    let submit = json!({"message": card, "action": {"type": "Action.Submit", "id": "old"}});
    does(world, &person, "acts", submit).await;
    let execute = json!({"message": card, "action": {"type": "Action.Execute", "id": "ack"}});
    does(world, &person, "acts", execute).await;
    does(world, &person, "upgrades", json!({"gained": false})).await;
    does(world, &person, "upgrades", json!({"gained": true})).await;
    does(world, &person, "removes", json!({})).await;
}

async fn invokes(world: &World) {
    let person = world.person("installed").await;
    let message = world.send(text(&person["conversation_id"]), "hello").await.1["id"].clone();
    for name in names() {
        let body = fixture(&format!("activities/{name}.json"))["body"].clone();
        if body["type"] == "invoke" && name != "card_action" {
            let mut order = json!({"name": body["name"], "value": body["value"]});
            if !body["replyToId"].is_null() {
                order["message"] = message.clone();
            }
            does(world, &person, "invokes", order).await;
        }
    }
}

async fn teams(world: &World) {
    let teams = world.get("teams").await;
    let (team, other) = (&teams["items"][0], &teams["items"][1]);
    let people = world.get("people?limit=10").await;
    // Everybody is in one of the two teams, in turn.
    let ours = |at: usize| &people["items"][2 * at]["id"];
    let theirs = |at: usize| &people["items"][2 * at + 1]["id"];
    let team_does = async |what: &str, body: Value| {
        world.post(&format!("teams/{}/{what}", text(&team["id"])), body).await
    };
    team_does("install", json!({"channel": team["channels"][1]["id"]})).await;
    team_does("members", json!({"add": [theirs(0), theirs(1)]})).await;
    team_does("members", json!({"remove": [theirs(0)]})).await;
    let made = team_does("channels", json!({"name": "Postmortems"})).await;
    let channel = |what: &str| format!("channels/{}/{what}", text(&made["channel"]["id"]));
    team_does(&channel("rename"), json!({"name": "Reviews"})).await;
    team_does(&channel("delete"), json!({})).await;
    team_does(&channel("restore"), json!({})).await;
    let made = team_does("channels", json!({"name": "Suppliers", "kind": "shared", "apps": [APP]})).await;
    let channel = |what: &str| format!("channels/{}/{what}", text(&made["channel"]["id"]));
    team_does(&channel("share"), json!({"teams": [other["id"]]})).await;
    world.post(&format!("teams/{}/members", text(&other["id"])), json!({"add": [ours(0)]})).await;
    world.post(&format!("teams/{}/members", text(&other["id"])), json!({"remove": [ours(0)]})).await;
    team_does(&channel("unshare"), json!({"teams": [other["id"]]})).await;
    let mention = json!({"text": "status", "mention": true, "conversation": team["channels"][1]["id"]});
    does(world, &people["items"][0], "says", mention).await;
    team_does("rename", json!({"name": "Network and Systems"})).await;
    for what in ["archive", "unarchive", "delete", "restore", "remove", "install", "delete", "hard-delete"] {
        team_does(what, json!({})).await;
    }
}

async fn chats(world: &World) {
    let people = world.get("people?limit=10").await;
    let id = |at: usize| &people["items"][at]["id"];
    let chat = world.post("chats", json!({"members": [id(0), id(1), id(2)]})).await;
    let chat_does = async |what: &str, body: Value| {
        world.post(&format!("chats/{}/{what}", text(&chat["id"])), body).await
    };
    chat_does("install", json!({})).await;
    chat_does("members", json!({"add": [id(3), id(4)]})).await;
    chat_does("members", json!({"remove": [id(3)]})).await;
    let asked = format!("ask <at>{}</at> to call", text(&people["items"][1]["name"]));
    let says = json!({"text": asked, "mention": true, "conversation": chat["id"]});
    does(world, &people["items"][0], "says", says).await;
    chat_does("remove", json!({})).await;
    let meeting =
        json!({"name": "Incident 4711", "kind": "meeting", "members": [id(0), id(1)], "apps": [APP]});
    let meeting = world.post("chats", meeting).await;
    for (what, body) in [
        ("start", json!({})),
        ("join", json!({"people": [id(0), id(1)]})),
        ("leave", json!({"people": [id(0), id(1)]})),
        ("end", json!({})),
    ] {
        world.post(&format!("chats/{}/{what}", text(&meeting["id"])), body).await;
    }
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder().join("activities"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn each_activity_that_microsoft_sends_is_sent_with_its_fields() {
    let received = tour().await;
    let names = names();
    assert!(names.len() > 50, "{names:?}");
    let mut wrong = Vec::new();
    for name in names {
        let fixture = fixture(&format!("activities/{name}.json"));
        let expected = &fixture["body"];
        let alike: Vec<&Received> =
            received.iter().filter(|event| kind(&event.body) == kind(expected)).collect();
        let differences: Vec<String> = alike
            .iter()
            .filter_map(|event| {
                if SHORTENED.contains(&name.as_str()) {
                    (!includes(&event.body, expected)).then(|| event.body.to_string())
                } else {
                    difference(&event.body, expected, &name)
                }
            })
            .collect();
        if differences.len() == alike.len() {
            wrong.push(format!("{name} ({}): {differences:?}", kind(expected)));
        }
        for event in alike {
            for header in fixture["headers"].as_object().unwrap().keys() {
                assert!(!event.headers[header].is_empty(), "{name}: {header}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
