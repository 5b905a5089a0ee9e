//! Keys come and go while bots hold tokens of theirs.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    credentials::unpack,
    harness::{BotServer, World, read, text},
};

struct Bot {
    world: World,
    received: BotServer,
    person: String,
}

impl Bot {
    async fn start() -> Self {
        let (received, url) = BotServer::start().await;
        let world = World::with(20, Some(&url)).await;
        world.control(Method::PATCH, "time", Some(json!({"mode": "explicit"}))).await;
        let person = text(&world.person("installed").await["id"]).to_owned();
        Self { world, received, person }
    }

    /// The key that signed what the bot was sent just now.
    async fn signed_by(&self) -> String {
        self.world.post(&format!("people/{}/says", self.person), json!({"text": "x"})).await;
        let sent = self.received.received().pop().unwrap();
        let token =
            sent.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        text(&unpack(token.split('.').next().unwrap())["kid"]).to_owned()
    }

    async fn published(&self) -> Vec<Value> {
        let url = format!("{}/v1/.well-known/keys", self.world.sim.base());
        read(self.world.http.get(url).send().await.unwrap()).await.1["keys"].as_array().unwrap().clone()
    }

    async fn is_published(&self, kid: &str) -> bool {
        self.published().await.iter().any(|key| key["kid"] == kid)
    }

    async fn advance(&self, by_s: u32) {
        self.world.post("time/advance", json!({"by_s": by_s})).await;
    }

    async fn rotate(&self, order: Value) -> String {
        text(&self.world.post("keys/rotate", order).await["kid"]).to_owned()
    }
}

#[tokio::test]
async fn published_first_then_signing_then_the_oldest_goes() {
    let bot = Bot::start().await;
    let before = bot.signed_by().await;
    let listed = bot.world.get("keys").await;
    let oldest = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] != before.as_str() && !key["endorsements"].is_null());
    let oldest = text(&oldest.unwrap()["kid"]).to_owned();
    let new = bot.rotate(json!({"sign_after_s": 60, "overlap_s": 600})).await;
    assert_eq!(bot.published().await.len(), 4);
    assert_eq!(bot.published().await[0]["kid"], new.as_str());
    assert_eq!(bot.signed_by().await, before, "it is only published yet");
    bot.advance(60).await;
    assert_eq!(bot.signed_by().await, new);
    bot.advance(599).await;
    assert!(bot.is_published(&oldest).await);
    bot.advance(1).await;
    assert!(!bot.is_published(&oldest).await && bot.is_published(&before).await);
    // The next one takes the next oldest, at once when there is no overlap.
    let newer = bot.rotate(json!({"overlap_s": 0})).await;
    assert!(!bot.is_published(&before).await);
    assert_eq!(bot.signed_by().await, newer);
    let shown = bot.world.get("keys").await;
    let state =
        |kid: &str| shown["items"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap().clone();
    assert_eq!((&state(&newer)["signs"], &state(&before)["retired"]), (&json!(true), &json!(true)));
    assert_eq!(state(&new)["published"], true);
    // What a reset leaves alone.
    bot.world.post("reset", json!({"people": 5})).await;
    assert!(bot.is_published(&newer).await);
}

#[tokio::test]
async fn signing_first_then_published() {
    let bot = Bot::start().await;
    let new = bot.rotate(json!({"publish_after_s": 30, "overlap_s": null})).await;
    assert_eq!(bot.signed_by().await, new);
    assert!(!bot.is_published(&new).await);
    bot.advance(30).await;
    assert!(bot.is_published(&new).await);
    assert_eq!(bot.published().await.len(), 4, "nothing was retired");
}

#[tokio::test]
async fn endorsements_of_a_key() {
    let bot = Bot::start().await;
    let bare = bot.rotate(json!({"endorsements": null})).await;
    let find = async |kid: &str| bot.published().await.into_iter().find(|key| key["kid"] == kid).unwrap();
    assert!(find(&bare).await.get("endorsements").is_none());
    assert_eq!(bot.signed_by().await, bare, "a bot has to refuse it");
    let change = json!({"endorsements": ["webchat"]});
    assert_eq!(bot.world.control(Method::PATCH, &format!("keys/{bare}"), Some(change)).await.0, 200);
    assert_eq!(find(&bare).await["endorsements"], json!(["webchat"]));
    let change = json!({"endorsements": null});
    assert_eq!(bot.world.control(Method::PATCH, &format!("keys/{bare}"), Some(change)).await.0, 200);
    assert!(find(&bare).await.get("endorsements").is_none());
    for (path, bad, status) in [
        ("keys/nobody", json!({"endorsements": []}), 404),
        (&*format!("keys/{bare}"), json!({}), 400),
        (&*format!("keys/{bare}"), json!({"endorsments": []}), 400),
    ] {
        assert_eq!(bot.world.control(Method::PATCH, path, Some(bad.clone())).await.0, status, "{path} {bad}");
    }
    for bad in [json!({"sign_after_s": -1}), json!({"overlap_s": 1e9}), json!({"sign_after": 1})] {
        assert_eq!(bot.world.control(Method::POST, "keys/rotate", Some(bad.clone())).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_retired_key_can_still_forge() {
    let bot = Bot::start().await;
    let first = bot.signed_by().await;
    bot.rotate(json!({"overlap_s": 0})).await;
    bot.rotate(json!({"overlap_s": 0})).await;
    assert!(!bot.is_published(&first).await);
    let forged = json!({"activity": {"text": "x"}, "token": {"kid": first}});
    assert_eq!(bot.world.post("activities", forged).await["status"], 200);
    let sent = bot.received.received().pop().unwrap();
    let token = sent.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    assert_eq!(unpack(token.split('.').next().unwrap())["kid"], first.as_str());
}
