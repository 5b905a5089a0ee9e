//! Files: made private, kept, locked, refused.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use nuncio_domain::message::{Body, Submitted};
use nuncio_domain::places::{ConversationFilter, TeamFilter};
use nuncio_domain::ports::{Ledger, Registry, StoreError};
use nuncio_domain::{Class, Content, MessageId, NewMessage, RecipientKind, Role, Scope, Time};
use nuncio_store::SqliteStore;
use sqlx::{ConnectOptions, Connection};
use uuid::Uuid;

const OPERATOR: Scope = Scope { key_no: 1, role: Role::Admin, app: None };

pub(crate) fn message(lane_no: i64, number: u128) -> NewMessage {
    NewMessage {
        id: MessageId(Uuid::from_u128(number)),
        lane_no,
        class: Class::Normal,
        content: Content { body: Body::Text("hello".to_owned()), summary: None },
        label: None,
        named: vec![nuncio_domain::message::Named { kind: RecipientKind::Person, key: format!("p{number}") }],
        installed: false,
        directory: Vec::new(),
        resolved: Vec::new(),
        include: nuncio_domain::directory::Include::default(),
        retries: None,
        exclude: Vec::new(),
        on_ambiguous: None,
        when_unreachable: nuncio_domain::message::WhenUnreachable::Fail,
        max_recipients: 1_000,
        send_at: None,
        expires_at: Time(1_000_000_000),
        created_at: Time(1),
        idempotency: None,
    }
}

async fn open(path: &Path) -> Arc<SqliteStore> {
    SqliteStore::open(path).await.unwrap()
}

/// The text of the refusal.
async fn refusal(path: &Path) -> String {
    match SqliteStore::open(path).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nuncio.db");
    let store = open(&path).await;
    let lane = store.lane("app", "tenant").await.unwrap();
    let new = message(lane.lane_no, 1);
    let id = new.id;
    assert_eq!(store.submit(&OPERATOR, new).await.unwrap(), Submitted::Stored);
    let expanded = store.expand(1, 10, Time(2)).await.unwrap();
    assert!(expanded.done && expanded.added == 1, "{expanded:?}");
    for file in ["nuncio.db", "nuncio.db-wal", "nuncio.db.lock"] {
        let mode = std::fs::metadata(directory.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let before = store.message(&OPERATOR, id).await.unwrap().unwrap();
    store.close().await;
    assert!(matches!(store.message(&OPERATOR, id).await, Err(StoreError::Unavailable(_))));

    let store = open(&path).await;
    assert_eq!(store.message(&OPERATOR, id).await.unwrap().unwrap(), before);
    assert_eq!(store.page(1, 0, 10).await.unwrap().len(), 1);
    assert_eq!(store.verify_ledger().await.unwrap(), []);
    store.close().await;
}

/// As after `kill -9`: the runtime with all tasks goes away, nothing is closed.
#[test]
fn what_was_answered_survives_the_loss_of_the_runtime() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nuncio.db");
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let first = runtime();
    let store = first.block_on(async {
        let store = open(&path).await;
        let lane = store.lane("app", "tenant").await.unwrap();
        store.submit(&OPERATOR, message(lane.lane_no, 1)).await.unwrap();
        store
    });
    drop(first);
    runtime().block_on(async {
        // Whoever still holds the store is told so, and not left waiting.
        assert!(matches!(store.ready().await, Err(StoreError::Unavailable(_))));
        drop(store);
        let store = open(&path).await;
        assert_eq!(store.open(1, 0).await.unwrap().messages.len(), 1);
        store.close().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_opening_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nuncio.db");
    let store = open(&path).await;
    let text = refusal(&path).await;
    assert!(text.contains("another nuncio has it open") && text.contains("nuncio.db"), "{text}");
    store.close().await;
    open(&path).await.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nuncio.db");
    open(&path).await.close().await;
    {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        let mut connection = options.connect().await.unwrap();
        sqlx::query("PRAGMA user_version = 99").execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
    let text = refusal(&path).await;
    assert!(text.contains("version 99") && text.contains("newer nuncio"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_submit_at_once_and_shutdown_answers_every_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nuncio.db");
    let store = open(&path).await;
    let lane_no = store.lane("app", "tenant").await.unwrap().lane_no;
    let submitters: Vec<_> = (1..=400)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.submit(&OPERATOR, message(lane_no, number)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await;
    let mut stored = 0;
    for submitter in submitters {
        match submitter.await.unwrap() {
            Ok(answer) => {
                assert_eq!(answer, Submitted::Stored);
                stored += 1;
            }
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
        }
    }
    let store = open(&path).await;
    assert_eq!(store.open(lane_no, 0).await.unwrap().messages.len(), stored);
    store.close().await;
}

#[tokio::test]
async fn a_file_of_the_first_version_keeps_what_it_knew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nuncio.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let first = include_str!("../../src/sqlite/migrations/0001_ledger.sql");
    let rows = "INSERT INTO lanes (app, tenant, service_url) VALUES ('app', 'tenant', 'https://smba/');
        INSERT INTO recipients (lane_no, kind, key, name, team_id, team_name)
        VALUES (1, 'channel', '19:g', NULL, '19:g', 'Ops'), (1, 'channel', '19:c', 'Calls', '19:g', 'Ops'),
               (1, 'channel', '19:named only', NULL, NULL, NULL);
        INSERT INTO recipients (lane_no, kind, key) VALUES (1, 'person', 'ann');
        INSERT INTO conversations (lane_no, recipient_no, conversation_id, service_url, origin, seen_at)
        VALUES (1, 4, 'a:ann', 'https://smba/', 'created', 5);";
    let script = format!("{first}; {rows} PRAGMA user_version = 1;");
    sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();

    let store = SqliteStore::open(&path).await.unwrap();
    let known = store.conversations(&OPERATOR, &ConversationFilter::default(), None, 10).await.unwrap().items;
    let short: Vec<(&str, &str)> =
        known.iter().map(|one| (one.kind.as_str(), one.conversation_id.as_str())).collect();
    assert_eq!(short, [("personal", "a:ann"), ("channel", "19:g"), ("channel", "19:c")]);
    let teams = store.teams(&OPERATOR, &TeamFilter::default(), None, 10).await.unwrap().items;
    assert_eq!((teams.len(), teams[0].name.as_deref(), teams[0].channels.len()), (1, Some("Ops"), 2));
    store.close().await;
}
