//! What the store does in a second: `cargo run --release -p nuncio-store --example rates [deliveries]`.

use std::sync::Arc;
use std::time::Instant;

use nuncio_domain::batch::{Attempt, Change, Intent};
use nuncio_domain::message::{Body, Named};
use nuncio_domain::outcome::Operation;
use nuncio_domain::own_words::{Occasion, Say, Welcome};
use nuncio_domain::people::{Learned, SeenPerson};
use nuncio_domain::ports::{Ledger, Registry};
use nuncio_domain::{
    Batch, Class, Content, DeliveryState, Key, MessageId, NewMessage, ReachState, RecipientKind, Role, Scope,
    Time,
};
use nuncio_store::SqliteStore;
use uuid::Uuid;

const OPERATOR: Scope = Scope { key_no: 1, role: Role::Admin, app: None };
const BATCH: i64 = 500;
const CALLERS: i64 = 64;

fn message(lane_no: i64, number: u128, named: Vec<Named>) -> NewMessage {
    NewMessage {
        id: MessageId(Uuid::from_u128(number)),
        lane_no,
        class: Class::Normal,
        content: Content { body: Body::Text("hello".to_owned()), summary: None },
        label: None,
        installed: named.is_empty(),
        named,
        retries: None,
        exclude: Vec::new(),
        on_ambiguous: None,
        max_recipients: i64::MAX,
        send_at: None,
        expires_at: Time(i64::MAX),
        created_at: Time(1),
        idempotency: None,
    }
}

fn named(numbers: std::ops::Range<i64>) -> Vec<Named> {
    numbers.map(|n| Named { kind: RecipientKind::Person, key: format!("{:032x}", n * 7_919) }).collect()
}

fn told(what: &str, n: i64, since: Instant) {
    let took = since.elapsed().as_secs_f64();
    println!("{what}: {n} in {took:.3} s, {:.0}/s", n as f64 / took);
}

fn outcome(key: Key) -> Change {
    Change {
        key,
        from: DeliveryState::InFlight,
        to: DeliveryState::Delivered,
        why: None,
        attempt: Some(Attempt {
            call: Operation::Send,
            started_at: Time(3),
            ended_at: Time(4),
            outcome: "accepted",
            status: Some(201),
            code: None,
            text: None,
            correlation: Some("5a1f0c6e-8f0e-4f6e-b1b7-6a1e0c6e8f0e".to_owned()),
        }),
        activity_id: Some("1758000000000".to_owned()),
        due_at: None,
        tries: 0,
        resent: false,
        at: Time(4),
    }
}

async fn deliver(store: &SqliteStore, message_no: i64, n: i64) {
    let (mut after, mut flying): (i64, Vec<Key>) = (0, Vec::new());
    let since = Instant::now();
    loop {
        let rows = store.page(message_no, after, BATCH).await.expect("page");
        let batch = Batch {
            at: Time(4),
            intents: rows
                .iter()
                .map(|row| Intent { key: row.key, reference_no: Some(1), at: Time(3) })
                .collect(),
            changes: flying.into_iter().map(outcome).collect(),
            ..Batch::default()
        };
        if batch.is_empty() {
            break;
        }
        flying = rows.iter().map(|row| row.key).collect();
        after = rows.last().map_or(after, |row| row.key.recipient_no);
        store.commit(batch).await.expect("commit");
    }
    told("page, intent, outcome, attempt, counts", n, since);
}

/// Hears of `n` people; each rate hears of the same ones at a time of its own, 2,000 a second.
async fn learn(store: &Arc<SqliteStore>, n: i64, what: &str, say: fn(i64) -> Option<Say>) {
    let begin = if say(0).is_some() { 1_000_000_000_000 } else { 0 };
    let since = Instant::now();
    let learners = (0..CALLERS).map(|caller| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for k in (caller..n).step_by(CALLERS as usize) {
                let person = SeenPerson {
                    object_id: format!("{:032x}", k * 7_919),
                    conversation_id: Some(format!("a:{k}")),
                    reach: Some((ReachState::Reachable, "installed".to_owned())),
                    ..SeenPerson::default()
                };
                let learned = Learned {
                    app: "app".to_owned(),
                    tenant: "tenant".to_owned(),
                    service_url: "https://smba.example/teams/".to_owned(),
                    at: Time(begin + k * 500),
                    event: (format!("a:{k}"), format!("{begin} {k}")),
                    what: "install".to_owned(),
                    people: vec![person],
                    say: say(k),
                    ..Learned::default()
                };
                store.learn(learned).await.expect("learn");
            }
        })
    });
    futures_util::future::join_all(learners).await;
    told(what, n, since);
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let n: i64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(200_000);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("nuncio.db");
    let store = SqliteStore::open(&path).await.expect("open");
    let lane_no = store.lane("app", "tenant").await.expect("lane").lane_no;

    learn(&store, n, "learn, 64 at once", |_| None).await;

    let since = Instant::now();
    store.submit(&OPERATOR, message(lane_no, 1, Vec::new())).await.expect("submit");
    while !store.expand(1, 5_000, Time(2)).await.expect("expand").done {}
    told("expand", n, since);
    deliver(&store, 1, n).await;

    let since = Instant::now();
    store.submit(&OPERATOR, message(lane_no, 2, named(n..n + 10_000))).await.expect("submit");
    told("submit 10,000 new names", 10_000, since);

    let since = Instant::now();
    let submitters = (0..CALLERS).map(|caller| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for k in 0..200 {
                let number = 10 + caller * 1_000 + k;
                let one = message(lane_no, number as u128, named(k..k + 1));
                store.submit(&OPERATOR, one).await.expect("submit");
            }
        })
    });
    futures_util::future::join_all(submitters).await;
    told("submit for one, 64 at once", CALLERS * 200, since);

    learn(&store, n, "learn installs that are welcomed, 64 at once", |k| {
        let to = Named { kind: RecipientKind::Person, key: format!("{:032x}", k * 7_919) };
        let content = Content { body: Body::Text("welcome".to_owned()), summary: None };
        let welcome = Welcome { place: to.key.clone(), content, installed_by: None };
        let id = MessageId(Uuid::from_u128(1 << 64 | k as u128));
        Some(Say { id, to, occasion: Occasion::Install(welcome) })
    })
    .await;

    let since = Instant::now();
    assert!(store.verify_ledger().await.expect("verify").is_empty());
    told("verify", n, since);
    for file in ["nuncio.db", "nuncio.db-wal"] {
        let size = std::fs::metadata(directory.path().join(file)).map_or(0, |file| file.len());
        println!("{file}: {} MB", size / 1_000_000);
    }
    store.close().await;
}
