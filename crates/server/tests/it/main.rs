//! The server over real sockets, with the real store in a temporary file.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod access;
mod after;
mod audiences;
mod bot;
mod directory;
mod directory_copy;
mod harness;
mod install_preview;
mod installs;
mod lists;
mod operate;
mod own_words;
mod places;
mod plain;
mod preview;
mod reachability;
mod report;
mod send;
mod send_refused;
