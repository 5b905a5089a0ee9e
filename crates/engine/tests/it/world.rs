//! Virtual time: a heap of events, a lane core, a ledger and a service. Processes can die and start again.

use std::collections::BTreeMap;
use std::sync::Arc;

use nuncio_domain::batch::{Batch, Late, Row};
use nuncio_domain::directory::{Fill, Wanted};
use nuncio_domain::lane::{Action, CallOrder, Input, LaneConfig, LaneCore};
use nuncio_domain::message::{
    Body, Class, Content, Control, ControlRequest, LaneControl, Named, NewMessage, OnAmbiguous,
    SettleRequest, Settled, Submitted, Verdict, WhenUnreachable,
};
use nuncio_domain::outcome::{Answer, Operation, Outcome};
use nuncio_domain::people::RecipientKind;
use nuncio_domain::ports::Ledger;
use nuncio_domain::views::MessageView;
use nuncio_domain::{Key, MessageId, MessageState, Role, Scope, Time};
use nuncio_testkit::MemoryLedger;
use uuid::Uuid;

use crate::directory::TestDirectory;
use crate::installs::TestInstaller;
use crate::service::{Dice, SECOND, Service, Weather};

/// What happens at a moment.
pub(crate) enum Event {
    Input(Input),
    Look,
    Commit {
        ticket: u64,
        batch: Batch,
    },
    Perform(Action),
    Arrive(CallOrder),
    Answer {
        key: Key,
        address: String,
        started_at: Time,
        answer: Answer,
    },
    Tick,
    Start,
    Die,
    /// The process stands still: it hears nothing, but its calls go on.
    Stall,
    /// A process that stood still goes on, finds that another has taken over, and says what its calls came to.
    Testify,
    SetClock(i64),
    /// An install arrives at Graph, and its answer at the process.
    Install {
        operation: Operation,
        row: Arc<Row>,
        started_at: Time,
    },
    /// Teams tells of an install.
    Met(String),
    Lane(LaneControl),
}

pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) service: Service,
    pub(crate) directory: TestDirectory,
    pub(crate) installer: TestInstaller,
    pub(crate) scope: Scope,
    core: Option<LaneCore>,
    /// Which process: what a dead one had begun goes nowhere.
    process: u64,
    events: BTreeMap<(i64, u64), (u64, Event)>,
    seq: u64,
    pub(crate) dice: Dice,
    config: LaneConfig,
    commit_free_at: i64,
    alarm: i64,
    /// By how much the wall clock was set: what the process and the store take for the time.
    set_by: i64,
    /// From, until: the store does not answer.
    pub(crate) store_down: Option<(i64, i64)>,
    /// A process that stands still while another has taken over, and what its calls came to.
    stalled: Option<(u64, Vec<Late>)>,
    /// Of a thousand commits, how many take 300 ms.
    pub(crate) slow_commits: u64,
    /// Of a hundred calls, how many cannot start near their slot.
    pub(crate) missed_calls: u64,
    /// Other lanes of the node leave room for some rows, at every step for others.
    pub(crate) crowded: Option<Dice>,
    /// From and to: how long the answer of a call takes.
    pub(crate) latency: (i64, i64),
    /// Said when it fails: how to see it again.
    pub(crate) story: String,
    /// Rows in memory, at most so far.
    pub(crate) most_held: usize,
    /// (message, recipient address) in the order in which calls arrived.
    pub(crate) arrivals: Vec<(i64, String)>,
}

pub(crate) const LANE: i64 = 1;

impl World {
    pub(crate) fn new(seed: u64, weather: Weather, shape: impl FnOnce(&mut LaneConfig)) -> Self {
        let mut config = LaneConfig::new(LANE, Some(50.0), seed);
        shape(&mut config);
        let mut world = Self {
            now: 10_000 * SECOND,
            ledger: Arc::new(MemoryLedger::default()),
            service: Service::new(seed ^ 0x5eed, weather),
            directory: TestDirectory::default(),
            installer: TestInstaller::new(seed),
            scope: Scope { key_no: 1, role: Role::Admin, app: None, may_install: true },
            core: None,
            process: 0,
            events: BTreeMap::new(),
            seq: 0,
            dice: Dice::new(seed),
            config,
            commit_free_at: 0,
            alarm: 0,
            set_by: 0,
            store_down: None,
            stalled: None,
            slow_commits: 0,
            missed_calls: 0,
            crowded: None,
            latency: (20_000, 220_000),
            story: String::new(),
            most_held: 0,
            arrivals: Vec::new(),
        };
        let lane_no = world.ledger.lane("app", "tenant");
        assert_eq!(lane_no, LANE);
        world.at(0, Event::Start);
        world
    }

