//! `Ledger` and `Registry` on SQLite.
//!
//! [`SqliteStore::open`] gives both. Everything that writes is a job of one writer ([`sqlite`], `writer.rs`); reads
//! run beside it on read-only connections. To add a write: a function over `&mut SqliteConnection` in a file named
//! after what it does, called through `SqliteStore::write` from `ledger.rs` or `registry.rs`; a table or column: a new
//! numbered file in `sqlite/migrations`, listed in `migrate.rs`. A statement that runs per delivery is a constant with
//! its access path asserted in `plans.rs`. What every store must do is tested in `nuncio_testkit::conformance`.

pub mod sqlite;

pub use sqlite::{LedgerDifference, SqliteStore};
