//! A server that takes every message: the Connector, Entra and the key documents, as cheaply as it can be done, so that
//! what is measured is whoever calls it. One thread.
//!
//! What a conversation's id begins with says how it is: `a:slow…` answers late, `a:full…` never takes anything.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use clap::Parser;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How long a slow conversation takes.
const SLOW: Duration = Duration::from_secs(5);

#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// How long an answer takes
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Keep when each message arrived
    #[arg(long)]
    stamps: bool,
    /// The key document
    #[arg(long)]
    keys: Option<std::path::PathBuf>,
}

#[derive(Default)]
struct State {
    base: String,
    latency: Duration,
    keys: String,
    token: String,
    connections: Cell<u64>,
    posts: Cell<u64>,
    creates: Cell<u64>,
    refused: Cell<u64>,
    bytes: Cell<u64>,
    first_us: Cell<u64>,
    last_us: Cell<u64>,
    stamps: Option<RefCell<String>>,
}

pub(crate) fn main(options: &Options) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        println!("sink: listening on {base}");
        let state = Rc::new(State {
            base,
            latency: Duration::from_millis(options.latency_ms),
            keys: options
                .keys
                .as_ref()
                .map_or_else(|| "{\"keys\":[]}".to_owned(), |path| std::fs::read_to_string(path).unwrap()),
            // About as long as a real one.
            token: "eyJ".to_owned() + &"x".repeat(1_000),
            stamps: options.stamps.then(RefCell::default),
            ..State::default()
        });
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = stream.set_nodelay(true);
            state.connections.set(state.connections.get() + 1);
            tokio::task::spawn_local(serve(stream, Rc::clone(&state)));
        }
    });
}

/// Microseconds of the wall clock.
pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64)
}

async fn serve(mut stream: TcpStream, state: Rc<State>) {
    let mut buffer: Vec<u8> = Vec::with_capacity(8 * 1024);
    let mut answer = String::new();
    loop {
        let head = loop {
            if let Some(at) = end_of_head(&buffer) {
                break at;
            }
            if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
        };
        let end = head + content_length(&buffer[..head]);
        while buffer.len() < end {
            if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
        }
        let (method, path) = first_line(&buffer[..head]);
        answer.clear();
        let wait = state.answer(method, path, end - head, &mut answer);
        buffer.drain(..end);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn end_of_head(buffer: &[u8]) -> Option<usize> {
    buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|at| at + 4)
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    head.split(|byte| *byte == b'\n')
        .find(|line| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)))
        .and_then(|line| std::str::from_utf8(&line[NAME.len()..]).ok()?.trim().parse().ok())
        .unwrap_or(0)
}

fn first_line(head: &[u8]) -> (&str, &str) {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = std::str::from_utf8(line).unwrap_or_default().split(' ');
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

impl State {
    /// Writes the answer; how long it is to wait.
    fn answer(&self, method: &str, path: &str, body: usize, out: &mut String) -> Duration {
        let Some(conversation) = path.strip_suffix("/activities").and_then(|path| path.rsplit('/').next())
        else {
            self.rest(method, path, out);
            return Duration::ZERO;
        };
        let now = now_us();
        let n = self.posts.get() + 1;
        if conversation.starts_with("a%3Afull") {
            self.refused.set(self.refused.get() + 1);
            json(out, "429 Too Many Requests\r\nretry-after: 1", "{\"error\":{\"code\":\"Throttled\"}}");
            return self.latency;
        }
        self.posts.set(n);
        self.bytes.set(self.bytes.get() + body as u64);
        if n == 1 {
            self.first_us.set(now);
        }
        self.last_us.set(now);
        if let Some(stamps) = &self.stamps {
            let _ = writeln!(stamps.borrow_mut(), "{now} {conversation}");
        }
        out.push_str("HTTP/1.1 201 Created\r\ncontent-type: application/json; charset=utf-8\r\n");
        out.push_str("ms-cv: 5a1f0c6e8f0e4f6eb1b7.0\r\ncontent-length: 24\r\n\r\n");
        let _ = write!(out, "{{\"id\":\"1{n:014}\"}}");
        if conversation.starts_with("a%3Aslow") { self.latency + SLOW } else { self.latency }
    }

    fn rest(&self, method: &str, path: &str, out: &mut String) {
        let base = &self.base;
        match (method, path) {
            ("POST", path) if path.ends_with("/v3/conversations") => {
                self.creates.set(self.creates.get() + 1);
                json(out, "201 Created", &format!("{{\"id\":\"a:created-{}\"}}", self.creates.get()));
            }
            ("POST", path) if path.ends_with("/token") => {
                let token = &self.token;
                let body = format!(
                    "{{\"token_type\":\"Bearer\",\"expires_in\":86399,\"ext_expires_in\":86399,\"access_token\":\"{token}\"}}"
                );
                json(out, "200 OK", &body);
            }
            ("GET", "/v1/.well-known/openidconfiguration") => {
                let body = format!(
                    "{{\"issuer\":\"https://api.botframework.com\",\"jwks_uri\":\"{base}/v1/.well-known/keys\"}}"
                );
                json(out, "200 OK", &body);
            }
            ("GET", "/v1/.well-known/keys") => json(out, "200 OK", &self.keys),
            ("GET", "/sink/stats") => {
                let body = format!(
                    "{{\"connections\":{},\"posts\":{},\"creates\":{},\"refused\":{},\"bytes\":{},\"first_us\":{},\"last_us\":{}}}",
                    self.connections.get(),
                    self.posts.get(),
                    self.creates.get(),
                    self.refused.get(),
                    self.bytes.get(),
                    self.first_us.get(),
                    self.last_us.get()
                );
                json(out, "200 OK", &body);
            }
            ("GET", "/sink/stamps") => {
                let stamps = self.stamps.as_ref().map(RefCell::take).unwrap_or_default();
                json(out, "200 OK", &stamps);
            }
            ("POST", "/sink/reset") => {
                for count in [&self.connections, &self.posts, &self.creates, &self.refused, &self.bytes] {
                    count.set(0);
                }
                json(out, "200 OK", "{}");
            }
            _ => json(out, "404 Not Found", "{}"),
        }
    }
}

fn json(out: &mut String, status: &str, body: &str) {
    let length = body.len();
    let _ = write!(
        out,
        "HTTP/1.1 {status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {length}\r\n\r\n{body}"
    );
}
