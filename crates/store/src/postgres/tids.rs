//! Where the rows of pages lie, so that an intent need not look for its row in the index: the way down it is a quarter of
//! the update. Outcomes look for theirs: it is on that way that PostgreSQL tidies a page up and makes room for them in it
//! (`docs/adr/0034`).
//!
//! A place is a hint and never trusted: an intent names the key too, and looks by it for what is not where it was. Which it
//! is not after the row was written by somebody else, or moved by `VACUUM FULL`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nuncio_domain::Key;
use nuncio_domain::ports::StoreError;
use sqlx::postgres::PgRow;

use crate::error::broken;
use crate::rows::key;
use crate::words::get;

/// More than what a node holds in memory and in flight (`docs/engine.md`, Tables); what is never asked for must not pile up.
const MOST: usize = 65_536;

/// The place of a row as `tidsend` writes it: a block in four bytes and an offset in two. It goes back as a text: the
/// driver knows no type of its own for either, and asking for one comes between two steps of a statement.
#[derive(Debug, Clone, Copy)]
struct Tid([u8; 6]);

impl Tid {
    fn of(row: &PgRow) -> Result<Self, StoreError> {
        let sent: &[u8] = get(row, "tid")?;
        sent.try_into().map(Self).map_err(|_| broken("the place of a row has another length"))
    }

    fn text(self) -> String {
        let number = self.0.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        format!("({},{})", number >> 16, number & 0xffff)
    }
}

/// What is known of where rows lie.
#[derive(Debug, Default)]
pub(crate) struct Tids(Mutex<HashMap<Key, Tid>>);

impl Tids {
    fn known(&self) -> MutexGuard<'_, HashMap<Key, Tid>> {
        // No code of ours panics while holding it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps where the rows of a page lie, by their column `tid`.
    pub(crate) fn keep(&self, rows: &[PgRow]) -> Result<(), StoreError> {
        let mut known = self.known();
        if known.len() + rows.len() > MOST {
            known.clear();
        }
        for row in rows {
            known.insert(key(row)?, Tid::of(row)?);
        }
        Ok(())
    }

    /// The places as PostgreSQL reads them. An update makes another version of its row in another place, so that a hint is
    /// good once.
    pub(crate) fn take(&self, keys: impl Iterator<Item = Key>) -> Vec<Option<String>> {
        let mut known = self.known();
        keys.map(|key| known.remove(&key).map(Tid::text)).collect()
    }
}
