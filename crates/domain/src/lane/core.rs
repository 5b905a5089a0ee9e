//! State, inputs and actions of a lane core, and what follows from a commit.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::batch::{Batch, Change, Committed, Intent, Key, Row};
use crate::delivery::DeliveryState;
use crate::lane::messages::Open;
use crate::lane::pace::{LATE, Pace};
use crate::lane::retry::Dice;
use crate::lane::select::Order;
use crate::lane::settle::Trouble;
use crate::lane::threads::Threads;
use crate::message::{Expanded, Opened};
use crate::outcome::{Answer, Operation};
use crate::people::Reference;
use crate::skip::unwanted;
use crate::time::Time;

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
    /// Answer to [`Action::LoadPage`]; fewer rows than asked for mean the end.
    Page {
        message_no: i64,
        rows: Vec<Row>,
    },
    /// Answer to [`Action::LoadDue`].
    Due {
        rows: Vec<Row>,
    },
    References {
        key: Key,
        references: Vec<Reference>,
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
    /// A call that could not start near its slot (the process was held up) and was not made.
    Missed {
        key: Key,
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
    LoadPage {
        message_no: i64,
        after: i64,
        limit: i64,
    },
    LoadDue {
        limit: i64,
    },
    LoadReferences {
        key: Key,
    },
    /// Commit, in the order of the tickets, and say so.
    Commit {
        ticket: u64,
        batch: Batch,
    },
    Call(CallOrder),
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
    pub row: Row,
    /// If it cannot start within [`MISSED`](crate::lane::pace::MISSED) of `at`, it is to be given back with
    /// [`Input::Missed`]: late starts bunch up and break Microsoft's window. Only once, or a busy machine would never
    /// send.
    pub may_miss: bool,
}

/// A delivery in memory with what is remembered of it beyond its row.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) row: Row,
    /// How often its conversation was not found.
    pub(super) gone: u32,
    pub(super) roster_tried: bool,
    /// Its last answer was 429, so its end would be `throttled_out`.
    pub(super) throttled: bool,
    /// It was tried before and holds later ones of its thread and class (channels and chats).
    pub(super) holds: bool,
}

impl Item {
    fn new(row: Row) -> Self {
        let holds = row.due_at.is_some();
        Self { row, gone: 0, roster_tried: false, throttled: false, holds }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The intent is being committed.
    Intending,
    /// The intent or the call came too late for its slot; it takes the next one.
    Late,
    Calling,
}

#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) item: Item,
    pub(super) operation: Operation,
    pub(super) stage: Stage,
    pub(super) slot: Time,
    pub(super) missed: bool,
}

impl Flight {
    pub(super) fn order(&self) -> CallOrder {
        CallOrder {
            operation: self.operation,
            at: self.slot,
            row: self.item.row.clone(),
            may_miss: !self.missed,
        }
    }
}

/// Where a delivery goes once its change to `pending` is committed. Not before: intents of a batch are applied
/// before its changes.
#[derive(Debug, Clone)]
pub(super) enum Next {
    Front,
    WaitUntil(Time),
    References,
}

