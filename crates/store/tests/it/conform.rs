//! SQLite and PostgreSQL do what every ledger must.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use nuncio_domain::lists::{Deleted, NewList, Unresolved, UploadedList};
use nuncio_domain::message::Named;
use nuncio_domain::own_words::{Lines, Occasion, Say, Word};
use nuncio_domain::people::{Learned, LearnedDone, PeopleFilter, Person, Reference, SeenPerson};
use nuncio_domain::ports::{DirectoryCopies, Ledger, Preview, Registry};
use nuncio_domain::{AudienceId, Counts, MessageId, ReachState, RecipientKind, Scope, Time};
use nuncio_store::{Pooler, PostgresStore, SqliteStore};
use nuncio_testkit::Postgres;
use nuncio_testkit::conformance::{Fixture, OPERATOR};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// A store in a database of its own.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    type Store: Ledger + Registry + Preview + DirectoryCopies;

    /// A new one.
    async fn make() -> Self;
    fn store(&self) -> &Self::Store;
    fn number(&self) -> &AtomicU64;
    /// Times and words of what is kept of a recipient, in order.
    async fn history(&self, recipient_no: i64) -> Vec<(i64, String)>;
    async fn count_rows(&self, message_no: i64) -> Counts;
    async fn close(&self);
}

pub(crate) struct OnDisk {
    store: Arc<SqliteStore>,
    directory: TempDir,
    number: AtomicU64,
}

#[async_trait]
impl Database for OnDisk {
    type Store = SqliteStore;

