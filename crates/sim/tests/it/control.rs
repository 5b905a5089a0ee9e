use std::path::Path;

use nuncio_sim::{Places, Sim, SimConfig, SimError, settings_hint};
use reqwest::Method;
use serde_json::json;

use crate::harness::{APP, World, client, text};

#[tokio::test]
async fn beyond_loopback_only_with_a_control_key() {
    let config = SimConfig { listen: "0.0.0.0:0".parse().unwrap(), people: 1, ..SimConfig::default() };
    let refused = Sim::start(config.clone()).await;
    assert!(matches!(refused, Err(SimError::ControlKeyNeeded(_))));
    let sim = Sim::start(SimConfig { control_key: Some("key".into()), ..config }).await.unwrap();
    let url = format!("{}/sim/counts", sim.base());
    assert!(url.starts_with("http://127.0.0.1:"));
    let asked =
        async |key: &str| client().get(&url).header("x-control-key", key).send().await.unwrap().status();
    assert_eq!(client().get(&url).send().await.unwrap().status(), 401);
    assert_eq!(asked("wrong").await, 401);
    assert_eq!(asked("key").await, 200);
    // What Microsoft serves needs no control key.
    let keys = client().get(format!("{}/v1/.well-known/keys", sim.base())).send().await.unwrap();
    assert_eq!(keys.status(), 200);
    let addr = sim.addr();
    sim.stop().await;
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", addr.port())).await.is_err());
}

