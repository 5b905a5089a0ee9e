//! State, inputs and actions of a lane core, and what follows from a commit.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::batch::{Batch, Change, Committed, Inherited, Intent, Key, Row};
use crate::directory::{DirectoryError, Wanted};
use crate::install::InstallAnswer;
use crate::lane::commits::Tickets;
use crate::lane::installs::Installs;
pub(super) use crate::lane::item::{Fetched, Flight, Item, Met, Stage};
use crate::lane::mailbox::Words;
use crate::lane::messages::{Open, Tending};
use crate::lane::pace::Pace;
use crate::lane::retry::Dice;
use crate::lane::select::Order;
use crate::lane::threads::Threads;
use crate::lane::trouble::Trouble;
use crate::message::{Expanded, Opened};
use crate::outcome::{Answer, Operation};
use crate::people::Reference;
use crate::time::Time;

/// A lane holds as many rows as this however full its node is, or it would never send.
pub const LEAST_ROWS: usize = 20;

/// How a lane is run.
#[derive(Debug, Clone)]
pub struct LaneConfig {
    pub lane_no: i64,
    /// Calls a second of one app in one tenant (`docs/protocol.md` section 7.1: 50); `None` for none.
    pub limit_per_s: Option<f64>,
    /// Calls under way at once.
    pub max_in_flight: usize,
    /// Intents whose call has not started: what a kill makes ambiguous beyond what was open at Microsoft.
    pub max_unstarted: usize,
    /// Installs under way at once. Graph's own budget paces them; they take nothing from the calls above.
    pub max_installs: usize,
    /// A refusal younger than this spares the call.
    pub recheck: Duration,
    /// Rows of a page.
    pub page: i64,
    /// Rows of a chunk of expansion or sweeping.
    pub chunk: i64,
    /// Rows held in memory at most; beyond them waiting ones are left in the store.
    pub max_rows: usize,
    pub seed: u64,
}

impl LaneConfig {
    /// As `docs/engine.md` and `docs/delivery.md` have it.
    pub fn new(lane_no: i64, limit_per_s: Option<f64>, seed: u64) -> Self {
        Self {
            lane_no,
            limit_per_s,
            max_in_flight: 100,
            max_unstarted: 10,
            max_installs: 60,
            recheck: Duration::from_hours(7 * 24),
            page: 1_000,
            chunk: 5_000,
            max_rows: 5_000,
            seed,
        }
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// What there is to do in the lane, as stored now; given at the start and after every wake.
    Opened(Opened),
    Expanded {
        message_no: i64,
        expanded: Expanded,
    },
    /// Answer to [`Action::Fetch`] and [`Action::LookUp`]: what was asked for is stored, or why there is nothing.
    Fetched {
        message_no: i64,
        fetched: Result<(), DirectoryError>,
    },
    /// Answer to [`Action::LoadPage`]; fewer rows than asked for mean the end.
    Page {
        message_no: i64,
        rows: Vec<Row>,
    },
    /// Answer to [`Action::LoadDue`].
    Due {
        rows: Vec<Row>,
    },
    /// Answer to [`Action::LoadInherited`].
    Inherited(Inherited),
    References {
        key: Key,
        references: Vec<Reference>,
    },
    /// Answer to [`Action::MakeDue`].
    MadeDue {
        deliveries: i64,
    },
    Committed {
        ticket: u64,
        committed: Committed,
    },
    Answered {
        key: Key,
        started_at: Time,
        answer: Answer,
    },
    /// Answer to [`Action::Install`].
    Installed {
        key: Key,
        started_at: Time,
        answer: InstallAnswer,
    },
    /// A call that could not start near its slot (the process was held up) and was not made.
    Missed {
        key: Key,
    },
    /// This process owns the lane until then; without a word it does for good.
    Leased {
        until: Time,
    },
    /// The wall clock was set by so many microseconds, and no time has passed by that.
    ClockSet {
        by_us: i64,
    },
    /// Nothing new is to start; what was begun is brought to its end.
    Drain,
    /// Time has passed.
    Tick,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Expand {
        message_no: i64,
        limit: i64,
    },
    /// Ask the directory for this page, store it, and say so with [`Input::Fetched`].
    Fetch {
        message_no: i64,
        wanted: Wanted,
    },
    /// Look up the next names of this uploaded list, store whom they stand for, and say so with [`Input::Fetched`].
    LookUp {
        message_no: i64,
        list_no: i64,
    },
    LoadPage {
        message_no: i64,
        after: i64,
        limit: i64,
    },
    LoadDue {
        limit: i64,
    },
    /// Retries of channels and chats and what was said there from this time on, before anything new goes there.
    LoadInherited {
        since: Time,
    },
    LoadReferences {
        key: Key,
    },
    /// Make those due whose recipients can be reached now.
    MakeDue,
    /// Give [`Input::Opened`] with all open messages: one that was over is open again.
    Look,
    /// Commit, in the order of the tickets, and say so.
    Commit {
        ticket: u64,
        batch: Batch,
    },
    Call(CallOrder),
    /// Have the app installed, or a chat with it found, and say what came of it with [`Input::Installed`].
    Install {
        operation: Operation,
        row: Arc<Row>,
    },
    /// The message is over; whatever was kept for it can go.
    Forget {
        message_no: i64,
    },
}

/// A call to start at a given moment.
#[derive(Debug, Clone, PartialEq)]
pub struct CallOrder {
    pub operation: Operation,
    pub at: Time,
    pub row: Arc<Row>,
    /// If it cannot start within [`MISSED`](crate::lane::pace::MISSED) of `at`, it is to be given back with
    /// [`Input::Missed`]: late starts bunch up and break Microsoft's window. Only once, or a busy machine would never
    /// send.
    pub may_miss: bool,
}

/// Where a delivery goes once its change to `pending` is committed. Not before: intents of a batch are applied
/// before its changes.
#[derive(Debug, Clone)]
pub(super) enum Next {
    Front,
    WaitUntil(Time),
    /// The next of its other references.
    References,
    /// The best reference as it is known now.
    Renew,
    /// The conversation that comes of an install.
    Meet,
    /// Out of memory, until its recipient can be reached.
    Whenever,
}

/// Whether what an owner before this one left of channels and chats is in memory. Until it is, nothing new goes there: it
/// might overtake a retry, or break a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inheritance {
    Unread,
    Loading,
    Read,
}