    pub(crate) fn at(&mut self, delay: i64, event: Event) {
        self.seq += 1;
        self.events.insert((self.now + delay, self.seq), (self.process, event));
    }

    /// The process dies then, and another starts a while later.
    pub(crate) fn die_after(&mut self, delay: i64, down: i64) {
        self.at(delay, Event::Die);
        self.at(delay + down, Event::Start);
    }

    /// The process stands still then; another takes over when its lease is out, and it goes on after that.
    pub(crate) fn stall_after(&mut self, delay: i64, taken_over: i64, goes_on: i64) {
        self.at(delay, Event::Stall);
        self.at(delay + taken_over, Event::Start);
        self.at(delay + taken_over + goes_on, Event::Testify);
    }

    /// An operator holds the lane from then on, and lets it go on again.
    pub(crate) fn hold_lane_after(&mut self, hold: i64, go_on: i64) {
        self.at(hold, Event::Lane(LaneControl::Pause));
        self.at(go_on, Event::Lane(LaneControl::Resume));
    }

    /// The wall clock is set then, by so much.
    pub(crate) fn set_clock_after(&mut self, delay: i64, by: i64) {
        self.at(delay, Event::SetClock(by));
    }

    pub(crate) fn wall(&self) -> Time {
        Time(self.now + self.set_by)
    }

    /// From when on the store works again; now, if it does.
    fn store_up(&self) -> i64 {
        self.store_down
            .filter(|(from, until)| (*from..*until).contains(&self.now))
            .map_or(self.now, |down| down.1)
    }

    /// Hands in a message to people (or channels) by address.
    pub(crate) async fn submit(&mut self, to: &[String], shape: impl FnOnce(&mut NewMessage)) -> MessageId {
        let id = MessageId(Uuid::from_u128(u128::from(self.seq) + (self.now as u128) * 1_000_000));
        self.seq += 1;
        let kind = |key: &String| {
            if key.starts_with("19:") { RecipientKind::Channel } else { RecipientKind::Person }
        };
        let mut new = NewMessage {
            id,
            lane_no: LANE,
            class: Class::Normal,
            content: Content { body: Body::Text("hello".to_owned()), summary: None },
            label: None,
            named: to.iter().map(|key| Named { kind: kind(key), key: key.clone() }).collect(),
            installed: false,
            lists: Vec::new(),
            directory: Vec::new(),
            resolved: Vec::new(),
            include: nuncio_domain::directory::Include::default(),
            retries: None,
            exclude: Vec::new(),
            purpose: nuncio_domain::own_words::Purpose::Asked,
            install: nuncio_domain::InstallPolicy::Never,
            exclude_groups: Vec::new(),
            on_ambiguous: None,
            when_unreachable: WhenUnreachable::Fail,
            max_recipients: 1_000_000,
            send_at: None,
            expires_at: Time(self.wall().0 + 24 * 3600 * SECOND),
            created_at: self.wall(),
            idempotency: None,
        };
        shape(&mut new);
        let submitted = self.ledger.submit(&self.scope, new).await.unwrap();
        assert_eq!(submitted, Submitted::Stored);
        self.at(0, Event::Look);
        id
    }

    pub(crate) async fn control(&mut self, id: MessageId, control: Control) {
        let request = ControlRequest { scope: &self.scope, id, control };
        self.ledger.control(request, self.wall()).await.unwrap();
        self.at(0, Event::Look);
    }

    /// An operator says what all ambiguous deliveries of a message came to.
    pub(crate) async fn settle(&mut self, id: MessageId, verdict: Verdict) -> Settled {
        let request = SettleRequest { scope: &self.scope, id, verdict, recipients: None };
        let settled = self.ledger.settle(request, self.wall()).await.unwrap();
        self.at(0, Event::Look);
        settled
    }

    /// Runs until `done`, or panics after `most` seconds of virtual time.
    pub(crate) async fn run_until(&mut self, most: i64, mut done: impl AsyncFnMut(&Self) -> bool) {
        let deadline = self.now + most * SECOND;
        let (mut steps, mut look_at) = (0_u64, 0);
        loop {
            steps += 1;
            if self.now >= look_at {
                if done(self).await {
                    return;
                }
                look_at = self.now + SECOND;
            }
            let Some((&(at, seq), _)) = self.events.first_key_value() else {
                assert!(done(self).await, "nothing happens any more, and it is not done; {}", self.story);
                return;
            };
            if at > deadline {
                assert!(done(self).await, "not done after {most} s of virtual time; {}", self.story);
                return;
            }
            assert!(steps < 50_000_000, "it runs in a circle; {}", self.story);
            let (process, event) = self.events.remove(&(at, seq)).unwrap();
            self.now = self.now.max(at);
            self.handle(process, event).await;
        }
    }

