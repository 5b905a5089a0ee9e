//! The bot endpoint: what Teams tells us, and what we say to it by ourselves.

pub(crate) mod endpoint;
mod invoke;
mod learn;
pub(crate) mod say;
mod word;
