//! A small stand-in for Entra, the issuer's keys and the Connector, and a clock that is set by hand. It shares nothing
//! with the simulator: it knows only what these tests need.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, KeyPair as _, RsaKeyPair};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nuncio_teams::clock::Clock;
use nuncio_teams::http::HttpClient;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// What a request was, as far as a test asks.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Where a proxy is asked to connect to.
    pub(crate) authority: Option<String>,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// An answer to give.
#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Scripted {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Answers what it was told to, the last answer again and again.
#[derive(Clone)]
pub(crate) struct StandIn(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    script: Mutex<VecDeque<Scripted>>,
    seen: Mutex<Vec<Seen>>,
    /// Requests pass only while it has permits.
    gate: Semaphore,
    connections: AtomicUsize,
}

impl StandIn {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stand_in = Self(Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            script: Mutex::default(),
            seen: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            connections: AtomicUsize::new(0),
        }));
        let counted = CountedListener(listener, stand_in.clone());
        let router = Router::new().fallback(answer).with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(counted, router).await });
        stand_in
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// The next answers, in order, instead of any left.
    pub(crate) fn script(&self, answers: impl IntoIterator<Item = Scripted>) {
        *self.0.script.lock().unwrap() = answers.into_iter().collect();
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.0.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, path_ends: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path.ends_with(path_ends)).count()
    }

    pub(crate) fn connections(&self) -> usize {
        self.0.connections.load(Ordering::SeqCst)
    }

    /// Requests wait from now on.
    pub(crate) fn close_gate(&self) {
        self.0.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn open_gate(&self) {
        self.0.gate.add_permits(1_000_000);
    }

    /// Publishes these keys at the metadata document of [`nuncio_teams::cloud::Endpoints::simulator`].
    pub(crate) fn publish(&self, keys: &[Value]) {
        let metadata = json!({"issuer": "https://api.botframework.com", "jwks_uri": format!("{}/v1/.well-known/keys", self.base())});
        // Asked for in this order, again and again.
        self.script(
            (0..50).flat_map(|_| {
                [Scripted::json(200, &metadata), Scripted::json(200, &json!({ "keys": keys }))]
            }),
        );
    }
}

async fn answer(
    State(stand_in): State<StandIn>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    stand_in.0.seen.lock().unwrap().push(Seen {
        method,
        path: uri.path().to_owned(),
        authority: uri.authority().map(ToString::to_string),
        query: uri.query().unwrap_or_default().to_owned(),
        authorization: headers.get("authorization").map(|value| value.to_str().unwrap().to_owned()),
        headers,
        body: body.to_vec(),
    });
    stand_in.0.gate.acquire().await.unwrap().forget();
    let scripted = {
        let mut script = stand_in.0.script.lock().unwrap();
        if script.len() > 1 { script.pop_front() } else { script.front().cloned() }
    };
    let Some(scripted) = scripted else { return StatusCode::NOT_IMPLEMENTED.into_response() };
    let mut response = (StatusCode::from_u16(scripted.status).unwrap(), scripted.body).into_response();
    for (name, value) in scripted.headers {
        response.headers_mut().insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    response
}

struct CountedListener(TcpListener, StandIn);

impl axum::serve::Listener for CountedListener {
    type Io = tokio::net::TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let accepted = axum::serve::Listener::accept(&mut self.0).await;
        self.1.0.connections.fetch_add(1, Ordering::SeqCst);
        accepted
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// A client without proxy.
pub(crate) fn client() -> HttpClient {
    HttpClient::builder().proxy(None).build().unwrap()
}

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct HandClock(Arc<AtomicU64>);

impl HandClock {
    pub(crate) fn at(unix: u64) -> Self {
        Self(Arc::new(AtomicU64::new(unix)))
    }

    pub(crate) fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn unix(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn clock(&self) -> Clock {
        let seconds = Arc::clone(&self.0);
        Clock::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::SeqCst)))
    }
}

/// An RSA key of an issuer.
pub(crate) struct Key {
    pub(crate) kid: &'static str,
    pair: RsaKeyPair,
}

impl Key {
    fn new(kid: &'static str) -> Self {
        Self { kid, pair: RsaKeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    /// As it is published, with its endorsements.
    pub(crate) fn jwk(&self, endorsements: Option<&[&str]>) -> Value {
        let public = self.pair.public_key();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid,
            "n": encode(public.modulus().big_endian_without_leading_zero()),
            "e": encode(public.exponent().big_endian_without_leading_zero()),
        });
        if let Some(endorsements) = endorsements {
            jwk["endorsements"] = json!(endorsements);
        }
        jwk
    }

    /// `Bearer …` with these parts.
    pub(crate) fn bearer(&self, header: &Value, claims: &Value) -> String {
        let signed = signed_part(header, claims);
        let encoding: &'static dyn signature::RsaEncoding = match header["alg"].as_str() {
            Some("RS384") => &signature::RSA_PKCS1_SHA384,
            Some("RS512") => &signature::RSA_PKCS1_SHA512,
            Some("PS256") => &signature::RSA_PSS_SHA256,
            _ => &signature::RSA_PKCS1_SHA256,
        };
        let mut bytes = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut bytes).unwrap();
        format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The classic forgery: HS256 with the public key as its secret.
    pub(crate) fn bearer_hs256(&self, header: &Value, claims: &Value) -> String {
        let signed = signed_part(header, claims);
        let public = self.pair.public_key().as_der().unwrap();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public.as_ref());
        let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
        format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }
}

/// `header.claims`
pub(crate) fn signed_part(header: &Value, claims: &Value) -> String {
    [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
}

/// Two keys, made once: making one takes a while.
pub(crate) fn keys() -> &'static [Key; 2] {
    static KEYS: OnceLock<[Key; 2]> = OnceLock::new();
    KEYS.get_or_init(|| [Key::new("first-key"), Key::new("second-key")])
}
