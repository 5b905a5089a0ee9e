//! A server on a socket of its own, with a clock, keys and everything that was woken.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nuncio_domain::ports::{Ledger as _, Registry, Wake};
use nuncio_domain::scope::ApiKey;
use nuncio_domain::{Batch, Clock, KeyId, Role, Scope, Time};
use nuncio_server::{AppInfo, ServerState, secret};
use nuncio_store::SqliteStore;
use nuncio_teams::inbound::Authenticator;
use serde_json::Value;
use uuid::Uuid;

use crate::directory::TestDirectory;

/// 2026-11-22T10:00:00Z
pub(crate) const NOON: i64 = 1_795_341_600_000_000;
pub(crate) const TENANT: &str = "6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913";
pub(crate) const BOT: &str = "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4";
pub(crate) const INES: &str = "b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b";

const OPERATOR: Scope = Scope { key_no: 1, role: Role::Admin, app: None, may_install: true };

pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn pass(&self, span: Duration) {
        self.0.fetch_add(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Default)]
pub(crate) struct Woken(pub(crate) Mutex<Vec<i64>>);

impl Wake for Woken {
    fn wake(&self, lane_no: i64) {
        self.0.lock().unwrap().push(lane_no);
    }
}

/// Not random, but different every time and the same in every run.
pub(crate) fn counting() -> nuncio_server::Random {
    let count = AtomicU64::new(0);
    Arc::new(move || *blake3::hash(&count.fetch_add(1, Ordering::SeqCst).to_le_bytes()).as_bytes())
}

pub(crate) fn app(name: &str, app_id: &str, allowed: &[&str]) -> AppInfo {
    AppInfo {
        name: name.to_owned(),
        app_id: app_id.to_owned(),
        tenant_id: TENANT.to_owned(),
        calls_per_s: Some(50.0),
        words: Arc::default(),
        may_install: false,
        credential: None,
        synchronised: false,
        allowed_tenants: allowed.iter().map(|tenant| (*tenant).to_owned()).collect(),
    }
}

pub(crate) struct Server {
    pub(crate) base: String,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) woken: Arc<Woken>,
    pub(crate) read: String,
    pub(crate) send: String,
    pub(crate) admin: String,
    http: reqwest::Client,
    made: AtomicU64,
    _directory: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// (code, pointer) of each error, after checking that it is a problem document.
    pub(crate) fn errors(&self) -> Vec<(String, String)> {
        let problem = self.problem();
        let items = problem["errors"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .map(|item| {
                (item["code"].as_str().unwrap().to_owned(), item["pointer"].as_str().unwrap().to_owned())
            })
            .collect()
    }

    pub(crate) fn problem(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{} {}", self.status, self.text);
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["type"], format!("/docs/problems/{}", problem["code"].as_str().unwrap()));
        assert!(!problem["title"].as_str().unwrap().is_empty());
        problem
    }

    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        let problem = self.problem();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{}", self.text);
    }

    #[track_caller]
    pub(crate) fn refused_at(&self, status: u16, code: &str, pointer: &str) {
        self.refused(status, code);
        assert_eq!(self.errors(), [(code.to_owned(), pointer.to_owned())], "{}", self.text);
    }
}

impl Server {
    /// One app that may send in one tenant, and takes every activity from this computer.
    pub(crate) async fn start() -> Self {
        Self::with(vec![app("dispatch", BOT, &[TENANT])], |_| {}).await
    }

