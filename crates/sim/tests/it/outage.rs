use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{World, text};

impl World {
    /// Sends over a plain socket; what came until the end, and how it ended.
    async fn wire(&self, chat: &str) -> (String, Option<std::io::ErrorKind>) {
        let body = r#"{"type":"message","text":"x"}"#;
        let request = format!(
            "POST /teams/v3/conversations/{chat}/activities HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        let mut stream = TcpStream::connect(self.sim.addr()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer).await.err().map(|error| error.kind());
        (String::from_utf8(answer).unwrap(), end)
    }

    async fn outage(&self, order: Value) -> Value {
        self.post("outage", order).await
    }
}

#[tokio::test]
async fn the_region_is_down_until_it_is_told_otherwise() {
    let world = World::start().await;
    let chat = world.chat().await;
    assert_eq!(world.get("outage").await["outage"], Value::Null);
    for (kind, status) in [("503", 503), ("504", 504)] {
        world.outage(json!({"kind": kind})).await;
        assert_eq!(world.send(&chat, "x").await.0, status);
        assert_eq!(world.call(Method::GET, "v3/conversations/x/members", None).await.0, status);
    }
    let shown = world.get("outage").await;
    assert_eq!((&shown["outage"]["kind"], &shown["outage"]["hits"]), (&json!("504"), &json!(2)));
    // Entra is elsewhere.
    assert_eq!(world.token(world.sim.tenant_id(), "x", "y", "z").await.0, 400);

    world.outage(json!({"kind": "refuse"})).await;
    assert_eq!(world.wire(&chat).await, (String::new(), None));
    world.outage(json!({"kind": "reset"})).await;
    assert_eq!(world.wire(&chat).await, (String::new(), Some(std::io::ErrorKind::ConnectionReset)));

    let (_, ended) = world.control(Method::DELETE, "outage", None).await;
    assert_eq!(ended, json!({"ended": true}));
    assert_eq!(world.send(&chat, "x").await.0, 201);
    let counts = world.get("counts").await;
    assert_eq!((&counts["accepted"], &counts["outage"]), (&json!(1), &json!(6)));
    assert_eq!(counts["requests"]["send"], json!({"201": 1, "503": 1, "504": 1, "cut": 2}));
}

#[tokio::test]
async fn what_hangs_is_cut_when_the_outage_is_over() {
    let world = World::start().await;
    let chat = world.chat().await;
    world.outage(json!({"kind": "hang"})).await;
    let (answer, ()) = tokio::join!(world.wire(&chat), async {
        world.until("counts", |counts| counts["outage"] == 1 && counts["open"] == 1).await;
        world.control(Method::DELETE, "outage", None).await;
    });
    assert_eq!(answer.0, "");
    // By its own time as well, without another request coming in.
    world.outage(json!({"kind": "hang", "for_s": 0.2})).await;
    assert_eq!(world.wire(&chat).await.0, "");
    assert_eq!(world.get("outage").await["outage"], Value::Null);
    assert_eq!(world.get("counts").await["accepted"], 0);
}

#[tokio::test]
async fn a_slow_start_follows_and_nobody_is_told() {
    let world = World::start().await;
    let people = world.get("people?state=installed&limit=6").await;
    // Windows of 100 s; it takes a day to grow back, so the share stays what it is.
    world.settings(json!({"scale": 100})).await;
    let shown =
        world.outage(json!({"kind": "503", "for_s": 0, "slow_start": {"share": 0.1, "over_s": 86400}})).await;
    assert_eq!((&shown["outage"], &shown["limit_now"]), (&Value::Null, &json!(5)));
    let mut statuses = Vec::new();
    for person in people["items"].as_array().unwrap() {
        statuses.push(world.send(text(&person["conversation_id"]), "x").await.0);
    }
    assert_eq!(statuses, [201, 201, 201, 201, 201, 429]);
    assert_eq!(world.get("settings").await["limits_per_s"], 50);
}

#[tokio::test]
async fn good_conversations_are_not_found_now_and_then() {
    let world = World::start().await;
    world.settings(json!({"limits": false, "spurious_404_share": 1, "spurious_404_lasting": 0})).await;
    let person = world.person("installed").await;
    let chat = text(&person["conversation_id"]);
    let (status, body) = world.send(chat, "x").await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("ConversationNotFound")));
    world.settings(json!({"spurious_404_share": 0})).await;
    assert_eq!(world.send(chat, "x").await.0, 201, "it passed by itself");

    world.settings(json!({"spurious_404_share": 1, "spurious_404_lasting": 1})).await;
    assert_eq!(world.send(chat, "x").await.0, 404);
    world.settings(json!({"spurious_404_share": 0})).await;
    assert_eq!(world.send(chat, "x").await.0, 404, "it lasts");
    let (status, created) = world.create(text(&person["id"])).await;
    assert_eq!((status, &created["id"]), (201, &person["conversation_id"]));
    assert_eq!(world.send(chat, "x").await.0, 201);
    assert_eq!(world.get("counts").await["spurious_404"], json!({"passing": 1, "lasting": 2}));

    world.settings(json!({"spurious_404_share": 0.25})).await;
    let mut missed = 0;
    for _ in 0..100 {
        missed += usize::from(world.send(chat, "x").await.0 == 404);
        world.create(text(&person["id"])).await;
    }
    assert!((10..45).contains(&missed), "{missed}");
}

#[tokio::test]
async fn senseless_outages_are_refused_with_the_path() {
    let world = World::start().await;
    for (body, expected) in [
        (json!({"kind": "502"}), "kind: unknown variant `502`"),
        (json!({"kind": "503", "share": 0}), "share must be above 0"),
        (
            json!({"kind": "503", "slow_start": {"share": 0.1, "over": 3}}),
            "slow_start.over: unknown field `over`",
        ),
        (json!({"kind": "503", "slow_start": {"share": "x", "over_s": 3}}), "slow_start.share: invalid type"),
    ] {
        let (status, answer) = world.control(Method::POST, "outage", Some(body)).await;
        assert_eq!(status, 400);
        assert!(text(&answer["error"]).contains(expected), "{answer}");
    }
    let latency = json!({"latency": {"kind": "fixed", "ms": 1, "p99": 2}});
    let (status, answer) = world.control(Method::PATCH, "settings", Some(latency)).await;
    assert!(status == 400 && text(&answer["error"]).contains("latency"), "{answer}");
}
