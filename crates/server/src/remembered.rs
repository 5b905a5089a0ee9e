//! What is asked of the store at every request and hardly ever changes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nuncio_domain::Scope;

/// A key that another process revokes is refused after this at the latest; one that is revoked here, at once.
const CALLERS_FOR: Duration = Duration::from_secs(1);

/// Lanes are for ever; of very many tenants only the first are remembered.
const MOST_LANES: usize = 100_000;

#[derive(Default)]
pub(crate) struct Remembered {
    callers: Mutex<Callers>,
    /// The number of an app's lane in a tenant.
    lanes: Mutex<HashMap<(String, String), i64>>,
}

#[derive(Default)]
struct Callers {
    by_hash: HashMap<[u8; 32], (Scope, Instant)>,
    /// How many times all were forgotten: what was read before is not to be remembered after.
    forgotten: u64,
}

impl Remembered {
    fn callers(&self) -> MutexGuard<'_, Callers> {
        // No code of ours panics while holding it.
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<(String, String), i64>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who a secret belongs to, or the mark with which the answer of the store is to be kept.
    pub(crate) fn caller(&self, hash: &[u8; 32], now: Instant) -> Result<Scope, u64> {
        let callers = self.callers();
        match callers.by_hash.get(hash) {
            Some((scope, until)) if now < *until => Ok(scope.clone()),
            _ => Err(callers.forgotten),
        }
    }

    pub(crate) fn keep_caller(&self, hash: [u8; 32], scope: &Scope, mark: u64, now: Instant) {
        let mut callers = self.callers();
        if callers.forgotten == mark {
            callers.by_hash.insert(hash, (scope.clone(), now + CALLERS_FOR));
        }
    }

    /// A key was revoked.
    pub(crate) fn forget_callers(&self) {
        let mut callers = self.callers();
        callers.by_hash.clear();
        callers.forgotten += 1;
    }

    pub(crate) fn lane(&self, app: &str, tenant: &str) -> Option<i64> {
        self.lanes().get(&(app.to_owned(), tenant.to_owned())).copied()
    }

    pub(crate) fn keep_lane(&self, app: &str, tenant: &str, lane_no: i64) {
        let mut lanes = self.lanes();
        if lanes.len() < MOST_LANES {
            lanes.insert((app.to_owned(), tenant.to_owned()), lane_no);
        }
    }
}

#[cfg(test)]
mod tests {
    use nuncio_domain::Role;

    use super::*;

    #[test]
    fn a_caller_is_remembered_for_a_second_and_not_beyond_a_revocation() {
        let remembered = Remembered::default();
        let (hash, now) = ([1; 32], Instant::now());
        let scope = Scope { key_no: 7, role: Role::Send, app: None, may_install: true };
        let mark = remembered.caller(&hash, now).unwrap_err();
        remembered.keep_caller(hash, &scope, mark, now);
        assert_eq!(remembered.caller(&hash, now + CALLERS_FOR / 2).unwrap().key_no, 7);
        assert!(remembered.caller(&hash, now + CALLERS_FOR).is_err());
        remembered.forget_callers();
        assert!(remembered.caller(&hash, now).is_err());
        // Read before the revocation, told after it.
        remembered.keep_caller(hash, &scope, mark, now);
        assert!(remembered.caller(&hash, now).is_err());
    }
}
