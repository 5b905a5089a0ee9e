//! Connections: how they are made, what they are set to, and the few ways in which a statement is run on one.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use nuncio_domain::ports::StoreError;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{ConnectOptions, Connection, PgConnection, Postgres, Transaction};

use crate::error::{of_sqlx, unavailable};

/// What stands between this process and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooler {
    #[default]
    None,
    /// Something like PgBouncer that gives each transaction another connection: nothing may outlast a transaction,
    /// neither a setting nor a prepared statement.
    Transaction,
}

/// Plans as they are asserted in `plans.rs`, whatever statistics there are: a table that was just made is thought to be
/// small, and the plan that is cached then would walk through a million rows later. All our statements find their rows
/// by an index, one after another and in its order, as SQLite does it.
pub(crate) const PLANS: [(&str, &str); 8] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    // What is looked up is another row each time: remembering it was a fifth of what a page cost.
    ("enable_memoize", "off"),
    ("enable_material", "off"),
    ("jit", "off"),
];

/// So that a process that was stopped does not hold the fence, nor anything else, for long.
const BOUNDS: [(&str, &str); 3] =
    [("idle_in_transaction_session_timeout", "2s"), ("statement_timeout", "5s"), ("lock_timeout", "3s")];

/// A peer that is gone is noticed within ten seconds.
const KEEPALIVES: [(&str, &str); 4] = [
    ("tcp_keepalives_idle", "4"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "10000"),
];

/// Lists that read past many rows take their time.
const READING: [(&str, &str); 2] =
    [("idle_in_transaction_session_timeout", "10s"), ("statement_timeout", "30s")];

const CONNECT: Duration = Duration::from_secs(5);
const READERS: u32 = 4;

/// Where the database is, and how its connections are set.
#[derive(Clone)]
pub(crate) struct Server {
    options: PgConnectOptions,
    pooler: Pooler,
}

impl Server {
    pub(crate) fn of_url(url: &str, pooler: Pooler) -> Result<Self, StoreError> {
        // The text of the error is not used: it might quote what it could not read.
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| {
                unavailable("its URL is not of the form postgres://user:password@host:port/database")
            })?
            .application_name("nuncio");
        let options = match pooler {
            Pooler::None => options.options(PLANS).options(KEEPALIVES),
            Pooler::Transaction => options.statement_cache_capacity(0),
        };
        Ok(Self { options, pooler })
    }

    /// The database without its password, for errors and the log.
    pub(crate) fn name(&self) -> String {
        let database = self.options.get_database().unwrap_or(self.options.get_username());
        match self.options.get_socket() {
            Some(socket) => format!("{database} at {}", socket.display()),
            None => format!("{database} at {}:{}", self.options.get_host(), self.options.get_port()),
        }
    }

    pub(crate) const fn persistent(&self) -> bool {
        matches!(self.pooler, Pooler::None)
    }

    /// A connection for writing.
    pub(crate) async fn connect(&self) -> Result<PgConnection, StoreError> {
        let options = match self.pooler {
            Pooler::None => self.options.clone().options(BOUNDS),
            Pooler::Transaction => self.options.clone(),
        };
        tokio::time::timeout(CONNECT, options.connect())
            .await
            .map_err(|_| unavailable(format!("no connection within {CONNECT:?}")))?
            .map_err(of_sqlx)
    }

    /// What begins a transaction; behind a pooler nothing else can set anything.
    pub(crate) fn begin(&self) -> String {
        match self.pooler {
            Pooler::None => "BEGIN".to_owned(),
            Pooler::Transaction => {
                let settings = PLANS.iter().chain(&BOUNDS);
                let set = settings.map(|(name, value)| format!("; SET LOCAL {name} = '{value}'"));
                "BEGIN".to_owned() + &set.collect::<String>()
            }
        }
    }

    pub(crate) fn readers(&self) -> Readers {
        let options = match self.pooler {
            Pooler::None => self.options.clone().options(READING),
            Pooler::Transaction => self.options.clone(),
        };
        let pool =
            PgPoolOptions::new().max_connections(READERS).acquire_timeout(CONNECT).connect_lazy_with(options);
        Readers { pool, pooler: self.pooler }
    }
}

/// Connections for reading.
pub(crate) struct Readers {
    pool: PgPool,
    pooler: Pooler,
}

