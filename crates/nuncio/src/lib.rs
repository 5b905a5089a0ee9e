//! Proactive messaging for Microsoft Teams, as one binary: commands, configuration, telemetry and wiring.
//!
//! The only crate with `anyhow`, and the only one that knows all the others.

pub mod cli;
pub mod commands;
pub mod config;
pub mod credentials;
pub mod telemetry;
pub mod upkeep;
pub mod wiring;
