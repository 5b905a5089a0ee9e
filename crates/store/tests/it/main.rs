//! SQLite under the conformance suite, beside the model, and what only it has: files, locks, people, keys.

#![expect(clippy::unwrap_used, reason = "helpers of tests too")]

mod agree;
mod conform;
mod evidence;
mod files;
mod operators;
mod registry;
