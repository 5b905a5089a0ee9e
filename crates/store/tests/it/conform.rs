//! SQLite does what every ledger must.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use nuncio_domain::message::Named;
use nuncio_domain::own_words::{Lines, Occasion, Say, Word};
use nuncio_domain::people::{Learned, LearnedDone, PeopleFilter, Person, Reference, SeenPerson};
use nuncio_domain::ports::{Ledger, Registry};
use nuncio_domain::{Counts, MessageId, ReachState, RecipientKind, Time};
use nuncio_store::SqliteStore;
use nuncio_testkit::conformance::{Fixture, OPERATOR};
use sqlx::{ConnectOptions, Connection, Row};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) struct OnDisk {
    store: Arc<SqliteStore>,
    directory: TempDir,
    events: AtomicU64,
}

impl OnDisk {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("nuncio.db")).await.unwrap();
        Self { store, directory, events: AtomicU64::new(0) }
    }

    pub(crate) fn store(&self) -> &SqliteStore {
        &self.store
    }

    async fn person(&self, wanted: impl Fn(&Person) -> bool) -> Person {
        let all = PeopleFilter::default();
        let page = self.store.people(&OPERATOR, &all, None, 10_000).await.unwrap();
        page.items.into_iter().find(wanted).expect("a recipient that the test has made")
    }
}

#[async_trait]
impl Fixture for OnDisk {
    fn ledger(&self) -> &dyn Ledger {
        self.store.as_ref()
    }

    async fn lane(&self, app: &str, tenant: &str) -> i64 {
        self.store.lane(app, tenant).await.unwrap().lane_no
    }

    async fn hear(&self, lane_no: i64, seen: SeenPerson, service_url: &str, at: Time) -> i64 {
        let lanes = self.store.lanes().await.unwrap();
        let lane = lanes.into_iter().find(|lane| lane.lane_no == lane_no).unwrap();
        let key = seen.object_id.to_ascii_lowercase();
        let event = self.events.fetch_add(1, Ordering::Relaxed).to_string();
        let learned = Learned {
            app: lane.app.clone(),
            tenant: lane.tenant.clone(),
            service_url: service_url.to_owned(),
            at,
            event: ("conversation".to_owned(), event),
            what: "message".to_owned(),
            people: vec![seen],
            ..Learned::default()
        };
        assert_eq!(self.store.learn(learned).await.unwrap(), LearnedDone::New { lane_no, said: false });
        self.person(|person| person.tenant == lane.tenant && person.app == lane.app && person.key == key)
            .await
            .recipient_no
    }

    async fn opt_out(&self, lane_no: i64, person: &str, out: bool, at: Time) {
        let lanes = self.store.lanes().await.unwrap();
        let lane = lanes.into_iter().find(|lane| lane.lane_no == lane_no).unwrap();
        let to = Named { kind: RecipientKind::Person, key: person.to_owned() };
        let lines = Lines { stop: "Stopped.".to_owned(), start: "Started.".to_owned(), other: None };
        let word = if out { Word::Stop } else { Word::Start };
        let number = self.events.fetch_add(1, Ordering::Relaxed);
        let id = MessageId(Uuid::from_u128(u128::from(number) << 64));
        let learned = Learned {
            app: lane.app,
            tenant: lane.tenant,
            at,
            event: ("conversation".to_owned(), number.to_string()),
            people: vec![SeenPerson { object_id: person.to_owned(), ..SeenPerson::default() }],
            say: Some(Say { id, to, occasion: Occasion::Word(word, lines) }),
            ..Learned::default()
        };
        assert_eq!(self.store.learn(learned).await.unwrap(), LearnedDone::New { lane_no, said: true });
    }

    async fn references(&self, recipient_no: i64) -> Vec<Reference> {
        self.store.references(recipient_no).await.unwrap()
    }

    async fn reach(&self, recipient_no: i64) -> (ReachState, Option<Time>, Option<String>) {
        let person = self.person(|person| person.recipient_no == recipient_no).await;
        (person.reach, person.reach_at, person.evidence)
    }

    async fn history(&self, recipient_no: i64) -> Vec<(Time, ReachState)> {
        let path = self.directory.path().join("nuncio.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).read_only(true);
        let mut connection = options.connect().await.unwrap();
        let rows = sqlx::query("SELECT at, state FROM reach_history WHERE recipient_no = ? ORDER BY rowid")
            .bind(recipient_no)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        rows.iter().map(|row| (Time(row.get(0)), ReachState::of_word(row.get(1)).unwrap())).collect()
    }

    async fn count_rows(&self, message_no: i64) -> Counts {
        self.store.count_rows(message_no).await.unwrap()
    }
}

nuncio_testkit::conformance!(OnDisk::new());