    async fn make() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("nuncio.db")).await.unwrap();
        Self { store, directory, number: AtomicU64::new(0) }
    }

    fn store(&self) -> &SqliteStore {
        &self.store
    }

    fn number(&self) -> &AtomicU64 {
        &self.number
    }

    async fn history(&self, recipient_no: i64) -> Vec<(i64, String)> {
        let path = self.directory.path().join("nuncio.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).read_only(true);
        let mut connection = options.connect().await.unwrap();
        let rows = sqlx::query("SELECT at, state FROM reach_history WHERE recipient_no = ? ORDER BY rowid")
            .bind(recipient_no)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    async fn count_rows(&self, message_no: i64) -> Counts {
        self.store.count_rows(message_no).await.unwrap()
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

pub(crate) struct OnServer {
    store: Arc<PostgresStore>,
    pub(crate) url: String,
    number: AtomicU64,
}

/// The URL of a new database with its schema, which is made once and copied.
pub(crate) async fn fresh_url() -> String {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let template = TEMPLATE
        .get_or_init(async || {
            let url = Postgres::shared().database(None);
            PostgresStore::open(&url, Pooler::None).await.unwrap().close().await;
            url
        })
        .await;
    Postgres::shared().database(Some(template))
}

#[async_trait]
impl Database for OnServer {
    type Store = PostgresStore;

    async fn make() -> Self {
        let url = fresh_url().await;
        let store = PostgresStore::open(&url, Pooler::None).await.unwrap();
        Self { store, url, number: AtomicU64::new(0) }
    }

    fn store(&self) -> &PostgresStore {
        &self.store
    }

    fn number(&self) -> &AtomicU64 {
        &self.number
    }

    async fn history(&self, recipient_no: i64) -> Vec<(i64, String)> {
        let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
        let rows =
            sqlx::query("SELECT at, state FROM reach_history WHERE recipient_no = $1 ORDER BY history_no")
                .bind(recipient_no)
                .fetch_all(&mut connection)
                .await
                .unwrap();
        connection.close().await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    async fn count_rows(&self, message_no: i64) -> Counts {
        self.store.count_rows(message_no).await.unwrap()
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

async fn person<D: Database>(database: &D, wanted: impl Fn(&Person) -> bool) -> Person {
    let all = PeopleFilter::default();
    let page = database.store().people(&OPERATOR, &all, None, 10_000).await.unwrap();
    page.items.into_iter().find(wanted).expect("a recipient that the test has made")
}

/// A database under the conformance suite.
pub(crate) struct Table<D>(pub(crate) D);

impl<D: Database> Table<D> {
    pub(crate) async fn make() -> Self {
        Self(D::make().await)
    }

    pub(crate) fn store(&self) -> &D::Store {
        self.0.store()
    }
}

#[async_trait]
impl<D: Database> Fixture for Table<D> {
    fn ledger(&self) -> &dyn Ledger {
        self.store()
    }

    async fn lane(&self, app: &str, tenant: &str) -> i64 {
        self.store().lane(app, tenant).await.unwrap().lane_no
    }

    async fn hear(&self, lane_no: i64, seen: SeenPerson, service_url: &str, at: Time) -> i64 {
        let lanes = self.store().lanes().await.unwrap();
        let lane = lanes.into_iter().find(|lane| lane.lane_no == lane_no).unwrap();
        let key = seen.object_id.to_ascii_lowercase();
        let event = self.0.number().fetch_add(1, Ordering::Relaxed).to_string();
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
        // Its owner has something to look for where somebody is waited for, and only then.
        let opened = async || self.store().open(lane_no, 0).await.unwrap();
        let done = self.store().learn(learned).await.unwrap();
        assert_eq!(done, LearnedDone::New { lane_no, said: opened().await.reached });
        person(&self.0, |person| person.tenant == lane.tenant && person.app == lane.app && person.key == key)
            .await
            .recipient_no
    }

    async fn opt_out(&self, lane_no: i64, person: &str, out: bool, at: Time) {
        let lanes = self.store().lanes().await.unwrap();
        let lane = lanes.into_iter().find(|lane| lane.lane_no == lane_no).unwrap();
        let to = Named { kind: RecipientKind::Person, key: person.to_owned() };
        let lines = Lines { stop: "Stopped.".to_owned(), start: "Started.".to_owned(), other: None };
        let word = if out { Word::Stop } else { Word::Start };
        let number = self.0.number().fetch_add(1, Ordering::Relaxed);
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
        assert_eq!(self.store().learn(learned).await.unwrap(), LearnedDone::New { lane_no, said: true });
    }

    async fn upload(&self, list: NewList) -> i64 {
        let id = list.id;
        self.store().add_list(&OPERATOR, list).await.unwrap();
        self.store().list(&OPERATOR, id).await.unwrap().expect("the list is there").list_no
    }

    async fn list(&self, scope: &Scope, id: AudienceId) -> Option<UploadedList> {
        self.store().list(scope, id).await.unwrap()
    }

    async fn unresolved(&self, list_no: i64) -> Vec<Unresolved> {
        self.store().unresolved(list_no, 100).await.unwrap()
    }

    async fn delete_list(&self, scope: &Scope, id: AudienceId) -> Deleted {
        self.store().delete_list(scope, id, Time(9_000)).await.unwrap()
    }

    async fn references(&self, recipient_no: i64) -> Vec<Reference> {
        self.store().references(recipient_no).await.unwrap()
    }

    async fn reach(&self, recipient_no: i64) -> (ReachState, Option<Time>, Option<String>) {
        let person = person(&self.0, |person| person.recipient_no == recipient_no).await;
        (person.reach, person.reach_at, person.evidence.map(|evidence| evidence.text))
    }

    async fn history(&self, recipient_no: i64) -> Vec<(Time, ReachState)> {
        let history = self.0.history(recipient_no).await;
        history.iter().map(|(at, state)| (Time(*at), ReachState::of_word(state).unwrap())).collect()
    }

    async fn count_rows(&self, message_no: i64) -> Counts {
        self.0.count_rows(message_no).await
    }
}

/// Makes a test of each case, `async fn case<D: Database>()`, for each database.
macro_rules! both {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case::<crate::conform::OnDisk>().await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() {
                super::$case::<crate::conform::OnServer>().await;
            })+
        }
    };
}
pub(crate) use both;

mod sqlite {
    nuncio_testkit::conformance!(super::Table::<super::OnDisk>::make());
}

mod postgres {
    nuncio_testkit::conformance!(super::Table::<super::OnServer>::make());
}
