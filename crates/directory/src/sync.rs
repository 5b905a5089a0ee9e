//! Keeps the copies of directories (`docs/adr/0025`): one task for each lane of an app that has one. What is next is
//! decided in `nuncio_domain::directory_copy`; all that is known of a round is stored with each of its pages, so that
//! whoever is ended in the middle goes on from there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nuncio_domain::directory::{Asker, DirectoryError};
use nuncio_domain::directory_copy::{Compared, CopyMove, CopyPace, CopyState, CopyStep, DirectoryCopy};
use nuncio_domain::people::Lane;
use nuncio_domain::ports::{DirectoryCopies, Registry, StoreError, Wake};
use nuncio_domain::{Clock, Time};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use crate::pace::wait;
use crate::{GraphDirectory, changes};

/// How often new lanes are looked for, and words that nobody woke us for.
const LOOK: Duration = Duration::from_secs(10);
/// Before a store that failed is asked again.
const STORE_WAIT: Duration = Duration::from_secs(1);

/// What it works with.
pub struct SyncPorts {
    pub directory: Arc<GraphDirectory>,
    pub copies: Arc<dyn DirectoryCopies>,
    pub registry: Arc<dyn Registry>,
    pub clock: Arc<dyn Clock>,
    /// How the copies of an app are kept, by its name; an app that is not here has none.
    pub apps: HashMap<String, CopyPace>,
}

/// The running synchronisation of all lanes.
pub struct Synchroniser {
    told: Arc<Told>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Told {
    lanes: Mutex<HashMap<i64, Arc<Notify>>>,
    looks: Notify,
}

impl Told {
    fn lane(&self, lane_no: i64) -> Arc<Notify> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lanes.entry(lane_no).or_default())
    }
}

impl Wake for Told {
    fn wake(&self, lane_no: i64) {
        self.lane(lane_no).notify_one();
        self.looks.notify_one();
    }
}

impl Synchroniser {
    /// Starts it on the current tokio runtime.
    pub fn start(ports: SyncPorts) -> Self {
        let told = Arc::new(Told::default());
        let task = tokio::spawn(run(Arc::new(ports), Arc::clone(&told)));
        Self { told, task }
    }

    /// What the API uses to say that there is a word.
    pub fn wake(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.told) as _
    }

    /// Ends it where it stands; what a page was is stored or not, but never half.
    pub async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Looks after the lanes that there are; they end with it.
