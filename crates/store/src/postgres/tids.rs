//! Where the rows of deliveries lie that are about to change, so that they need not be looked for in the index: the way
//! down it is a third of an update (`docs/adr/0034`).
//!
//! A place is a hint and never trusted: an update names the key too, and looks by it for what is not where it was. Which
//! it is not after a row was written by somebody else, or moved by `VACUUM FULL`, or where a transaction came to nothing.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nuncio_domain::Key;
use nuncio_domain::ports::StoreError;
use sqlx::postgres::PgRow;

use super::db::{Db, Statement, sql};
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

    /// Keeps where the rows lie that were read or written, by their column `tid`.
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

    /// An update makes another version of its row in another place, so that a hint is good once.
    fn take(&self, keys: impl Iterator<Item = Key>) -> Vec<Option<Tid>> {
        let mut known = self.known();
        keys.map(|key| known.remove(&key)).collect()
    }
}

/// The same update twice: of rows that are in their place, given as the last parameter, and of rows by key alone.
pub(crate) struct Update {
    pub(crate) in_place: &'static str,
    pub(crate) by_key: &'static str,
}

impl Update {
    /// Runs it for rows in the order of their keys; what it returned.
    pub(crate) async fn run<'r, R>(
        &self,
        db: &mut Db<'_>,
        tids: &Tids,
        rows: &'r [R],
        key_of: fn(&R) -> Key,
        bind: fn(Statement<'r>, &[&'r R]) -> Statement<'r>,
    ) -> Result<Vec<PgRow>, StoreError> {
        let known = tids.take(rows.iter().map(key_of));
        let placed = rows.iter().zip(&known).filter_map(|(row, tid)| Some((row, (*tid)?.text())));
        let (here, places): (Vec<&R>, Vec<String>) = placed.unzip();
        let mut found = Vec::new();
        if !here.is_empty() {
            found = db.rows(bind(sql(self.in_place), &here).bind(places)).await?;
        }
        if found.len() < rows.len() {
            let mut done = HashSet::with_capacity(found.len());
            for row in &found {
                done.insert(key(row)?);
            }
            let rest: Vec<&R> = rows.iter().filter(|row| !done.contains(&key_of(row))).collect();
            found.append(&mut db.rows(bind(sql(self.by_key), &rest)).await?);
        }
        Ok(found)
    }
}
