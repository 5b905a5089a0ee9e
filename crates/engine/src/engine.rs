//! Starting, waking and stopping lanes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nuncio_domain::Clock;
use nuncio_domain::lane::{Input, LaneConfig};
use nuncio_domain::people::Lane;
use nuncio_domain::ports::{Ledger, Registry, Sender, StoreError, Wake};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::wait_until;
use crate::committer;
use crate::lane::{self, Event, LaneSender};

/// What the engine works with.
#[derive(Clone)]
pub struct Ports {
    pub ledger: Arc<dyn Ledger>,
    pub registry: Arc<dyn Registry>,
    pub sender: Arc<dyn Sender>,
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
}

/// The running lanes of this process.
pub struct Engine {
    shared: Arc<Shared>,
    waker: JoinHandle<()>,
    committer: JoinHandle<()>,
}

struct Shared {
    ports: Ports,
    wakes: mpsc::UnboundedSender<i64>,
    lanes: Mutex<HashMap<i64, (LaneSender, JoinHandle<()>)>>,
    drain: Duration,
}

impl Engine {
    /// Takes over every lane that is known and starts the committer.
    pub async fn start(ports: Ports, config: EngineConfig) -> Result<Self, EngineError> {
        let known = ports.registry.lanes().await.map_err(EngineError::Lanes)?;
        let (wakes, mut woken) = mpsc::unbounded_channel();
        let (jobs, queue) = mpsc::unbounded_channel();
        let committer = tokio::spawn(committer::run(Arc::clone(&ports.ledger), queue));
        let shared = Arc::new(Shared { ports, wakes, lanes: Mutex::default(), drain: config.drain });
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
        Ok(Self { shared, waker, committer })
    }

    /// What the API uses to say that there is something to do.
    pub fn wake(&self) -> Arc<dyn Wake> {
        Arc::new(Waker(Arc::clone(&self.shared)))
    }

    /// Starts nothing more, waits for what is under way, and for all of it to be committed. Returns whether
    /// everything came to its end in time.
    pub async fn stop(self) -> bool {
        self.waker.abort();
        let lanes: Vec<(LaneSender, JoinHandle<()>)> = {
            let mut lanes = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            lanes.drain().map(|(_, lane)| lane).collect()
        };
        let deadline = self.shared.ports.clock.now() + self.shared.drain;
        let mut all = true;
        for (events, _) in &lanes {
            let _ = events.send(Event::Input(Input::Drain));
        }
        for (_, mut task) in lanes {
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
        let _ = self.committer.await;
        all
    }
}

impl Shared {
    fn tell(&self, lane_no: i64, event: Event) -> bool {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.get(&lane_no).is_some_and(|(events, _)| events.send(event).is_ok())
    }
}

fn spawn(
    shared: &Arc<Shared>,
    config: &EngineConfig,
    lane: Lane,
    jobs: &mpsc::UnboundedSender<committer::Job>,
) {
    let (events, inbox) = mpsc::unbounded_channel();
    let lane_no = lane.lane_no;
    let lane_config = (config.lane)(&lane);
    let task =
        tokio::spawn(lane::run(shared.ports.clone(), lane, lane_config, events.clone(), inbox, jobs.clone()));
    shared.lanes.lock().unwrap_or_else(PoisonError::into_inner).insert(lane_no, (events, task));
}

struct Waker(Arc<Shared>);

impl Wake for Waker {
    fn wake(&self, lane_no: i64) {
        // Only a stopped engine has no ear left.
        let _ = self.0.wakes.send(lane_no);
    }
}
