//! The store on one SQLite file.

mod asks;
mod checkpoint;
mod commit;
mod commit_message;
mod control;
mod conversations;
mod copies;
mod copy_compare;
mod copy_page;
#[cfg(test)]
mod copy_plans;
mod copy_read;
mod evidence;
mod expand;
mod fill;
mod found_message;
mod greeted;
mod inherited;
mod intake;
mod keys;
mod lanes;
mod learn;
mod learn_places;
mod ledger;
mod list_keys;
mod lists;
mod migrate;
mod moves;
mod names;
mod opt_outs;
mod own_words;
mod people;
#[cfg(test)]
mod plans;
mod preview;
mod reach;
mod reach_history;
#[cfg(test)]
mod reach_plans;
mod reached;
mod recover;
mod registry;
mod rows;
mod settle;
mod standing;
mod store;
mod submit;
mod teams;
mod verify;
mod views;
mod wipe;
mod writer;

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use nuncio_domain::ports::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection, SqlitePool};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::closures::Closures;
use crate::error::{of_sqlx, unavailable};
use asks::Asks;
use expand::Expansions;
use intake::Intake;
use learn::Learns;
use rows::{AskPage, Look};
use submit::Submits;
use writer::{Queue, Queues};

const READERS: u32 = 4;
const BUSY: Duration = Duration::from_secs(5);

/// `Ledger` and `Registry` in one file. Only one process has it open.
pub struct SqliteStore {
    queues: Arc<Queues>,
    submits: Arc<Intake<Submits>>,
    expansions: Arc<Intake<Expansions>>,
    learns: Arc<Intake<Learns>>,
    looks: Arc<Asks<Look>>,
    pages: Arc<Asks<AskPage>>,
    closures: Arc<Closures>,
    readers: SqlitePool,
    written: Arc<Notify>,
    ending: Arc<AtomicBool>,
    /// The writer and the checkpoints, until [`SqliteStore::close`] takes them.
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens or makes the database and starts its writer on the current tokio runtime.
    pub async fn open(path: &Path) -> Result<Arc<Self>, StoreError> {
        let name = path.display().to_string();
        Self::open_file(path).await.map_err(|error| match error {
            StoreError::Unavailable(text) => StoreError::Unavailable(format!("{name}: {text}")),
            StoreError::Broken(text) => StoreError::Broken(format!("{name}: {text}")),
            fenced @ StoreError::Fenced => fenced,
        })
    }

    async fn open_file(path: &Path) -> Result<Arc<Self>, StoreError> {
        let lock = lock(path)?;
        // SQLite gives its log and index files the mode of the database.
        private_file(path).map_err(|error| unavailable(error.to_string()))?;

        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .page_size(checkpoint::PAGE_SIZE)
            .busy_timeout(BUSY)
            // Numbers are only ever taken from rows just written; checks would cost the hot tables a lookup each.
            .foreign_keys(false)
            .pragma("temp_store", "memory");
        let writing = options
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", "0")
            .pragma("cache_size", "-49152");
        let mut connection = writing.connect().await.map_err(of_sqlx)?;
        migrate::migrate(&mut connection).await?;
        let checkpoints = writing.pragma("cache_size", "-1024").connect().await.map_err(of_sqlx)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY)
            .connect_with(options.read_only(true).pragma("cache_size", "-8192"))
            .await
            .map_err(of_sqlx)?;

        let queues = Arc::new(Queues::default());
        let written = Arc::new(Notify::new());
        let ending = Arc::new(AtomicBool::new(false));
        let writer = writer::run(Arc::clone(&queues), connection, Arc::clone(&written));
        let tasks = Mutex::new(vec![
            tokio::spawn(checkpoint::run(checkpoints, Arc::clone(&written), Arc::clone(&ending))),
            tokio::spawn(async move {
                let connection = writer.await;
                if let Err(error) = writer::finish(connection).await {
                    tracing::warn!(%error, "the database was not closed cleanly; nothing is lost");
                }
                // Last of all: now another process may open the file.
                drop(lock);
            }),
        ]);
        let submits = Intake::new(Arc::clone(&queues), Submits::default());
        let closures = Arc::new(Closures::default());
        let expansions = Intake::new(Arc::clone(&queues), Expansions(Arc::clone(&closures)));
        let learns = Intake::new(Arc::clone(&queues), Learns);
        let (looks, pages) = (Asks::new(readers.clone()), Asks::new(readers.clone()));
        Ok(Arc::new(Self {
            queues,
            submits,
            expansions,
            learns,
            looks,
            pages,
            closures,
            readers,
            written,
            ending,
            tasks,
        }))
    }

    /// Writes what waits, refuses what comes later, and closes the file.
    pub async fn close(&self) {
        self.end();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // Before the writer's: its last checkpoint needs all others out of the log.
        self.readers.close().await;
        for task in tasks {
            let _ = task.await;
        }
    }

    fn end(&self) {
        self.ending.store(true, Ordering::Release);
        self.written.notify_one();
        self.queues.close();
    }

    async fn write<T, F>(&self, queue: Queue, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        self.queues.write(queue, work).await
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.end();
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Two processes would each believe that they are the only writer and own every lane.
fn lock(path: &Path) -> Result<File, StoreError> {
    let file = private_file(&lock_path(path)).map_err(|error| unavailable(error.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(unavailable(
            "another nuncio has it open; stop that one, or give this one another database file",
        )),
        Err(TryLockError::Error(error)) => Err(unavailable(format!("it cannot be locked: {error}"))),
    }
}

/// Opens or makes a file that only its owner may read.
fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
