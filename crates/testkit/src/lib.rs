//! What tests of the other crates stand on; nothing of it is in the product.
//!
//! [`memory::MemoryLedger`] is a model of `Ledger`, written without a look at any SQL: maps, no time, no tasks.
//! [`conformance`] is what every ledger must do, run on the model by this crate and on both databases by `nuncio-store`; to
//! add a case, write it there and name it in the list of [`conformance!`]. [`process`] runs built binaries, [`postgres`] a
//! database server. [`generated`] compares documents with what tests saw.

#[expect(clippy::unwrap_used, reason = "its cases are tests, though of other crates")]
pub mod conformance;
pub mod generated;
pub mod memory;
pub mod postgres;
pub mod process;

pub use memory::MemoryLedger;
pub use postgres::Postgres;
pub use process::{free_port, wait_until};
