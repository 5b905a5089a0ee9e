//! Both databases under the conformance suite, beside the model, and what only one of them has: files and locks, a server.

#![expect(clippy::unwrap_used, reason = "helpers of tests too")]

mod activities;
mod agree;
mod conform;
mod copies;
mod evidence;
mod files;
mod installs;
mod lists;
mod operators;
mod preview;
mod reachability;
mod registry;
mod server;
mod together;
