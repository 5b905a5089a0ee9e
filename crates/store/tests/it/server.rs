//! What only a server has: another process that takes over, connections that break, several that write.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use nuncio_domain::batch::{Change, Intent, Late};
use nuncio_domain::message::{Body, Named, Submitted, Verdict};
use nuncio_domain::ports::{Ledger, Registry, StoreError};
use nuncio_domain::{
    Batch, Class, Committed, Content, Counts, DeliveryState, Key, MessageId, NewMessage, RecipientKind, Role,
    Scope, Time,
};
use nuncio_store::{Pooler, PostgresStore};
use nuncio_testkit::Postgres;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use uuid::Uuid;

use crate::conform::fresh_url;

const OPERATOR: Scope = Scope { key_no: 1, role: Role::Admin, app: None, may_install: true };

fn message(lane_no: i64, number: u128, people: u32) -> NewMessage {
    let named = (0..people).map(|n| Named { kind: RecipientKind::Person, key: format!("p{number}-{n}") });
    NewMessage {
        id: MessageId(Uuid::from_u128(number)),
        lane_no,
        class: Class::Normal,
        content: Content { body: Body::Text("hello \u{0}".to_owned()), summary: None },
        label: Some("a\u{0}b".to_owned()),
        named: named.collect(),
        installed: false,
        lists: Vec::new(),
        directory: Vec::new(),
        resolved: Vec::new(),
        include: nuncio_domain::directory::Include::default(),
        retries: None,
        exclude: Vec::new(),
        purpose: nuncio_domain::own_words::Purpose::Asked,
        install: nuncio_domain::InstallPolicy::Never,
        exclude_groups: Vec::new(),
        on_ambiguous: None,
        when_unreachable: nuncio_domain::message::WhenUnreachable::Fail,
        max_recipients: 1_000,
        send_at: None,
        expires_at: Time(1_000_000_000),
        created_at: Time(1),
        idempotency: None,
    }
}

async fn open(url: &str) -> Arc<PostgresStore> {
    PostgresStore::open(url, Pooler::None).await.unwrap()
}

/// A message with deliveries to so many, ready to be sent.
async fn begun(store: &PostgresStore, people: u32) -> Vec<Key> {
    let lane_no = store.lane("app", "tenant").await.unwrap().lane_no;
    assert_eq!(store.submit(&OPERATOR, message(lane_no, 1, people)).await.unwrap(), Submitted::Stored);
    assert!(store.expand(1, 1_000, Time(2)).await.unwrap().done);
    store.page(1, 0, 1_000).await.unwrap().iter().map(|row| row.key).collect()
}

fn intents(keys: &[Key]) -> Batch {
    let intents = keys.iter().map(|key| Intent { key: *key, reference_no: None, at: Time(3) });
    Batch { at: Time(3), intents: intents.collect(), ..Batch::default() }
}

