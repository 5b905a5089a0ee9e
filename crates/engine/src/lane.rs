//! The shell of one lane: feeds its core and carries out what it wants.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use nuncio_domain::Time;
use nuncio_domain::batch::Row;
use nuncio_domain::install::InstallCall;
use nuncio_domain::lane::pace::{LEASE_LEFT, MISSED};
use nuncio_domain::lane::{Action, CallOrder, Input, LaneConfig, LaneCore};
use nuncio_domain::message::Spoken;
use nuncio_domain::outcome::Operation;
use nuncio_domain::people::Lane;
use nuncio_domain::ports::{Call, StoreError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::{Stepped, pause, wait_until};
use crate::committer::Job;
use crate::engine::Shared;
use crate::fetch;
use crate::inbox::{Event, Inbox};
use crate::names::{self, Turn};

const BACKOFF: Duration = Duration::from_millis(250);
/// How long a new owner looks for words of the one before it: a call of that one ends within 30 s.
const HEARS: Duration = Duration::from_mins(1);
/// What one step may begin at most: a lane has fewer in flight.
const MOST_BEGUN: usize = 100;

struct Shell {
    shared: Arc<Shared>,
    lane: Arc<Lane>,
    core: LaneCore,
    contents: HashMap<i64, Arc<Spoken>>,
    inbox: Arc<Inbox>,
    jobs: mpsc::UnboundedSender<Job>,
    stepped: Stepped,
    /// Until then the process that was taken over may say what its calls came to.
    hears_until: Time,
    /// The highest message that was found open.
    seen: i64,
    /// A look at the open messages is under way, and another is wanted after it: at those above this one.
    looking: bool,
    look_again: Option<i64>,
    /// Of looking up names, and who does that although no message waits for it.
    names: Arc<Turn>,
    naming: Option<JoinHandle<()>>,
    draining: bool,
}

impl Drop for Shell {
    fn drop(&mut self) {
        if let Some(naming) = &self.naming {
            naming.abort();
        }
    }
}

/// What a lane begins with. In a box: a task keeps room for all that it was ever given.
pub(crate) struct Start {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lane: Lane,
    pub(crate) config: LaneConfig,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) jobs: mpsc::UnboundedSender<Job>,
}

/// Runs a lane until it is drained.
pub(crate) async fn run(start: Box<Start>) {
    // On the heap, to be gone afterwards: a task is as large as the largest that it ever waits for. And in its turn, or all
    // lanes would have one at once.
    let mut shell = {
        let shared = Arc::clone(&start.shared);
        let _turn = shared.turns.acquire().await;
        Box::pin(begin(start)).await
    };
    loop {
        let wake = shell.core.wake_at();
        tokio::select! {
            biased;
            () = shell.inbox.told() => {
                // Those that are about to tell more go first: a step costs as much for one answer as for ten.
                tokio::task::yield_now().await;
                let events = shell.inbox.take();
                let mut inputs = Vec::with_capacity(events.len());
                for event in events {
                    shell.take(event, &mut inputs);
                }
                shell.step(inputs);
            }
            () = wait_until(shell.shared.ports.clock.as_ref(), wake) => shell.step(vec![Input::Tick]),
            () = shell.shared.room.freed(), if shell.core.wants_room() => {
                shell.step(vec![Input::Tick]);
                shell.shared.room.pass_on();
            }
        }
        if shell.draining && shell.core.is_quiet() {
            return;
        }
    }
}

/// Takes a lane over and looks at what there is to do.
async fn begin(start: Box<Start>) -> Box<Shell> {
    let Start { shared, lane, config, inbox, jobs } = *start;
    let ports = &shared.ports;
    let now = ports.clock.now();
    let taken_over = insist("recover", || ports.ledger.recover(lane.lane_no, now)).await;
    match taken_over {
        (0, 0) => {}
        (ambiguous, resent) => tracing::warn!(
            lane = lane.lane_no,
            ambiguous,
            resent,
            "calls were under way when the process before this one ended"
        ),
    }
    let opened = insist("open", || ports.ledger.open(lane.lane_no, 0)).await;
    let now = ports.clock.now();
    let mut shell = Box::new(Shell {
        lane: Arc::new(lane),
        core: LaneCore::new(config, now),
        contents: HashMap::new(),
        inbox,
        jobs,
        stepped: Stepped::new(now),
        hears_until: if taken_over == (0, 0) { Time::ZERO } else { now + HEARS },
        seen: 0,
        looking: false,
        look_again: None,
        names: Arc::default(),
        naming: None,
        draining: false,
        shared,
    });
    let mut inputs = vec![Input::Leased { until: shell.shared.lease() }];
    shell.take(Input::Opened(opened).into(), &mut inputs);
    shell.step(inputs);
    shell
}

