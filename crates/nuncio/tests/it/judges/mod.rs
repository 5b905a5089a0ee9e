//! Microsoft's own SDKs, unmodified, take the simulator for Microsoft: `judges/` has a bot for each, configured as its
//! users configure it (`judges/settings`), and what reached the simulator is checked here.
//!
//! The SDKs have Microsoft's host names built in, so each of these tests runs in a network namespace of its own, where a
//! hosts file says that they are this machine and where port 443 is free. It starts itself again in there. The app packages
//! that we write (`packages`) are judged by Microsoft's validator, which needs no network.

mod apart;
mod bots;
mod docs;
mod judge;
mod packages;
mod tokens;
