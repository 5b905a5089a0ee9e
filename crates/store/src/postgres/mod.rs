//! The store on PostgreSQL (`docs/adr/0019`).

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
mod db;
mod delivered;
mod events;
mod evidence;
mod expand;
mod fill;
mod greeted;
mod inherited;
mod keys;
mod lanes;
mod learn;
mod learn_places;
mod ledger;
mod list_keys;
mod lists;
mod migrate;
mod names;
mod node;
mod opt_outs;
mod own_words;
mod people;
#[cfg(test)]
mod plans;
mod preview;
mod reach;
mod reach_history;
mod reached;
mod recipients;
mod recover;
mod registry;
mod rows;
mod settle;
mod standing;
mod submit;
mod teams;
mod testify;
mod tids;
mod verify;
mod views;
mod wipe;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use nuncio_domain::ports::StoreError;
use tokio::task::JoinHandle;

use crate::closures::Closures;
pub use db::Pooler;
use db::{Link, Readers, Server};
use node::Fence;
use submit::Submission;
use tids::Tids;
use writer::{Job, Queue, Work};

/// Batches that go into one transaction: the committer merges them already.
const BATCHES: usize = 8;
/// Activities and words of callers in one transaction.
const WORDS: usize = 64;
/// Messages taken in with one transaction.
const SUBMISSIONS: usize = 256;

/// `Ledger` and `Registry` in one database. Only one process owns it.
pub struct PostgresStore {
    readers: Readers,
    fence: Arc<Fence>,
    /// What an owner writes, past the fence.
    batches: Arc<Queue<Box<dyn Job>>>,
    /// What callers and activities tell.
    words: Arc<Queue<Box<dyn Job>>>,
    submissions: Arc<Queue<Submission>>,
    expansion: Arc<tokio::sync::Mutex<Link>>,
    tids: Arc<Tids>,
    closures: Arc<Closures>,
    /// Ends after the writers, until [`PostgresStore::close`] takes it.
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl PostgresStore {
    /// Opens the database, makes or brings up to date its schema, and takes it over from whoever owned it before; waits
    /// for as long as that one may still be alive. Starts its writers on the current tokio runtime.
    pub async fn open(url: &str, pooler: Pooler) -> Result<Arc<Self>, StoreError> {
        let server = Server::of_url(url, pooler)?;
        let name = server.name();
        Self::open_server(server).await.map_err(|error| match error {
            StoreError::Unavailable(text) => StoreError::Unavailable(format!("{name}: {text}")),
            StoreError::Broken(text) => StoreError::Broken(format!("{name}: {text}")),
            fenced @ StoreError::Fenced => fenced,
        })
    }

    async fn open_server(server: Server) -> Result<Arc<Self>, StoreError> {
        let mut first = Link::new(server.clone(), None);
        migrate::migrate(&mut first.db().await?, server.begin()).await?;
        let incarnation = node::take_over(&mut first, &format!("process {}", std::process::id())).await?;
        let link = || Link::new(server.clone(), None);

        let fence = Arc::new(Fence { incarnation, last: tokio::sync::Mutex::new(0) });
        let (batches, words, submissions) = (Queue::new(), Queue::new(), Queue::new());
        let writers = [
            tokio::spawn(writer::run(Arc::clone(&batches), first, Some(Arc::clone(&fence)), BATCHES)),
            tokio::spawn(writer::run(Arc::clone(&words), link(), None, WORDS)),
            tokio::spawn(writer::run(Arc::clone(&submissions), link(), None, SUBMISSIONS)),
        ];
        let expansion = Arc::new(tokio::sync::Mutex::new(link()));
        let keeper = tokio::spawn(keep(writers, Arc::clone(&expansion), Arc::clone(&fence)));
        let readers = server.readers();
        let keeper = Mutex::new(Some(keeper));
        let (tids, closures) = (Arc::default(), Arc::default());
        Ok(Arc::new(Self { readers, fence, batches, words, submissions, expansion, tids, closures, keeper }))
    }

    /// Writes what waits, refuses what comes later, and lets the next process in at once.
    pub async fn close(&self) {
        self.end();
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            let _ = keeper.await;
        }
        self.readers.close().await;
    }

    fn end(&self) {
        self.batches.close();
        self.words.close();
        self.submissions.close();
    }

    async fn batch<D, T>(&self, data: D, work: Work<D, T>) -> Result<T, StoreError>
    where
        D: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.batches.write(data, work).await
    }

    async fn word<D, T>(&self, data: D, work: Work<D, T>) -> Result<T, StoreError>
    where
        D: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.words.write(data, work).await
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits for the writers, and then gives the database up.
async fn keep(writers: [JoinHandle<()>; 3], expansion: Arc<tokio::sync::Mutex<Link>>, fence: Arc<Fence>) {
    for writer in writers {
        let _ = writer.await;
    }
    // A chunk that is being written passes the fence before it is given up.
    let mut link = expansion.lock().await;
    let given_up: BoxFuture<'_, Result<(), StoreError>> = Box::pin(async {
        let begin = link.server.begin();
        let mut db = link.db().await?;
        db.word(begin).await?;
        node::give_up(&mut db, fence.incarnation).await?;
        db.word("COMMIT".to_owned()).await
    });
    if let Err(error) = given_up.await {
        tracing::warn!(%error, "the database was not closed cleanly; the next start waits for the lease to end");
    }
    link.close().await;
}
