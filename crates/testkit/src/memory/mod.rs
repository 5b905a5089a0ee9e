//! A ledger in memory, deterministic: no clock, no chance, no tasks.
//!
//! Counts are not kept but counted from the rows whenever they are asked for, so that it cannot share a mistake with
//! a store that moves them by deltas.

mod audience;
mod commit;
mod directory;
mod ledger;
mod lists;
mod reached;
mod read;
mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nuncio_domain::directory::{DirectorySource, Standing};
use nuncio_domain::message::Idempotency;
use nuncio_domain::people::{Origin, Reference, SeenPerson};
use nuncio_domain::reach::is_late;
use nuncio_domain::views::AttemptView;
use nuncio_domain::{
    Control, Counts, DeliveryState, Key, MessageState, NewMessage, ReachState, RecipientKind, Time,
};

/// The model. All of it is behind one lock, and every method is one critical section.
#[derive(Default)]
pub struct MemoryLedger {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lanes: BTreeMap<i64, Lane>,
    recipients: BTreeMap<i64, Recipient>,
    /// (lane, kind, key) to its number.
    numbers: BTreeMap<(i64, RecipientKind, String), i64>,
    messages: BTreeMap<i64, Message>,
    references: i64,
    /// (key_no, key) to what it was used for.
    idempotency: BTreeMap<(i64, String), (Idempotency, i64, Time)>,
    /// By number, from 1.
    settlements: Vec<settle::Word>,
    /// Uploaded ones, by number.
    lists: BTreeMap<i64, lists::List>,
    /// Who can be reached again, and since when, while a message waits for somebody.
    reached: BTreeMap<i64, Time>,
}

struct Lane {
    app: String,
    tenant: String,
    control_rev: i64,
    status: Option<String>,
    paused: bool,
    resumed_at: Option<Time>,
    service_url: Option<String>,
}

struct Recipient {
    lane_no: i64,
    kind: RecipientKind,
    key: String,
    thread_no: i64,
    mri: Option<String>,
    name: Option<String>,
    upn: Option<String>,
    reach: ReachState,
    reach_at: Option<Time>,
    standing: Standing,
    evidence: Option<String>,
    opted_out: bool,
    /// Learned from an activity, not from a call.
    heard: bool,
    /// When the newest activity was sent that told of them.
    sent_at: Option<Time>,
    history: Vec<Entry>,
    references: Vec<Known>,
}

/// An entry of somebody's history; whether it only stands beside what is known.
#[derive(Clone, Copy)]
struct Entry {
    at: Time,
    state: ReachState,
    contradicts: bool,
    /// It came after something newer.
    late: bool,
}

struct Known {
    reference: Reference,
    origin: Origin,
    seen_at: Time,
}

struct Message {
    new: NewMessage,
    state: MessageState,
    control: Option<Control>,
    cause: Option<String>,
    max_recipients: i64,
    sources: Vec<Place>,
    source: usize,
    after: i64,
    fence: i64,
    audience_final: bool,
    duplicates: i64,
    completed_at: Option<Time>,
    closed_to: Option<DeliveryState>,
    swept: bool,
    rows: BTreeMap<i64, Delivery>,
}

/// Where recipients come from.
enum Place {
    Named(BTreeSet<i64>),
    /// An uploaded list.
    Uploaded(i64),
    Installed,
    Directory(Part),
    /// Who is in it is not to get the message.
    Excluded(Part),
    /// (of this message, in these states, for these reasons)
    Retry(i64, Vec<DeliveryState>, Vec<String>),
}

/// A part of the directory, as far as it was read.
struct Part {
    from: DirectorySource,
    members: BTreeSet<i64>,
    cursor: Option<String>,
    read: bool,
}

struct Delivery {
    thread_no: i64,
    state: DeliveryState,
    reason: Option<String>,
    activity_id: Option<String>,
    tries: u32,
    resent: bool,
    due_at: Option<Time>,
    started_at: Option<Time>,
    attempts: Vec<AttemptView>,
}

impl Message {
    /// What a row counts as and is shown as: closing a message settles its pending rows at once.
    fn shown(&self, row: &Delivery) -> DeliveryState {
        match (row.state, self.closed_to) {
            (DeliveryState::Pending, Some(closed_to)) => closed_to,
            (state, _) => state,
        }
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for row in self.rows.values() {
            *counts.of(self.shown(row)) += 1;
        }
        counts
    }
}

impl State {
    fn row_mut(&mut self, key: Key) -> Option<&mut Delivery> {
        self.messages.get_mut(&key.message_no)?.rows.get_mut(&key.recipient_no)
    }

    /// The number of a recipient, made if it is new.
    fn recipient(&mut self, lane_no: i64, kind: RecipientKind, key: &str) -> i64 {
        if let Some(known) = self.numbers.get(&(lane_no, kind, key.to_owned())) {
            return *known;
        }
        let recipient_no = self.recipients.keys().next_back().map_or(1, |last| last + 1);
        let recipient = Recipient {
            lane_no,
            kind,
            key: key.to_owned(),
            thread_no: recipient_no,
            mri: None,
            name: None,
            upn: None,
            reach: ReachState::Unknown,
            reach_at: None,
            standing: Standing::default(),
            evidence: None,
            opted_out: false,
            heard: false,
            sent_at: None,
            history: Vec::new(),
            references: Vec::new(),
        };
        self.recipients.insert(recipient_no, recipient);
        self.numbers.insert((lane_no, kind, key.to_owned()), recipient_no);
        recipient_no
    }