async fn counts(store: &PostgresStore) -> Counts {
    store.message(&OPERATOR, MessageId(Uuid::from_u128(1))).await.unwrap().unwrap().counts
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let url = fresh_url().await;
    Postgres::shared().run(&url, "INSERT INTO schema_version VALUES (99)");
    let Err(error) = PostgresStore::open(&url, Pooler::None).await else { panic!("it was opened") };
    let text = error.to_string();
    assert!(text.contains("version 99") && text.contains("newer nuncio"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_taken_over_writes_no_more() {
    let url = fresh_url().await;
    let old = open(&url).await;
    let keys = begun(&old, 2).await;
    old.renew().await.unwrap();
    // It has not been heard of for long.
    Postgres::shared().run(&url, "UPDATE nodes SET heartbeat_at = 0");
    let new = open(&url).await;
    assert!(matches!(old.commit(intents(&keys).into()).await, Err(StoreError::Fenced)));
    assert!(matches!(old.recover(1, Time(4)).await, Err(StoreError::Fenced)));
    assert!(matches!(old.renew().await, Err(StoreError::Fenced)));
    assert_eq!(new.commit(intents(&keys).into()).await.unwrap(), Committed::default());
    new.renew().await.unwrap();
    // Its end changes nothing for the one that has it now.
    old.close().await;
    new.renew().await.unwrap();
    assert_eq!(counts(&new).await, Counts { in_flight: 2, ..Counts::default() });
    assert_eq!(new.verify_ledger().await.unwrap(), []);
    new.close().await;
    open(&url).await.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_saw_that_was_taken_over_is_left_for_the_new_one() {
    let url = fresh_url().await;
    let old = open(&url).await;
    let keys = begun(&old, 3).await;
    assert_eq!(old.commit(intents(&keys).into()).await.unwrap(), Committed::default());
    Postgres::shared().run(&url, "UPDATE nodes SET heartbeat_at = 0");
    let new = open(&url).await;
    assert_eq!(new.recover(1, Time(40_000_000)).await.unwrap(), (3, 0));
    let late = |key: Key, started_at: i64| Late {
        key,
        started_at: Time(started_at),
        activity_id: Some("post".to_owned()),
    };
    // The second is of an attempt before the one that was taken over; the third is told twice.
    let told = vec![late(keys[0], 4), late(keys[1], -30_000), late(keys[2], 3)];
    assert_eq!(old.testify(told, Time(41_000_000)).await.unwrap(), 2);
    assert_eq!(old.testify(vec![late(keys[2], 3)], Time(42_000_000)).await.unwrap(), 0);
    let words = new.open(1, 0).await.unwrap().settlements;
    assert_eq!(words.iter().map(|word| word.key).collect::<Vec<_>>(), [keys[0], keys[2]]);
    assert!(words.iter().all(|word| word.verdict == Verdict::Delivered));
    assert!(words.iter().all(|word| word.activity_id.as_deref() == Some("post")));
    old.close().await;
    new.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_connections_are_made_anew() {
    let url = fresh_url().await;
    let store = open(&url).await;
    let keys = begun(&store, 3).await;
    for (n, key) in keys.iter().enumerate() {
        let ended = "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity
                      WHERE datname = current_database() AND application_name = 'nuncio'";
        assert_eq!(Postgres::shared().run(&url, ended), "t");
        assert_eq!(store.commit(intents(&[*key]).into()).await.unwrap(), Committed::default());
        let new = message(1, 10 + n as u128, 1);
        assert_eq!(store.submit(&OPERATOR, new).await.unwrap(), Submitted::Stored);
        store.ready().await.unwrap();
        assert!(store.expand(2 + n as i64, 10, Time(4)).await.unwrap().done);
    }
    assert_eq!(counts(&store).await, Counts { in_flight: 3, ..Counts::default() });
    assert_eq!(store.verify_ledger().await.unwrap(), []);
    store.close().await;
}

/// Where rows lie is remembered from their page to their outcome.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_found_wherever_they_lie_by_now() {
    let url = fresh_url().await;
    let store = open(&url).await;
    let keys = begun(&store, 5).await;
    // Each lies where another one was.
    let turned = "CREATE TABLE kept AS SELECT * FROM deliveries; TRUNCATE deliveries;
                  INSERT INTO deliveries SELECT * FROM kept ORDER BY recipient_no DESC; DROP TABLE kept";
    Postgres::shared().run(&url, turned);
    assert_eq!(store.commit(intents(&keys).into()).await.unwrap(), Committed::default());
    // Some have moved, the others have not.
    Postgres::shared().run(&url, "UPDATE deliveries SET tries = tries WHERE recipient_no % 2 = 0");
    let change = |key: &Key| Change {
        key: *key,
        from: DeliveryState::InFlight,
        to: DeliveryState::Delivered,
        why: None,
        attempt: None,
        activity_id: None,
        due_at: None,
        tries: 0,
        resent: false,
        at: Time(4),
    };
    let outcomes = Batch { at: Time(4), changes: keys.iter().map(change).collect(), ..Batch::default() };
    assert_eq!(store.commit(outcomes.clone().into()).await.unwrap(), Committed::default());
    assert_eq!(counts(&store).await, Counts { delivered: 5, ..Counts::default() });
    assert_eq!(store.commit(outcomes.into()).await.unwrap().lost_changes.len(), 5);
    assert_eq!(store.verify_ledger().await.unwrap(), []);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_looks_above_the_last_number_misses_no_message() {
    const MESSAGES: u128 = 400;
    let store = open(&fresh_url().await).await;
    let lane_no = store.lane("app", "tenant").await.unwrap().lane_no;
    let submitters: Vec<_> = (1..=MESSAGES)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.submit(&OPERATOR, message(lane_no, number, 1)).await })
        })
        .collect();
    let mut seen = BTreeSet::new();
    let mut after = 0;
    let mut look = async || {
        for open in store.open(lane_no, after).await.unwrap().messages {
            after = after.max(open.message_no);
            seen.insert(open.id);
        }
        seen.len()
    };
    while submitters.iter().any(|submitter| !submitter.is_finished()) {
        look().await;
    }
    for submitter in submitters {
        assert_eq!(submitter.await.unwrap().unwrap(), Submitted::Stored);
    }
    assert_eq!(look().await as u128, MESSAGES);
    store.close().await;
}

/// What a proxy does with the next commit that passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Nothing = 0,
    /// The server gets it, its answer is lost.
    After = 1,
    /// The server never gets it.
    Before = 2,
}

