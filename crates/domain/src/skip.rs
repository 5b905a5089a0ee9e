//! Whom no call is made for. Asked when a row is loaded, and by whoever wants to know before.

use std::time::Duration;

use crate::batch::{Row, Why};
use crate::delivery::{FailReason, SkipReason};
use crate::directory::Include;
use crate::install::InstallPolicy;
use crate::message::Class;
use crate::own_words::Purpose;
use crate::people::ReachState;
use crate::people::RecipientKind;
use crate::time::Time;

/// What decides of the message.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    pub class: Class,
    pub purpose: Purpose,
    /// Who is given the app first.
    pub install: InstallPolicy,
    /// Tries again what an earlier message came to.
    pub retries: bool,
    /// Whom it is also for.
    pub include: Include,
    pub created_at: Time,
    /// A refusal younger than this spares the call (`docs/delivery.md`, Reachability), and so does what the directory
    /// said.
    pub recheck: Duration,
}

impl Policy {
    /// Whether a call is made whatever is known: for a person who was named one by one, or is tried again on purpose.
    const fn always_tries(self) -> bool {
        matches!(self.class, Class::Urgent) || self.retries
    }
}

/// What a delivery ends as without a call, if it does: skipped, or failed because nobody is meant by it.
pub fn without_a_call(row: &Row, policy: Policy, now: Time) -> Option<Why> {
    if is_nobody(row) {
        return Some(Why::Failed(FailReason::RecipientNotFound));
    }
    why_skipped(row, policy, now).map(Why::Skipped)
}

/// Whether it stands for a name in an uploaded list that is not exactly one person's (`docs/adr/0024`): no object id has
/// an `@`.
pub fn is_nobody(row: &Row) -> bool {
    row.kind == RecipientKind::Person && row.address.contains('@')
}

/// Why a delivery is skipped, if it is.
pub fn why_skipped(row: &Row, policy: Policy, now: Time) -> Option<SkipReason> {
    if let Some(reason) = unwanted(row, policy.purpose) {
        return Some(reason);
    }
    if let Some(reason) = by_directory(row, policy, now) {
        return Some(reason);
    }
    if policy.purpose == Purpose::Install && is_left_alone(row, policy.install) {
        return Some(SkipReason::Unreachable);
    }
    // A survey disturbs nobody, and is there to find out.
    if policy.purpose == Purpose::Survey || policy.install.wants(row) {
        return None;
    }
    let young = row.reach_at.is_some_and(|at| now.since(at) < policy.recheck);
    (row.reach.is_refusal() && young && !policy.always_tries()).then_some(SkipReason::Unreachable)
}

/// Who took the app away by hand is not given it again, unless that is asked for.
fn is_left_alone(row: &Row, install: InstallPolicy) -> bool {
    let removed = matches!(row.reach, ReachState::Removed | ReachState::BlockedOrRemoved);
    removed && install != InstallPolicy::AlsoIfRemoved
}

/// The part that holds at every try, however urgent: they are left out, or want nothing.
pub fn unwanted(row: &Row, purpose: Purpose) -> Option<SkipReason> {
    if row.excluded {
        Some(SkipReason::Excluded)
    } else if row.opted_out && !matches!(purpose, Purpose::Reply | Purpose::Survey) {
        Some(SkipReason::OptedOut)
    } else {
        None
    }
}

