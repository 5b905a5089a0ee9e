//! Whom no call is made for. Asked when a row is loaded, and by whoever wants to know before.

use std::time::Duration;

use crate::batch::Row;
use crate::delivery::SkipReason;
use crate::message::Class;
use crate::own_words::Purpose;
use crate::time::Time;

/// What decides of the message.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    pub class: Class,
    pub purpose: Purpose,
    /// A refusal younger than this spares the call (`docs/delivery.md`, Reachability).
    pub recheck: Duration,
}

/// Why a delivery is skipped, if it is.
pub fn why_skipped(row: &Row, policy: Policy, now: Time) -> Option<SkipReason> {
    if let Some(reason) = unwanted(row, policy.purpose) {
        return Some(reason);
    }
    let young = row.reach_at.is_some_and(|at| now.since(at) < policy.recheck);
    (row.reach.is_refusal() && young && policy.class != Class::Urgent).then_some(SkipReason::Unreachable)
}

/// The part that holds at every try, however urgent: they are left out, or want nothing.
pub fn unwanted(row: &Row, purpose: Purpose) -> Option<SkipReason> {
    if row.excluded {
        Some(SkipReason::Excluded)
    } else if row.opted_out && purpose != Purpose::Reply {
        Some(SkipReason::OptedOut)
    } else {
        None
    }
}
