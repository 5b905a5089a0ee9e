//! A Graph that gives the answers that it was told to, one after the other, and a token endpoint.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// An answer to give.
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: Value,
}

impl Answer {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::new(200, body)
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What each item of a batch came to.
    pub(crate) fn batch(items: impl IntoIterator<Item = Value>) -> Self {
        let items = items.into_iter().enumerate().map(|(n, mut item)| {
            item["id"] = (n + 1).to_string().into();
            item
        });
        Self::ok(json!({"responses": items.collect::<Vec<_>>()}))
    }
}

#[derive(Default)]
struct Inner {
    answers: VecDeque<Answer>,
    asked: Vec<(String, Value)>,
    tokens: usize,
}

#[derive(Clone)]
pub(crate) struct StandIn {
    pub(crate) base: String,
    inner: Arc<Mutex<Inner>>,
}

impl StandIn {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stand_in = Self { base, inner: Arc::default() };
        let router = Router::new().fallback(answer).with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        stand_in
    }

    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.inner.lock().unwrap().answers.extend(answers);
    }

    /// Method, path and query of every request to Graph.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.inner.lock().unwrap().asked.iter().map(|(asked, _)| asked.clone()).collect()
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.inner.lock().unwrap().asked.iter().map(|(_, body)| body.clone()).collect()
    }

    /// How many tokens were given.
    pub(crate) fn tokens(&self) -> usize {
        self.inner.lock().unwrap().tokens
    }
}

async fn answer(State(stand_in): State<StandIn>, method: Method, uri: Uri, body: Bytes) -> Response {
    let mut inner = stand_in.inner.lock().unwrap();
    if uri.path().ends_with("/token") {
        inner.tokens += 1;
        let token = format!("token-{}", inner.tokens);
        let granted = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": token});
        return axum::Json(granted).into_response();
    }
    let path = uri.path_and_query().unwrap();
    inner.asked.push((format!("{method} {path}"), serde_json::from_slice(&body).unwrap_or_default()));
    let Some(answer) = inner.answers.pop_front() else {
        return (StatusCode::NOT_IMPLEMENTED, "no answer was told").into_response();
    };
    let status = StatusCode::from_u16(answer.status).unwrap();
    let mut response = (status, axum::Json(answer.body)).into_response();
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}
