//! Time that moves faster, or only when told.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{BotServer, World, text};

async fn explicit(endpoint: Option<&str>) -> World {
    let world = World::with(20, endpoint).await;
    let (status, shown) = world.control(Method::PATCH, "time", Some(json!({"mode": "explicit"}))).await;
    assert_eq!((status, &shown["mode"], &shown["waiting"]), (200, &json!("explicit"), &json!(0)));
    world
}

async fn waiting(world: &World, count: u64) {
    world.until("time", |time| time["waiting"] == count).await;
}

/// How many were woken.
async fn advance(world: &World, by_s: f64) -> u64 {
    world.post("time/advance", json!({"by_s": by_s})).await["woken"].as_u64().unwrap()
}

/// A send in the background.
fn sending(world: &World, chat: &str) -> tokio::task::JoinHandle<u16> {
    let path = format!("v3/conversations/{chat}/activities");
    let request = world.request(Method::POST, &path).json(&json!({"type": "message", "text": "x"}));
    tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
}

#[tokio::test]
async fn latency_passes_when_it_is_told() {
    let world = explicit(None).await;
    world.settings(json!({"latency": {"kind": "fixed", "ms": 3000, "share_before": 0.25}})).await;
    let chat = world.chat().await;
    let answer = sending(&world, &chat);
    waiting(&world, 1).await;
    // Control calls are answered meanwhile, and it does not count yet.
    assert_eq!(world.get("time").await["next_in_s"], 0.75);
    assert_eq!(advance(&world, 0.7).await, 0);
    assert_eq!(world.get("counts").await["accepted"], 0);
    assert_eq!(advance(&world, 0.1).await, 1);
    waiting(&world, 1).await;
    assert_eq!(world.get("counts").await["accepted"], 1);
    assert!(!answer.is_finished());
    assert_eq!(advance(&world, 2.25).await, 1);
    assert_eq!(answer.await.unwrap(), 201);
    let journal = world.get("journal").await;
    let sent = journal["items"].as_array().unwrap().iter().find(|entry| entry["op"] == "send").unwrap();
    // It began to wait again at 0.75 s, and nobody looked at the time before 3.05 s.
    assert!((3000..=3050).contains(&sent["ms"].as_i64().unwrap()), "{sent}");
}

#[tokio::test]
async fn windows_stand_still_and_tokens_do_not() {
    let world = explicit(None).await;
    let chat = world.chat().await;
    for expected in [201, 201, 201, 201, 201, 201, 201, 429, 429] {
        assert_eq!(world.send(&chat, "x").await.0, expected);
    }
    advance(&world, 1.0).await;
    assert_eq!(world.send(&chat, "x").await.0, 201);
    // A month later the token, which others check by their own clocks, is as good as before.
    advance(&world, 30.0 * 86_400.0).await;
    assert_eq!(world.send(&chat, "x").await.0, 201);
    let time = world.get("time").await;
    assert_ne!(text(&time["now"])[..10], text(&time["real_now"])[..10]);
}

#[tokio::test]
async fn installs_and_second_tries_come_when_told() {
    let (bot, url) = BotServer::start().await;
    let world = explicit(Some(&url)).await;
    let installed = world.get("people?state=installed&limit=1000").await["items"].as_array().unwrap().len();
    // It is answered at once, whatever it starts.
    let job = world.post("policy-install", json!({"seconds": 600})).await;
    assert!(job["people"].as_u64().unwrap() >= installed as u64);
    world.until("events", |events| events["attempts"] == 2).await;
    waiting(&world, 1).await;
    assert_eq!(advance(&world, 600.0).await, job["people"].as_u64().unwrap() - 1);
    world.until("events", |events| events["pending"] == 0).await;
    assert_eq!(bot.received().len() as u64, job["events"].as_u64().unwrap());

    let person = world.person("installed").await;
    world.change(&person, "uninstalled").await;
    bot.answers(&[500, 500]);
    world.change(&person, "installed").await;
    waiting(&world, 2).await;
    assert_eq!(bot.received().len(), 2);
    assert_eq!(advance(&world, 14.9).await, 0);
    assert_eq!(advance(&world, 0.1).await, 2);
    world.until("events", |events| events["pending"] == 0).await;
    assert_eq!(bot.received().len(), 2, "the same two again");
}

