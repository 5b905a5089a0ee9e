//! What a batch of an owner comes to before any database is asked: which changes can be, in which order, and how the
//! counts move with those that were made.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use nuncio_domain::batch::{Attempt, Change, MessageChange, Why};
use nuncio_domain::{Batch, Committed, Counts, DeliveryState, Key};

/// As [`Outcome::word`](nuncio_domain::outcome::Outcome::word) has it.
pub(crate) const ACCEPTED: &str = "accepted";

/// What pending rows of these messages count as; `None` for those that still run.
pub(crate) type Closed = BTreeMap<i64, Option<DeliveryState>>;

/// The messages that a batch touches.
pub(crate) fn touched(batch: &Batch) -> BTreeSet<i64> {
    batch
        .intents
        .iter()
        .map(|intent| intent.key.message_no)
        .chain(batch.changes.iter().map(|change| change.key.message_no))
        .chain(batch.messages.iter().map(MessageChange::message_no))
        .collect()
}

/// Changes in the order in which they can be applied.
#[derive(Default)]
pub(crate) struct Sorted<'a> {
    /// Each has a delivery once: a set-based update applies only one of several changes of one row.
    pub(crate) waves: Vec<Vec<Cow<'a, Change>>>,
    /// Calls that ended for rows counted as cancelled or expired already.
    pub(crate) late: Vec<Change>,
}

/// Leaves out what cannot be, and settles what a closed message makes of a change.
pub(crate) fn sort<'a>(changes: &'a [Change], closed: &Closed, done: &mut Committed) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    let mut seen: HashMap<Key, usize> = HashMap::with_capacity(changes.len());
    for change in changes {
        let mut change = Cow::Borrowed(change);
        let closed_to = closed.get(&change.key.message_no).copied();
        if let Some(Some(closed_to)) = closed_to {
            if change.from == DeliveryState::Pending {
                if change.to != closed_to || change.attempt.is_none() {
                    done.lost_changes.push(change.key);
                }
                if change.attempt.is_some() {
                    let mut change = change.into_owned();
                    change.to = closed_to;
                    sorted.late.push(change);
                }
                continue;
            }
            if change.to == DeliveryState::Pending {
                // Back among the pending ones it would be swept without being counted.
                change.to_mut().to = closed_to;
            }
        }
        if closed_to.is_none() || !change.from.may_become(change.to) {
            done.lost_changes.push(change.key);
            continue;
        }
        let wave = seen.entry(change.key).and_modify(|wave| *wave += 1).or_insert(0);
        if *wave == sorted.waves.len() {
            sorted.waves.push(Vec::new());
        }
        sorted.waves[*wave].push(change);
    }
    sorted
}

/// Only these two states have reasons, and the counts by reason add up to theirs.
pub(crate) fn why(change: &Change) -> Option<Why> {
    change.why.filter(|_| matches!(change.to, DeliveryState::Failed | DeliveryState::Skipped))
}

/// The call that delivered it. It is kept with the delivery itself: nearly all have no other, and a second row for it would
/// cost as much as all else that is written of a delivery (`docs/adr/0036`).
pub(crate) fn delivering(change: &Change) -> Option<&Attempt> {
    change.attempt.as_ref().filter(|attempt| {
        (change.from, change.to) == (DeliveryState::InFlight, DeliveryState::Delivered)
            && attempt.outcome == ACCEPTED
            && attempt.ended_at == change.at
            && attempt.code.is_none()
            && attempt.text.is_none()
    })
}

/// How the counts move, by message.
#[derive(Default)]
pub(crate) struct Deltas {
    pub(crate) counts: BTreeMap<i64, Counts>,
    pub(crate) reasons: BTreeMap<(i64, DeliveryState, &'static str), i64>,
}

impl Deltas {
    pub(crate) fn shift(&mut self, message_no: i64, from: DeliveryState, to: DeliveryState) {
        self.counts.entry(message_no).or_default().shift(from, to, 1);
    }

    pub(crate) fn change(&mut self, change: &Change) {
        self.shift(change.key.message_no, change.from, change.to);
        if let Some(why) = why(change) {
            *self.reasons.entry((change.key.message_no, change.to, why.as_str())).or_default() += 1;
        }
    }
}
