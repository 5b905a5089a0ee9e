//! How fast the simulator is: `make bench-sim`, or `cargo run --release -p nuncio-sim --example load -- [ROWS…]`.
//!
//! It starts itself once more as the simulator, alone on the first core (`taskset`), and is the client on the others.
//! Bodies are small and the client reads no more than it has to, so the figures are the simulator's.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that cannot go on fails where it stands"
)]

mod process;
mod wire;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use nuncio_sim::{Latency, Sim, SimConfig};
use serde_json::{Value, json};

use crate::{
    process::{Child, Sample},
    wire::{Connection, sink},
};

const APP: &str = "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4";
const SECRET: &str = "simulated-secret";
/// Requests on their way at the same time.
const CONNECTIONS: usize = 32;

struct Options {
    people: u32,
    teams: u32,
    sends: u64,
    /// Whose install events are sent, two for each.
    events: u32,
}

fn main() {
    let mut options = Options { people: 300_000, teams: 10_000, sends: 1_000_000, events: 100_000 };
    let mut serving = false;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|text| text.parse::<u64>().ok()).expect("a number after it");
        match arg.as_str() {
            "serve" => serving = true,
            "--people" => options.people = number() as u32,
            "--teams" => options.teams = number() as u32,
            "--sends" => options.sends = number(),
            "--events" => options.events = number() as u32,
            _ => panic!("unknown {arg}; known: --people N --teams N --sends N --events N"),
        }
    }
    if serving {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(serve(&options));
    } else {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(measure(&options));
    }
}

async fn serve(options: &Options) {
    let latency = Latency::Fixed { ms: 0.0, share_before: 0.5 };
    let (people, teams) = (options.people, options.teams);
    let sim = Sim::start(SimConfig { people, teams, latency, ..SimConfig::default() }).await.unwrap();
    println!("{}", sim.addr());
    // Ends when its starter closes the pipe.
    let _ = tokio::task::spawn_blocking(|| std::io::read_to_string(std::io::stdin())).await;
}

fn row(what: &str, figure: &str) {
    println!("{what:<58} {figure}");
}

async fn measure(options: &Options) {
    println!("{}\n", process::machine());
    process::pin_client();
    start_row(options.people, options.teams).await;
    if options.sends > 0 {
        send_rows(options).await;
    }
    if options.events > 0 {
        event_rows(options.events).await;
    }
}

async fn start_row(people: u32, teams: u32) {
    let began = Instant::now();
    let child = Child::start(people, teams);
    let mut http = Connection::open(child.addr).await;
    let (status, _) = http.json("GET", "/sim/info", &Value::Null).await;
    assert_eq!(status, 200);
    let took = began.elapsed().as_secs_f64();
    let sample = child.sample();
    let what = format!("start, {people} people and {teams} teams, until it answers");
    row(&what, &format!("{took:.2} s, {} MiB", sample.resident_mib));
}

/// Sends to every person in turn, limits enforced (and set so high that they refuse nothing), journal on.
async fn send_rows(options: &Options) {
    let child = Child::start(options.people, options.teams);
    let mut http = Connection::open(child.addr).await;
    let (token, chats) = prepare(&mut http).await;
    let body = json!({"type": "message", "text": "Maintenance tonight from 22:00 to 23:30 UTC. ".repeat(6)})
        .to_string();
    let requests = Requests { token, chats, body };

    let step = (options.sends / 10).max(1);
    let mut samples = vec![child.sample()];
    let began = Instant::now();
    let mut bad = 0;
    for round in 0..10 {
        bad += requests.send(child.addr, round * step, step).await;
        samples.push(child.sample());
        eprintln!("  {}0 %, {} MiB", round + 1, samples.last().map_or(0, |sample| sample.resident_mib));
    }
    let took = began.elapsed().as_secs_f64();
    let sent = step * 10;
    let cpu = samples[10].cpu_s - samples[0].cpu_s;
    row(
        &format!("sends, {sent}, one after the other on {CONNECTIONS} connections"),
        &format!("{:.0}/s; {:.0} for each second of its core's time", sent as f64 / took, sent as f64 / cpu),
    );
    let resident: Vec<u64> = samples.iter().map(|sample| sample.resident_mib).collect();
    row("memory before, and after each tenth of them, MiB", &format!("{resident:?}"));
    let (_, counts) = http.json("GET", "/sim/counts", &Value::Null).await;
    row("not answered with 201; accepted by its own count", &format!("{bad}; {}", counts["accepted"]));
}

