//! Never sent or maybe sent, told apart over real sockets.

use std::time::Duration;

use http::Method;
use nuncio_teams::http::{ANSWER_LIMIT, Answer, CallFailure, ContentType, HttpClient, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::stand_in::{Scripted, StandIn, client};

fn post(url: String) -> Request {
    Request::new(Method::POST, url).with_body(ContentType::Json, "{\"type\":\"message\"}".into())
}

/// Reads one request to the end of its body.
async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.ends_with(b"\"message\"}") {
        let read = stream.read(&mut chunk).await.unwrap();
        assert_ne!(read, 0, "the request ended early");
        request.extend_from_slice(&chunk[..read]);
    }
}

/// Posts to a server that reads the whole request and then writes `answer` and closes.
async fn posted(answer: Vec<u8>) -> Result<Answer, CallFailure> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        // A client that has read enough closes first.
        let _ = stream.write_all(&answer).await;
        listener
    });
    let result = client().send(&post(url), None).await;
    server.await.unwrap();
    result
}

fn not_sent(result: &Result<Answer, CallFailure>) -> bool {
    matches!(result, Err(CallFailure::NotSent { .. }))
}

fn maybe_sent(result: &Result<Answer, CallFailure>) -> bool {
    matches!(result, Err(CallFailure::MaybeSent { .. }))
}

#[tokio::test]
async fn refused_connections_are_never_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let result = client().send(&post(format!("http://{address}/secret-path")), None).await;
    assert!(not_sent(&result), "{result:?}");
    assert!(!format!("{result:?}").contains("secret-path"));
}

#[tokio::test]
async fn what_cannot_be_called_is_never_sent() {
    for url in ["not a url", "http://", "ftp://127.0.0.1/", "http://nuncio.invalid/"] {
        let result = client().send(&post(url.to_owned()), None).await;
        assert!(not_sent(&result), "{url}: {result:?}");
    }
}

#[tokio::test]
async fn a_failed_tls_handshake_is_never_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 this is no TLS\r\n\r\n").await;
    });
    let result = client().send(&post(url), None).await;
    assert!(not_sent(&result), "{result:?}");
}

#[tokio::test]
async fn a_connect_that_takes_too_long_is_never_sent() {
    // TLS that never answers: connected, but not connected in any useful sense.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let http = HttpClient::builder()
        .proxy(None)
        .timeouts(Duration::from_millis(50), Duration::from_secs(20))
        .build()
        .unwrap();
    let result = http.send(&post(url), None).await;
    assert!(not_sent(&result), "{result:?}");
    drop(listener);
}

#[tokio::test]
async fn closed_at_once_is_an_error_either_way() {
    // Whether the body was taken before the close was noticed is a race; that it is told apart is not.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
        }
    });
    for _ in 0..20 {
        let result = client().send(&post(url.clone()), None).await;
        assert!(not_sent(&result) || maybe_sent(&result), "{result:?}");
    }
}

#[tokio::test]
async fn no_answer_after_the_body_is_maybe_sent() {
    let result = posted(Vec::new()).await;
    assert!(maybe_sent(&result), "{result:?}");
    let result = posted(b"HTTP/1.1 2".to_vec()).await;
    assert!(maybe_sent(&result), "half a status line: {result:?}");
    let result = posted(b"220 smtp.example.com ESMTP\r\n".to_vec()).await;
    assert!(maybe_sent(&result), "no HTTP: {result:?}");
}

#[tokio::test]
async fn a_time_out_after_the_body_is_maybe_sent() {
    let stand_in = StandIn::start().await;
    stand_in.close_gate();
    let http = HttpClient::builder()
        .proxy(None)
        .timeouts(Duration::from_secs(5), Duration::from_millis(200))
        .build()
        .unwrap();
    let result = http.send(&post(stand_in.base()), None).await;
    assert!(maybe_sent(&result), "{result:?}");
    assert_eq!(stand_in.seen().len(), 1, "nothing is repeated");
}

