//! Messages that come at once are written together and expanded together, and all is as if they had come one after the other.

use std::fmt::Write as _;
use std::path::Path;

use futures_util::future::join_all;
use nuncio_domain::message::{Idempotency, Named, Retries};
use nuncio_domain::ports::{Ledger, Registry};
use nuncio_domain::{DeliveryState, MessageId, NewMessage, RecipientKind, Role, Scope};
use nuncio_store::SqliteStore;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use uuid::Uuid;

use crate::files::message;

const TABLES: [&str; 9] = [
    "lanes",
    "recipients",
    "audience_lists",
    "audience_members",
    "messages",
    "message_counts",
    "message_exclusions",
    "idempotency",
    "deliveries",
];

fn retries(of: u128) -> Retries {
    Retries { of: MessageId(Uuid::from_u128(of)), states: vec![DeliveryState::Failed], reasons: Vec::new() }
}

/// Every kind of message, good and bad, in turns.
fn request(lane_no: i64, number: u128) -> (Scope, NewMessage) {
    let mut scope = Scope { key_no: 1, role: Role::Admin, app: None, may_install: true };
    let mut new = message(lane_no, number);
    let channel = |key: String| Named { kind: RecipientKind::Channel, key };
    let key = |key: u128, hash| Some(Idempotency { key: format!("k{key}"), body_hash: [hash; 32] });
    match number % 14 {
        0 => new.named.push(new.named[0].clone()),
        1 => new.idempotency = key(number / 14, 1),
        2 => new.idempotency = key(number / 14, 1),
        3 => new.idempotency = key(number / 14, 2),
        4 => (scope.key_no, new.idempotency) = (2, key(number / 14, 2)),
        5 => new.lane_no = 99,
        6 => scope.app = Some("other".to_owned()),
        7 => new.named = vec![channel(format!("19:c{number};messageid=1")), channel("19:c".to_owned())],
        8 => new.exclude = vec!["ann".to_owned(), format!("p{number}"), "ann".to_owned()],
        // Of the one before, which may be of the same batch; and again of that.
        9 | 10 => (new.named, new.retries) = (Vec::new(), Some(retries(number - 1))),
        // Refused before with its key, which is free then.
        11 => (new.retries, new.idempotency) = (Some(retries(7_777)), key(number, 1)),
        12 => (new.idempotency, new.send_at) = (key(number - 1, 3), Some(nuncio_domain::Time(9_000))),
        _ => (new.named, new.installed, new.label) = (Vec::new(), true, Some("a \"label\" \\ü".to_owned())),
    }
    (scope, new)
}

async fn dump(path: &Path) -> Vec<(&'static str, Vec<String>)> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = options.connect().await.unwrap();
    let mut tables = Vec::new();
    for table in TABLES {
        let columns: String = sqlx::query_scalar(
            "SELECT group_concat(format('quote(%s)', name), ' || '','' || ') FROM pragma_table_info(?)",
        )
        .bind(table)
        .fetch_one(&mut connection)
        .await
        .unwrap();
        let all = format!("SELECT {columns} FROM {table} ORDER BY 1");
        tables
            .push((table, sqlx::query_scalar(AssertSqlSafe(all)).fetch_all(&mut connection).await.unwrap()));
    }
    connection.close().await.unwrap();
    tables
}

/// What each chunk of a message came to.
async fn expand(store: &SqliteStore, message_no: i64) -> String {
    let mut answers = String::new();
    loop {
        let answer = store.expand(message_no, 2, nuncio_domain::Time(5_000)).await;
        write!(answers, "{answer:?} ").unwrap();
        if answer.map_or(true, |expanded| expanded.done) {
            return answers;
        }
    }
}

/// `spoiled` has one among them that no statement with it survives: its id is taken.
async fn same_as_one_by_one(spoiled: bool) {
    let directory = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for together in [true, false] {
        let path = directory.path().join(format!("{together}.db"));
        let store = SqliteStore::open(&path).await.unwrap();
        let lane_no = store.lane("app", "tenant").await.unwrap().lane_no;
        let requests = (1..=200).map(|number| {
            let (scope, mut new) = request(lane_no, number);
            if spoiled && number == 98 {
                new.id = MessageId(Uuid::from_u128(1));
            }
            let store = &store;
            async move { format!("{:?}", store.submit(&scope, new).await) }
        });
        let mut answers = Vec::new();
        if together {
            // On one thread: all of them wait before the writer has its turn.
            answers = join_all(requests).await;
        } else {
            for request in requests {
                answers.push(request.await);
            }
        }
        // The first one twice, and one that there is not.
        let asks = (1..=180).chain([1, 9_999]).map(|message_no| expand(&store, message_no));
        if together {
            answers.extend(join_all(asks).await);
        } else {
            for ask in asks {
                answers.push(ask.await);
            }
        }
        assert_eq!(store.verify_ledger().await.unwrap(), []);
        seen.push((answers, dump(&path).await));
        store.close().await;
    }
    let (answers, tables) = &seen[0];
    for word in [
        "Ok(Stored)",
        "Repeated",
        "KeyReused",
        "may not use",
        "has not",
        "added: 1",
        "done: false",
        "no such message",
    ] {
        assert!(answers.iter().any(|answer| answer.contains(word)), "no answer has {word}");
    }
    assert_eq!(answers.iter().filter(|answer| answer.contains("UNIQUE")).count(), usize::from(spoiled));
    assert!(tables.iter().all(|(_, rows)| !rows.is_empty()));
    for (n, (one, other)) in answers.iter().zip(&seen[1].0).enumerate() {
        assert_eq!(one, other, "answer {}", n + 1);
    }
    assert_eq!(*tables, seen[1].1);
}

#[tokio::test]
async fn two_hundred_at_once_are_as_one_by_one() {
    same_as_one_by_one(false).await;
}

#[tokio::test]
async fn one_that_cannot_be_written_takes_no_other_down() {
    same_as_one_by_one(true).await;
}