    /// Adds a reference, or renews what is known of it.
    fn refer(
        &mut self,
        recipient_no: i64,
        conversation_id: &str,
        service_url: &str,
        origin: Origin,
        at: Time,
    ) {
        let Some(recipient) = self.recipients.get_mut(&recipient_no) else { return };
        let same = |known: &&mut Known| known.reference.conversation_id == conversation_id;
        if let Some(known) = recipient.references.iter_mut().find(same) {
            if at >= known.seen_at && !service_url.is_empty() {
                service_url.clone_into(&mut known.reference.service_url);
            }
            // The better of the two.
            known.origin = known.origin.min(origin);
            known.seen_at = known.seen_at.max(at);
            known.reference.suspect = false;
            return;
        }
        self.references += 1;
        recipient.references.push(Known {
            reference: Reference {
                reference_no: self.references,
                conversation_id: conversation_id.to_owned(),
                service_url: service_url.to_owned(),
                suspect: false,
            },
            origin,
            seen_at: at,
        });
    }
}

impl Recipient {
    /// Best first; suspect ones after all others.
    fn best_first(&self) -> Vec<&Known> {
        let mut known: Vec<&Known> = self.references.iter().collect();
        known.sort_by(|one, other| {
            let trust = (one.reference.suspect, one.origin).cmp(&(other.reference.suspect, other.origin));
            let newest = other.seen_at.cmp(&one.seen_at);
            trust.then(newest).then(other.reference.reference_no.cmp(&one.reference.reference_no))
        });
        known
    }

    /// The state that counts.
    fn state(&self) -> ReachState {
        self.standing.counts(self.reach_at).unwrap_or(self.reach)
    }

    fn becomes(&mut self, state: ReachState, evidence: &str, at: Time, heard: bool) {
        let before = self.state();
        if state == before && !state.is_refusal() {
            return;
        }
        if state != before {
            self.history.push(Entry { at, state, contradicts: false, late: false });
        }
        self.reach = state;
        self.reach_at = Some(at);
        self.evidence = Some(evidence.to_owned());
        self.heard = heard;
    }
}

/// What tests put in and look at directly.
impl MemoryLedger {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane of an app in a tenant, made if it is new.
    pub fn lane(&self, app: &str, tenant: &str) -> i64 {
        let mut state = self.state();
        let known = state.lanes.iter().find(|(_, lane)| lane.app == app && lane.tenant == tenant);
        if let Some((lane_no, _)) = known {
            return *lane_no;
        }
        let lane_no = state.lanes.keys().next_back().map_or(1, |last| last + 1);
        let lane = Lane {
            app: app.to_owned(),
            tenant: tenant.to_owned(),
            control_rev: 0,
            status: None,
            paused: false,
            resumed_at: None,
            service_url: None,
        };
        state.lanes.insert(lane_no, lane);
        lane_no
    }

    /// What an activity tells of a person.
    pub fn hear(&self, lane_no: i64, seen: &SeenPerson, service_url: &str, at: Time) -> i64 {
        let mut state = self.state();
        if let Some(lane) = state.lanes.get_mut(&lane_no).filter(|_| !service_url.is_empty()) {
            lane.service_url = Some(service_url.to_owned());
        }
        let recipient_no =
            state.recipient(lane_no, RecipientKind::Person, &seen.object_id.to_ascii_lowercase());
        if let Some(person) = state.recipients.get_mut(&recipient_no) {
            for (known, told) in
                [(&mut person.mri, &seen.mri), (&mut person.name, &seen.name), (&mut person.upn, &seen.upn)]
            {
                if told.is_some() {
                    known.clone_from(told);
                }
            }
            if let Some((reach, evidence)) = &seen.reach {
                let news = person.state() != *reach;
                if is_late(seen.sent_at, person.sent_at) {
                    if news {
                        person.history.push(Entry { at, state: *reach, contradicts: true, late: true });
                    }
                } else {
                    person.sent_at = person.sent_at.max(seen.sent_at);
                    person.becomes(*reach, &evidence.text, at, true);
                    if news && *reach == ReachState::Reachable {
                        state.note_reached(recipient_no, at);
                    }
                }
            }
        }
        if let Some(conversation_id) = &seen.conversation_id {
            state.refer(recipient_no, conversation_id, service_url, Origin::Inbound, at);
        }
        recipient_no
    }

    /// What a person says of messages to them.
    pub fn opt_out(&self, recipient_no: i64, out: bool) {
        if let Some(recipient) = self.state().recipients.get_mut(&recipient_no) {
            recipient.opted_out = out;
        }
    }

    pub fn references(&self, recipient_no: i64) -> Vec<Reference> {
        let state = self.state();
        let Some(recipient) = state.recipients.get(&recipient_no) else { return Vec::new() };
        recipient.best_first().into_iter().map(|known| known.reference.clone()).collect()
    }

    pub fn reach(&self, recipient_no: i64) -> Option<(ReachState, Option<Time>, Option<String>)> {
        let state = self.state();
        let recipient = state.recipients.get(&recipient_no)?;
        Some((recipient.reach, recipient.reach_at, recipient.evidence.clone()))
    }

    pub fn history(&self, recipient_no: i64) -> Vec<(Time, ReachState)> {
        let state = self.state();
        let entries = state.recipients.get(&recipient_no).map(|recipient| recipient.history.as_slice());
        entries.unwrap_or_default().iter().map(|entry| (entry.at, entry.state)).collect()
    }

    /// The counts of a message, counted.
    pub fn count_rows(&self, message_no: i64) -> Counts {
        self.state().messages.get(&message_no).map(Message::counts).unwrap_or_default()
    }

    /// How often something was said to the owner of this lane.
    pub fn control_rev(&self, lane_no: i64) -> i64 {
        self.state().lanes.get(&lane_no).map_or(0, |lane| lane.control_rev)
    }
}
