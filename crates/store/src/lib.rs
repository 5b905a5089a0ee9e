//! `Ledger`, `Registry` and `DirectoryCopies` on SQLite and on PostgreSQL.
//!
//! [`SqliteStore::open`] and [`PostgresStore::open`] give all of them. The two sides have the same files: one for each
//! thing that is done, named after it, called from `ledger.rs`, `registry.rs` or `copies.rs`. What depends on no database
//! lies beside them: what a batch comes to (`batch.rs`), and what rows of either say (`rows.rs` for owners, `views.rs` for
//! the API, `lists.rs` for uploaded lists, `reach_terms.rs` of who can be reached).
//!
//! To add a write: a function in such a file on each side; a table or column: a new numbered file in the `migrations` of
//! both, listed in their `migrate.rs`. A statement that runs per delivery is a constant with its access path asserted in
//! `plans.rs`. What every store must do is tested in `nuncio_testkit::conformance`.

mod batch;
mod closures;
mod control;
mod copies;
mod error;
mod found_row;
mod inherited;
mod lists;
mod new_message;
mod person_row;
pub mod postgres;
mod reach;
mod reach_terms;
mod rows;
pub mod sqlite;
mod views;
mod words;

pub use postgres::{Pooler, PostgresStore};
pub use sqlite::SqliteStore;

use nuncio_domain::Counts;

/// A message whose counts differ from its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerDifference {
    pub message_no: i64,
    pub counts: Counts,
    pub rows: Counts,
}
