use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{APP, World, read, text};

impl World {
    async fn fault(&self, matching: Value, action: Value) -> u64 {
        self.post("faults", json!({"match": matching, "do": action})).await["id"].as_u64().unwrap()
    }

    /// Sends over a plain socket; every byte until the server closes the connection.
    async fn raw_send(&self, chat: &str) -> String {
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
        // A reset instead of an orderly end is as good a cut.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }
}

#[tokio::test]
async fn a_lost_answer_is_counted_as_accepted() {
    let world = World::start().await;
    let chat = world.chat().await;
    world.fault(json!({"op": "send", "nth": [2]}), json!({"status": 504, "accept": "before"})).await;
    assert_eq!(world.send(&chat, "one").await.0, 201);
    assert_eq!(world.send(&chat, "two").await, (504, json!({"message": "Gateway Timeout."})));
    assert_eq!(world.send(&chat, "three").await.0, 201);
    let counts = world.get("counts").await;
    assert_eq!((&counts["accepted"], &counts["answers_lost"]), (&json!(3), &json!(1)));
    assert_eq!(counts["requests"]["send"], json!({"201": 2, "504": 1}));
    let kept = world.get(&format!("conversations/{chat}/messages")).await;
    let lost: Vec<bool> =
        kept["items"].as_array().unwrap().iter().map(|item| item["answer_lost"].as_bool().unwrap()).collect();
    assert_eq!(lost, [false, true, false]);
}

#[tokio::test]
async fn refused_requests_are_not_accepted() {
    let world = World::start().await;
    let chat = world.chat().await;
    let date = "Sun, 22 Nov 2026 14:05:09 GMT";
    for retry_after in [json!(-1), json!(date)] {
        let action = json!({"status": 429, "retry_after": retry_after});
        world.post("faults", json!({"match": {"op": "send"}, "do": action, "times": 1})).await;
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        let request = world.request(Method::POST, &format!("v3/conversations/{chat}/activities"));
        let response = request.json(&json!({"type": "message", "text": "x"})).send().await.unwrap();
        let retry_after =
            response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        seen.push((response.status().as_u16(), retry_after));
    }
    assert_eq!(seen, [(429, Some("-1".into())), (429, Some(date.into())), (201, None)]);
    let counts = world.get("counts").await;
    assert_eq!(counts["accepted"], 1);
    assert_eq!(counts["throttled"], json!({"limits": 0, "faults": 2}));
}

#[tokio::test]
async fn a_cut_before_the_status_sends_no_byte() {
    let world = World::start().await;
    let chat = world.chat().await;
    for (accept, accepted) in [("never", 0), ("before", 1), ("after", 2)] {
        world.control(Method::DELETE, "faults", None).await;
        world.fault(json!({"op": "send"}), json!({"cut": "before_status", "accept": accept})).await;
        assert_eq!(world.raw_send(&chat).await, "", "{accept}");
        let counts = world.until("counts", |counts| counts["open"] == 0).await;
        assert_eq!(counts["accepted"], accepted, "{accept}");
        assert_eq!(counts["answers_lost"], accepted, "{accept}");
        assert_eq!(counts["clients_gone"], 0);
    }
    world.control(Method::DELETE, "faults", None).await;
    let counts = world.get("counts").await;
    assert_eq!(counts["requests"]["send"], json!({"cut": 3}));
    let journal = world.get("journal").await;
    assert_eq!(journal["items"].as_array().unwrap().last().unwrap()["status"], Value::Null);
}

#[tokio::test]
async fn a_cut_in_the_middle_sends_half_a_body() {
    let world = World::start().await;
    let chat = world.chat().await;
    world.fault(json!({"op": "send"}), json!({"cut": "mid_body", "accept": "before"})).await;
    let answer = world.raw_send(&chat).await;
    let (head, half) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 201"), "{head}");
    let length: usize = head
        .lines()
        .find_map(|line| {
            line.to_lowercase().strip_prefix("content-length: ").map(|length| length.parse().unwrap())
        })
        .unwrap();
    assert!(!half.is_empty() && half.len() < length, "{half}");
    assert_eq!(world.get("counts").await["answers_lost"], 1);
}

#[tokio::test]
async fn a_raw_answer_is_sent_as_it_is_and_the_connection_ends() {
    let world = World::start().await;
    let chat = world.chat().await;
    let raw = "HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\n{\"id\": \"1\"}";
    for (accept, accepted) in [(json!("before"), 1), (json!("never"), 1), (Value::Null, 1)] {
        world.control(Method::DELETE, "faults", None).await;
        world.fault(json!({"op": "send"}), json!({"raw": raw, "accept": accept})).await;
        assert_eq!(world.raw_send(&chat).await, raw, "{accept}");
        let counts = world.until("counts", |counts| counts["open"] == 0).await;
        assert_eq!((&counts["accepted"], &counts["answers_lost"]), (&json!(accepted), &json!(1)), "{accept}");
    }
    world.control(Method::DELETE, "faults", None).await;
    world.fault(json!({"op": "send"}), json!({"raw": "no HTTP at all"})).await;
    assert_eq!(world.raw_send(&chat).await, "no HTTP at all");
    assert_eq!(world.get("counts").await["requests"]["send"], json!({"cut": 4}));
}

#[tokio::test]
async fn faults_for_the_token_endpoint_and_for_one_person() {
    let world = World::start().await;
    world.fault(json!({"op": "token", "tenant": world.sim.tenant_id()}), json!({"status": 503})).await;
    assert_eq!(world.token(world.sim.tenant_id(), "x", "y", "z").await.0, 503);
    world.fault(json!({"op": "keys"}), json!({"status": 500})).await;
    let keys = world.http.get(format!("{}/v1/.well-known/keys", world.sim.base())).send().await.unwrap();
    assert_eq!(keys.status(), 500);

    let people = world.get("people?state=installed&limit=2").await;
    let (one, two) = (&people["items"][0], &people["items"][1]);
    world.fault(json!({"person": one["id"]}), json!({"status": 412})).await;
    assert_eq!(world.send(text(&one["conversation_id"]), "x").await.0, 412);
    assert_eq!(world.create(text(&one["mri"])).await.0, 412);
    assert_eq!(world.send(text(&two["conversation_id"]), "x").await.0, 201);
    assert_eq!(world.create(text(&two["id"])).await.0, 201);
    let faults = world.get("faults").await;
    assert_eq!(faults["items"][2]["hits"], 2);
}

#[tokio::test]
async fn held_requests_wait_until_they_are_let_go() {
    let world = World::start().await;
    let chat = world.chat().await;
    for (hold, accepted_meanwhile) in [("before", 0), ("after", 1)] {
        world.post("reset", json!({"people": 100})).await;
        let fault = world.fault(json!({"op": "send"}), json!({"hold": hold})).await;
        let (answer, ()) = tokio::join!(world.send(&chat, "x"), async {
            let counts = world.until("counts", |counts| counts["held"] == 1).await;
            assert_eq!((&counts["open"], &counts["accepted"]), (&json!(1), &json!(accepted_meanwhile)));
            assert_eq!(world.post("faults/release", json!({"id": fault + 1})).await["released"], 0);
            assert_eq!(world.post("faults/release", json!({"id": fault})).await["released"], 1);
        });
        assert_eq!(answer.0, 201);
        assert_eq!(world.until("counts", |counts| counts["open"] == 0).await["accepted"], 1);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_noticed() {
    let world = World::start().await;
    let chat = world.chat().await;
    world.fault(json!({"op": "send"}), json!({"hold": "after"})).await;
    let gone = tokio::select! {
        answer = world.raw_send(&chat) => panic!("answered {answer}"),
        counts = world.until("counts", |counts| counts["held"] == 1) => counts,
    };
    assert_eq!(gone["accepted"], 1);
    let counts = world.until("counts", |counts| counts["clients_gone"] == 1).await;
    assert_eq!(counts["open"], 1);
    world.post("faults/release", json!({})).await;
    let counts = world.until("counts", |counts| counts["open"] == 0).await;
    assert_eq!((&counts["accepted"], &counts["answers_lost"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn dropped_instead_of_released() {
    let world = World::start().await;
    let chat = world.chat().await;
    world.fault(json!({"op": "send"}), json!({"hold": "before"})).await;
    let (answer, ()) = tokio::join!(world.raw_send(&chat), async {
        world.until("counts", |counts| counts["held"] == 1).await;
        world.post("faults/release", json!({"drop": true})).await;
    });
    assert_eq!(answer, "");
    assert_eq!(world.get("counts").await["accepted"], 0);
}

#[tokio::test]
async fn senseless_faults_are_refused_in_words() {
    let world = World::start().await;
    for (body, expected) in [
        (json!({"do": {"status": 500, "cutt": "none"}}), "unknown field `cutt`"),
        (json!({"match": {"op": "sned"}, "do": {"status": 500}}), "unknown variant `sned`"),
        (json!({"do": {}}), "do needs a status"),
        (json!({"do": {"raw": "x", "status": 200}}), "do.raw is the whole answer"),
        (json!({"do": {"raw": ""}}), "do.raw must have 1 to 16384 bytes"),
        (json!({"match": {"probability": 2}, "do": {"status": 500}}), "between 0 and 1"),
    ] {
        let url = format!("{}/sim/faults", world.sim.base());
        let (status, answer) = read(world.http.post(url).json(&body).send().await.unwrap()).await;
        assert_eq!(status, 400);
        assert!(text(&answer["error"]).contains(expected), "{answer}");
    }
}

#[tokio::test]
async fn held_requests_are_listed_and_let_go_one_by_one() {
    let world = World::start().await;
    let chat = world.chat().await;
    let fault = world.fault(json!({"op": "send", "app_id": APP}), json!({"hold": "before"})).await;
    let held = |n: u64| world.until("counts", move |counts| counts["held"] == n);
    let listed = async || world.get("faults/held").await["items"].as_array().unwrap().clone();
    let (one, two, three, ()) =
        tokio::join!(world.send(&chat, "one"), world.send(&chat, "two"), world.send(&chat, "three"), async {
            held(3).await;
            let items = listed().await;
            let first = &items[0];
            assert_eq!((&first["fault"], &first["op"]), (&json!(fault), &json!("send")));
            assert_eq!((&first["conversation"], &first["hold"]), (&json!(chat), &json!("before")));
            assert_eq!(world.post("faults/release", json!({"held": items[1]["held"]})).await["released"], 1);
            assert_eq!(world.post("faults/release", json!({"held": items[1]["held"]})).await["released"], 0);
            assert_eq!(world.post("faults/release", json!({"count": 1})).await["released"], 1);
            assert_eq!(listed().await, items[2..]);
            assert_eq!(
                world.control(Method::DELETE, &format!("faults/{fault}"), None).await.1["released"],
                1
            );
        });
    assert_eq!((one.0, two.0, three.0), (201, 201, 201));
}

#[tokio::test]
async fn a_hold_outlives_its_client() {
    let world = World::start().await;
    let chat = world.chat().await;
    world.post("faults", json!({"match": {"op": "send"}, "do": {"hold": "before"}, "times": 1})).await;
    tokio::select! {
        answer = world.raw_send(&chat) => panic!("answered {answer}"),
        _ = world.until("counts", |counts| counts["held"] == 1) => {}
    }
    let counts = world.until("counts", |counts| counts["clients_gone"] == 1).await;
    assert_eq!((&counts["held"], &counts["accepted"]), (&json!(1), &json!(0)));
    assert_eq!(world.send(&chat, "next").await.0, 201, "the fault had its time");
    world.post("faults/release", json!({})).await;
    let counts = world.until("counts", |counts| counts["open"] == 0).await;
    assert_eq!((&counts["accepted"], &counts["answers_lost"]), (&json!(2), &json!(1)));
}
