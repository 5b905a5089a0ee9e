//! The client against a stand-in over a real socket.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Uri, header};
use axum::routing::{get, post};
use nuncio_api::{Code, NewMessage, Problem};
use nuncio_client::{Client, ClientError, MessageControl, MessageFilter, PageOf};

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn client(base: &str) -> Client {
    Client::new(base, "nnc_secret").unwrap()
}

#[tokio::test]
async fn paths_keys_and_queries_are_sent_as_documented() {
    let router = Router::new()
        .route(
            "/nuncio/v1/messages",
            get(|uri: Uri| async move {
                assert_eq!(uri.query(), Some("label=a%26b&cursor=c1&limit=7"));
                r#"{"items": [], "next": null}"#
            })
            .post(|headers: HeaderMap, body: Bytes| async move {
                assert_eq!(headers[header::AUTHORIZATION], "Bearer nnc_secret");
                assert_eq!(headers["idempotency-key"], "k1");
                assert_eq!(body, r#"{"audience":{},"content":{}}"#);
                r#"{"id": "msg_1", "state": "expanding"}"#
            }),
        )
        .route("/nuncio/v1/messages/{id}/pause", post(|| async { r#"{"id": "msg_1", "state": "sending"}"# }));
    let client = client(&format!("{}/nuncio", serve(router).await));

    let accepted = client.send(&NewMessage::default(), Some("k1")).await.unwrap();
    assert_eq!(accepted.state, "expanding");
    let filter = MessageFilter { label: Some("a&b".to_owned()), ..MessageFilter::default() };
    let page = PageOf { cursor: Some("c1"), limit: Some(7) };
    assert_eq!(client.messages(&filter, page).await.unwrap().next, None);
    client.control("msg_1", MessageControl::Pause).await.unwrap();
}

#[tokio::test]
async fn a_problem_an_alien_answer_and_a_redirect_are_told_apart() {
    let problem = serde_json::to_string(&Problem::new(Code::NotFound, "no such message")).unwrap();
    let router = Router::new()
        .route(
            "/v1/messages/{id}",
            get(async move || {
                (
                    axum::http::StatusCode::NOT_FOUND,
                    [(header::CONTENT_TYPE, "application/problem+json")],
                    problem,
                )
            }),
        )
        .route("/v1/deliveries/{id}", get(async || "<html>"))
        .route("/v1/people", get(async || axum::response::Redirect::temporary("/v1/elsewhere")));
    let client = client(&serve(router).await);

    let error = client.message("msg_1").await.unwrap_err();
    assert!(matches!(&error, ClientError::Problem(problem) if problem.code == "not_found"), "{error}");
    assert!(error.hint().is_some());
    let error = client.delivery("dlv_1").await.unwrap_err();
    assert!(matches!(error, ClientError::Unexpected { status: 200, .. }), "{error}");
    let error = client.people(&nuncio_client::PeopleFilter::default(), PageOf::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unexpected { status: 307, .. }), "{error}");
}

#[tokio::test]
async fn nobody_there_is_said_with_a_hint_and_without_the_key() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = client(&format!("http://{address}"));
    let error = client.ready().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(!format!("{error:?} {client:?}").contains("nnc_secret"));
}

#[tokio::test]
async fn a_report_that_breaks_off_is_an_error() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = socket.read(&mut request).await.unwrap();
        socket
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\na,b\r\n1\r\n")
            .await
            .unwrap();
    });
    let mut written = Vec::new();
    let error = client(&format!("http://{address}")).report_csv("msg_1", &mut written).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
}

#[test]
fn addresses_that_cannot_be_used_are_refused() {
    for base in ["", "localhost:3978", "ftp://x", "http://user@x/"] {
        assert!(matches!(Client::new(base, "nnc_x"), Err(ClientError::Setup(_))), "{base}");
    }
    assert!(matches!(Client::new("http://x", "a\nb"), Err(ClientError::Setup(_))));
}
