//! What the page at `/sim` is made of and what it reads.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{BotServer, World, text};

async fn file(world: &World, path: &str) -> reqwest::Response {
    world.http.get(format!("{}/sim{path}", world.sim.base())).send().await.unwrap()
}

#[tokio::test]
async fn its_files_bring_a_strict_policy_and_every_one_that_it_names_is_there() {
    let world = World::start().await;
    let page = file(&world, "").await;
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let html = page.text().await.unwrap();
    assert!(!html.contains("style=") && !html.contains("onclick"));
    let mut named = Vec::new();
    for part in html.split('"').filter_map(|part| part.strip_prefix("/sim/page/")) {
        let answer = file(&world, &format!("/page/{part}")).await;
        assert_eq!(
            (answer.status().as_u16(), &*policy),
            (200, answer.headers()["content-security-policy"].to_str().unwrap()),
            "{part}"
        );
        named.push(answer.text().await.unwrap());
    }
    assert_eq!(named.len(), 4, "two style sheets, the library of cards, the script");
    // Scripts import each other by name.
    for import in named[3].split('"').filter_map(|part| part.strip_prefix("./")) {
        assert_eq!(file(&world, &format!("/page/{import}")).await.status(), 200, "{import}");
    }
    assert_eq!(file(&world, "/page/../info").await.status(), 200, "an ordinary call, resolved by the client");
    assert_eq!(file(&world, "/page/%2e%2e%2finfo").await.status(), 404);
}

#[tokio::test]
async fn another_origin_may_not_drive_the_simulator() {
    let world = World::start().await;
    let ask = async |origin: &str| {
        let url = format!("{}/sim/counts", world.sim.base());
        world.http.get(url).header("origin", origin).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(world.sim.base()).await, 200);
    for foreign in ["https://example.com", "null", "http://127.0.0.1:1"] {
        assert_eq!(ask(foreign).await, 403, "{foreign}");
    }
}

