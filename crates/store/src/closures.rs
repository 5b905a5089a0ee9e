//! Which groups are in a group, however deep, worked out once and kept between the pieces of an expansion
//! (`docs/adr/0033`).
//!
//! Kept with what the copy of the directory was then ([`Version`]): whatever is written to a copy is another version, so
//! that nobody is ever read from a group as it was before. Kept in memory alone: after a start it is worked out again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Numbers of groups that are kept, of all together: 4 MB.
const MOST: usize = 500_000;

/// What a copy of a directory was at a moment: how often its task wrote it, and how often something was taken away since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) rev: i64,
    pub(crate) taken: i64,
}

struct Closure {
    lane_no: i64,
    /// Its id in Entra, in lower case.
    group: String,
    version: Version,
    /// Itself and those in it, each once.
    groups: Arc<[i64]>,
}

#[derive(Default)]
struct Kept {
    /// The one that was made last is the last.
    closures: VecDeque<Closure>,
    groups: usize,
}

#[derive(Default)]
pub(crate) struct Closures(Mutex<Kept>);

impl Closures {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // No code of ours panics while holding it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn of(&self, lane_no: i64, group: &str, version: Version) -> Option<Arc<[i64]>> {
        let kept = self.kept();
        let mut closures = kept.closures.iter();
        let known = closures.find(|one| one.lane_no == lane_no && one.group == group)?;
        (known.version == version).then(|| Arc::clone(&known.groups))
    }

    /// In the place of what was kept of it before; the oldest go where there are too many. One that is larger than all
    /// that may be kept is worked out each time.
    pub(crate) fn keep(&self, lane_no: i64, group: &str, version: Version, groups: &Arc<[i64]>) {
        if groups.len() > MOST {
            return;
        }
        let mut kept = self.kept();
        kept.closures.retain(|one| one.lane_no != lane_no || one.group != group);
        kept.closures.push_back(Closure {
            lane_no,
            group: group.to_owned(),
            version,
            groups: Arc::clone(groups),
        });
        kept.groups = kept.closures.iter().map(|one| one.groups.len()).sum();
        while kept.groups > MOST
            && let Some(oldest) = kept.closures.pop_front()
        {
            kept.groups -= oldest.groups.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(n: usize) -> Arc<[i64]> {
        (0..n as i64).collect()
    }

    #[test]
    fn another_version_is_another_closure() {
        let closures = Closures::default();
        let version = Version { rev: 1, taken: 0 };
        closures.keep(1, "a", version, &groups(3));
        assert_eq!(closures.of(1, "a", version), Some(groups(3)));
        assert_eq!(closures.of(2, "a", version), None);
        assert_eq!(closures.of(1, "b", version), None);
        for other in [Version { rev: 2, ..version }, Version { taken: 1, ..version }] {
            assert_eq!(closures.of(1, "a", other), None);
        }
        let next = Version { rev: 2, taken: 0 };
        closures.keep(1, "a", next, &groups(2));
        assert_eq!((closures.of(1, "a", next), closures.of(1, "a", version)), (Some(groups(2)), None));
        assert_eq!(closures.kept().groups, 2);
    }

    #[test]
    fn no_more_are_kept_than_may_be() {
        let closures = Closures::default();
        let version = Version::default();
        for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
            closures.keep(1, name, version, &groups(MOST / 2 - n));
        }
        let known = ["a", "b", "c"].map(|name| closures.of(1, name, version).is_some());
        assert_eq!(known, [false, true, true]);
        closures.keep(1, "huge", version, &groups(MOST + 1));
        assert!(closures.of(1, "huge", version).is_none() && closures.of(1, "c", version).is_some());
        closures.keep(1, "all", version, &groups(MOST));
        let kept = closures.kept();
        assert_eq!((kept.closures.len(), kept.groups), (1, MOST));
    }
}
