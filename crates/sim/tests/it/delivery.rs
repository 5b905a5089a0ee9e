//! How events come: in any order, twice, late, again, so many at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, routing::post};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    acting::does,
    harness::{APP, BotServer, Reply, SECRET, World, text},
};

async fn start() -> (BotServer, World) {
    let (bot, url) = BotServer::start().await;
    let world = World::with(40, Some(&url)).await;
    world.settings(json!({"event_again_after_s": 0, "event_second_after_s": 0})).await;
    (bot, world)
}

/// What the bot hears of one install that is brought in that way.
async fn install(world: &World, bot: &BotServer, delivery: Value) -> Vec<Value> {
    let person = world.person("uninstalled").await;
    does(world, &person, "installs", json!({"delivery": delivery})).await;
    world.until("events", |events| events["pending"] == 0).await;
    world.change(&person, "uninstalled").await;
    bot.received().into_iter().map(|event| event.body).collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| text(&event["type"])).collect()
}

#[tokio::test]
async fn in_any_order() {
    let (bot, world) = start().await;
    let straight = install(&world, &bot, json!({"order": "straight"})).await;
    assert_eq!(types(&straight), ["conversationUpdate", "installationUpdate"]);
    let reversed = install(&world, &bot, json!({"order": "reversed"})).await;
    assert_eq!(types(&reversed), ["installationUpdate", "conversationUpdate"]);
    // Shuffled, a whole job comes in another order. One at a time, so that it is the order of sending.
    world.settings(json!({"event_at_once": 1})).await;
    let mut orders = Vec::new();
    for order in ["straight", "shuffled"] {
        world.post("policy-install", json!({"delivery": {"order": order}})).await;
        world.until("events", |events| events["pending"] == 0).await;
        let people = bot.received();
        orders.push(people.iter().map(|event| event.body["from"]["aadObjectId"].clone()).collect::<Vec<_>>());
    }
    assert_ne!(orders[0], orders[1]);
    let sorted = |people: &[Value]| {
        let mut people: Vec<String> = people.iter().map(Value::to_string).collect();
        people.sort();
        people
    };
    assert_eq!(sorted(&orders[0]), sorted(&orders[1]), "the same people");
}

#[tokio::test]
async fn twice_although_it_was_answered() {
    let (bot, world) = start().await;
    let same = install(&world, &bot, json!({"order": "straight", "twice": "same_id"})).await;
    assert_eq!(same.len(), 4);
    for event in &same {
        assert_eq!(same.iter().filter(|other| *other == event).count(), 2);
    }
    // With new ids: as a setting, for what people do too.
    world.settings(json!({"event_delivery": {"twice": "new_id"}})).await;
    let person = world.person("installed").await;
    let said = does(&world, &person, "says", json!({"text": "x"})).await;
    world.until("events", |events| events["pending"] == 0).await;
    let mut heard: Vec<Value> = bot.received().into_iter().map(|event| event.body).collect();
    assert_eq!((heard.len(), &heard[0]["id"]), (2, &said["activity"]));
    assert_ne!(heard[0]["id"], heard[1]["id"]);
    for event in &mut heard {
        event["id"] = Value::Null;
        event["timestamp"] = Value::Null;
    }
    assert_eq!(heard[0], heard[1]);
}

#[tokio::test]
async fn a_second_pair_where_it_is_switched_on() {
    let (bot, world) = start().await;
    let person = world.person("installed").await;
    let say = async || {
        does(&world, &person, "says", json!({"text": "x"})).await;
        world.until("events", |events| events["pending"] == 0).await
    };
    bot.answers(&[500, 503]);
    assert_eq!(say().await["given_up"], 1);
    assert_eq!(bot.received().len(), 2, "and no more");
    world.settings(json!({"event_second_pair": true})).await;
    bot.answers(&[500, 500, 500]);
    assert_eq!(say().await["given_up"], 1, "the fourth try was answered");
    let ids: Vec<Value> = bot.received().into_iter().map(|event| event.body["id"].clone()).collect();
    assert_eq!((ids.len(), &ids[0], &ids[2]), (4, &ids[1], &ids[3]));
    assert_ne!(ids[0], ids[2]);
    let told = world.get("told?limit=4").await;
    let attempts: Vec<&Value> =
        told["items"].as_array().unwrap().iter().map(|post| &post["attempt"]).collect();
    assert_eq!(attempts, [&json!(1), &json!(2), &json!(3), &json!(4)]);
}