impl Shell {
    fn take(&mut self, event: Event, inputs: &mut Vec<Input>) {
        let input = match event {
            Event::Wake => return self.look(self.seen),
            Event::Lane(lane) => {
                self.lane = Arc::new(lane);
                return;
            }
            Event::Named => {
                self.naming = None;
                // There may be more lists by now.
                return self.look(self.seen);
            }
            Event::Input(input) => input,
        };
        match &input {
            Input::Opened(opened) => {
                self.looking = false;
                let newest = opened.service_url.as_ref();
                if newest.is_some_and(|newest| self.lane.service_url.as_ref() != Some(newest)) {
                    let service_url = newest.cloned();
                    self.lane = Arc::new(Lane { service_url, ..Lane::clone(&self.lane) });
                }
                for message in &opened.messages {
                    self.seen = self.seen.max(message.message_no);
                    self.contents
                        .entry(message.message_no)
                        .or_insert_with(|| Arc::new(Spoken::new(message.content.clone())));
                }
                if let Some(after) = self.look_again.take() {
                    self.look(after);
                }
                self.name(&opened.names_of);
            }
            // Nobody can wake us for a word that is left by another process.
            Input::Leased { .. } if self.shared.ports.clock.now() < self.hears_until => self.look(self.seen),
            Input::Drain => self.draining = true,
            _ => {}
        }
        inputs.push(input);
    }

    /// One step of the core for all that happened, within the room that is left on this node.
    fn step(&mut self, mut inputs: Vec<Input>) {
        let now = self.shared.ports.clock.now();
        if let Some(by_us) = self.stepped.clock_set(now) {
            tracing::warn!(lane = self.lane.lane_no, by_ms = by_us / 1_000, "the clock was set");
            inputs.insert(0, Input::ClockSet { by_us });
        }
        let before = self.core.in_flight();
        let taken = self.shared.room.take(MOST_BEGUN);
        self.core.allow(taken);
        let held = self.core.held();
        self.core.hold_at_most(self.shared.rows.most(held));
        let actions = self.core.steps(now, inputs);
        self.shared.rows.moved(held, self.core.held());
        self.shared.room.give((taken + before).saturating_sub(self.core.in_flight()));
        for action in actions {
            self.perform(action);
        }
    }

    /// Reads the open messages; a wake during that makes it read once more, so that none is missed.
    fn look(&mut self, after: i64) {
        if self.looking {
            self.look_again = Some(self.look_again.map_or(after, |other| other.min(after)));
            return;
        }
        self.looking = true;
        let (shared, inbox, lane_no) = (Arc::clone(&self.shared), Arc::clone(&self.inbox), self.lane.lane_no);
        tokio::spawn(async move {
            let opened = insist("open", async || {
                let _turn = shared.turns.acquire().await;
                shared.ports.ledger.open(lane_no, after).await
            })
            .await;
            inbox.tell(Input::Opened(opened));
        });
    }

    /// Has names of uploaded lists looked up, so that whoever uploaded them sees early what is wrong with them.
    fn name(&mut self, lists: &[i64]) {
        if lists.is_empty() || self.naming.is_some() || self.draining {
            return;
        }
        let (shared, lane, turn) =
            (Arc::clone(&self.shared), Arc::clone(&self.lane), Arc::clone(&self.names));
        let (inbox, lists) = (Arc::clone(&self.inbox), lists.to_vec());
        self.naming = Some(tokio::spawn(async move {
            for list_no in lists {
                names::look_up_all(&shared.ports, &lane, &turn, list_no).await;
            }
            inbox.tell(Event::Named);
        }));
    }

