//! Starting, waking and stopping lanes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nuncio_domain::lane::{Input, LaneConfig};
use nuncio_domain::people::Lane;
use nuncio_domain::ports::{Directory, Installer, Ledger, Registry, Sender, StoreError, Wake};
use nuncio_domain::{Clock, Time};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::clock::wait_until;
use crate::committer;
use crate::inbox::{Event, Inbox};
use crate::lane::{self, Start};
use crate::lease;
use crate::room::{NODE, Room, Rows};

/// What the engine works with.
#[derive(Clone)]
pub struct Ports {
    pub ledger: Arc<dyn Ledger>,
    pub registry: Arc<dyn Registry>,
    pub sender: Arc<dyn Sender>,
    pub directory: Arc<dyn Directory>,
    pub installer: Arc<dyn Installer>,
    pub clock: Arc<dyn Clock>,
}

/// How the engine is run.
#[derive(Clone)]
pub struct EngineConfig {
    /// How each lane is run; the lane's number, told limit by app and seed are filled in by the caller.
    pub lane: Arc<dyn Fn(&Lane) -> LaneConfig + Send + Sync>,
    /// How long a stop waits for calls under way (`docs/delivery.md`: 25 s).
    pub drain: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the lanes could not be read")]
    Lanes(#[source] StoreError),
    #[error("the database could not be taken over")]
    Lease(#[source] StoreError),
}

/// A stop that could not commit what happened waits no longer than this beyond the drain.
const LAST_COMMIT: Duration = Duration::from_secs(2);

/// Lanes that look at the store at once; it answers one after the other anyway.
const LOOKS: usize = 64;

/// The running lanes of this process.
pub struct Engine {
    shared: Arc<Shared>,
    waker: JoinHandle<()>,
    lease: JoinHandle<()>,
    committer: JoinHandle<()>,
}

pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) room: Room,
    pub(crate) rows: Rows,
    /// For looks at the store: each holds memory, and after a start all lanes want one.
    pub(crate) turns: Semaphore,
    wakes: mpsc::UnboundedSender<i64>,
    lanes: Mutex<HashMap<i64, Running>>,
    drain: Duration,
    lease: Mutex<Time>,
    /// Another process has taken over.
    lost: watch::Sender<bool>,
}

struct Running {
    inbox: Arc<Inbox>,
    /// Until a stop waits for it.
    task: Option<JoinHandle<()>>,
}

impl Engine {
    /// Takes over every lane that is known and starts the committer.
    pub async fn start(ports: Ports, config: EngineConfig) -> Result<Self, EngineError> {
        let known = ports.registry.lanes().await.map_err(EngineError::Lanes)?;
        let (wakes, mut woken) = mpsc::unbounded_channel();
        let (jobs, queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            ports,
            room: Room::new(NODE),
            rows: Rows::default(),
            turns: Semaphore::new(LOOKS),
            wakes,
            lanes: Mutex::default(),
            drain: config.drain,
            lease: Mutex::new(Time::MAX),
            lost: watch::Sender::new(false),
        });
        let until = lease::renew(&shared).await.map_err(EngineError::Lease)?;
        shared.leased(until);
        let lease = tokio::spawn(lease::keep(Arc::clone(&shared)));
        let committer = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move { committer::run(Arc::clone(&shared.ports.ledger), queue, || shared.lost()).await }
        });
        for lane in known {
            spawn(&shared, &config, lane, &jobs);
        }
        let waker = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Some(lane_no) = woken.recv().await {
                    if shared.tell(lane_no, Event::Wake) {
                        continue;
                    }
                    // A lane that came into being since the start.
                    match shared.ports.registry.lanes().await {
                        Ok(lanes) => {
                            for lane in lanes.into_iter().filter(|lane| lane.lane_no == lane_no) {
                                spawn(&shared, &config, lane, &jobs);
                            }
                        }
                        Err(error) => {
                            tracing::error!(%error, lane = lane_no, "a new lane could not be read");
                            let _ = shared.wakes.send(lane_no);
                            crate::clock::pause(Duration::from_secs(1)).await;
                        }
                    }
                }
            }
        });
        Ok(Self { shared, waker, lease, committer })
    }

    /// What the API uses to say that there is something to do.
    pub fn wake(&self) -> Arc<dyn Wake> {
        Arc::new(Waker(Arc::clone(&self.shared)))
    }

    /// Ends when another process has taken over what this one owned: nothing more can be done here.
    pub fn lost(&self) -> impl Future<Output = ()> + use<> {
        let mut lost = self.shared.lost.subscribe();
        async move {
            // Its sender lives as long as the lanes.
            let _ = lost.wait_for(|lost| *lost).await;
        }
    }

    /// Starts nothing more, waits for what is under way, and for all of it to be committed. Returns whether
    /// everything came to its end in time.
    pub async fn stop(self) -> bool {
        self.waker.abort();
        // They stay where the lease finds them: a drain lasts longer than a lease.
        let tasks: Vec<JoinHandle<()>> = {
            let mut lanes = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            for lane in lanes.values() {
                lane.inbox.tell(Input::Drain);
            }
            lanes.values_mut().filter_map(|lane| lane.task.take()).collect()
        };
        let deadline = self.shared.ports.clock.now() + self.shared.drain;
        let mut all = true;
        for mut task in tasks {
            tokio::select! {
                _ = &mut task => {}
                () = wait_until(self.shared.ports.clock.as_ref(), Some(deadline)) => {
                    task.abort();
                    all = false;
                }
            }
        }
        // With the lanes their senders are gone, and the committer ends when its queue is empty.
        let _ = self.waker.await;
        let mut committer = self.committer;
        tokio::select! {
            _ = &mut committer => {}
            () = wait_until(self.shared.ports.clock.as_ref(), Some(deadline + LAST_COMMIT)) => {
                committer.abort();
                all = false;
            }
        }
        self.lease.abort();
        all
    }
}

impl Shared {
    pub(crate) fn lost(&self) {
        tracing::error!("another nuncio has taken over the database; nothing more is sent from here");
        self.lost.send_replace(true);
    }

    pub(crate) fn lease(&self) -> Time {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn leased(&self, until: Time) {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = until;
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        for lane in lanes.values() {
            lane.inbox.tell(Input::Leased { until });
        }
    }

    fn tell(&self, lane_no: i64, event: Event) -> bool {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.get(&lane_no);
        lane.inspect(|lane| lane.inbox.tell(event)).is_some()
    }
}

fn spawn(
    shared: &Arc<Shared>,
    config: &EngineConfig,
    lane: Lane,
    jobs: &mpsc::UnboundedSender<committer::Job>,
) {
    let inbox = Arc::new(Inbox::default());
    let lane_no = lane.lane_no;
    let task = tokio::spawn(lane::run(Box::new(Start {
        shared: Arc::clone(shared),
        config: (config.lane)(&lane),
        lane,
        inbox: Arc::clone(&inbox),
        jobs: jobs.clone(),
    })));
    shared
        .lanes
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(lane_no, Running { inbox, task: Some(task) });
}

struct Waker(Arc<Shared>);

impl Wake for Waker {
    fn wake(&self, lane_no: i64) {
        // Only a stopped engine has no ear left.
        let _ = self.0.wakes.send(lane_no);
    }
}