/// Stands between a store and the server, and cuts connections in mid-commit.
struct Proxy {
    url: String,
    cut: Arc<AtomicU8>,
}

impl Proxy {
    async fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, host) = url.split_once("?host=").unwrap();
        let socket = format!("{}/.s.PGSQL.5432", host.replace("%2F", "/"));
        let proxied = address.replace("localhost", &listener.local_addr().unwrap().to_string());
        let cut = Arc::new(AtomicU8::new(Cut::Nothing as u8));
        let armed = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&armed)));
            }
        });
        Self { url: proxied, cut }
    }

    fn cut(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }

    fn has_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst) == Cut::Nothing as u8
    }
}

async fn pass(client: TcpStream, server: UnixStream, cut: Arc<AtomicU8>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::select! {
            read = from_client.read(&mut buffer) => read.unwrap_or(0),
            _ = &mut back => return,
        };
        let bytes = &buffer[..read];
        let commits = bytes.windows(7).any(|window| window == b"COMMIT\0");
        let how = if commits { cut.swap(Cut::Nothing as u8, Ordering::SeqCst) } else { 0 };
        if how != Cut::Nothing as u8 {
            back.abort();
            let _ = (&mut back).await;
        }
        if read == 0 || how == Cut::Before as u8 || to_server.write_all(bytes).await.is_err() {
            return;
        }
        if how == Cut::After as u8 {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_cut_off_in_mid_commit_is_there_once() {
    let url = fresh_url().await;
    let proxy = Proxy::before(&url).await;
    let store = open(&proxy.url).await;
    let keys = begun(&store, 4).await;
    for (cut, keys) in [(Cut::After, &keys[..2]), (Cut::Before, &keys[2..])] {
        proxy.cut(cut);
        // Done twice, or not at all, the second time would find nothing pending.
        assert_eq!(store.commit(intents(keys).into()).await.unwrap(), Committed::default(), "{cut:?}");
        assert!(proxy.has_cut());
        assert_eq!(store.commit(intents(keys).into()).await.unwrap().lost_intents.len(), 2, "{cut:?}");
    }
    assert_eq!(counts(&store).await, Counts { in_flight: 4, ..Counts::default() });

    for (cut, number) in [(Cut::After, 2), (Cut::Before, 3)] {
        assert_eq!(store.submit(&OPERATOR, message(1, number, 5)).await.unwrap(), Submitted::Stored);
        proxy.cut(cut);
        let expanded = store.expand(number as i64, 5, Time(4)).await.unwrap();
        assert!(proxy.has_cut());
        assert_eq!((expanded.added, expanded.duplicates), (5, 0), "{cut:?}");
    }
    // A message that may be there or not is not said to be either.
    proxy.cut(Cut::After);
    let unknown = store.submit(&OPERATOR, message(1, 4, 1)).await;
    assert!(matches!(unknown, Err(StoreError::Unavailable(_))), "{unknown:?}");
    assert_eq!(store.verify_ledger().await.unwrap(), []);
    store.close().await;
}

/// Nothing outlasts a transaction, and all of it works the same. (Without a pooler: what one would break is not used.)
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_no_statement_is_kept() {
    let url = fresh_url().await;
    let store = PostgresStore::open(&url, Pooler::Transaction).await.unwrap();
    let keys = begun(&store, 2).await;
    assert_eq!(store.commit(intents(&keys).into()).await.unwrap(), Committed::default());
    store.renew().await.unwrap();
    assert_eq!(counts(&store).await, Counts { in_flight: 2, ..Counts::default() });
    assert_eq!(store.verify_ledger().await.unwrap(), []);
    store.close().await;
}
