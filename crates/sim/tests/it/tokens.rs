//! Every operation of the Connector with tokens that are not the caller's to use.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    credentials::unpack,
    harness::{APP, BotServer, SCOPE, SECRET, World, read, text},
};

fn operations(chat: &str, team: &str) -> Vec<(Method, String, Option<Value>)> {
    let message = || Some(json!({"type": "message", "text": "x"}));
    let conversation = format!("v3/conversations/{chat}");
    let with = |method: &Method, rest: &str, body| (method.clone(), format!("{conversation}/{rest}"), body);
    let (get, post, put, delete) = (&Method::GET, &Method::POST, &Method::PUT, &Method::DELETE);
    vec![
        (Method::POST, "v3/conversations".into(), Some(json!({"members": [{"id": "x"}]}))),
        with(post, "activities", message()),
        with(post, "activities/1", message()),
        with(put, "activities/1", message()),
        with(delete, "activities/1", None),
        with(put, "activities/1/reactions/like", None),
        with(get, "activities/1/members", None),
        with(get, "members", None),
        with(get, "pagedmembers", None),
        with(get, "members/x", None),
        (Method::GET, format!("v3/teams/{team}"), None),
        (Method::GET, format!("v3/teams/{team}/conversations"), None),
        (Method::GET, "v3/nothing".into(), None),
    ]
}

/// A token with another header or other claims over the same signature, or none.
fn altered(token: &str, part: usize, change: impl FnOnce(&mut Value)) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let mut value = unpack(&parts[part]);
    change(&mut value);
    parts[part] = URL_SAFE_NO_PAD.encode(value.to_string());
    parts.join(".")
}

/// Tokens that are good for something, but not for the Connector in the name of this bot.
async fn strangers(world: &World, received: &BotServer) -> Vec<(&'static str, String)> {
    let good = world.token.clone();
    let mut tokens = vec![
        ("no token at all", "x".to_owned()),
        ("its signature cut off", good.rsplit_once('.').unwrap().0.to_owned() + "."),
        ("other claims", altered(&good, 1, |claims| claims["appid"] = json!("other"))),
        ("a later end", altered(&good, 1, |claims| claims["exp"] = json!(4_102_444_800_i64))),
        ("another algorithm", altered(&good, 0, |header| header["alg"] = json!("HS256"))),
        ("none", altered(&good, 0, |header| header["alg"] = json!("none"))),
        ("another key named", altered(&good, 0, |header| header["kid"] = json!("x"))),
    ];
    // Expired.
    world.settings(json!({"token_expires_in": 0})).await;
    let (_, expired) = world.token(world.sim.tenant_id(), APP, SECRET, SCOPE).await;
    world.settings(json!({"token_expires_in": 3599})).await;
    tokens.push(("expired", text(&expired["access_token"]).to_owned()));
    // By the same Entra, for the exchange of a managed identity.
    world.post("bots", json!({"app_id": "identity", "managed_identity": "identity"})).await;
    let url = format!(
        "{}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api://AzureADTokenExchange",
        world.sim.base()
    );
    let (_, exchange) = read(world.http.get(url).header("Metadata", "true").send().await.unwrap()).await;
    tokens.push(("for another audience", text(&exchange["access_token"]).to_owned()));
    // Of another simulator in this process, so by the same keys.
    let elsewhere = World::start().await;
    let other = json!({"app_id": APP, "secret": SECRET, "tenant_id": "77777777-2222-4333-8444-555555555555"});
    elsewhere.post("bots", other).await;
    let (_, foreign) = elsewhere.token("77777777-2222-4333-8444-555555555555", APP, SECRET, SCOPE).await;
    tokens.push(("of another tenant", text(&foreign["access_token"]).to_owned()));
    // What the simulator itself sends to the bot.
    let person = world.person("installed").await;
    world.post(&format!("people/{}/says", text(&person["id"])), json!({"text": "x"})).await;
    let sent = received.received().pop().unwrap();
    let own = sent.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    tokens.push(("the channel's own", own));
    tokens
}

#[tokio::test]
async fn no_operation_takes_a_token_that_is_not_for_it() {
    let (received, url) = BotServer::start().await;
    let mut world = World::with(20, Some(&url)).await;
    let chat = world.chat().await;
    let team = world.get("teams").await["items"][0]["id"].clone();
    let tokens = strangers(&world, &received).await;
    let accepted = world.get("counts").await["accepted"].clone();
    for (what, token) in tokens {
        world.token = token;
        for (method, path, body) in operations(&chat, text(&team)) {
            let (status, answer) = world.call(method.clone(), &path, body).await;
            assert_eq!(status, 401, "{what}: {method} {path}: {answer}");
        }
    }
    for (method, path, body) in operations(&chat, text(&team)) {
        let url = format!("{}/teams/{path}", world.sim.base());
        for authorization in [None, Some("Basic eDp5"), Some("Bearer"), Some("Bearer a b")] {
            let mut request = world.http.request(method.clone(), &url);
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            if let Some(body) = &body {
                request = request.json(body);
            }
            let (status, answer) = read(request.send().await.unwrap()).await;
            assert_eq!(status, 401, "{authorization:?}: {method} {path}: {answer}");
        }
    }
    assert_eq!(world.get("counts").await["accepted"], accepted, "nothing was taken");
    // An app that nobody registered any more.
    let (_, body) = world.token(world.sim.tenant_id(), APP, SECRET, SCOPE).await;
    text(&body["access_token"]).clone_into(&mut world.token);
    assert_eq!(world.control(Method::DELETE, &format!("bots/{APP}"), None).await.0, 204);
    for (method, path, body) in operations(&chat, text(&team)) {
        assert_eq!(world.call(method.clone(), &path, body).await.0, 401, "{method} {path}");
    }
}
