//! The model under the conformance suite, and the process harness.

mod model;
mod process;
