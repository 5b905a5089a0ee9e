//! SQLite under the conformance suite, beside the model, and what only it has: files, locks, people, keys.

mod agree;
mod conform;
mod files;
mod registry;