#[tokio::test]
async fn control_calls_are_answered_while_time_stands() {
    let (bot, url) = BotServer::start().await;
    let world = explicit(Some(&url)).await;
    let calls = async {
        let person = world.person("installed").await;
        let says = format!("people/{}/says", text(&person["id"]));
        world.post(&says, json!({"text": "hello"})).await;
        bot.answers(&[500]);
        world.post(&says, json!({"text": "again"})).await;
        world.post("activities", json!({"activity": {"text": "x"}})).await;
        // What a bot takes for its answer is real time: one that hangs is given up by itself.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/", silent.local_addr().unwrap());
        world.settings(json!({"event_timeout_s": 0.05})).await;
        let bot =
            json!({"app_id": crate::harness::APP, "secret": crate::harness::SECRET, "endpoint": endpoint});
        world.control(Method::POST, "bots", Some(bot)).await;
        let said = world.post(&says, json!({"text": "anyone?"})).await;
        assert_eq!(said["bots"][0]["status"], Value::Null);
        // What comes late is on its way without this call.
        world.settings(json!({"event_delivery": {"late_s": 30}})).await;
        let said = world.post(&says, json!({"text": "later"})).await;
        assert_eq!((&said["delivered"], &said["status"]), (&json!(false), &Value::Null), "{said}");
        // A held request needs no time to go on, a delayed one does.
        let chat = text(&person["conversation_id"]).to_owned();
        let hold = json!({"match": {"op": "send"}, "do": {"hold": "before"}, "times": 1});
        world.post("faults", hold).await;
        let held = sending(&world, &chat);
        world.until("faults", |faults| faults["held"] == 1).await;
        world.post("faults/release", json!({})).await;
        assert_eq!(held.await.unwrap(), 201);
        world.post("faults", json!({"match": {"op": "send"}, "do": {"delay_ms": 60_000}, "times": 1})).await;
        let delayed = sending(&world, &chat);
        // The second tries of what was not answered, and what is late, wait too, until the reset.
        waiting(&world, 4).await;
        world.post("reset", json!({"people": 5})).await;
        waiting(&world, 1).await;
        assert_eq!(advance(&world, 60.0).await, 1);
        delayed.await.unwrap();
        world.get("counts").await;
    };
    tokio::time::timeout(Duration::from_secs(20), calls).await.expect("no control call hangs");
}

#[tokio::test]
async fn faster_time_has_shorter_windows() {
    let world = World::with(20, None).await;
    let chat = world.chat().await;
    // A second is told, a minute passes for it: here the second is the client's.
    world.settings(json!({"retry_after_s": 90})).await;
    let (_, shown) = world.control(Method::PATCH, "time", Some(json!({"mode": "scaled", "scale": 60}))).await;
    assert_eq!((&shown["mode"], &shown["scale"]), (&json!("scaled"), &json!(60.0)));
    // 1800 an hour and 60 in half a minute: were time real, no more than 60 would get in in this test.
    let mut accepted = 0;
    let mut told = None;
    while accepted < 100 {
        let path = format!("v3/conversations/{chat}/activities");
        let request = world.request(Method::POST, &path).json(&json!({"type": "message", "text": "x"}));
        let answer = request.send().await.unwrap();
        match answer.status().as_u16() {
            201 => accepted += 1,
            status => {
                assert_eq!(status, 429);
                told = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
            }
        }
    }
    assert!(told.is_none_or(|told| told == "2"), "90 seconds are a second and a half, rounded up");
}

#[tokio::test]
async fn senseless_orders_about_time() {
    let world = World::with(1, None).await;
    for bad in [
        json!({"mode": "scaled"}),
        json!({"mode": "scaled", "scale": 0}),
        json!({"mode": "scaled", "scale": -1}),
        json!({"mode": "real", "scale": 2}),
        json!({"mode": "backwards"}),
        json!({"mode": "real", "sclae": 2}),
        json!({}),
    ] {
        let (status, error) = world.control(Method::PATCH, "time", Some(bad.clone())).await;
        assert_eq!(status, 400, "{bad}: {error}");
    }
    let (status, error) = world.control(Method::POST, "time/advance", Some(json!({"by_s": 1}))).await;
    assert_eq!(status, 409);
    assert!(text(&error["error"]).contains("explicit"));
    world.control(Method::PATCH, "time", Some(json!({"mode": "explicit"}))).await;
    for bad in [json!({"by_s": -1}), json!({"by_s": 1e12}), json!({"by": 1}), json!({})] {
        assert_eq!(world.control(Method::POST, "time/advance", Some(bad.clone())).await.0, 400, "{bad}");
    }
}