/// The part that the directory decides (`docs/adr/0023`): what it said for this message counts however long that takes,
/// what it said before counts as long as a refusal does. Guests and externals are not meant unless they are included,
/// which holds for a retry too; whether the others can be reached, a retry finds out.
fn by_directory(row: &Row, policy: Policy, now: Time) -> Option<SkipReason> {
    // What the server says by itself answers somebody who is there.
    if !policy.purpose.is_asked() || policy.class == Class::Urgent {
        return None;
    }
    let standing = row.standing;
    let said_at = standing.at?;
    if said_at < policy.created_at && now.since(said_at) >= policy.recheck {
        return None;
    }
    let (guest, external) = (standing.guest == Some(true), standing.external == Some(true));
    if guest && !policy.include.guests {
        Some(SkipReason::Guest)
    } else if external && !policy.include.guests {
        Some(SkipReason::External)
    } else if policy.retries {
        None
    } else if standing.enabled == Some(false) && !policy.include.disabled {
        Some(SkipReason::AccountDisabled)
    } else if standing.licensed == Some(false) && standing.enabled != Some(false) && !guest && !external {
        // Guests and externals have their plans where they come from, and a disabled account has none for long.
        Some(SkipReason::Unlicensed)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Key;
    use crate::directory::Standing;
    use crate::people::ReachState;

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
            standing: Standing::default(),
            excluded: false,
            opted_out: false,
            attempts: 0,
            tries: 0,
            resent: false,
            due_at: None,
        }
    }

    fn policy() -> Policy {
        Policy {
            class: Class::Normal,
            purpose: Purpose::Asked,
            install: InstallPolicy::Never,
            retries: false,
            include: Include::default(),
            created_at: NOW,
            recheck: 7 * DAY,
        }
    }

    fn why(row: &Row, class: Class, purpose: Purpose) -> Option<SkipReason> {
        why_skipped(row, Policy { class, purpose, ..policy() }, NOW)
    }

    #[test]
    fn who_opted_out_gets_no_more_than_answers() {
        assert_eq!(why(&row(), Class::Normal, Purpose::Asked), None);
        let out = Row { opted_out: true, ..row() };
        for class in [Class::Urgent, Class::Normal, Class::Bulk] {
            assert_eq!(why(&out, class, Purpose::Asked), Some(SkipReason::OptedOut));
            assert_eq!(why(&out, class, Purpose::Welcome), Some(SkipReason::OptedOut));
            assert_eq!(why(&out, class, Purpose::Reply), None);
            assert_eq!(why(&out, class, Purpose::Survey), None);
        }
        let both = Row { excluded: true, ..out };
        assert_eq!(why(&both, Class::Normal, Purpose::Reply), Some(SkipReason::Excluded));
    }

    #[test]
    fn a_name_that_nobody_has_fails_however_it_is_asked_for() {
        let nobody = Row { address: "gone@contoso.com".to_owned(), ..row() };
        let failed = Some(Why::Failed(FailReason::RecipientNotFound));
        assert_eq!(without_a_call(&nobody, policy(), NOW), failed);
        assert_eq!(without_a_call(&nobody, Policy { retries: true, ..policy() }, NOW), failed);
        // Others have an `@` too.
        let channel = Row { kind: RecipientKind::Channel, address: "19:x@thread.tacv2".to_owned(), ..row() };
        assert_eq!(without_a_call(&channel, policy(), NOW), None);
        let out = Row { opted_out: true, ..row() };
        assert_eq!(without_a_call(&out, policy(), NOW), Some(Why::Skipped(SkipReason::OptedOut)));
    }

    #[test]
    fn a_young_refusal_spares_the_call_unless_it_is_urgent() {
        let blocked = Row { reach: ReachState::Blocked, ..row() };
        assert_eq!(why(&blocked, Class::Normal, Purpose::Asked), Some(SkipReason::Unreachable));
        assert_eq!(why(&blocked, Class::Urgent, Purpose::Asked), None);
        assert_eq!(why_skipped(&blocked, Policy { retries: true, ..policy() }, NOW), None);
        let old = Row { reach_at: Some(NOW - 7 * DAY), ..blocked };
        assert_eq!(why(&old, Class::Normal, Purpose::Asked), None);
    }

    #[test]
    fn who_can_be_given_the_app_is_not_left_out_for_want_of_it() {
        use InstallPolicy::{AlsoIfRemoved, IfNeverInstalled, Never};
        let never = Row { reach: ReachState::NeverInstalled, ..row() };
        let removed = Row { reach: ReachState::Removed, ..row() };
        let blocked = Row { reach: ReachState::PolicyBlocked, ..row() };
        let whys = |row: &Row, purpose| {
            [Never, IfNeverInstalled, AlsoIfRemoved]
                .map(|install| why_skipped(row, Policy { purpose, install, ..policy() }, NOW).is_some())
        };
        assert_eq!(whys(&never, Purpose::Asked), [true, false, false]);
        assert_eq!(whys(&removed, Purpose::Asked), [true, true, false]);
        assert_eq!(whys(&blocked, Purpose::Asked), [true; 3]);
        // However long ago it was: a message would try, an install does not.
        let old = Row { reach_at: Some(NOW - 70 * DAY), ..removed };
        assert_eq!(whys(&old, Purpose::Asked), [false; 3]);
        assert_eq!(whys(&old, Purpose::Install), [true, true, false]);
        assert_eq!(whys(&never, Purpose::Install)[1..], [false, false]);
    }

    #[test]
    fn the_directory_leaves_out_kinds_of_people() {
        use SkipReason::{AccountDisabled, External, Guest, Unlicensed};
        let with = |standing: Standing| Row { standing: Standing { at: Some(NOW), ..standing }, ..row() };
        let guest = with(Standing { guest: Some(true), enabled: Some(false), ..Standing::default() });
        let external = with(Standing { guest: Some(false), external: Some(true), ..Standing::default() });
        let disabled = with(Standing { enabled: Some(false), licensed: Some(false), ..Standing::default() });
        let unlicensed = with(Standing { enabled: Some(true), licensed: Some(false), ..Standing::default() });
        let member = with(Standing {
            guest: Some(false),
            external: Some(false),
            enabled: Some(true),
            licensed: Some(true),
            at: None,
        });
        let all = [&guest, &external, &disabled, &unlicensed, &member, &row()].map(Clone::clone);
        let whys = |policy: Policy| all.clone().map(|row| why_skipped(&row, policy, NOW));
        assert_eq!(
            whys(policy()),
            [Some(Guest), Some(External), Some(AccountDisabled), Some(Unlicensed), None, None]
        );
        let include = Include { guests: true, disabled: true };
        assert_eq!(whys(Policy { include, ..policy() }), [None, None, None, Some(Unlicensed), None, None]);
        assert_eq!(
            whys(Policy { retries: true, ..policy() }),
            [Some(Guest), Some(External), None, None, None, None]
        );
        assert_eq!(whys(Policy { class: Class::Urgent, ..policy() }), [None; 6]);
        assert_eq!(whys(Policy { purpose: Purpose::Welcome, ..policy() }), [None; 6]);
        // Said long before the message: it may be otherwise by now. Said for the message: it counts to its end.
        assert_eq!(whys(Policy { created_at: NOW + DAY, recheck: Duration::ZERO, ..policy() }), [None; 6]);
        assert_eq!(why_skipped(&guest, policy(), NOW + 30 * DAY), Some(Guest));
    }
}