async fn prepare(http: &mut Connection) -> (String, Vec<String>) {
    // A limit that is counted against and never met.
    let settings = json!({"limits_per_s": 1_000_000});
    assert_eq!(http.json("PATCH", "/sim/settings", &settings).await.0, 200);
    let bot = json!({"app_id": APP, "secret": SECRET});
    assert_eq!(http.json("POST", "/sim/bots", &bot).await.0, 201);
    let form = format!(
        "grant_type=client_credentials&client_id={APP}&client_secret={SECRET}&scope=https%3A%2F%2Fapi.botframework.com%2F.default"
    );
    let (status, answer) = http.form("/botframework.com/oauth2/v2.0/token", &form).await;
    assert_eq!(status, 200, "{answer}");
    let token = answer["access_token"].as_str().unwrap().to_owned();
    let mut chats = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/sim/people?state=installed&limit=10000&after={after}");
        let (_, page) = http.json("GET", &path, &Value::Null).await;
        let items = page["items"].as_array().unwrap();
        chats.extend(items.iter().map(|person| person["conversation_id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => return (token, chats),
        }
    }
}

struct Requests {
    token: String,
    chats: Vec<String>,
    body: String,
}

impl Requests {
    /// How many were not answered with 201.
    async fn send(&self, addr: SocketAddr, from: u64, count: u64) -> u64 {
        let next = AtomicU64::new(from);
        let one = async || {
            let mut connection = Connection::open(addr).await;
            let mut bad = 0;
            let mut request = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= from + count {
                    return bad;
                }
                let chat = &self.chats[at as usize % self.chats.len()];
                request.clear();
                wire::head(
                    &mut request,
                    "POST",
                    &format!("/teams/v3/conversations/{chat}/activities"),
                    "application/json",
                    Some(&self.token),
                    self.body.len(),
                );
                request.extend_from_slice(self.body.as_bytes());
                bad += u64::from(connection.exchange(&request).await.0 != 201);
            }
        };
        futures_util::future::join_all((0..CONNECTIONS).map(|_| one())).await.into_iter().sum()
    }
}

/// Install events to a bot that only counts them.
async fn event_rows(people: u32) {
    let child = Child::start(people, 1);
    let mut http = Connection::open(child.addr).await;
    let seen = Arc::new(AtomicU64::new(0));
    let endpoint = sink(Arc::clone(&seen)).await;
    let bot = json!({"app_id": APP, "secret": SECRET, "endpoint": endpoint});
    assert_eq!(http.json("POST", "/sim/bots", &bot).await.0, 201);
    let before: Sample = child.sample();
    let began = Instant::now();
    let (status, job) = http.json("POST", "/sim/policy-install", &json!({"seconds": 0})).await;
    assert_eq!(status, 202, "{job}");
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    let events = job["events"].as_u64().unwrap();
    loop {
        tick.tick().await;
        let (_, stats) = http.json("GET", "/sim/events", &Value::Null).await;
        if stats["pending"] == 0 {
            assert_eq!(stats["given_up"], 0, "{stats}");
            break;
        }
    }
    let took = began.elapsed().as_secs_f64();
    let cpu = child.sample().cpu_s - before.cpu_s;
    assert_eq!(seen.load(Ordering::Relaxed), events);
    row(
        &format!("signed activities out, {events}"),
        &format!(
            "{:.0}/s; {:.0} for each second of its core's time",
            events as f64 / took,
            events as f64 / cpu
        ),
    );
}
