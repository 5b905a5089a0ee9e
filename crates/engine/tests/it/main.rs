//! The lane core against a made-up service, in virtual time: everything that decides is real, only the wires are not.

mod seeds;
mod service;
mod stories;
mod world;