#[tokio::test]
async fn half_an_answer_keeps_its_status() {
    for answer in [
        &b"HTTP/1.1 201 Created\r\nContent-Length: 30\r\nMS-CV: cv.7\r\n\r\n{\"id\":\"17"[..],
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nMS-CV: cv.7\r\n\r\n9\r\n{\"id\":\"17\r\n",
    ] {
        let answer = posted(answer.to_vec()).await.unwrap();
        assert_eq!(answer.status, 201);
        assert_eq!(answer.body.as_ref(), b"{\"id\":\"17");
        assert!(answer.cut.is_some());
        assert_eq!(answer.correlation().as_deref(), Some("cv.7"));
    }
}

#[tokio::test]
async fn a_body_without_its_length_ends_with_the_connection() {
    let answer = posted(b"HTTP/1.1 202 Accepted\r\n\r\n{\"id\":\"1\"}".to_vec()).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.cut), (202, None));
    assert_eq!(answer.body.as_ref(), b"{\"id\":\"1\"}");
}

#[tokio::test]
async fn too_short_a_length_cuts_the_body() {
    let answer =
        posted(b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\n{\"id\":\"1\"}".to_vec()).await.unwrap();
    assert_eq!(answer.body.as_ref(), b"{\"id");
}

#[tokio::test]
async fn answers_are_read_to_their_limit() {
    let stand_in = StandIn::start().await;
    for (length, cut) in [(ANSWER_LIMIT, false), (ANSWER_LIMIT + 1, true), (3 * ANSWER_LIMIT, true)] {
        stand_in.script([Scripted { status: 200, headers: Vec::new(), body: "x".repeat(length) }]);
        let answer = client().send(&post(stand_in.base()), None).await.unwrap();
        assert_eq!((answer.body.len(), answer.cut.is_some()), (ANSWER_LIMIT, cut));
    }
}

#[tokio::test]
async fn redirects_are_answers() {
    let stand_in = StandIn::start().await;
    let elsewhere = StandIn::start().await;
    for status in [301, 302, 303, 307, 308] {
        stand_in
            .script([Scripted { status, headers: Vec::new(), body: String::new() }
                .with("location", &elsewhere.base())]);
        let authorization = Some(http::HeaderValue::from_static("Bearer t"));
        let answer = client().send(&post(stand_in.base()), authorization).await.unwrap();
        assert_eq!(answer.status.as_u16(), status);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn pooled_connections_are_used_and_replaced() {
    let stand_in = StandIn::start().await;
    stand_in.script([Scripted { status: 200, headers: Vec::new(), body: String::new() }]);
    let http = client();
    for _ in 0..5 {
        http.send(&post(stand_in.base()), None).await.unwrap();
    }
    assert_eq!(stand_in.connections(), 1);
    let http = HttpClient::builder().proxy(None).replace_after(Duration::ZERO).build().unwrap();
    for _ in 0..5 {
        http.send(&post(stand_in.base()), None).await.unwrap();
    }
    assert_eq!(stand_in.connections(), 6);
}

#[tokio::test]
async fn this_computer_is_never_reached_through_a_proxy() {
    let stand_in = StandIn::start().await;
    let proxy = StandIn::start().await;
    stand_in.script([Scripted { status: 200, headers: Vec::new(), body: String::new() }]);
    let http = HttpClient::builder().proxy(Some(proxy.base().into())).build().unwrap();
    http.send(&post(stand_in.base()), None).await.unwrap();
    // Over https too: it fails, at the stand-in, which speaks no TLS.
    let result = http.send(&post(stand_in.base().replace("http:", "https:")), None).await;
    assert!(not_sent(&result), "{result:?}");
    assert_eq!(proxy.connections(), 0);
    // Any other host goes through it.
    let result = http.send(&post("https://nuncio.invalid/".into()), None).await;
    assert!(not_sent(&result), "{result:?}");
    assert_eq!((proxy.connections(), proxy.seen()[0].method.as_str()), (1, "CONNECT"));
}

#[test]
fn a_file_without_certificates_is_refused() {
    assert!(HttpClient::builder().extra_ca(b"nothing").is_err());
    let bad = HttpClient::builder().proxy(Some("http://user:pa ss@[".to_owned().into())).build();
    let text = bad.unwrap_err().to_string();
    assert!(!text.contains("pa ss"), "{text}");
}