/// The owner's state machine for one lane.
#[derive(Debug)]
pub struct LaneCore {
    pub(super) config: LaneConfig,
    pub(super) pace: Pace,
    pub(super) threads: Threads,
    pub(super) dice: Dice,
    pub(super) messages: BTreeMap<i64, Open>,
    pub(super) order: Order,
    pub(super) flights: BTreeMap<Key, Flight>,
    pub(super) late: VecDeque<Key>,
    /// Retries by when they are due.
    pub(super) waiting: BTreeMap<(Time, Key), Item>,
    pub(super) settling: BTreeMap<Key, (Item, Next)>,
    /// Waiting for their references, and whether for another one or for the best as it is now.
    pub(super) fetching: BTreeMap<Key, (Item, bool)>,
    pub(super) installs: Installs,
    /// Service URLs that could not be reached, and that references have left meanwhile.
    pub(super) left: BTreeSet<String>,
    /// Every delivery in memory, so that none is loaded twice.
    pub(super) known: BTreeSet<Key>,
    /// Flights whose intent is being committed.
    pub(super) intending: usize,
    pub(super) words: Words,
    pub(super) tending: Tending,
    pub(super) trouble: Trouble,
    pub(super) lease_until: Time,
    /// Deliveries that may be begun in this step, whatever the lane's own limits.
    room: usize,
    /// Rows that may be held now.
    pub(super) most_rows: usize,
    pub(super) wants_room: bool,
    /// Retries were left in the store for want of room.
    pub(super) due_left: bool,
    pub(super) due_loading: bool,
    pub(super) due_limit: i64,
    pub(super) inheritance: Inheritance,
    pub(super) status_at: Time,
    pub(super) status: String,
    pub(super) batch: Batch,
    pub(super) actions: Vec<Action>,
    pub(super) tickets: Tickets,
    pub(super) wake: Option<Time>,
}

impl LaneCore {
    /// A core for a lane just taken over. What a dead owner left in flight must have been recovered before.
    pub fn new(config: LaneConfig, now: Time) -> Self {
        Self {
            pace: Pace::new(config.limit_per_s, now),
            threads: Threads::default(),
            dice: Dice::new(config.seed),
            messages: BTreeMap::new(),
            order: Order::default(),
            flights: BTreeMap::new(),
            late: VecDeque::new(),
            waiting: BTreeMap::new(),
            settling: BTreeMap::new(),
            fetching: BTreeMap::new(),
            installs: Installs::default(),
            left: BTreeSet::new(),
            known: BTreeSet::new(),
            intending: 0,
            words: Words::default(),
            tending: Tending::default(),
            trouble: Trouble::default(),
            lease_until: Time::MAX,
            room: usize::MAX,
            most_rows: config.max_rows,
            wants_room: false,
            due_left: false,
            due_loading: false,
            due_limit: 0,
            inheritance: Inheritance::Unread,
            status_at: now,
            status: String::new(),
            batch: Batch::default(),
            actions: Vec::new(),
            tickets: Tickets::default(),
            wake: None,
            config,
        }
    }