#[tokio::test]
async fn reset_makes_exactly_what_is_asked() {
    let world = World::start().await;
    world.send(&world.chat().await, "x").await;
    let made = world.post("reset", json!({"seed": 5, "people": 1000, "teams": 3})).await;
    assert_eq!(made["tenant_id"], world.sim.tenant_id());
    assert_eq!(made["states"]["installed"], 930);
    assert_eq!(made["states"]["chat_deleted"], 10);
    let counts = world.get("counts").await;
    assert_eq!((&counts["accepted"], &counts["people_total"]), (&json!(0), &json!(1000)));
    assert_eq!(world.get("teams").await["items"].as_array().unwrap().len(), 3);
    let made = world.post("reset", json!({"people": 10, "states": {"blocked": 0.5}})).await;
    assert_eq!((&made["states"]["blocked"], &made["states"]["installed"]), (&json!(5), &json!(5)));
    // The bot is still there.
    assert_eq!(world.send(&world.chat().await, "x").await.0, 201);
    for bad in [
        json!({"poeple": 1}),
        json!({"groups": 10_001}),
        json!({"states": {"blocked": 2}}),
        json!({"states": {"blockd": 0.1}}),
        json!({"states": {"blocked": 0.6, "uninstalled": 0.6}}),
    ] {
        assert_eq!(world.control(Method::POST, "reset", Some(bad.clone())).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn people_in_pages() {
    let world = World::start().await;
    let mut seen = Vec::new();
    let mut path = "people?limit=30".to_owned();
    loop {
        let page = world.get(&path).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|person| text(&person["id"]).to_owned()));
        match page["next"].as_str() {
            Some(next) => path = format!("people?limit=30&after={next}"),
            None => break,
        }
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((all, seen.len()), (100, 100));
    let blocked = world.get("people?state=blocked").await;
    assert_eq!(blocked["items"].as_array().unwrap().len(), 2);
    assert_eq!(blocked["next"], json!(null));
    assert_eq!(world.control(Method::GET, "people?stat=blocked", None).await.0, 400);
    assert_eq!(world.control(Method::GET, "people?after=nobody", None).await.0, 404);
    assert_eq!(world.control(Method::GET, "nothing", None).await.0, 404);
}

#[tokio::test]
async fn the_journal_tells_requests_but_no_secrets() {
    let world = World::start().await;
    let person = world.person("installed").await;
    let chat = text(&person["conversation_id"]).to_owned();
    let (_, sent) = world.send(&chat, "a secret word").await;
    world.send("a:unknown", "x").await;
    let journal = world.get("journal").await;
    let items = journal["items"].as_array().unwrap();
    assert_eq!(items.len(), 3, "token, send, send: {journal}");
    assert_eq!(items[0]["op"], "token");
    let send = &items[1];
    assert_eq!(
        (&send["op"], &send["status"], &send["method"]),
        (&json!("send"), &json!(201), &json!("POST"))
    );
    assert_eq!((&send["person"], &send["conversation"]), (&person["id"], &json!(chat)));
    assert_eq!((&send["activity_id"], &send["app_id"]), (&sent["id"], &json!(APP)));
    assert_eq!((&items[2]["status"], &items[2]["code"]), (&json!(404), &json!("ConversationNotFound")));
    let whole = journal.to_string();
    assert!(
        !whole.contains("secret word") && !whole.contains(&world.token) && !whole.contains("correct horse")
    );
    let after = world.get("journal?after=1&limit=1").await;
    assert_eq!((&after["items"][0]["n"], &after["next"]), (&json!(2), &json!(2)));
    assert_eq!((&after["last"], &after["dropped"]), (&json!(3), &json!(0)));
}

#[tokio::test]
async fn bots_and_settings() {
    let world = World::start().await;
    let again = json!({"app_id": APP, "secret": "new", "endpoint": ""});
    let (status, bot) = world.control(Method::POST, "bots", Some(again)).await;
    assert_eq!((status, &bot["tenant_id"]), (200, &json!(world.sim.tenant_id())));
    let bots = world.get("bots").await;
    assert_eq!(bots["items"].as_array().unwrap().len(), 1);
    assert!(!bots.to_string().contains("new"));
    for bad in [json!({"app_id": "x"}), json!({"app_id": "x", "secret": "s", "endpoint": "nowhere"})] {
        assert_eq!(world.control(Method::POST, "bots", Some(bad)).await.0, 400);
    }
    assert_eq!(world.control(Method::POST, "policy-install", Some(json!({"seconds": 0}))).await.0, 409);
    assert_eq!(world.control(Method::PATCH, "settings", Some(json!({"latncy": 1}))).await.0, 400);
    world.settings(json!({"window": "bucket", "scale": 0.5})).await;
    assert_eq!(world.get("settings").await["window"], "bucket");
    let about = world.http.get(world.sim.base()).send().await.unwrap().text().await.unwrap();
    assert!(about.contains(world.sim.tenant_id()));
}

#[test]
fn the_hint_names_everything() {
    let plain = Places { base: "http://127.0.0.1:4100", tls: None, tenant_id: "tenant" };
    let hint = settings_hint(&plain, "app", "hush");
    for part in [
        "\nCLIENT_ID=app\n",
        "\nMicrosoftAppPassword=hush\n",
        "\nclientSecret=hush\n",
        "tenant_id = \"tenant\"",
        "endpoints = { base = \"http://127.0.0.1:4100\" }",
        "/teams/",
    ] {
        assert!(hint.contains(part), "{part}");
    }
    assert!(!hint.contains("https") && !hint.contains("NODE_EXTRA_CA_CERTS"));
    let tls = Some(("https://127.0.0.1:4143", Path::new("/there/ca.pem")));
    let hint = settings_hint(&Places { tls, ..plain }, "app", "hush");
    for part in ["https://127.0.0.1:4143/tenant\n", "\nNODE_EXTRA_CA_CERTS=/there/ca.pem\n", "CLIENT_ID=app"]
    {
        assert!(hint.contains(part), "{part}");
    }
}

#[tokio::test]
async fn what_is_not_there_or_broken_is_told_in_words() {
    let world = World::start().await;
    let ask = async |method: Method, path: &str, body: &str| {
        let url = format!("{}/sim/{path}", world.sim.base());
        let answer = client().request(method, url).body(body.to_owned()).send().await.unwrap();
        let (status, allow) = (answer.status().as_u16(), answer.headers().contains_key("allow"));
        let body: serde_json::Value = answer.json().await.unwrap();
        (status, allow, text(&body["error"]).to_owned())
    };
    let (status, allow, said) = ask(Method::POST, "settings", "{}").await;
    assert_eq!((status, allow), (405, true));
    assert!(said.contains("other methods"), "{said}");
    let (status, _, said) = ask(Method::GET, "nothing", "").await;
    assert!(status == 404 && said.contains("no such control path"), "{status} {said}");
    let (status, _, said) = ask(Method::PATCH, "settings", "{").await;
    assert!(status == 400 && said.starts_with("EOF"), "{status} {said}");
}
