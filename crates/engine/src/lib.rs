//! Runs lane cores: one task per lane, one committer per process (`docs/engine.md`).
//!
//! The shell in here decides nothing. It carries inputs to [`nuncio_domain::lane::LaneCore`], carries out its actions
//! through the ports, and keeps time. To change what happens to a delivery, go to `nuncio-domain`; to change how
//! something is stored, to `nuncio-store`.

mod clock;
mod committer;
mod engine;
mod fetch;
mod inbox;
mod lane;
mod lease;
mod names;
mod room;

pub use clock::SystemClock;
pub use engine::{Engine, EngineConfig, EngineError, Ports};
