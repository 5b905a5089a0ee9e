//! What the store does in a second: `cargo run --release -p nuncio-store --example rates [deliveries] [where]`.
//!
//! `where` is nothing for SQLite in a file of its own, `postgres` for a PostgreSQL server of its own, or the URL of an
//! empty PostgreSQL database; of these two it is also shown what each row costs the server: CPU of all its processes (on
//! this machine), and bytes of write-ahead log.

use std::sync::Arc;
use std::time::Instant;

use nuncio_domain::batch::{Attempt, Change, Intent};
use nuncio_domain::message::{Body, Named, WhenUnreachable};
use nuncio_domain::outcome::Operation;
use nuncio_domain::own_words::{Occasion, Say, Welcome};
use nuncio_domain::people::{Learned, SeenPerson};
use nuncio_domain::ports::{Ledger, Registry};
use nuncio_domain::{
    Batch, Class, Content, DeliveryState, Key, MessageId, NewMessage, ReachEvidence, ReachState,
    RecipientKind, Role, Scope, Time,
};
use nuncio_store::{Pooler, PostgresStore, SqliteStore};
use nuncio_testkit::postgres::{Durability, Postgres};
use sqlx::{Connection as _, PgConnection, Row as _};
use uuid::Uuid;

const OPERATOR: Scope = Scope { key_no: 1, role: Role::Admin, app: None, may_install: true };
const BATCH: i64 = 500;
const CALLERS: i64 = 64;
const SUBMITTERS: i64 = 128;

fn message(lane_no: i64, number: u128, named: Vec<Named>) -> NewMessage {
    NewMessage {
        id: MessageId(Uuid::from_u128(number)),
        lane_no,
        class: Class::Normal,
        content: Content { body: Body::Text("hello".to_owned()), summary: None },
        label: None,
        installed: named.is_empty(),
        lists: Vec::new(),
        directory: Vec::new(),
        resolved: Vec::new(),
        include: nuncio_domain::directory::Include::default(),
        named,
        retries: None,
        exclude: Vec::new(),
        purpose: nuncio_domain::own_words::Purpose::Asked,
        install: nuncio_domain::InstallPolicy::Never,
        exclude_groups: Vec::new(),
        on_ambiguous: None,
        when_unreachable: WhenUnreachable::Fail,
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

/// What a PostgreSQL server has used up.
struct Meter(Option<PgConnection>);

#[derive(Clone, Copy)]
struct Begun {
    at: Instant,
    cpu_us: f64,
    wal: f64,
}

/// CPU of a process and of its children that have ended, in ticks of 10 ms: the fields behind its name.
fn ticks(pid: i32, children: bool) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<u64> =
        stat.rsplit_once(')')?.1.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
    Some(fields[11] + fields[12] + if children { fields[13] + fields[14] } else { 0 })
}

impl Meter {
    async fn read(&mut self) -> (f64, f64) {
        let Some(connection) = &mut self.0 else { return (0.0, 0.0) };
        let row = sqlx::query(
            "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8, array_agg(pid) FROM pg_stat_activity",
        );
        let row = row.fetch_one(&mut *connection).await.expect("the server's activity");
        let pids: Vec<i32> = row.get(1);
        let parent = std::fs::read_to_string(format!("/proc/{}/stat", pids[0])).unwrap_or_default();
        let parent =
            parent.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        let ended = parent.and_then(|parent| ticks(parent, true)).unwrap_or(0);
        let all = ended + pids.iter().filter_map(|pid| ticks(*pid, false)).sum::<u64>();
        (all as f64 * 10_000.0, row.get(0))
    }

    async fn begin(&mut self) -> Begun {
        let (cpu_us, wal) = self.read().await;
        Begun { at: Instant::now(), cpu_us, wal }
    }

    async fn told(&mut self, what: &str, n: i64, since: Begun) {
        let took = since.at.elapsed().as_secs_f64();
        let count = n as f64;
        print!("{what}: {n} in {took:.3} s, {:.0}/s", count / took);
        let (cpu_us, wal) = self.read().await;
        if self.0.is_some() {
            print!(
                ", {:.1} us of CPU and {:.0} B of WAL each",
                (cpu_us - since.cpu_us) / count,
                (wal - since.wal) / count
            );
        }
        println!();
    }
}

/// One of the two, with what is not in the ports.
#[derive(Clone)]
enum Store {
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PostgresStore>),
}

impl Store {
    fn ledger(&self) -> &dyn Ledger {
        match self {
            Self::Sqlite(store) => store.as_ref(),
            Self::Postgres(store) => store.as_ref(),
        }
    }