    pub(crate) async fn run_for(&mut self, seconds: i64) {
        let until = self.now + seconds * SECOND;
        while let Some((&(at, seq), _)) = self.events.first_key_value() {
            if at > until {
                break;
            }
            let (process, event) = self.events.remove(&(at, seq)).unwrap();
            self.now = self.now.max(at);
            self.handle(process, event).await;
        }
        self.now = until;
    }

    /// Runs until the message is final.
    pub(crate) async fn finish(&mut self, id: MessageId, most: i64) -> MessageView {
        self.run_until(most, async |world: &Self| {
            world.message(id).await.state.is_final() && world.message(id).await.counts.in_flight == 0
        })
        .await;
        let message = self.message(id).await;
        assert_eq!(message.state, MessageState::Completed, "{message:?}");
        message
    }

    async fn handle(&mut self, process: u64, event: Event) {
        let alive = process == self.process && self.core.is_some();
        match event {
            Event::Start if self.core.is_none() => {
                self.process += 1;
                self.commit_free_at = self.now;
                self.alarm = 0;
                self.ledger.recover(LANE, self.wall()).await.unwrap();
                self.core = Some(LaneCore::new(self.config.clone(), self.wall()));
                self.look().await;
            }
            Event::Start => {}
            Event::Die => self.core = None,
            Event::Stall if self.core.is_some() && self.stalled.is_none() => {
                self.core = None;
                self.stalled = Some((self.process, Vec::new()));
            }
            Event::Stall => {}
            Event::Testify => {
                if let Some((_, accepted)) = self.stalled.take() {
                    self.ledger.testify(accepted, self.wall()).await.unwrap();
                    self.at(0, Event::Look);
                }
            }
            Event::Lane(control) => {
                self.ledger.control_lane(&self.scope, LANE, control, self.wall()).await.unwrap();
                self.at(0, Event::Look);
            }
            Event::SetClock(by) => {
                self.set_by += by;
                if self.core.is_some() {
                    self.step(Input::ClockSet { by_us: by });
                }
            }
            // These are not a process's own.
            Event::Look if self.core.is_some() => self.look().await,
            Event::Look => {}
            Event::Arrive(order) => self.arrive(&order, alive),
            Event::Install { operation, row, started_at } => self.install(operation, &row, started_at),
            Event::Met(person) => self.met(&[person]),
            Event::Answer { key, address, started_at, answer } => {
                self.service.leave(&address);
                if alive {
                    self.step(Input::Answered { key, started_at, answer });
                } else if let Some((stalled, accepted)) = &mut self.stalled
                    && process == *stalled
                    && let Outcome::Accepted { activity_id: activity_id @ Some(_), .. } = answer.outcome
                {
                    accepted.push(Late { key, started_at, activity_id });
                }
            }
            _ if !alive => {}
            Event::Input(input) => self.step(input),
            Event::Tick if self.now == self.alarm => self.step(Input::Tick),
            Event::Tick => {}
            Event::Commit { ticket, batch } => {
                let committed = self.ledger.commit(batch.into()).await.unwrap();
                self.step(Input::Committed { ticket, committed });
            }
            Event::Perform(action) => self.perform(action).await,
        }
    }

    async fn look(&mut self) {
        let opened = self.ledger.open(LANE, 0).await.unwrap();
        self.step(Input::Opened(opened));
    }