    fn perform(&mut self, action: Action) {
        let ledger = Arc::clone(&self.shared.ports.ledger);
        let inbox = Arc::clone(&self.inbox);
        match action {
            Action::Commit { ticket, batch } => {
                // The committer outlives its lanes.
                let _ = self.jobs.send(Job { ticket, batch, reply: inbox });
            }
            Action::Call(order) => self.call(order),
            Action::Install { operation, row } => self.install(operation, row),
            Action::Expand { message_no, limit } => {
                let clock = Arc::clone(&self.shared.ports.clock);
                tokio::spawn(async move {
                    let expanded = insist("expand", || ledger.expand(message_no, limit, clock.now())).await;
                    inbox.tell(Input::Expanded { message_no, expanded });
                });
            }
            Action::Fetch { message_no, wanted } => {
                let (shared, lane) = (Arc::clone(&self.shared), Arc::clone(&self.lane));
                tokio::spawn(async move {
                    let ports = &shared.ports;
                    let directory = ports.directory.as_ref();
                    let (fill, fetched) = fetch::ask(directory, &lane, message_no, &wanted).await;
                    if let Some(fill) = fill {
                        insist("fill", || fetch::keep(ledger.as_ref(), &fill, ports.clock.as_ref())).await;
                    }
                    inbox.tell(Input::Fetched { message_no, fetched });
                });
            }
            Action::LookUp { message_no, list_no } => {
                let (shared, lane) = (Arc::clone(&self.shared), Arc::clone(&self.lane));
                let turn = Arc::clone(&self.names);
                tokio::spawn(async move {
                    let fetched = names::look_up(&shared.ports, &lane, &turn, list_no).await.map(|_| ());
                    inbox.tell(Input::Fetched { message_no, fetched });
                });
            }
            Action::LoadPage { message_no, after, limit } => {
                tokio::spawn(async move {
                    let rows = insist("page", || ledger.page(message_no, after, limit)).await;
                    inbox.tell(Input::Page { message_no, rows });
                });
            }
            Action::LoadDue { limit } => {
                let lane_no = self.lane.lane_no;
                tokio::spawn(async move {
                    let rows = insist("due", || ledger.due(lane_no, Time::MAX, limit)).await;
                    inbox.tell(Input::Due { rows });
                });
            }
            Action::LoadInherited { since } => {
                let lane_no = self.lane.lane_no;
                tokio::spawn(async move {
                    let inherited = insist("inherited", || ledger.inherited(lane_no, since)).await;
                    inbox.tell(Input::Inherited(inherited));
                });
            }
            Action::LoadReferences { key } => {
                let (shared, lane) = (Arc::clone(&self.shared), Arc::clone(&self.lane));
                tokio::spawn(async move {
                    let registry = &shared.ports.registry;
                    let references = insist("references", || registry.references(key.recipient_no)).await;
                    // Where first contacts go may have changed with it.
                    inbox.tell(Event::Lane(as_it_is_now(&shared, &lane).await));
                    inbox.tell(Input::References { key, references });
                });
            }
            Action::MakeDue => {
                let (shared, lane_no) = (Arc::clone(&self.shared), self.lane.lane_no);
                tokio::spawn(async move {
                    let clock = shared.ports.clock.as_ref();
                    let deliveries = insist("reached", || ledger.reached(lane_no, clock.now())).await;
                    inbox.tell(Input::MadeDue { deliveries });
                });
            }
            Action::Look => self.look(0),
            Action::Forget { message_no } => {
                self.contents.remove(&message_no);
            }
        }
    }

    fn call(&self, order: CallOrder) {
        let CallOrder { operation, at, row, may_miss } = order;
        let key = row.key;
        let Some(content) = self.contents.get(&key.message_no) else {
            // Contents live as long as their message is open, and only open messages start calls.
            tracing::error!(message_no = key.message_no, "a call without its content was not made");
            return;
        };
        let call = Call { lane: Arc::clone(&self.lane), operation, row, content: Arc::clone(content) };
        let (shared, inbox) = (Arc::clone(&self.shared), Arc::clone(&self.inbox));
        tokio::spawn(async move {
            let clock = shared.ports.clock.as_ref();
            let mut started_at = clock.now();
            // Even a timer that has run out already takes the lock of all timers.
            if started_at < at {
                wait_until(clock, Some(at)).await;
                started_at = clock.now();
            }
            // A process that stood still may have lost its lane meanwhile, and the call would come beside another's.
            let late = may_miss && started_at > at + MISSED;
            if late || started_at + LEASE_LEFT > shared.lease() {
                inbox.tell(Input::Missed { key });
                return;
            }
            let answer = shared.ports.sender.call(call).await;
            tracing::debug!(
                message_no = key.message_no,
                recipient_no = key.recipient_no,
                call = operation.as_str(),
                outcome = answer.outcome.word(),
                status = answer.status,
                code = answer.code,
                "attempt"
            );
            inbox.tell(Input::Answered { key, started_at, answer });
        });
    }
}

impl Shell {
    /// Repeatable, so neither a slot nor a lease is kept: what is under way when the process ends is asked again.
    fn install(&self, operation: Operation, row: Arc<Row>) {
        let key = row.key;
        let call = InstallCall { lane: Arc::clone(&self.lane), operation, row };
        let (shared, inbox) = (Arc::clone(&self.shared), Arc::clone(&self.inbox));
        tokio::spawn(async move {
            let started_at = shared.ports.clock.now();
            let answer = shared.ports.installer.call(call).await;
            tracing::debug!(
                message_no = key.message_no,
                recipient_no = key.recipient_no,
                call = operation.as_str(),
                outcome = answer.outcome.word(),
                status = answer.status,
                code = answer.code,
                "attempt"
            );
            inbox.tell(Input::Installed { key, started_at, answer });
        });
    }
}

/// The lane with the newest service URL that was seen in its tenant.
async fn as_it_is_now(shared: &Shared, lane: &Lane) -> Lane {
    insist("lane", || shared.ports.registry.lane(&lane.app, &lane.tenant)).await
}

/// Asks the store until it answers; a lane cannot go on without.
pub(crate) async fn insist<T, F, A>(what: &'static str, ask: F) -> T
where
    F: Fn() -> A,
    A: Future<Output = Result<T, StoreError>>,
{
    let mut wait = BACKOFF;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            // The process is about to end, and nobody needs the answer.
            Err(StoreError::Fenced) => std::future::pending().await,
            Err(error) => {
                tracing::error!(%error, what, "the store failed and is asked again");
                pause(wait).await;
                wait = (wait * 2).min(Duration::from_secs(5));
            }
        }
    }
}