impl Readers {
    /// One of them, until it is dropped. Behind a pooler it is in a transaction: a statement is prepared and run in two
    /// steps, which must come to the same server.
    pub(crate) async fn reading(&self) -> Result<Reading, StoreError> {
        match self.pooler {
            Pooler::None => Ok(Reading::Plain(self.pool.acquire().await.map_err(of_sqlx)?)),
            Pooler::Transaction => {
                let mut transaction = self.pool.begin().await.map_err(of_sqlx)?;
                for (name, value) in PLANS {
                    let set = format!("SET LOCAL {name} = '{value}'");
                    sqlx::raw_sql(sqlx::AssertSqlSafe(set))
                        .execute(&mut *transaction)
                        .await
                        .map_err(of_sqlx)?;
                }
                Ok(Reading::Transaction(transaction))
            }
        }
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// A connection for reading.
pub(crate) enum Reading {
    Plain(sqlx::pool::PoolConnection<Postgres>),
    Transaction(Transaction<'static, Postgres>),
}

impl Reading {
    pub(crate) fn db(&mut self) -> Db<'_> {
        match self {
            Self::Plain(connection) => Db { connection, persistent: true },
            Self::Transaction(transaction) => Db { connection: transaction, persistent: false },
        }
    }
}

pub(crate) type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// A statement of ours.
pub(crate) fn sql<'q>(statement: &'static str) -> Statement<'q> {
    sqlx::query(statement)
}

/// A connection, mostly within a transaction.
pub(crate) struct Db<'c> {
    pub(crate) connection: &'c mut PgConnection,
    pub(crate) persistent: bool,
}

impl Db<'_> {
    pub(crate) async fn rows(&mut self, statement: Statement<'_>) -> Result<Vec<PgRow>, StoreError> {
        statement.persistent(self.persistent).fetch_all(&mut *self.connection).await.map_err(of_sqlx)
    }

    pub(crate) async fn row(&mut self, statement: Statement<'_>) -> Result<Option<PgRow>, StoreError> {
        statement.persistent(self.persistent).fetch_optional(&mut *self.connection).await.map_err(of_sqlx)
    }

    pub(crate) async fn one(&mut self, statement: Statement<'_>) -> Result<PgRow, StoreError> {
        statement.persistent(self.persistent).fetch_one(&mut *self.connection).await.map_err(of_sqlx)
    }

    /// How many rows it touched.
    pub(crate) async fn run(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let done = statement.persistent(self.persistent).execute(&mut *self.connection).await;
        done.map(|done| done.rows_affected()).map_err(of_sqlx)
    }

    /// Without parameters and without an answer: `BEGIN` and its like.
    pub(crate) async fn word(&mut self, text: String) -> Result<(), StoreError> {
        // Built from constants only.
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut *self.connection).await;
        done.map(|_| ()).map_err(of_sqlx)
    }
}

/// A connection of a writer, made again when it breaks.
pub(crate) struct Link {
    pub(crate) server: Server,
    connection: Option<PgConnection>,
}

impl Link {
    pub(crate) const fn new(server: Server, connection: Option<PgConnection>) -> Self {
        Self { server, connection }
    }

    pub(crate) async fn db(&mut self) -> Result<Db<'_>, StoreError> {
        let persistent = self.server.persistent();
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.server.connect().await?,
        };
        Ok(Db { connection: self.connection.insert(connection), persistent })
    }

    /// The connection as it is, in whatever transaction it is.
    pub(crate) fn current(&mut self) -> Result<Db<'_>, StoreError> {
        let persistent = self.server.persistent();
        match &mut self.connection {
            Some(connection) => Ok(Db { connection, persistent }),
            None => Err(unavailable("the connection is gone")),
        }
    }

    /// For an error after which nobody knows what the connection is good for.
    pub(crate) fn drop_connection(&mut self) {
        self.connection = None;
    }

    pub(crate) async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            // The server ends it by itself if this fails.
            let _ = connection.close().await;
        }
    }
}

/// PostgreSQL's texts cannot hold the character of code 0, which Microsoft and callers may send.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

pub(crate) fn plain_or_null(text: Option<&String>) -> Option<Cow<'_, str>> {
    text.map(|text| plain(text))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place here that waits: for a database that is not there"
)]
pub(crate) async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
