//! The shell of one lane: feeds its core and carries out what it wants.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use nuncio_domain::Time;
use nuncio_domain::lane::pace::{LEASE_LEFT, MISSED};
use nuncio_domain::lane::{Action, CallOrder, Input, LaneConfig, LaneCore};
use nuncio_domain::message::Spoken;
use nuncio_domain::people::Lane;
use nuncio_domain::ports::{Call, StoreError};
use tokio::sync::mpsc;

use crate::clock::{Stepped, pause, wait_until};
use crate::committer::Job;
use crate::engine::Shared;

const BACKOFF: Duration = Duration::from_millis(250);
/// How long a new owner looks for words of the one before it: a call of that one ends within 30 s.
const HEARS: Duration = Duration::from_mins(1);
/// What one step may begin at most: a lane has fewer in flight.
const MOST_BEGUN: usize = 100;

pub(crate) type LaneSender = mpsc::UnboundedSender<Event>;

/// What a lane is told. A channel keeps room for 32 even when nothing is said, and there are thousands of lanes: so
/// what is large is boxed.
#[derive(Debug)]
pub(crate) enum Event {
    /// Something was stored for it: look.
    Wake,
    /// It is known anew.
    Lane(Box<Lane>),
    /// For its core; [`Input::Drain`] ends the lane when all that is under way has ended.
    Input(Box<Input>),
}

impl From<Input> for Event {
    fn from(input: Input) -> Self {
        Self::Input(Box::new(input))
    }
}

struct Shell {
    shared: Arc<Shared>,
    lane: Arc<Lane>,
    core: LaneCore,
    contents: HashMap<i64, Arc<Spoken>>,
    events: LaneSender,
    jobs: mpsc::UnboundedSender<Job>,
    stepped: Stepped,
    /// Until then the process that was taken over may say what its calls came to.
    hears_until: Time,
    /// The highest message that was found open.
    seen: i64,
    /// A look at the open messages is under way, and another is wanted after it: at those above this one.
    looking: bool,
    look_again: Option<i64>,
    draining: bool,
}

