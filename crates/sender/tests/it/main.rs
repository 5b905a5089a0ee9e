//! The crate from outside.

#![expect(clippy::unwrap_used, reason = "the helpers of tests, which clippy does not count as tests")]

mod outcomes;
