use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    fixtures::fixture,
    harness::{APP, BotServer, Received, World, text},
};

fn decoded(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).unwrap()
}

/// The claims of the token that came with an event, after its signature was checked against the published keys.
pub(crate) async fn claims(world: &World, received: &Received) -> Value {
    let authorization = received.headers["authorization"].to_str().unwrap();
    let (input, signature) = authorization.strip_prefix("Bearer ").unwrap().rsplit_once('.').unwrap();
    let (header, payload) = input.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&decoded(header)).unwrap();
    assert_eq!(header["alg"], "RS256");
    let url = format!("{}/v1/.well-known/keys", world.sim.base());
    let keys: Value = world.http.get(url).send().await.unwrap().json().await.unwrap();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    assert!(key["endorsements"].as_array().unwrap().contains(&json!("msteams")));
    RsaPublicKeyComponents { n: decoded(text(&key["n"])), e: decoded(text(&key["e"])) }
        .verify(&RSA_PKCS1_2048_8192_SHA256, input.as_bytes(), &decoded(signature))
        .unwrap();
    serde_json::from_slice(&decoded(payload)).unwrap()
}

/// What is different in the names of fields and the kinds of values, at any depth.
pub(crate) fn difference(is: &Value, expected: &Value, path: &str) -> Option<String> {
    match (is, expected) {
        (Value::Object(is), Value::Object(expected)) => {
            let names = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            if names(is) != names(expected) {
                return Some(format!("{path}: {:?} instead of {:?}", names(is), names(expected)));
            }
            is.iter().find_map(|(name, value)| difference(value, &expected[name], &format!("{path}/{name}")))
        }
        (Value::Array(is), Value::Array(expected)) if is.len() == expected.len() => {
            let pairs = is.iter().zip(expected).enumerate();
            pairs
                .into_iter()
                .find_map(|(at, (is, expected))| difference(is, expected, &format!("{path}/{at}")))
        }
        (Value::Array(is), Value::Array(_)) => Some(format!("{path}: {} items", is.len())),
        _ if std::mem::discriminant(is) == std::mem::discriminant(expected) => None,
        _ => Some(format!("{path}: {is} instead of {expected}")),
    }
}

fn same_shape(is: &Value, expected: &Value, name: &str) {
    assert_eq!(difference(is, expected, name), None);
}

/// Has exactly the fields of the fixture, and its headers.
pub(crate) fn like_fixture(received: &Received, name: &str) {
    let fixture = fixture(&format!("activities/{name}.json"));
    same_shape(&received.body, &fixture["body"], name);
    for header in fixture["headers"].as_object().unwrap().keys() {
        assert!(!received.headers[header].is_empty(), "{name}: {header}");
    }
}

#[tokio::test]
async fn a_reinstall_sends_both_events_signed() {
    let (bot, url) = BotServer::start().await;
    let world = World::with(100, Some(&url)).await;
    let person = world.person("uninstalled").await;
    assert_eq!(world.change(&person, "installed").await["events"], 2);
    world.until("events", |events| events["pending"] == 0).await;
    let received = bot.received();
    assert_eq!(received.len(), 2);
    for event in &received {
        let claims = claims(&world, event).await;
        assert_eq!(claims.as_object().unwrap().len(), 5, "five claims exactly: {claims}");
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!("https://api.botframework.com"), &json!(APP)));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap(), 3600);
        let body = &event.body;
        assert_eq!(claims["serviceurl"], body["serviceUrl"]);
        assert_eq!(body["serviceUrl"], format!("{}/teams/", world.sim.base()));
        assert_eq!(body["recipient"]["id"], format!("28:{APP}"));
        assert_eq!((&body["from"]["id"], &body["from"]["aadObjectId"]), (&person["mri"], &person["id"]));
        assert_eq!(body["conversation"]["id"], person["conversation_id"]);
        assert_eq!(body["conversation"]["tenantId"], world.sim.tenant_id());
        assert_eq!(event.headers["x-ms-conversation-id"], text(&person["conversation_id"]));
        assert_eq!(event.headers["x-ms-tenant-id"], world.sim.tenant_id());
        let name = match text(&body["type"]) {
            "installationUpdate" => "install_personal",
            _ => "install_personal_members_added",
        };
        same_shape(body, &fixture(&format!("activities/{name}.json"))["body"], name);
    }
    assert_ne!(received[0].body["type"], received[1].body["type"]);
    // The id in the event is the one to send to.
    let chat = text(&received[0].body["conversation"]["id"]);
    assert_eq!(world.send(chat, "welcome").await.0, 201);
}

#[tokio::test]
async fn uninstalling_tells_only_if_switched_on() {
    let (bot, url) = BotServer::start().await;
    let world = World::with(100, Some(&url)).await;
    let people = world.get("people?state=installed&limit=3").await;
    let people = people["items"].as_array().unwrap();
    assert_eq!(world.change(&people[0], "uninstalled").await["events"], 0);
    assert_eq!(world.change(&people[1], "blocked").await["events"], 0);
    assert_eq!(world.change(&people[1], "installed").await["events"], 0);
    world.settings(json!({"uninstall_event": "remove"})).await;
    assert_eq!(world.change(&people[2], "uninstalled").await["events"], 1);
    world.until("events", |events| events["pending"] == 0).await;
    let received = bot.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].body["action"], "remove");
    same_shape(&received[0].body, &fixture("activities/uninstall_personal.json")["body"], "remove");
}