#[derive(Debug, Default)]
struct Ticket {
    intents: Vec<Key>,
    settled: Vec<Key>,
    completes: Vec<i64>,
    closes: Vec<i64>,
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
    /// Waiting for their other references.
    pub(super) fetching: BTreeMap<Key, Item>,
    /// Every delivery in memory, so that none is loaded twice.
    pub(super) known: BTreeSet<Key>,
    pub(super) trouble: Trouble,
    /// Retries were left in the store for want of room.
    pub(super) due_left: bool,
    pub(super) due_loading: bool,
    pub(super) draining: bool,
    pub(super) status_at: Time,
    pub(super) status: String,
    pub(super) batch: Batch,
    pub(super) actions: Vec<Action>,
    tickets: BTreeMap<u64, Ticket>,
    next_ticket: u64,
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
            known: BTreeSet::new(),
            trouble: Trouble::default(),
            due_left: false,
            due_loading: false,
            draining: false,
            status_at: now,
            status: String::new(),
            batch: Batch::default(),
            actions: Vec::new(),
            tickets: BTreeMap::new(),
            next_ticket: 1,
            wake: None,
            config,
        }
    }

    /// Takes what happened and gives what to do. Afterwards [`LaneCore::wake_at`] says when time itself matters.
    pub fn step(&mut self, now: Time, input: Input) -> Vec<Action> {
        self.wake = None;
        match input {
            Input::Opened(opened) => {
                for message in &opened.messages {
                    self.opened(now, message);
                }
            }
            Input::Expanded { message_no, expanded } => self.expanded(now, message_no, expanded),
            Input::Page { message_no, rows } => self.paged(now, message_no, rows),
            Input::Due { rows } => self.due_loaded(now, rows),
            Input::References { key, references } => self.references(now, key, references),
            Input::Committed { ticket, committed } => self.committed(now, ticket, &committed),
            Input::Answered { key, started_at, answer } => self.answered(now, key, started_at, &answer),
            Input::Missed { key } => self.missed(key),
            Input::Drain => self.draining = true,
            Input::Tick => {}
        }
        self.advance(now);
        self.flush(now);
        std::mem::take(&mut self.actions)
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

    pub(super) fn item(&mut self, row: Row) -> Option<Item> {
        self.known.insert(row.key).then(|| Item::new(row))
    }

    pub(super) fn change(&mut self, change: Change) {
        self.batch.changes.push(change);
    }

    pub(super) fn intend(&mut self, intent: Intent) {
        self.batch.intents.push(intent);
    }

    fn advance(&mut self, now: Time) {
        self.threads.forget(now);
        self.promote_due(now);
        self.tend_messages(now);
        self.fill(now);
        self.complete_idle(now);
        self.write_status(now);
    }

    /// Retries that have come due go to the front of their message's queue.
    fn promote_due(&mut self, now: Time) {
        while let Some(entry) = self.waiting.first_entry() {
            let (due, key) = *entry.key();
            if due > now {
                self.wake_by(due);
                break;
            }
            let item = entry.remove();
            if let Some(open) = self.messages.get_mut(&key.message_no) {
                open.queue.push_front(item);
            } else {
                self.known.remove(&key);
            }
        }
        let room = self.config.max_rows.saturating_sub(self.waiting.len());
        if self.due_left && !self.due_loading && room > self.config.max_rows / 2 && !self.messages.is_empty()
        {
            self.due_loading = true;
            self.actions.push(Action::LoadDue { limit: self.config.chunk });
        }
    }

    fn due_loaded(&mut self, now: Time, rows: Vec<Row>) {
        self.due_loading = false;
        self.due_left = rows.len() as i64 >= self.config.chunk;
        for row in rows {
            let Some(open) = self.messages.get(&row.key.message_no) else { continue };
            // A new word of theirs holds for a retry as well; what was refused meanwhile does not.
            if let Some(reason) = unwanted(&row, open.purpose) {
                if !self.known.contains(&row.key) {
                    self.skip(now, &row, reason);
                }
                continue;
            }
            let due = row.due_at.unwrap_or(Time::ZERO);
            if let Some(item) = self.item(row) {
                self.hold(&item);
                self.waiting.insert((due, item.row.key), item);
            }
        }
    }

    fn flush(&mut self, now: Time) {
        if self.batch.is_empty() {
            return;
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.at = now;
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let mut pending = Ticket {
            intents: batch.intents.iter().map(|intent| intent.key).collect(),
            settled: batch.changes.iter().map(|change| change.key).collect(),
            ..Ticket::default()
        };
        for change in &batch.messages {
            match change {
                crate::batch::MessageChange::Complete { message_no, .. } => {
                    pending.completes.push(*message_no);
                }
                crate::batch::MessageChange::Close { message_no, .. }
                | crate::batch::MessageChange::Sweep { message_no, .. } => pending.closes.push(*message_no),
                crate::batch::MessageChange::State { .. } => {}
            }
        }
        self.tickets.insert(ticket, pending);
        self.actions.push(Action::Commit { ticket, batch });
    }

    fn committed(&mut self, now: Time, ticket: u64, committed: &Committed) {
        let Some(ticket) = self.tickets.remove(&ticket) else { return };
        for key in ticket.intents {
            if committed.lost_intents.contains(&key) {
                // Someone settled it meanwhile; it is theirs.
                if let Some(flight) = self.flights.remove(&key) {
                    self.pace.give_back(flight.slot);
                    self.release(&flight.item, false);
                }
                self.known.remove(&key);
            } else {
                self.intent_committed(now, key);
            }
        }
        for key in ticket.settled {
            if let Some((item, next)) = self.settling.remove(&key) {
                if committed.lost_changes.contains(&key) {
                    self.unhold(&item);
                    self.known.remove(&key);
                } else {
                    self.put_back(item, &next);
                }
            } else if !self.flights.contains_key(&key) {
                self.known.remove(&key);
            }
        }
        for message_no in ticket.closes {
            self.closed(now, message_no, committed.sweep_more.contains(&message_no));
        }
        for message_no in ticket.completes {
            self.completed(now, message_no, !committed.not_complete.contains(&message_no));
        }
    }

    fn intent_committed(&mut self, now: Time, key: Key) {
        let Some(flight) = self.flights.get_mut(&key) else { return };
        if now > flight.slot + LATE {
            flight.stage = Stage::Late;
            self.pace.give_back(flight.slot);
            self.late.push_back(key);
        } else {
            flight.stage = Stage::Calling;
            self.actions.push(Action::Call(flight.order()));
        }
    }

    fn missed(&mut self, key: Key) {
        let Some(flight) = self.flights.get_mut(&key) else { return };
        flight.stage = Stage::Late;
        flight.missed = true;
        self.pace.give_back(flight.slot);
        self.late.push_back(key);
    }

    pub(super) fn put_back(&mut self, item: Item, next: &Next) {
        let key = item.row.key;
        let Some(open) = self.messages.get_mut(&key.message_no) else {
            self.known.remove(&key);
            return;
        };
        match next {
            Next::Front => open.queue.push_front(item),
            Next::WaitUntil(due) if self.waiting.len() < self.config.max_rows => {
                self.waiting.insert((*due, key), item);
            }
            // No room: it has its due time in the store and is loaded again when there is.
            Next::WaitUntil(_) => {
                self.unhold(&item);
                self.known.remove(&key);
                self.due_left = true;
            }
            Next::References => {
                self.fetching.insert(key, item);
                self.actions.push(Action::LoadReferences { key });
            }
        }
    }

    fn references(&mut self, now: Time, key: Key, references: Vec<Reference>) {
        let Some(mut item) = self.fetching.remove(&key) else { return };
        let used = item.row.reference.as_ref().map(|reference| reference.conversation_id.clone());
        let other = references
            .into_iter()
            .find(|reference| !reference.suspect && Some(&reference.conversation_id) != used.as_ref());
        let Some(open) = self.messages.get_mut(&key.message_no) else {
            self.known.remove(&key);
            return;
        };
        if other.is_some() {
            item.row.reference = other;
            open.queue.push_front(item);
        } else {
            self.fail_not_installed(now, item, DeliveryState::Pending, None);
        }
    }
}