    pub(crate) async fn with(apps: Vec<AppInfo>, change: impl FnOnce(&mut ServerState)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("nuncio.db")).await.unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(NOON)));
        let woken = Arc::new(Woken::default());
        let mut state = ServerState {
            ledger: Arc::clone(&store) as _,
            registry: Arc::clone(&store) as _,
            wake: Arc::clone(&woken) as _,
            directory: Arc::new(TestDirectory::default()),
            preview: Arc::clone(&store) as _,
            copies: Arc::clone(&store) as _,
            sync: Arc::clone(&woken) as _,
            clock: Arc::clone(&clock) as _,
            random: counting(),
            inbound: Arc::new(Authenticator::local(BOT)),
            recheck: Duration::from_hours(7 * 24),
            preview_within: nuncio_server::PREVIEW_WITHIN,
            apps,
        };
        change(&mut state);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(nuncio_server::serve(listener, nuncio_server::router(state), std::future::pending()));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut server = Self {
            base,
            store,
            clock,
            woken,
            read: String::new(),
            send: String::new(),
            admin: String::new(),
            http,
            made: AtomicU64::new(0),
            _directory: directory,
        };
        server.read = server.key(Role::Read, None).await;
        server.send = server.key(Role::Send, None).await;
        server.admin = server.key(Role::Admin, None).await;
        server
    }

    /// A new key's secret.
    pub(crate) async fn key(&self, role: Role, app: Option<&str>) -> String {
        self.new_key(role, app, false).await
    }

    /// One that may have the app installed.
    pub(crate) async fn installing_key(&self, app: Option<&str>) -> String {
        self.new_key(Role::Send, app, true).await
    }

    async fn new_key(&self, role: Role, app: Option<&str>, may_install: bool) -> String {
        let n = self.made.fetch_add(1, Ordering::SeqCst) + 1;
        let secret = secret::make(*blake3::hash(format!("key {n}").as_bytes()).as_bytes());
        let key = ApiKey {
            id: KeyId(Uuid::from_u128(u128::from(n))),
            name: format!("key {n}"),
            role,
            app: app.map(str::to_owned),
            may_install,
            created_at: Time(NOON),
            revoked_at: None,
        };
        self.store.add_key(&key, secret::hash(&secret)).await.unwrap();
        secret
    }

    /// Another one at every call, for ids.
    pub(crate) fn number(&self) -> u64 {
        self.made.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("{}{path}", self.base))
    }

    pub(crate) async fn answer(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.answer(self.request("GET", path).bearer_auth(&self.read)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.answer(self.request("POST", path).bearer_auth(&self.send).json(body)).await
    }

    /// Uploads a list.
    pub(crate) async fn upload(&self, query: &str, kind: &str, list: impl Into<reqwest::Body>) -> Answer {
        let request = self.request("POST", &format!("/v1/audiences{query}")).bearer_auth(&self.send);
        self.answer(request.header("content-type", kind).body(list)).await
    }

    /// Hands in a message that has to be taken; its id.
    pub(crate) async fn sent(&self, body: &Value) -> String {
        let answer = self.post("/v1/messages", body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Works out whom a message is for; its number in the store. For audiences that nobody has to be asked for.
    pub(crate) async fn expanded(&self, id: &str) -> i64 {
        let view = self.store.message(&OPERATOR, id.parse().unwrap()).await.unwrap().unwrap();
        while !self.store.expand(view.message_no, 100, Time(NOON)).await.unwrap().done {}
        view.message_no
    }

    /// What the owner of a lane says of it.
    pub(crate) async fn lane_says(&self, lane_no: i64, status: &Value) {
        let batch = Batch { lane_status: vec![(lane_no, status.to_string())], ..Batch::default() };
        self.store.commit(batch.into()).await.unwrap();
    }

    /// What its clock shows, as Teams writes a time.
    pub(crate) fn now(&self) -> String {
        jiff::Timestamp::from_microsecond(self.clock.0.load(Ordering::SeqCst)).unwrap().to_string()
    }

    pub(crate) async fn activity(&self, body: &Value) -> Answer {
        self.answer(self.request("POST", "/api/messages").json(body)).await
    }
}

/// A message to Ines that is right, to be spoilt by a test.
pub(crate) fn hello() -> Value {
    serde_json::json!({"audience": {"users": [INES]}, "content": {"text": "Deploy **finished**"}})
}

/// An activity as Teams posts it, with a service URL that local mode takes.
pub(crate) fn activity(name: &str) -> Value {
    let path = format!("{}/../../fixtures/microsoft/activities/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let fixture: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut body = fixture["body"].clone();
    body["serviceUrl"] = "http://127.0.0.1:4100/teams/".into();
    body
}