#[tokio::test]
async fn a_setup_policy_reaches_everybody_who_has_or_had_it() {
    let (bot, url) = BotServer::start().await;
    let world = World::with(100, Some(&url)).await;
    world.settings(json!({"uninstall_event": "remove"})).await;
    let job = world.post("policy-install", json!({"seconds": 0, "teams": true})).await;
    // 100 people, 2 never had it; 2 of the others removed it again; 2 teams.
    assert_eq!((&job["people"], &job["events"]), (&json!(98), &json!(98 * 2 + 2 + 4)));
    let events = world.until("events", |events| events["pending"] == 0).await;
    assert_eq!(events["answered"], json!({"200": 202}));
    assert_eq!((&events["jobs"][0]["finished"], &events["jobs"][0]["done"]), (&json!(true), &json!(202)));
    let received = bot.received();
    let of = |kind: &str, action: &str| {
        received.iter().filter(|event| event.body["type"] == kind && event.body["action"] == action).count()
    };
    assert_eq!((of("installationUpdate", "add"), of("installationUpdate", "remove")), (100, 2));
    assert_eq!(received.iter().filter(|event| event.body["type"] == "conversationUpdate").count(), 100);
    assert_eq!(world.get("counts").await["people"]["uninstalled"], 2);
    let team = world.get("teams").await["items"][0].clone();
    assert_eq!(world.send(text(&team["id"]), "x").await.0, 201);
}

#[tokio::test]
async fn a_team_install_is_told_from_the_chosen_channel() {
    let (bot, url) = BotServer::start().await;
    let world = World::with(100, Some(&url)).await;
    let team = world.get("teams").await["items"][0].clone();
    let channel = &team["channels"][1]["id"];
    let answer =
        world.post(&format!("teams/{}/install", text(&team["id"])), json!({"channel": channel})).await;
    assert_eq!((&answer["events"], &answer["team"]["installed"]), (&json!(2), &json!(true)));
    world.until("events", |events| events["pending"] == 0).await;
    let received = bot.received();
    for event in &received {
        assert_eq!(
            (&event.body["conversation"]["id"], &event.body["channelData"]["team"]["id"]),
            (channel, &team["id"])
        );
        let name = match text(&event.body["type"]) {
            "installationUpdate" => "install_team",
            _ => "install_team_members_added",
        };
        same_shape(&event.body, &fixture(&format!("activities/{name}.json"))["body"], name);
    }

    // General goes without a name, by which TeamsFx knows it; another channel has one.
    assert_eq!(received[0].body["conversation"]["name"], team["channels"][1]["name"]);
    world.post(&format!("teams/{}/install", text(&team["id"])), json!({})).await;
    world.until("events", |events| events["pending"] == 0).await;
    assert!(bot.received()[0].body["conversation"].get("name").is_none());
}

#[tokio::test]
async fn a_team_is_joined_by_somebody_who_knows_the_app() {
    let (bot, url) = BotServer::start().await;
    let world = World::with(4, Some(&url)).await;
    // Two teams, in turn: the first has the first and the third person.
    let people = world.get("people?limit=4").await;
    let team = world.get("teams").await["items"][0].clone();
    let install = format!("teams/{}/install", text(&team["id"]));
    let first = &people["items"][0];
    for (of_first, of_third, installer) in [
        ("never_installed", "uninstalled", 2),
        ("team_only", "never_installed", 0),
        ("blocked", "installed", 0),
    ] {
        for (person, state) in [(first, of_first), (&people["items"][2], of_third)] {
            world.change(person, state).await;
        }
        world.until("events", |events| events["pending"] == 0).await;
        bot.received();
        world.post(&install, json!({})).await;
        world.until("events", |events| events["pending"] == 0).await;
        for event in bot.received() {
            assert_eq!(event.body["from"]["aadObjectId"], people["items"][installer]["id"], "{of_first}");
        }
    }
}

#[tokio::test]
async fn what_is_not_answered_is_sent_again_once() {
    let (bot, url) = BotServer::start().await;
    let world = World::with(100, Some(&url)).await;
    world.settings(json!({"event_again_after_s": 0})).await;
    let person = world.person("uninstalled").await;
    bot.answers(&[503, 200, 500]);
    world.change(&person, "installed").await;
    let events = world.until("events", |events| events["pending"] == 0).await;
    assert_eq!(events["answered"], json!({"200": 1, "500": 1, "503": 1}));
    assert_eq!((&events["sent_again"], &events["given_up"]), (&json!(1), &json!(1)));
    let received = bot.received();
    assert_eq!(received[0].body, received[2].body, "the same activity");
}

#[tokio::test]
async fn an_unreachable_bot_is_no_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let world = World::with(100, Some(&url)).await;
    world.settings(json!({"event_again_after_s": 0})).await;
    let person = world.person("uninstalled").await;
    world.change(&person, "installed").await;
    let events = world.until("events", |events| events["pending"] == 0).await;
    assert_eq!((&events["no_answer"], &events["given_up"]), (&json!(4), &json!(2)));
}