    /// Takes what happened and gives what to do. Afterwards [`LaneCore::wake_at`] says when time itself matters.
    pub fn step(&mut self, now: Time, input: Input) -> Vec<Action> {
        self.steps(now, [input])
    }

    /// The same for several things that happened, of which one batch comes.
    pub fn steps(&mut self, now: Time, inputs: impl IntoIterator<Item = Input>) -> Vec<Action> {
        self.wake = None;
        self.wants_room = false;
        for input in inputs {
            self.take(now, input);
        }
        self.advance(now);
        self.flush(now);
        std::mem::take(&mut self.actions)
    }

    fn take(&mut self, now: Time, input: Input) {
        match input {
            Input::Opened(opened) => self.looked(now, &opened),
            Input::Expanded { message_no, expanded } => self.expanded(now, message_no, expanded),
            Input::Fetched { message_no, fetched } => self.fetched(now, message_no, fetched),
            Input::Page { message_no, rows } => self.paged(now, message_no, rows),
            Input::Due { rows } => self.due_loaded(now, rows),
            Input::Inherited(inherited) => self.inherited_loaded(now, inherited),
            Input::MadeDue { deliveries } => self.made_due(deliveries),
            Input::References { key, references } => self.references(now, key, references),
            Input::Committed { ticket, committed } => self.committed(now, ticket, &committed),
            Input::Answered { key, started_at, answer } => self.answered(now, key, started_at, answer),
            Input::Installed { key, started_at, answer } => self.installed(now, key, started_at, &answer),
            Input::Missed { key } => self.missed(key),
            Input::Leased { until } => self.lease_until = until,
            Input::ClockSet { by_us } => self.clock_set(by_us),
            Input::Drain => self.words.draining = true,
            Input::Tick => {}
        }
    }

    /// Says how many deliveries may be begun in the next step, beside the lane's own limits (`docs/delivery.md`: 2,000
    /// in flight on a node).
    pub fn allow(&mut self, room: usize) {
        self.room = room;
    }

    /// Says how many rows may be held, within the lane's own bound (`docs/engine.md`: 50,000 on a node). What is held
    /// stays.
    pub fn hold_at_most(&mut self, rows: usize) {
        self.most_rows = rows.max(LEAST_ROWS).min(self.config.max_rows);
    }

    /// Rows in memory or on their way there.
    pub fn held(&self) -> usize {
        self.known.len() + self.tending.loading
    }

    /// Whether the last step would have begun more if it had been allowed.
    pub fn wants_room(&self) -> bool {
        self.wants_room
    }

    /// Deliveries that were begun and have not come to anything.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// When to give [`Input::Tick`], if nothing else happens before.
    pub fn wake_at(&self) -> Option<Time> {
        self.wake
    }

    /// Whether nothing is under way: no call, no commit, no load.
    pub fn is_quiet(&self) -> bool {
        self.flights.is_empty() && self.tickets.is_empty() && self.settling.is_empty()
    }

    pub(super) fn wake_by(&mut self, at: Time) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// A delivery is not in memory any more.
    pub(super) fn forget(&mut self, key: Key) {
        self.known.remove(&key);
        self.tending.ending.insert(key.message_no);
    }

    pub(super) fn item(&mut self, row: Row) -> Option<Item> {
        self.known.insert(row.key).then(|| Item::new(row))
    }

    pub(super) fn change(&mut self, change: Change) {
        self.batch.changes.push(change);
    }

    pub(super) fn intend(&mut self, intent: Intent) {
        self.intending += 1;
        self.batch.intents.push(intent);
    }

    /// Whether the lane's limits on what is under way at once let another delivery begin.
    pub(super) fn may_begin(&mut self) -> bool {
        let full = self.flights.len() - self.late.len() >= self.config.max_in_flight
            || self.intending >= self.config.max_unstarted;
        !full
    }

    /// Takes the room for one more delivery, if there is any.
    pub(super) fn takes_room(&mut self) -> bool {
        self.wants_room = self.room == 0;
        self.room = self.room.saturating_sub(1);
        !self.wants_room
    }

    fn advance(&mut self, now: Time) {
        self.threads.forget(now);
        self.promote_due(now);
        self.tend_messages(now);
        self.fill(now);
        self.fill_installs(now);
        // What was taken out makes room for more.
        self.tend_messages(now);
        self.complete_idle(now);
        self.tell_installs();
        self.write_status(now);
    }
}
