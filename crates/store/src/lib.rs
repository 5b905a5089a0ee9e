//! Ledger and Registry on SQLite.
