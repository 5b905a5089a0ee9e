//! The crate from outside, over real sockets.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, which clippy does not count as tests")]

mod certificate;
mod clouds;
mod connector;
mod connector_calls;
mod federated;
mod fixtures;
mod graph_apps;
mod graph_batch;
mod graph_directory;
mod graph_pages;
mod graph_refusals;
mod graph_teams;
mod graph_tokens;
mod graph_world;
mod http;
mod inbound;
mod inbound_keys;
mod kinds;
mod managed_identity;
mod stand_in;
mod token;
