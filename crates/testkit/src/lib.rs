//! In-memory ledger, conformance suite, process harness.
