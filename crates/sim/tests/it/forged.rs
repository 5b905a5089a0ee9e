use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    events::claims,
    harness::{APP, BotServer, Received, World, text},
};

fn part(received: &Received, at: usize) -> Value {
    let token = received.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn the_default_is_a_good_token_and_a_whole_envelope() {
    let (bot, url) = BotServer::start().await;
    let world = World::with(100, Some(&url)).await;
    bot.answers(&[403]);
    let answer = world.post("activities", json!({"activity": {"text": "hi"}})).await;
    assert_eq!((&answer["status"], &answer["body"]), (&json!(403), &json!("seen")));
    let received = bot.received().remove(0);
    assert_eq!(claims(&world, &received).await["aud"], APP);
    let body = &received.body;
    assert_eq!(*body, answer["activity"]);
    assert_eq!(
        (&body["type"], &body["channelId"], &body["text"]),
        (&json!("message"), &json!("msteams"), &json!("hi"))
    );
    assert_eq!(body["conversation"]["tenantId"], world.sim.tenant_id());
    assert_eq!(body["recipient"]["id"], format!("28:{APP}"));
    assert!(text(&body["from"]["id"]).starts_with("29:"));
}

#[tokio::test]
async fn tokens_are_wrong_as_asked() {
    let (bot, url) = BotServer::start().await;
    let world = World::with(100, Some(&url)).await;
    let keys: Value = world
        .http
        .get(format!("{}/v1/.well-known/keys", world.sim.base()))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let kids: Vec<&Value> = keys["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
    let forge = async |token: Value| {
        let activity = json!({"text": "x", "serviceUrl": "https://evil.example/", "channelData": null});
        world.post("activities", json!({"activity": activity, "token": token})).await;
        bot.received().remove(0)
    };
    let none = forge(json!({"alg": "none"})).await;
    assert_eq!(part(&none, 0)["alg"], "none");
    assert!(none.headers["authorization"].to_str().unwrap().ends_with('.'));
    assert_eq!(none.body["serviceUrl"], "https://evil.example/");
    assert!(none.body.get("channelData").is_none());
    assert_eq!(part(&forge(json!({"alg": "HS256"})).await, 0)["alg"], "HS256");
    let foreign = forge(json!({"kid": "foreign"})).await;
    assert!(!kids.contains(&&part(&foreign, 0)["kid"]));
    for order in [json!({"kid": "unendorsed"}), json!({"endorsements": []})] {
        let kid = part(&forge(order).await, 0)["kid"].clone();
        let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap();
        assert!(key.get("endorsements").is_none());
    }
    let order = json!({"iss": "https://evil.example", "aud": "other", "serviceurl": "https://x/", "exp_s": -10, "nbf_s": -20});
    let wrong = part(&forge(order).await, 1);
    assert_eq!((&wrong["iss"], &wrong["aud"]), (&json!("https://evil.example"), &json!("other")));
    assert_eq!(wrong["exp"].as_i64().unwrap() - wrong["nbf"].as_i64().unwrap(), 10);
    assert_eq!(wrong["serviceurl"], "https://x/");
    let omitted = forge(json!({"omit": ["serviceurl", "kid"]})).await;
    assert!(part(&omitted, 1).get("serviceurl").is_none() && part(&omitted, 0).get("kid").is_none());
    assert!(!forge(json!({"omit": ["authorization"]})).await.headers.contains_key("authorization"));

    for token in
        [json!({"alg": "ES256"}), json!({"kid": "other"}), json!({"omit": ["sub"]}), json!({"nbf": 1})]
    {
        let body = json!({"activity": {}, "token": token});
        assert_eq!(world.control(reqwest::Method::POST, "activities", Some(body)).await.0, 400, "{token}");
    }
}
