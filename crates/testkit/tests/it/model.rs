//! The model does what every ledger must.

use nuncio_testkit::MemoryLedger;

nuncio_testkit::conformance!(async { MemoryLedger::default() });
