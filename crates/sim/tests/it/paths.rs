//! Requests that no well-behaved client sends, byte by byte.

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{fixtures::refusal, harness::World};

/// Sends bytes as they are; the status and the body of what comes back before the connection closes.
async fn raw(world: &World, request: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(world.sim.addr()).await.unwrap();
    // The server may have closed already: what it answered counts.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

async fn ask(world: &World, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n{headers}\r\n{body}",
        world.sim.addr(),
        world.token,
    );
    raw(world, request.as_bytes()).await
}

const MESSAGE: &str = r#"{"type":"message","text":"x"}"#;

async fn post(world: &World, path: &str, headers: &str, body: &str) -> (u16, String) {
    let headers = format!("Content-Length: {}\r\n{headers}", body.len());
    ask(world, "POST", path, &headers, body).await
}

async fn alive(world: &World) {
    assert_eq!(world.get("counts").await["open"], 0);
    assert_eq!(world.send(&world.chat().await, "still here").await.0, 201);
}

#[tokio::test]
async fn paths() {
    let world = World::start().await;
    world.settings(serde_json::json!({"limits": false})).await;
    let chat = world.chat().await;
    let once = chat.replace(':', "%3a");
    let twice = chat.replace(':', "%253A");
    let json = "Content-Type: application/json\r\n";
    for (path, status) in [
        (format!("/teams/v3/conversations/{chat}/activities"), 201),
        (format!("/teams/v3/conversations/{once}/activities/"), 201),
        (format!("/v3/conversations/{chat}/activities"), 201),
        (format!("/emea/{}/V3/CONVERSATIONS/{chat}/Activities", world.sim.tenant_id()), 201),
        (format!("/teams/v3/%63onversations/{chat}/activities"), 201),
        (format!("/teams/v3/conversations/{twice}/activities"), 400),
        (format!("/teams/v3/conversations/{}/activities", chat.to_uppercase()), 400),
        (format!("/teams//v3/conversations/{chat}/activities"), 404),
        (format!("/teams/v3/conversations/{chat}/activities//"), 404),
        ("/teams/v3/conversations//activities".to_owned(), 404),
        (format!("/teams/../teams/v3/conversations/{chat}/activities"), 404),
        (format!("/teams/v3/conversations/../conversations/{chat}/activities"), 404),
        (format!("/teams/v3/conversations/%2e%2e/{chat}/activities"), 404),
        (format!("/teams/v3%2Fconversations/{chat}/activities"), 404),
        (format!("/elsewhere/v3/conversations/{chat}/activities"), 404),
        (format!("/teams/v4/conversations/{chat}/activities"), 404),
        (format!("/teams/v3/conversations/{chat}/activities/a/b/c/d"), 404),
        (format!("/teams/v3/conversations/{chat}%00/activities"), 400),
        (format!("/teams/v3/conversations/{chat}%/activities"), 400),
        (format!("/teams/v3/conversations/{chat}%ff/activities"), 400),
        (format!("/teams/v3/conversations/{}/activities", "a".repeat(5_000)), 400),
        (format!("/teams/v3/conversations/{}/activities", "a".repeat(20_000)), 414),
        (format!("/teams/v3/conversations/{}/activities", "a".repeat(100_000)), 414),
        (format!("http://elsewhere/teams/v3/conversations/{chat}/activities"), 201),
    ] {
        let short: String = path.chars().take(100).collect();
        assert_eq!(post(&world, &path, json, MESSAGE).await.0, status, "{short}");
    }
    assert_eq!(world.get("counts").await["accepted"], 6);
    alive(&world).await;
}

#[tokio::test]
async fn methods() {
    let world = World::start().await;
    let chat = world.chat().await;
    for (method, path, status) in [
        ("HEAD", format!("/teams/v3/conversations/{chat}/members"), 405),
        ("OPTIONS", format!("/teams/v3/conversations/{chat}/members"), 405),
        ("TRACE", format!("/teams/v3/conversations/{chat}/activities"), 405),
        ("BREW", "/teams/v3/conversations".to_owned(), 405),
        ("get", format!("/teams/v3/conversations/{chat}/members"), 405),
        ("PATCH", format!("/teams/v3/conversations/{chat}/activities/1"), 405),
        ("HEAD", "/teams/nothing".to_owned(), 404),
        ("GET", format!("/teams/v3/conversations/{chat}/members"), 200),
    ] {
        let (is, body) = ask(&world, method, &path, "", "").await;
        assert_eq!(is, status, "{method} {path}: {body}");
        assert!(method != "HEAD" || body.is_empty(), "{body}");
    }
    let request = world.request(reqwest::Method::GET, &format!("v3/conversations/{chat}/activities/1"));
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["allow"], "POST, PUT, DELETE");
    alive(&world).await;
}

#[tokio::test]
async fn bodies() {
    let world = World::start().await;
    world.settings(serde_json::json!({"limits": false})).await;
    let path = format!("/teams/v3/conversations/{}/activities", world.chat().await);
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ("\"message\"", 400),
        ("{\"type\":\"message\",\"text\":\"x\"} and more", 400),
        ("{\"type\":\"message\",\"text\":\"\\ud800\"}", 400),
        ("{'type':'message','text':'x'}", 400),
        (deep.as_str(), 400),
        // As Microsoft's JSON reader has it, the last of two wins.
        ("{\"type\":\"event\",\"type\":\"message\",\"text\":1,\"text\":\"x\"}", 201),
    ] {
        let short: String = body.chars().take(60).collect();
        let (is, answer) = post(&world, &path, json, body).await;
        assert_eq!(is, status, "{short}: {answer}");
        if is == 400 {
            assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), refusal("bad_syntax").1, "{short}");
        }
    }
    for kind in ["", "Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n"] {
        assert_eq!(post(&world, &path, kind, MESSAGE).await.0, 415, "{kind}");
    }
    let chunked = format!("Transfer-Encoding: chunked\r\n{json}");
    let body = format!("4\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", &MESSAGE[..4], MESSAGE.len() - 4, &MESSAGE[4..]);
    assert_eq!(ask(&world, "POST", &path, &chunked, &body).await.0, 201);
    // Never finished: nothing was said.
    let half = format!("Content-Length: {}\r\n{json}", MESSAGE.len() + 1);
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{half}\r\n{MESSAGE}",
        world.token
    );
    let mut stream = TcpStream::connect(world.sim.addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    drop(stream);
    let garbage = raw(&world, b"\x16\x03\x01\x00 this is no HTTP\r\n\r\n").await;
    assert_eq!(garbage.0, 400);
    let huge = format!("{{\"type\":\"message\",\"text\":\"{}\"}}", "x".repeat(9 * 1024 * 1024));
    assert_eq!(post(&world, &path, json, &huge).await.0, 413);
    assert_eq!(world.get("counts").await["accepted"], 2);
    world.until("counts", |counts| counts["open"] == 0).await;
    alive(&world).await;
}