async fn run(ports: Arc<SyncPorts>, told: Arc<Told>) {
    while let Err(error) = let_go(&ports).await {
        tracing::warn!(%error, "copies that are not kept up any more were not let go");
        wait(STORE_WAIT).await;
    }
    if ports.apps.is_empty() {
        return;
    }
    let mut tasks = JoinSet::new();
    let mut running: HashMap<i64, AbortHandle> = HashMap::new();
    loop {
        match ports.registry.lanes().await {
            Ok(lanes) => {
                for lane in lanes {
                    let lane_no = lane.lane_no;
                    let Some(pace) = ports.apps.get(&lane.app) else { continue };
                    // One that panicked begins again.
                    if running.get(&lane_no).is_none_or(AbortHandle::is_finished) {
                        let keeper = Keeper { ports: Arc::clone(&ports), lane, pace: *pace };
                        running.insert(lane_no, tasks.spawn(keeper.run(told.lane(lane_no))));
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the lanes could not be read"),
        }
        while tasks.try_join_next().is_some() {}
        tokio::select! {
            () = told.looks.notified() => {}
            () = wait(LOOK) => {}
        }
    }
}

/// Copies that are not kept up any more are not used.
async fn let_go(ports: &SyncPorts) -> Result<(), StoreError> {
    for (lane_no, app) in ports.copies.used_copies().await? {
        if !ports.apps.contains_key(&app) {
            let mut copy = ports.copies.copy(lane_no).await?;
            copy.counts_for(None);
            ports.copies.keep_copy(&copy).await?;
        }
    }
    Ok(())
}

/// The keeper of one lane's copy.
struct Keeper {
    ports: Arc<SyncPorts>,
    lane: Lane,
    pace: CopyPace,
}

impl Keeper {
    async fn run(self, told: Arc<Notify>) {
        let mut failed = false;
        let mut settled = false;
        loop {
            let step = if settled { self.step().await } else { self.settle().await };
            match step {
                Ok(Some(until)) => {
                    let now = self.ports.clock.now();
                    let span = until.since(now).min(LOOK);
                    tokio::select! {
                        () = told.notified() => {}
                        () = wait(span) => {}
                    }
                }
                Ok(None) => settled = true,
                Err(StoreError::Fenced) => return std::future::pending().await,
                Err(error) => {
                    if !std::mem::replace(&mut failed, true) {
                        tracing::error!(%error, lane = self.lane.lane_no, "the copy of the directory waits for the store");
                    }
                    wait(STORE_WAIT).await;
                    continue;
                }
            }
            failed = false;
        }
    }

    /// How long a copy counts may be configured otherwise since it was made.
    async fn settle(&self) -> Result<Option<Time>, StoreError> {
        let mut copy = self.ports.copies.copy(self.lane.lane_no).await?;
        if copy.counts_for(Some(self.pace.max_age)) {
            self.ports.copies.keep_copy(&copy).await?;
        }
        Ok(None)
    }

    /// Does what is next. Until when there is nothing more to do, if that is so.
    async fn step(&self) -> Result<Option<Time>, StoreError> {
        let (copies, lane_no) = (self.ports.copies.as_ref(), self.lane.lane_no);
        let mut copy = copies.copy(lane_no).await?;
        let now = self.ports.clock.now();
        match copy.next(now) {
            CopyMove::Wait(until) => return Ok(Some(until.unwrap_or(Time::MAX))),
            CopyMove::Begin { full } => {
                tracing::info!(lane = lane_no, full, "a round of the directory begins");
                copy.begin(full, now);
            }
            CopyMove::Read { step, link } => return self.read(copy, step, link.as_deref()).await,
            CopyMove::Compare { full } => {
                let mut from = full.then(Compared::default);
                while let Some(at) = from {
                    from = copies.compare(&copy, at).await?;
                }
                let (_, gone) = copies.count_copy(lane_no).await?;
                copy.compared(gone, self.ports.clock.now());
                if copy.status.state == CopyState::Asks {
                    let known = copy.status.counts;
                    tracing::warn!(
                        lane = lane_no,
                        people = gone.people,
                        of_people = known.people,
                        groups = gone.groups,
                        of_groups = known.groups,
                        members = gone.members,
                        of_members = known.members,
                        "the directory has lost so much that nothing is taken away before somebody confirms it: \
                         nuncio directory"
                    );
                }
            }
            CopyMove::Confirmed => copy.apply(now),
            CopyMove::Apply => {
                while copies.take_away(&copy, now).await? {}
                let (counts, _) = copies.count_copy(lane_no).await?;
                let began = copy.status.round.as_ref().map_or(now, |round| round.begun_at);
                let now = self.ports.clock.now();
                copy.complete(counts, now, self.pace);
                let took_s = now.since(began).as_secs();
                tracing::info!(
                    lane = lane_no,
                    people = counts.people,
                    groups = counts.groups,
                    members = counts.members,
                    took_s,
                    "the copy of the directory is whole"
                );
            }
            CopyMove::Drop => copy.drop_word(),
        }
        // Written meanwhile: looked at anew.
        copies.keep_copy(&copy).await?;
        Ok(None)
    }

    async fn read(
        &self,
        mut copy: DirectoryCopy,
        step: CopyStep,
        link: Option<&str>,
    ) -> Result<Option<Time>, StoreError> {
        let asker = Asker { app: &self.lane.app, tenant: &self.lane.tenant };
        let page = match self.ports.directory.tenant(asker) {
            Ok(tenant) => changes::page(&tenant, step, link).await,
            Err(error) => Err(error),
        };
        let now = self.ports.clock.now();
        let round = copy.round();
        let page = page.and_then(|page| copy.read(&page, now).map(|()| page));
        match page {
            Ok(page) => self.ports.copies.keep_page(&copy, round, &page, now).await?,
            Err(error) => {
                self.say(&error);
                copy.failed(&error, now);
                self.ports.copies.keep_copy(&copy).await?
            }
        };
        Ok(None)
    }

    fn say(&self, error: &DirectoryError) {
        let lane = self.lane.lane_no;
        if error.passes() {
            tracing::info!(lane, %error, "the directory gave no page of changes");
        } else {
            tracing::warn!(lane, %error, "the directory gives no changes");
        }
    }
}
