//! What calls make of what is known of recipients (`docs/delivery.md`, Reachability).

use std::collections::{BTreeMap, HashMap};

use nuncio_domain::batch::ReachChange;
use nuncio_domain::{ReachState, Time};

/// What is known of a recipient before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) state: ReachState,
    /// Learned from an activity.
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
    pub(crate) history: Vec<(i64, Time, ReachState, &'c str)>,
}

/// Of entries of the history, who can be reached again and since when.
pub(crate) fn again(history: &[(i64, Time, ReachState, &str)]) -> Vec<(i64, Time)> {
    let good = history.iter().filter(|row| row.2 == ReachState::Reachable);
    good.map(|row| (row.0, row.1)).collect()
}

pub(crate) fn decide(changes: &[ReachChange], mut known: HashMap<i64, Known>) -> Decided<'_> {
    let mut decided = Decided::default();
    for change in changes {
        let Some(before) = known.get(&change.recipient_no).copied() else { continue };
        let entry = (change.recipient_no, change.at, change.state, change.evidence.as_str());
        if change.state == ReachState::Reachable && before.seen && before.state.is_refusal() {
            // What an activity told is not wiped by a call that was accepted all the same; it stands beside it.
            let told =
                decided.history.iter().any(|row| row.0 == change.recipient_no && row.2 == change.state);
            if !told && before.last != Some(change.state) {
                decided.history.push(entry);
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
