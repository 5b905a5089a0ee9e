//! What changed in the directory, for those who ask for the difference (protocol section 7.2, delta).

use std::collections::VecDeque;

use uuid::Uuid;

use super::group::{GroupRef, Member};
use crate::clock::Micros;

/// So many are remembered; who asks for older ones starts anew.
const KEPT: usize = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Person(u32),
    Group(GroupRef),
    Member { group: GroupRef, member: Member, there: bool },
}

/// Numbered from 1 without gaps.
pub(crate) struct Changes {
    /// Another one after every reset, so that what was told of another organisation is worth nothing.
    pub(crate) epoch: Uuid,
    kept: VecDeque<Change>,
    last: u64,
    /// What was told before this moment has expired.
    pub(crate) expired_before: Option<Micros>,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self { epoch: Uuid::new_v4(), kept: VecDeque::new(), last: 0, expired_before: None }
    }

    pub(crate) fn push(&mut self, change: Change) {
        self.last += 1;
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(change);
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Those after a number, the oldest first; `None` when some of them are forgotten.
    pub(crate) fn after(&self, number: u64) -> Option<impl Iterator<Item = Change> + '_> {
        let forgotten = self.last - self.kept.len() as u64;
        let skip = number.checked_sub(forgotten)? as usize;
        (number <= self.last).then(|| self.kept.iter().skip(skip).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_a_number() {
        let mut changes = Changes::new();
        for person in 0..5 {
            changes.push(Change::Person(person));
        }
        let after = |number| changes.after(number).map(Iterator::collect::<Vec<_>>);
        assert_eq!(after(3), Some(vec![Change::Person(3), Change::Person(4)]));
        assert_eq!(after(5), Some(vec![]));
        assert_eq!(after(6), None);
    }
}
