//! The lane core: what the owner of a lane does next, as a state machine without I/O (`docs/engine.md`, One owner per
//! lane). [`core::LaneCore::step`] takes what happened and gives what to do; the engine's shell does it. Nothing in
//! here reads a clock, rolls real dice or depends on the order of a hash map, so that a seed replays.
//!
//! - [`core`]: state, inputs and actions; [`item`]: a delivery in memory
//! - [`mailbox`]: words that were left for the owner: controls, a lane held, ambiguous deliveries settled
//! - [`messages`]: taking up, expanding and reading messages, and [`closing`]: how they end; [`in_order`]: answers
//!   of the store in the order of asking; [`fetch`]: audiences that the directory knows
//! - [`select`]: which delivery goes next, by the [`turns`] of the messages; [`installs`], [`meeting`],
//!   [`install_trouble`]: who is given the app first
//! - [`settle`]: what an answer means for its delivery, and [`trouble`]: what it means for the lane
//! - [`survey`]: who has the app, as Graph says
//! - [`commits`]: what follows once a batch is durable; [`waiting`]: what goes out again; [`unreached`]: what waits for
//!   its recipient
//! - [`pace`], [`threads`], [`retry`]: limits of the lane, limits of a thread, when to try again
//! - [`status`]: what the owner says of its lane; [`clock_set`]: a wall clock that was set

mod clock_set;
mod closing;
mod commits;
pub mod core;
mod fetch;
mod in_order;
mod install_pages;
mod install_trouble;
mod installs;
mod item;
mod mailbox;
mod meeting;
mod messages;
pub mod pace;
mod references;
pub mod retry;
mod select;
mod settle;
mod status;
mod survey;
pub mod threads;
mod trouble;
mod turns;
mod unreached;
mod waiting;

pub use self::core::{Action, CallOrder, Input, LaneConfig, LaneCore};
