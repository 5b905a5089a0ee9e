//! The one committer of a process: merges the batches of all lanes into as few transactions as it can.
//!
//! No timer gathers batches: while one commit is under way the next ones queue up, so they grow under load by
//! themselves (`docs/engine.md`, Tables).

use std::sync::Arc;
use std::time::Duration;

use nuncio_domain::batch::{Late, Seam};
use nuncio_domain::lane::Input;
use nuncio_domain::ports::{Ledger, StoreError};
use nuncio_domain::{Batch, Committed, DeliveryState};
use tokio::sync::mpsc;

use crate::clock::pause;
use crate::inbox::Inbox;

/// Rows of a merged batch at most; a single lane's batch may be larger.
const ROWS: usize = 2_000;
const BACKOFF: Duration = Duration::from_millis(200);

/// A batch of one lane and where to tell that it is durable.
pub(crate) struct Job {
    pub(crate) ticket: u64,
    pub(crate) batch: Batch,
    pub(crate) reply: Arc<Inbox>,
}

/// Commits until every sender is gone. A store that fails is asked again: nothing that happened is thrown away. Once
/// another process has taken over, nothing more is committed; what calls came to is left for the new owner as evidence.
pub(crate) async fn run(ledger: Arc<dyn Ledger>, mut jobs: mpsc::UnboundedReceiver<Job>, lost: impl Fn()) {
    let mut queue: Vec<Job> = Vec::new();
    loop {
        if queue.is_empty() {
            match jobs.recv().await {
                Some(job) => queue.push(job),
                None => return,
            }
        }
        // Lanes that are about to hand in theirs go first: a transaction costs as much for one as for a hundred.
        tokio::task::yield_now().await;
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
        let mut unheard = commit(ledger.as_ref(), chosen).await;
        if unheard.is_empty() {
            continue;
        }
        lost();
        unheard.append(&mut queue);
        loop {
            testify(ledger.as_ref(), std::mem::take(&mut unheard)).await;
            match jobs.recv().await {
                Some(job) => unheard.push(job),
                None => return,
            }
        }
    }
}

/// Tells what a fenced owner's calls came to.
async fn testify(ledger: &dyn Ledger, jobs: Vec<Job>) {
    let accepted: Vec<Late> = jobs
        .iter()
        .flat_map(|job| &job.batch.changes)
        .filter(|change| change.from == DeliveryState::InFlight && change.to == DeliveryState::Delivered)
        .filter_map(|change| {
            let attempt = change.attempt.as_ref()?;
            let activity_id = change.activity_id.clone();
            Some(Late { key: change.key, started_at: attempt.started_at, activity_id })
        })
        .collect();
    let Some(now) = jobs.iter().map(|job| job.batch.at).max().filter(|_| !accepted.is_empty()) else {
        return;
    };
    match ledger.testify(accepted, now).await {
        Ok(settled) => {
            tracing::warn!(settled, "calls of ours that another process held for ambiguous are settled");
        }
        Err(error) => tracing::error!(%error, "what calls came to could not be told to the new owner"),
    }
}

/// The jobs that could not be committed because another process has taken over: none, or all.
async fn commit(ledger: &dyn Ledger, mut jobs: Vec<Job>) -> Vec<Job> {
    let mut merged = Batch::default();
    let seams: Vec<Seam> = jobs.iter_mut().map(|job| merged.append(std::mem::take(&mut job.batch))).collect();
    let merged = Arc::new(merged);
    let error = match ledger.commit(Arc::clone(&merged)).await {
        Ok(committed) => {
            answer(jobs, &committed);
            return Vec::new();
        }
        Err(error) => error,
    };
    let mut merged = Arc::unwrap_or_clone(merged);
    for (job, seam) in jobs.iter_mut().zip(&seams) {
        job.batch = merged.take_first(seam);
    }
    match error {
        StoreError::Fenced => return jobs,
        // One lane's batch must not hold up the others for ever.
        StoreError::Broken(text) if jobs.len() > 1 => {
            tracing::error!(error = text, batches = jobs.len(), "commit failed; each batch is tried alone");
        }
        error => {
            tracing::warn!(%error, "commit failed and is tried again");
            pause(BACKOFF).await;
        }
    }
    let mut unheard = Vec::new();
    for job in jobs {
        if !unheard.is_empty() {
            unheard.push(job);
        } else if let Some(job) = Box::pin(insist(ledger, job)).await {
            unheard.push(job);
        }
    }
    unheard
}

/// Tries until it is committed; the job, if another process has taken over.
async fn insist(ledger: &dyn Ledger, job: Job) -> Option<Job> {
    let mut wait = BACKOFF;
    let Job { ticket, batch, reply } = job;
    let batch = Arc::new(batch);
    loop {
        match ledger.commit(Arc::clone(&batch)).await {
            Ok(committed) => {
                reply.tell(Input::Committed { ticket, committed });
                return None;
            }
            Err(StoreError::Fenced) => {
                return Some(Job { ticket, batch: Arc::unwrap_or_clone(batch), reply });
            }
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
        job.reply.tell(Input::Committed { ticket: job.ticket, committed: committed.clone() });
    }
}