/// Runs a lane until it is drained.
pub(crate) async fn run(
    shared: Arc<Shared>,
    lane: Lane,
    config: LaneConfig,
    events: LaneSender,
    mut inbox: mpsc::UnboundedReceiver<Event>,
    jobs: mpsc::UnboundedSender<Job>,
) {
    let now = shared.ports.clock.now();
    let taken_over = insist("recover", async || {
        let _turn = shared.turns.acquire().await;
        shared.ports.ledger.recover(lane.lane_no, now).await
    })
    .await;
    match taken_over {
        (0, 0) => {}
        (ambiguous, resent) => tracing::warn!(
            lane = lane.lane_no,
            ambiguous,
            resent,
            "calls were under way when the process before this one ended"
        ),
    }
    let now = shared.ports.clock.now();
    let mut shell = Shell {
        lane: Arc::new(lane),
        core: LaneCore::new(config, now),
        contents: HashMap::new(),
        events,
        jobs,
        stepped: Stepped::new(now),
        hears_until: if taken_over == (0, 0) { Time::ZERO } else { now + HEARS },
        seen: 0,
        looking: false,
        look_again: None,
        draining: false,
        shared,
    };
    shell.look(0);
    loop {
        let wake = shell.core.wake_at();
        tokio::select! {
            biased;
            event = inbox.recv() => match event {
                Some(event) => {
                    let mut inputs = Vec::new();
                    shell.take(event, &mut inputs);
                    while let Ok(event) = inbox.try_recv() {
                        shell.take(event, &mut inputs);
                    }
                    shell.step(inputs);
                }
                None => return,
            },
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

impl Shell {
    fn take(&mut self, event: Event, inputs: &mut Vec<Input>) {
        let input = match event {
            Event::Wake => return self.look(self.seen),
            Event::Lane(lane) => {
                self.lane = Arc::new(*lane);
                return;
            }
            Event::Input(input) => *input,
        };
        match &input {
            Input::Opened(opened) => {
                self.looking = false;
                for message in &opened.messages {
                    self.seen = self.seen.max(message.message_no);
                    self.contents
                        .entry(message.message_no)
                        .or_insert_with(|| Arc::new(Spoken::new(message.content.clone())));
                }
                if let Some(after) = self.look_again.take() {
                    self.look(after);
                }
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
        let actions = self.core.steps(now, inputs);
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
        let (shared, events, lane_no) = (Arc::clone(&self.shared), self.events.clone(), self.lane.lane_no);
        tokio::spawn(async move {
            let opened = insist("open", async || {
                let _turn = shared.turns.acquire().await;
                shared.ports.ledger.open(lane_no, after).await
            })
            .await;
            let _ = events.send(Input::Opened(opened).into());
        });
    }

    fn perform(&mut self, action: Action) {
        let ledger = Arc::clone(&self.shared.ports.ledger);
        let events = self.events.clone();
        match action {
            Action::Commit { ticket, batch } => {
                // The committer outlives its lanes.
                let _ = self.jobs.send(Job { ticket, batch, reply: events });
            }
            Action::Call(order) => self.call(order),
            Action::Expand { message_no, limit } => {
                let clock = Arc::clone(&self.shared.ports.clock);
                tokio::spawn(async move {
                    let expanded = insist("expand", || ledger.expand(message_no, limit, clock.now())).await;
                    let _ = events.send(Input::Expanded { message_no, expanded }.into());
                });
            }
            Action::LoadPage { message_no, after, limit } => {
                tokio::spawn(async move {
                    let rows = insist("page", || ledger.page(message_no, after, limit)).await;
                    let _ = events.send(Input::Page { message_no, rows }.into());
                });
            }
            Action::LoadDue { limit } => {
                let lane_no = self.lane.lane_no;
                tokio::spawn(async move {
                    let rows = insist("due", || ledger.due(lane_no, Time::MAX, limit)).await;
                    let _ = events.send(Input::Due { rows }.into());
                });
            }
            Action::LoadHolding => {
                let lane_no = self.lane.lane_no;
                tokio::spawn(async move {
                    let rows = insist("holding", || ledger.holding(lane_no)).await;
                    let _ = events.send(Input::Holding { rows }.into());
                });
            }
            Action::LoadReferences { key } => {
                let registry = Arc::clone(&self.shared.ports.registry);
                let lane_no = self.lane.lane_no;
                tokio::spawn(async move {
                    let references = insist("references", || registry.references(key.recipient_no)).await;
                    // Where first contacts go may have changed with it.
                    let lanes = insist("lanes", || registry.lanes()).await;
                    if let Some(lane) = lanes.into_iter().find(|lane| lane.lane_no == lane_no) {
                        let _ = events.send(Event::Lane(Box::new(lane)));
                    }
                    let _ = events.send(Input::References { key, references }.into());
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
        let call = Call {
            lane: Arc::clone(&self.lane),
            key,
            operation,
            kind: row.kind,
            address: row.address,
            mri: row.mri,
            reference: row.reference,
            content: Arc::clone(content),
        };
        let (shared, events) = (Arc::clone(&self.shared), self.events.clone());
        tokio::spawn(async move {
            let clock = shared.ports.clock.as_ref();
            wait_until(clock, Some(at)).await;
            let started_at = clock.now();
            // A process that stood still may have lost its lane meanwhile, and the call would come beside another's.
            let late = may_miss && started_at > at + MISSED;
            if late || started_at + LEASE_LEFT > shared.lease() {
                let _ = events.send(Input::Missed { key }.into());
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
            let _ = events.send(Input::Answered { key, started_at, answer }.into());
        });
    }
}

/// Asks the store until it answers; a lane cannot go on without.
async fn insist<T, F, A>(what: &'static str, ask: F) -> T
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
