//! What the machine can do at all: the product's HTTP client in a loop, the same bodies and addresses, nothing kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::json;

use crate::process;

/// How often the progress is looked at: a run's figure is the median of its slices.
const SLICE: Duration = Duration::from_millis(200);

#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// The sink
    #[arg(long)]
    base: String,
    #[arg(long)]
    count: u64,
    #[arg(long, default_value_t = 64)]
    in_flight: u64,
    /// The message's text
    #[arg(long)]
    text: String,
}

pub(crate) fn main(options: &Options) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("{}", runtime.block_on(run(options)));
}

/// As `crates/teams/src/http/client.rs` builds it.
fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .user_agent("nuncio/bare")
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30))
        .no_proxy()
        .build()
        .unwrap()
}

async fn run(options: &Options) -> serde_json::Value {
    let (client, next, done) = (client(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let token = HeaderValue::from_str(&format!("Bearer eyJ{}", "x".repeat(1_000))).unwrap();
    let content: Arc<str> = json!({"type": "message", "textFormat": "markdown", "text": options.text})
        .to_string()
        .trim_end_matches('}')
        .into();
    let began = Instant::now();
    let loops: Vec<_> = (0..options.in_flight)
        .map(|_| {
            let (client, next, done) = (client.clone(), Arc::clone(&next), Arc::clone(&done));
            let (token, content, base, count) =
                (token.clone(), Arc::clone(&content), options.base.clone(), options.count);
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    call(&client, &base, &token, &content, n).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut slices = Vec::new();
    let mut tick = tokio::time::interval(SLICE);
    let (mut before, mut since) = (0, Instant::now());
    tick.tick().await;
    while done.load(Ordering::Relaxed) < options.count {
        tick.tick().await;
        let now = done.load(Ordering::Relaxed);
        slices.push((now - before) as f64 / since.elapsed().as_secs_f64());
        (before, since) = (now, Instant::now());
    }
    let took = began.elapsed().as_secs_f64();
    for task in loops {
        task.await.unwrap();
    }
    // The last slice is not whole.
    slices.pop();
    slices.sort_by(f64::total_cmp);
    let median = slices.get(slices.len() / 2).copied().unwrap_or(options.count as f64 / took);
    let cpu_s = process::sample(std::process::id()).cpu_s;
    json!({
        "count": options.count, "s": took, "cpu_us": cpu_s * 1e6 / options.count as f64,
        "rate": options.count as f64 / took, "median": median,
    })
}

async fn call(client: &reqwest::Client, base: &str, token: &HeaderValue, content: &str, n: u64) {
    let url = format!("{base}/teams/v3/conversations/a%3A{n}/activities");
    let body = format!(
        "{content},\"conversation\":{{\"id\":\"a:{n}\",\"tenantId\":\"00000000-0000-4000-8000-{n:012}\"}},\
         \"recipient\":{{\"aadObjectId\":\"00000000-0000-4000-9000-{n:012}\"}}}}"
    );
    let mut token = token.clone();
    token.set_sensitive(true);
    let response = client
        .post(url)
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))
        .header(AUTHORIZATION, token)
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 201);
    let answer: serde_json::Value = response.json().await.unwrap();
    assert!(answer["id"].is_string());
}