    fn registry(&self) -> &dyn Registry {
        match self {
            Self::Sqlite(store) => store.as_ref(),
            Self::Postgres(store) => store.as_ref(),
        }
    }

    async fn end(&self) {
        let wrong = match self {
            Self::Sqlite(store) => store.verify_ledger().await,
            Self::Postgres(store) => store.verify_ledger().await,
        };
        assert!(wrong.expect("verify").is_empty());
    }

    async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
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

async fn deliver(store: &Store, meter: &mut Meter, message_no: i64, n: i64) {
    let (mut after, mut flying): (i64, Vec<Key>) = (0, Vec::new());
    let since = meter.begin().await;
    loop {
        let rows = store.ledger().page(message_no, after, BATCH).await.expect("page");
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
        store.ledger().commit(batch.into()).await.expect("commit");
    }
    meter.told("page, intent, outcome, attempt, counts", n, since).await;
}

/// Hears of `n` people; each rate hears of the same ones at a time of its own, 2,000 a second.
async fn learn(store: &Store, meter: &mut Meter, n: i64, what: &str, say: fn(i64) -> Option<Say>) {
    let begin = if say(0).is_some() { 1_000_000_000_000 } else { 0 };
    let since = meter.begin().await;
    let learners = (0..CALLERS).map(|caller| {
        let store = store.clone();
        tokio::spawn(async move {
            for k in (caller..n).step_by(CALLERS as usize) {
                let person = SeenPerson {
                    object_id: format!("{:032x}", k * 7_919),
                    conversation_id: Some(format!("a:{k}")),
                    reach: Some((ReachState::Reachable, ReachEvidence::event("installed"))),
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
                store.registry().learn(learned).await.expect("learn");
            }
        })
    });
    futures_util::future::join_all(learners).await;
    meter.told(what, n, since).await;
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let n: i64 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(200_000);
    let place = std::env::args().nth(2);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("nuncio.db");
    let server = (place.as_deref() == Some("postgres")).then(|| Postgres::start(Durability::On));
    let url = server.as_ref().map(|server| server.database(None)).or(place);
    let (store, mut meter) = match &url {
        Some(url) => {
            let store = PostgresStore::open(url, Pooler::None).await.expect("open");
            let connection = PgConnection::connect(url).await.expect("connect");
            (Store::Postgres(store), Meter(Some(connection)))
        }
        None => (Store::Sqlite(SqliteStore::open(&path).await.expect("open")), Meter(None)),
    };
    let meter = &mut meter;
    let lane_no = store.registry().lane("app", "tenant").await.expect("lane").lane_no;

    learn(&store, meter, n, "learn, 64 at once", |_| None).await;

    let since = meter.begin().await;
    store.ledger().submit(&OPERATOR, message(lane_no, 1, Vec::new())).await.expect("submit");
    while !store.ledger().expand(1, 5_000, Time(2)).await.expect("expand").done {}
    meter.told("expand", n, since).await;
    deliver(&store, meter, 1, n).await;

    let since = meter.begin().await;
    store.ledger().submit(&OPERATOR, message(lane_no, 2, named(n..n + 10_000))).await.expect("submit");
    meter.told("submit 10,000 new names", 10_000, since).await;

    let since = meter.begin().await;
    let submitters = (0..SUBMITTERS).map(|caller| {
        let store = store.clone();
        tokio::spawn(async move {
            for k in 0..200 {
                let number = 10 + caller * 1_000 + k;
                let one = message(lane_no, number as u128, named(k..k + 1));
                store.ledger().submit(&OPERATOR, one).await.expect("submit");
            }
        })
    });
    futures_util::future::join_all(submitters).await;
    meter.told("submit for one, 128 at once", SUBMITTERS * 200, since).await;

    learn(&store, meter, n, "learn installs that are welcomed, 64 at once", |k| {
        let to = Named { kind: RecipientKind::Person, key: format!("{:032x}", k * 7_919) };
        let content = Content { body: Body::Text("welcome".to_owned()), summary: None };
        let welcome = Welcome { place: to.key.clone(), content, installed_by: None };
        let id = MessageId(Uuid::from_u128(1 << 64 | k as u128));
        Some(Say { id, to, occasion: Occasion::Install(welcome) })
    })
    .await;

    let since = meter.begin().await;
    store.end().await;
    meter.told("verify", n, since).await;
    for file in ["nuncio.db", "nuncio.db-wal"] {
        if let Ok(file) = std::fs::metadata(directory.path().join(file)) {
            println!("{} MB", file.len() / 1_000_000);
        }
    }
    store.close().await;
}