#[tokio::test]
async fn people_are_found_by_words() {
    let world = World::start().await;
    let one = world.person("installed").await;
    let name = text(&one["name"]).to_uppercase();
    let found = async |q: &str, rest: &str| {
        let mut url = reqwest::Url::parse("http://x/").unwrap();
        url.query_pairs_mut().append_pair("q", q);
        world.get(&format!("people?{}{rest}", url.query().unwrap())).await
    };
    let by_name = found(&name, "").await;
    let items = by_name["items"].as_array().unwrap();
    assert!(items.contains(&one), "{by_name}");
    assert!(items.iter().all(|person| text(&person["name"]).to_uppercase() == name));
    for exact in [text(&one["id"]), text(&one["upn"])] {
        assert_eq!(found(exact, "").await["items"], json!([one]), "{exact}");
    }
    assert_eq!(found("nobody of that name", "").await, json!({"items": [], "next": null}));
    // In pages, and together with a state.
    let all = found("contoso", "&limit=200").await;
    assert_eq!((all["items"].as_array().unwrap().len(), &all["next"]), (100, &Value::Null));
    let first = found("contoso", "&limit=60").await;
    let second = found("contoso", &format!("&limit=60&after={}", text(&first["next"]))).await;
    assert_eq!((second["items"].as_array().unwrap().len(), &second["next"]), (40, &Value::Null));
    assert_eq!(found("contoso", "&state=blocked").await["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn conversations_are_listed_newest_first_or_in_order() {
    let world = World::start().await;
    assert_eq!(world.get("conversations").await, json!({"items": [], "next": null}));
    let people = world.get("people?state=installed&limit=3").await["items"].clone();
    for person in people.as_array().unwrap() {
        world.send(text(&person["conversation_id"]), "hello").await;
    }
    world.send(text(&people[0]["conversation_id"]), "once more").await;
    let recent = world.get("conversations?limit=2").await;
    assert_eq!(recent["items"][0]["person"]["id"], people[0]["id"], "{recent}");
    assert_eq!(
        (&recent["items"][0]["messages"], &recent["items"][0]["kind"]),
        (&json!(2), &json!("personal"))
    );
    assert_eq!(recent["items"][0]["id"], people[0]["conversation_id"]);
    assert_eq!(recent["items"][1]["person"]["id"], people[2]["id"]);
    let rest = world.get(&format!("conversations?limit=2&after={}", text(&recent["next"]))).await;
    assert_eq!((&rest["items"][0]["person"]["id"], &rest["next"]), (&people[1]["id"], &Value::Null));
    assert_eq!(world.get("conversations?kind=channel&q=nowhere").await["items"], json!([]));

    let teams = world.get("teams").await["items"].clone();
    let channels: usize =
        teams.as_array().unwrap().iter().map(|team| team["channels"].as_array().unwrap().len()).sum();
    let all = world.get("conversations?kind=channel&limit=200").await;
    assert_eq!(all["items"].as_array().unwrap().len(), channels);
    assert_eq!(all["items"][0]["team"]["id"], teams[0]["id"]);
    let of_one = world.get(&format!("conversations?team={}", text(&teams[1]["id"]))).await;
    assert_eq!(of_one["items"].as_array().unwrap().len(), teams[1]["channels"].as_array().unwrap().len());
    let of_person = world.get(&format!("conversations?person={}", text(&people[0]["id"]))).await;
    assert_eq!(of_person["items"][0]["person"]["id"], people[0]["id"]);
    assert!(of_person["items"].as_array().unwrap().len() > 2, "and the channels of the team: {of_person}");

    let general = text(&teams[0]["channels"][0]["id"]);
    assert_eq!(world.get(&format!("conversations/{general}")).await["channel"]["name"], "General");
    let members = world.get(&format!("conversations/{general}/members?limit=200")).await;
    assert_eq!(members["items"].as_array().unwrap().len(), 50);
    let own = world.get(&format!("conversations/{}/members", text(&people[1]["id"]))).await;
    assert_eq!(own["items"], json!([people[1]]));
    for (path, status) in [
        ("conversations?after=x", 400),
        ("conversations?kind=tent", 400),
        ("conversations?team=none", 404),
        ("conversations?person=none", 404),
        ("conversations/none", 404),
        ("conversations/none/members", 404),
    ] {
        assert_eq!(world.control(Method::GET, path, None).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn messages_in_pages_from_the_end() {
    let world = World::start().await;
    let chat = world.chat().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(world.send(&chat, &n.to_string()).await.1["id"].clone());
    }
    let page = async |query: &str| {
        let page = world.get(&format!("conversations/{chat}/messages{query}")).await;
        let found: Vec<Value> =
            page["items"].as_array().unwrap().iter().map(|message| message["id"].clone()).collect();
        (found, page["earlier"].as_u64().unwrap())
    };
    assert_eq!(page("").await, (ids.clone(), 0));
    assert_eq!(page("?last=2").await, (ids[3..].to_vec(), 3));
    assert_eq!(page(&format!("?last=2&before={}", text(&ids[3]))).await, (ids[1..3].to_vec(), 1));
}

#[tokio::test]
async fn what_a_bot_was_told_and_answered() {
    let (bot, endpoint) = BotServer::start().await;
    let world = World::with(20, Some(&endpoint)).await;
    let people = world.get("people?state=installed&limit=2").await["items"].clone();
    bot.answers(&[200, 418]);
    for person in people.as_array().unwrap() {
        world.post(&format!("people/{}/says", text(&person["id"])), json!({"text": "hello"})).await;
    }
    let told = world.get("told").await;
    let items = told["items"].as_array().unwrap();
    assert_eq!((items.len(), &told["last"]), (2, &json!(2)));
    assert_eq!((&items[0]["event"], &items[0]["status"]), (&json!("message"), &json!(200)));
    assert_eq!((&items[0]["activity"], &items[0]["answer"]), (&bot.received()[0].body, &json!("seen")));
    assert_eq!((&items[1]["status"], &items[1]["person"]), (&json!(418), &people[1]["id"]));
    // Of one conversation, by its id or by the person's.
    for id in [text(&people[1]["id"]), text(&people[1]["conversation_id"])] {
        assert_eq!(world.get(&format!("told?conversation={id}")).await["items"], json!([items[1]]), "{id}");
    }
    assert_eq!(world.get("told?after=1").await["items"], json!([items[1]]));
    assert_eq!(world.get("told?limit=1").await["items"], json!([items[1]]));
    world.post("reset", json!({"people": 1})).await;
    assert_eq!(world.get("told").await, json!({"items": [], "last": 0}));
}
