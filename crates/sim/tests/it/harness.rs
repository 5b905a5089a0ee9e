//! A simulator with one bot, and a bot endpoint that remembers what it was sent.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, extract::State, routing::post};
use http::{HeaderMap, Response};
use nuncio_sim::{Latency, Sim, SimConfig};
use reqwest::{Client, Method};
use serde_json::{Value, json};

pub(crate) const APP: &str = "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4";
pub(crate) const SECRET: &str = "correct horse";
pub(crate) const SCOPE: &str = "https://api.botframework.com/.default";

pub(crate) fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// Status and JSON body; null for an empty one.
pub(crate) async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (
        status,
        if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        },
    )
}

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) http: Client,
    pub(crate) token: String,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(100, None).await
    }

    pub(crate) async fn with(people: u32, endpoint: Option<&str>) -> Self {
        let latency = Latency::Fixed { ms: 0.0, share_before: 0.5 };
        let sim = Sim::start(SimConfig { people, latency, ..SimConfig::default() }).await.unwrap();
        let mut world = Self { sim, http: client(), token: String::new() };
        let bot = json!({"app_id": APP, "secret": SECRET, "endpoint": endpoint});
        let (status, _) = world.control(Method::POST, "bots", Some(bot)).await;
        assert_eq!(status, 201);
        let (status, answer) = world.token(world.sim.tenant_id(), APP, SECRET, SCOPE).await;
        assert_eq!(status, 200, "{answer}");
        answer["access_token"].as_str().unwrap().clone_into(&mut world.token);
        world
    }

    pub(crate) async fn token(&self, tenant: &str, app: &str, secret: &str, scope: &str) -> (u16, Value) {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", app),
            ("client_secret", secret),
            ("scope", scope),
        ];
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.sim.base());
        read(self.http.post(url).form(&form).send().await.unwrap()).await
    }

    pub(crate) async fn control(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}/sim/{path}", self.sim.base()));
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.control(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.control(Method::POST, path, Some(body)).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    pub(crate) async fn settings(&self, patch: Value) {
        let (status, answer) = self.control(Method::PATCH, "settings", Some(patch)).await;
        assert_eq!(status, 200, "{answer}");
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}/teams/{path}", self.sim.base())).bearer_auth(&self.token)
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }

    pub(crate) async fn create(&self, member: &str) -> (u16, Value) {
        let body = json!({"members": [{"id": member}], "tenantId": self.sim.tenant_id()});
        self.call(Method::POST, "v3/conversations", Some(body)).await
    }

    pub(crate) async fn send(&self, conversation: &str, text: &str) -> (u16, Value) {
        let path = format!("v3/conversations/{conversation}/activities");
        self.call(Method::POST, &path, Some(json!({"type": "message", "text": text}))).await
    }

    /// The first person in that state, as `/sim/people` shows them.
    pub(crate) async fn person(&self, state: &str) -> Value {
        self.get(&format!("people?state={state}&limit=1")).await["items"][0].clone()
    }

    /// An installed person's conversation.
    pub(crate) async fn chat(&self) -> String {
        self.person("installed").await["conversation_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn change(&self, person: &Value, state: &str) -> Value {
        let path = format!("people/{}", text(&person["id"]));
        let (status, answer) = self.control(Method::PATCH, &path, Some(json!({"state": state}))).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Waits until something that is counted is as it should be.
    pub(crate) async fn until(&self, path: &str, good: impl Fn(&Value) -> bool) -> Value {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        let wait = async {
            loop {
                tick.tick().await;
                let value = self.get(path).await;
                if good(&value) {
                    return value;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the condition came true in time")
    }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// What the bot was sent.
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// A bot's endpoint.
#[derive(Clone, Default)]
pub(crate) struct BotServer {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
    /// For the next requests; 200 when there is none.
    replies: Arc<Mutex<VecDeque<Reply>>>,
}

/// What a bot answers.
#[derive(Clone)]
pub(crate) enum Reply {
    Status(u16),
    Json(Value),
    Html(u16),
    Never,
}

impl BotServer {
    /// The endpoint's URL comes second.
    pub(crate) async fn start() -> (Self, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/messages", listener.local_addr().unwrap());
        let bot = Self { url: url.clone(), ..Self::default() };
        let app = Router::new().route("/api/messages", post(take)).with_state(bot.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (bot, url)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn answers(&self, statuses: &[u16]) {
        self.replies.lock().unwrap().extend(statuses.iter().map(|status| Reply::Status(*status)));
    }

    pub(crate) fn replies(&self, reply: Reply) {
        self.replies.lock().unwrap().push_back(reply);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }
}

async fn take(State(bot): State<BotServer>, headers: HeaderMap, body: String) -> Response<Body> {
    let body = serde_json::from_str(&body).unwrap();
    bot.received.lock().unwrap().push(Received { headers, body });
    let reply = bot.replies.lock().unwrap().pop_front();
    let (status, kind, body) = match reply.unwrap_or(Reply::Status(200)) {
        Reply::Status(status) => (status, "text/plain", "seen".to_owned()),
        Reply::Json(Value::Null) => (200, "application/json", String::new()),
        Reply::Json(body) => (200, "application/json", body.to_string()),
        Reply::Html(status) => (status, "text/html", "<html><body>oops</body></html>".to_owned()),
        Reply::Never => std::future::pending().await,
    };
    Response::builder().status(status).header("content-type", kind).body(body.into()).unwrap()
}
