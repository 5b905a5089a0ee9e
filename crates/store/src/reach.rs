//! What calls make of what is known of recipients (`docs/delivery.md`, Reachability).

use std::collections::{BTreeMap, HashMap};

use nuncio_domain::batch::ReachChange;
use nuncio_domain::{ReachEvidence, ReachState, Time};

/// What is known of a recipient before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// The state that counts.
    pub(crate) state: ReachState,
    /// Learned from an activity, or said by the directory.
    pub(crate) seen: bool,
    /// What the history says last, where `state` is a refusal that was seen.
    pub(crate) last: Option<ReachState>,
}

impl Known {
    /// The same good news again. A refusal heard again is young again, and so is written.
    pub(crate) fn is_old_news(self, state: ReachState) -> bool {
        state == self.state && !state.is_refusal()
    }
}

#[derive(Default)]
pub(crate) struct Decided<'c> {
    pub(crate) now: BTreeMap<i64, &'c ReachChange>,
    /// In order; several may speak of one recipient.
    pub(crate) history: Vec<Entry<'c>>,
}

/// An entry of the history that is to be written.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'c> {
    pub(crate) recipient_no: i64,
    pub(crate) at: Time,
    pub(crate) state: ReachState,
    pub(crate) evidence: &'c ReachEvidence,
    /// It stands beside what is known.
    pub(crate) contradicts: bool,
    /// Of an activity that was overtaken: when it was sent.
    pub(crate) sent_at: Option<Time>,
}

/// Of what is written into the history, who can be reached again and since when.
pub(crate) fn again(history: &[Entry<'_>]) -> Vec<(i64, Time)> {
    let again =
        history.iter().filter(|entry| entry.state == ReachState::Reachable && entry.sent_at.is_none());
    again.map(|entry| (entry.recipient_no, entry.at)).collect()
}

pub(crate) fn decide(changes: &[ReachChange], mut known: HashMap<i64, Known>) -> Decided<'_> {
    let mut decided = Decided::default();
    for change in changes {
        let Some(before) = known.get(&change.recipient_no).copied() else { continue };
        let entry = Entry {
            recipient_no: change.recipient_no,
            at: change.at,
            state: change.state,
            evidence: &change.evidence,
            contradicts: false,
            sent_at: None,
        };
        if change.state == ReachState::Reachable && before.seen && before.state.is_refusal() {
            // What an activity told is not wiped by a call that was accepted all the same; it stands beside it.
            let told =
                decided.history.iter().any(|row| row.recipient_no == change.recipient_no && row.contradicts);
            if !told && before.last != Some(change.state) {
                decided.history.push(Entry { contradicts: true, ..entry });
            }
            continue;
        }
        if before.is_old_news(change.state) {
            continue;
        }
        if change.state != before.state {
            decided.history.push(entry);
        }
        known.insert(change.recipient_no, Known { state: change.state, seen: false, last: None });
        decided.now.insert(change.recipient_no, change);
    }
    decided
}