#[tokio::test]
async fn late_by_the_simulators_clock() {
    let (bot, world) = start().await;
    let (status, _) = world.control(Method::PATCH, "time", Some(json!({"mode": "explicit"}))).await;
    assert_eq!(status, 200);
    let person = world.person("uninstalled").await;
    does(&world, &person, "installs", json!({"delivery": {"late_s": 120}})).await;
    world.until("time", |time| time["waiting"] == 1).await;
    world.post("time/advance", json!({"by_s": 119})).await;
    assert_eq!((bot.received().len(), &world.get("events").await["attempts"]), (0, &json!(0)));
    world.post("time/advance", json!({"by_s": 1})).await;
    world.until("events", |events| events["pending"] == 0).await;
    assert_eq!(bot.received().len(), 2);
    for bad in [json!({"late_s": -1}), json!({"order": "upwards"}), json!({"thrice": true})] {
        let order = Some(json!({"delivery": bad}));
        assert_eq!(world.control(Method::POST, "policy-install", order).await.0, 400, "{bad}");
        let patch = Some(json!({"event_delivery": bad}));
        assert_eq!(world.control(Method::PATCH, "settings", patch).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn bots_that_answer_badly() {
    let (bot, world) = start().await;
    world.settings(json!({"event_timeout_s": 0.2})).await;
    for (reply, status, again) in [
        (Reply::Never, Value::Null, true),
        (Reply::Html(502), json!(502), true),
        (Reply::Html(200), json!(200), false),
        (Reply::Status(501), json!(501), true),
        (Reply::Status(404), json!(404), false),
    ] {
        bot.replies(reply);
        let person = world.person("installed").await;
        let said = does(&world, &person, "says", json!({"text": "x"})).await;
        assert_eq!((&said["status"], &said["delivered"]), (&status, &json!(status == 200)), "{said}");
        world.until("events", |events| events["pending"] == 0).await;
        let heard: Vec<Value> = bot.received().into_iter().map(|event| event.body).collect();
        assert_eq!(heard.len(), 1 + usize::from(again), "{status}");
        assert!(heard.iter().all(|event| *event == heard[0]), "the same activity");
    }
}

#[tokio::test]
async fn so_many_at_once_and_no_more() {
    let (_, world) = start().await;
    let gate = Arc::new(Semaphore::new(0));
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let inside = Arc::clone(&now);
    let (opened, highest) = (Arc::clone(&gate), Arc::clone(&most));
    let app = Router::new().route(
        "/",
        post(async move || {
            highest.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            drop(opened.acquire().await.unwrap());
            inside.fetch_sub(1, Ordering::SeqCst);
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    world.post("bots", json!({"app_id": APP, "secret": SECRET, "endpoint": endpoint})).await;
    world.settings(json!({"event_at_once": 3})).await;
    // Two jobs share the places.
    world.post("policy-install", json!({})).await;
    world.post("policy-install", json!({})).await;
    world.until("events", |_| now.load(Ordering::SeqCst) == 3).await;
    gate.add_permits(100);
    let events = world.until("events", |events| events["pending"] == 0).await;
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert_eq!(events["answered"]["200"], events["attempts"]);
}

#[tokio::test]
async fn a_second_bot_with_the_same_id() {
    let (bot, world) = start().await;
    let order = |new: bool| json!({"app_id": APP.to_uppercase(), "secret": "other", "endpoint": bot.url(), "new": new});
    let (status, refused) = world.control(Method::POST, "bots", Some(order(true))).await;
    assert_eq!((status, world.get("bots").await["items"].as_array().unwrap().len()), (409, 1), "{refused}");
    assert_eq!(world.control(Method::POST, "bots", Some(order(false))).await.0, 200, "it is changed");
    assert_eq!(world.get("bots").await["items"].as_array().unwrap().len(), 1);
}