    fn step(&mut self, input: Input) {
        let now = self.wall();
        let Some(core) = &mut self.core else { return };
        if let Some(others) = &mut self.crowded {
            core.hold_at_most(others.below(300) as usize);
        }
        let actions = core.step(now, input);
        let wake = core.wake_at();
        self.most_held = self.most_held.max(core.held());
        for action in actions {
            match action {
                Action::Commit { ticket, batch } => {
                    let slow = self.slow_commits > 0 && self.dice.below(1000) < self.slow_commits;
                    let takes = if slow { 300_000 } else { 200 + self.dice.below(6_000) as i64 };
                    self.commit_free_at = self.commit_free_at.max(self.store_up()) + takes;
                    let delay = self.commit_free_at - self.now;
                    self.at(delay, Event::Commit { ticket, batch });
                }
                // Held up, and given back.
                Action::Call(order) if order.may_miss && self.dice.percent(self.missed_calls) => {
                    let delay = (order.at.0 - now.0).max(0) + 15_000;
                    self.at(delay, Event::Input(Input::Missed { key: order.row.key }));
                }
                Action::Call(order) => {
                    let jitter = self.dice.below(5_000) as i64;
                    let delay = (order.at.0 - now.0).max(0) + jitter;
                    self.at(delay, Event::Arrive(order));
                }
                Action::Install { operation, row } => {
                    let delay = self.installer.slot(self.now) - self.now;
                    self.at(delay, Event::Install { operation, row, started_at: now });
                }
                Action::Forget { .. } => {}
                action => self.at(self.store_up() - self.now + 500, Event::Perform(action)),
            }
        }
        if let Some(wake) = wake {
            let wake = (wake.0 - self.set_by).max(self.now + 1);
            // One alarm at a time: the earliest.
            if self.alarm <= self.now || wake < self.alarm {
                self.alarm = wake;
                self.at(wake - self.now, Event::Tick);
            }
        }
    }

    fn arrive(&mut self, order: &CallOrder, alive: bool) {
        // A process that died before the call started never made it.
        if !alive && self.dice.percent(50) {
            return;
        }
        let address = order.row.address.clone();
        self.arrivals.push((order.row.key.message_no, address.clone()));
        let answer = self.service.arrive(self.now, order.operation, &order.row);
        let (least, most) = self.latency;
        let latency = least + self.dice.below((most - least + 1) as u64) as i64;
        let started_at = self.wall();
        self.at(latency, Event::Answer { key: order.row.key, address, started_at, answer });
    }

    async fn perform(&mut self, action: Action) {
        let now = self.wall();
        let input = match action {
            Action::Expand { message_no, limit } => {
                let expanded = self.ledger.expand(message_no, limit, now).await.unwrap();
                let delay = self.dice.below(5_000) as i64;
                return self.at(delay, Event::Input(Input::Expanded { message_no, expanded }));
            }
            Action::Fetch { message_no, wanted } => {
                let takes = self.dice.below(300_000) as i64;
                let fetched = self.directory.page(self.now, &wanted);
                if let Ok((people, next)) = &fetched {
                    let (people, next) = (people.clone(), next.clone());
                    let Wanted { source_no, cursor, .. } = wanted;
                    let fill = Fill { message_no, source_no, cursor, people, next };
                    self.ledger.fill(fill, now).await.unwrap();
                }
                let fetched = fetched.map(|_| ());
                return self.at(takes, Event::Input(Input::Fetched { message_no, fetched }));
            }
            Action::LookUp { message_no, list_no } => {
                let takes = self.dice.below(300_000) as i64;
                let fetched = self.directory.look_up(&self.ledger, list_no, (self.now, now)).await;
                return self.at(takes, Event::Input(Input::Fetched { message_no, fetched }));
            }
            Action::LoadPage { message_no, after, limit } => {
                let rows = self.ledger.page(message_no, after, limit).await.unwrap();
                // Several are read at once, and none need come first.
                let delay = self.dice.below(5_000) as i64;
                return self.at(delay, Event::Input(Input::Page { message_no, rows }));
            }
            Action::LoadDue { limit } => {
                Input::Due { rows: self.ledger.due(LANE, Time::MAX, limit).await.unwrap() }
            }
            Action::LoadInherited { since } => {
                Input::Inherited(self.ledger.inherited(LANE, since).await.unwrap())
            }
            Action::LoadReferences { key } => {
                Input::References { key, references: self.ledger.references(key.recipient_no) }
            }
            Action::MakeDue => Input::MadeDue { deliveries: self.ledger.reached(LANE, now).await.unwrap() },
            Action::Look => return self.look().await,
            Action::Commit { .. } | Action::Call(_) | Action::Install { .. } | Action::Forget { .. } => {
                return;
            }
        };
        self.at(0, Event::Input(input));
    }
}

/// `n` made-up people.
pub(crate) fn people(n: usize) -> Vec<String> {
    (0..n).map(|n| Uuid::from_u128(n as u128 + 1).to_string()).collect()
}

/// A policy for what cannot be known.
pub(crate) fn on_ambiguous(policy: OnAmbiguous) -> impl FnOnce(&mut NewMessage) {
    move |message| message.on_ambiguous = Some(policy)
}
