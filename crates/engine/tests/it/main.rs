//! The lane core against a made-up service, in virtual time: everything that decides is real, only the wires are not.

#![expect(clippy::unwrap_used, reason = "what surprises a test ends it")]

mod directory;
mod estimate;
mod fault_table;
mod install_pace;
mod installs;
mod look;
mod pace;
mod seeds;
mod service;
mod stories;
mod surveys;
mod trouble;
mod world;
