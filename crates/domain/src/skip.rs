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
    /// Tries again what an earlier message came to.
    pub retries: bool,
    /// A refusal younger than this spares the call (`docs/delivery.md`, Reachability).
    pub recheck: Duration,
}

/// Why a delivery is skipped, if it is.
pub fn why_skipped(row: &Row, policy: Policy, now: Time) -> Option<SkipReason> {
    if let Some(reason) = unwanted(row, policy.purpose) {
        return Some(reason);
    }
    let young = row.reach_at.is_some_and(|at| now.since(at) < policy.recheck);
    let always = policy.class == Class::Urgent || policy.retries;
    (row.reach.is_refusal() && young && !always).then_some(SkipReason::Unreachable)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Key;
    use crate::people::{ReachState, RecipientKind};

    const DAY: Duration = Duration::from_hours(24);
    const NOW: Time = Time(30 * 24 * 3_600 * 1_000_000);

    fn row() -> Row {
        Row {
            key: Key { message_no: 1, recipient_no: 1 },
            thread_no: 1,
            kind: RecipientKind::Person,
            address: "ann".to_owned(),
            mri: None,
            reference: None,
            others: 0,
            reach: ReachState::Reachable,
            reach_at: Some(NOW - DAY),
            excluded: false,
            opted_out: false,
            attempts: 0,
            tries: 0,
            resent: false,
            due_at: None,
        }
    }

    fn why(row: &Row, class: Class, purpose: Purpose) -> Option<SkipReason> {
        why_skipped(row, Policy { class, purpose, retries: false, recheck: 7 * DAY }, NOW)
    }

    #[test]
    fn who_opted_out_gets_no_more_than_answers() {
        assert_eq!(why(&row(), Class::Normal, Purpose::Asked), None);
        let out = Row { opted_out: true, ..row() };
        for class in [Class::Urgent, Class::Normal, Class::Bulk] {
            assert_eq!(why(&out, class, Purpose::Asked), Some(SkipReason::OptedOut));
            assert_eq!(why(&out, class, Purpose::Welcome), Some(SkipReason::OptedOut));
            assert_eq!(why(&out, class, Purpose::Reply), None);
        }
        let both = Row { excluded: true, ..out };
        assert_eq!(why(&both, Class::Normal, Purpose::Reply), Some(SkipReason::Excluded));
    }

    #[test]
    fn a_young_refusal_spares_the_call_unless_it_is_urgent() {
        let blocked = Row { reach: ReachState::Blocked, ..row() };
        assert_eq!(why(&blocked, Class::Normal, Purpose::Asked), Some(SkipReason::Unreachable));
        assert_eq!(why(&blocked, Class::Urgent, Purpose::Asked), None);
        let again = Policy { class: Class::Normal, purpose: Purpose::Asked, retries: true, recheck: 7 * DAY };
        assert_eq!(why_skipped(&blocked, again, NOW), None);
        let old = Row { reach_at: Some(NOW - 7 * DAY), ..blocked };
        assert_eq!(why(&old, Class::Normal, Purpose::Asked), None);
    }
}
