//! The bot endpoint: what Teams tells us.

pub(crate) mod endpoint;
mod learn;
