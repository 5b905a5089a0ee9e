//! The lane core: what the owner of a lane does next, as a state machine without I/O.

pub mod pace;
