//! SQLite under the conformance suite, and what only it has: files, locks, versions, queues.

mod files;
