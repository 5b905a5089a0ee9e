//! The lane core: what the owner of a lane does next, as a state machine without I/O (`docs/engine.md`, One owner per
//! lane). [`core::LaneCore::step`] takes what happened and gives what to do; the engine's shell does it. Nothing in
//! here reads a clock, rolls real dice or depends on the order of a hash map, so that a seed replays.
//!
//! - [`core`]: state, inputs, actions, and what follows from a commit
//! - [`messages`]: opening, expanding, pausing, closing and completing messages
//! - [`select`]: which delivery goes next
//! - [`settle`]: what an answer means for its delivery and for the lane
//! - [`pace`], [`threads`], [`retry`]: limits of the lane, limits of a thread, when to try again

pub mod core;
mod messages;
pub mod pace;
mod references;
pub mod retry;
mod select;
mod settle;
pub mod threads;

pub use self::core::{Action, CallOrder, Input, LaneConfig, LaneCore};
