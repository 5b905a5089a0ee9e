//! An administrator pushes the app to everybody: signed activities, two for each person, while a lane sends.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::Options;
use crate::process;
use crate::product::{APP_ID, Place, Plan, Sink, person, tenant};
use crate::report::{Outcome, Verdict, percentile};
use crate::simulator::to_everybody;
use crate::sink::now_us;
use crate::wire::Connection;

/// Microsoft posts so many at once, we say.
const CONNECTIONS: usize = 64;
/// A lane that sends meanwhile has so many people.
const SENT_TO: i64 = 20_000;

pub(crate) async fn run(options: &Options) -> Outcome {
    let people: i64 = if options.full { 300_000 } else { 20_000 };
    let signer = Signer::new();
    let files = process::scratch();
    let keys = files.path().join("keys.json");
    std::fs::write(&keys, signer.document().to_string()).unwrap();
    let mut sink = Sink::start(&["--stamps", "--keys", keys.to_str().unwrap()]).await;
    let plan = Plan { base: &sink.base, tenant: &tenant(1), postgres: None, calls_per_s: "50" };
    let place = Place::prepare(options, "inbound", &plan).await;
    let mut database = place.database().await;
    let service_url = format!("{}/teams/", sink.base);
    database.people(SENT_TO, 1, &service_url).await;
    database.end().await;
    let product = place.start().await;
    product.client.send(&to_everybody(), None).await.unwrap();
    // What it does undisturbed.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    let alone = pace(&sink.stamps().await, now_us() - 4_000_000);

    let token = signer.token(&service_url);
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(&product.url, &token).await);
    }
    let next = AtomicI64::new(0);
    let (began, began_us) = (Instant::now(), now_us());
    let before = product.sample().cpu_s;
    let posters = connections.into_iter().map(async |mut connection| {
        let (mut times, mut refused) = (Vec::new(), 0);
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= people * 2 {
                return (times, refused);
            }
            let body = activity(&service_url, n / 2, n % 2 == 0).to_string();
            let posted = Instant::now();
            let (status, _) = connection.call("POST", "/api/messages", &body).await;
            times.push(posted.elapsed().as_secs_f64() * 1_000.0);
            refused += u64::from(status != 200);
        }
    });
    let (mut times, mut again) = (Vec::new(), 0);
    for (of_one, refused) in join_all(posters).await {
        times.extend(of_one);
        again += refused;
    }
    let took_s = began.elapsed().as_secs_f64();
    let cpu_us = (product.sample().cpu_s - before) * 1e6 / times.len() as f64;
    let beside = pace(&sink.stamps().await, began_us);
    drop(product);

    let (rate, p99) = (times.len() as f64 / took_s, percentile(&times, 99.0));
    let mut outcome = Outcome::default();
    outcome.line(
        "signed activities committed",
        format!("{rate:.0}/s"),
        ">= 2,000/s",
        Verdict::of(rate >= 2_000.0),
    );
    outcome.line("p99", format!("{p99:.0} ms"), "<= 1,000 ms", Verdict::of(p99 <= 1_000.0));
    outcome.line("to be sent again", format!("{again}"), "0", Verdict::of(again == 0));
    outcome.line(
        format!("a lane's pace meanwhile; alone {alone:.1}/s"),
        format!("{beside:.1}/s"),
        ">= 48.5/s",
        Verdict::of(beside >= 48.5),
    );
    outcome.told("server CPU for each", format!("{cpu_us:.0} us"));
    outcome.raw = json!({"activities": times.len(), "s": took_s, "p50_ms": percentile(&times, 50.0), "p99_ms": p99,
                         "max_ms": percentile(&times, 100.0), "not_200": again, "cpu_us": cpu_us,
                         "pace_alone": alone, "pace_beside": beside});
    outcome
}

/// Arrivals a second from a time on.
fn pace(stamps: &[(u64, String)], from_us: u64) -> f64 {
    let times: Vec<u64> = stamps.iter().map(|(at, _)| *at).filter(|at| *at >= from_us).collect();
    let (Some(first), Some(last)) = (times.first(), times.last()) else { return 0.0 };
    (times.len() - 1) as f64 / ((last - first) as f64 / 1e6)
}

/// One of the two activities of an install, as in `fixtures/microsoft/activities`.
fn activity(service_url: &str, n: i64, membership: bool) -> Value {
    // Nobody of those who are sent to.
    let (object_id, id) = (person(500_000_000_000 + n), format!("29:1bench{n}"));
    let bot = json!({"id": format!("28:{APP_ID}"), "name": "Bench"});
    let mut activity = json!({
        "id": format!("f:{n}-{membership}"), "timestamp": "2026-11-20T08:15:30.120Z", "channelId": "msteams",
        "serviceUrl": service_url, "from": {"id": id, "aadObjectId": object_id},
        "conversation": {"conversationType": "personal", "tenantId": tenant(1), "id": format!("a:installed{n}")},
        "recipient": bot, "channelData": {"tenant": {"id": tenant(1)}},
    });
    if membership {
        activity["type"] = "conversationUpdate".into();
        activity["membersAdded"] =
            json!([{"id": format!("28:{APP_ID}")}, {"id": id, "aadObjectId": object_id}]);
    } else {
        activity["type"] = "installationUpdate".into();
        activity["action"] = "add".into();
        activity["locale"] = "en-GB".into();
        activity["entities"] = json!([{"type": "clientInfo", "locale": "en-GB"}]);
        activity["channelData"]["source"] = json!({"name": "message"});
    }
    activity
}

/// Microsoft's key.
struct Signer(RsaKeyPair);

impl Signer {
    fn new() -> Self {
        Self(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    fn document(&self) -> Value {
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(self.0.public_key());
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "kid": "bench", "endorsements": ["msteams"],
            "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e),
        }]})
    }

    fn token(&self, service_url: &str) -> String {
        let now = now_us() / 1_000_000;
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({"alg": "RS256", "kid": "bench", "typ": "JWT"}));
        let claims =
            part(json!({"iss": "https://api.botframework.com", "aud": APP_ID, "serviceurl": service_url,
                                 "nbf": now - 60, "exp": now + 3_600}));
        let signed = format!("{header}.{claims}");
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
