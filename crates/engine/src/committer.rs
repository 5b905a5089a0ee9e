//! The one committer of a process: merges the batches of all lanes into as few transactions as it can.
//!
//! No timer gathers batches: while one commit is under way the next ones queue up, so they grow under load by
//! themselves (`docs/engine.md`, Tables).

use std::sync::Arc;
use std::time::Duration;

use nuncio_domain::lane::Input;
use nuncio_domain::ports::{Ledger, StoreError};
use nuncio_domain::{Batch, Committed};
use tokio::sync::mpsc;

use crate::clock::pause;
use crate::lane::{Event, LaneSender};

/// Rows of a merged batch at most; a single lane's batch may be larger.
const ROWS: usize = 2_000;
const BACKOFF: Duration = Duration::from_millis(200);

/// A batch of one lane and where to tell that it is durable.
pub(crate) struct Job {
    pub(crate) ticket: u64,
    pub(crate) batch: Batch,
    pub(crate) reply: LaneSender,
}

/// Commits until every sender is gone. A store that fails is asked again: nothing that happened is thrown away.
pub(crate) async fn run(ledger: Arc<dyn Ledger>, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let mut queue: Vec<Job> = Vec::new();
    loop {
        if queue.is_empty() {
            match jobs.recv().await {
                Some(job) => queue.push(job),
                None => return,
            }
        }
        while let Ok(job) = jobs.try_recv() {
            queue.push(job);
        }
        let mut rows = 0;
        let take = queue
            .iter()
            .take_while(|job| {
                rows += job.batch.intents.len() + job.batch.changes.len();
                rows <= ROWS
            })
            .count()
            .max(1);
        let chosen: Vec<Job> = queue.drain(..take).collect();
        commit(ledger.as_ref(), chosen).await;
    }
}

async fn commit(ledger: &dyn Ledger, jobs: Vec<Job>) {
    let mut merged = Batch::default();
    for job in &jobs {
        merged.append(job.batch.clone());
    }
    match ledger.commit(merged).await {
        Ok(committed) => answer(jobs, &committed),
        // One lane's batch must not hold up the others for ever.
        Err(StoreError::Broken(text)) if jobs.len() > 1 => {
            tracing::error!(error = text, batches = jobs.len(), "commit failed; each batch is tried alone");
            for job in jobs {
                Box::pin(insist(ledger, job)).await;
            }
        }
        Err(error) => {
            tracing::warn!(%error, "commit failed and is tried again");
            pause(BACKOFF).await;
            for job in jobs {
                Box::pin(insist(ledger, job)).await;
            }
        }
    }
}

async fn insist(ledger: &dyn Ledger, job: Job) {
    let mut wait = BACKOFF;
    loop {
        match ledger.commit(job.batch.clone()).await {
            Ok(committed) => return answer(vec![job], &committed),
            Err(error) => {
                tracing::error!(%error, "commit failed and is tried again");
                pause(wait).await;
                wait = (wait * 2).min(Duration::from_secs(5));
            }
        }
    }
}

fn answer(jobs: Vec<Job>, committed: &Committed) {
    for job in jobs {
        // A lane that is gone has no use for the answer.
        let input = Input::Committed { ticket: job.ticket, committed: committed.clone() };
        let _ = job.reply.send(Event::Input(input));
    }
}
