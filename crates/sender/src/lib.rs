//! From a delivery to a connector call, and from Microsoft's answer to an outcome.
//!
//! [`outcome`] holds the table of `docs/delivery.md` (Outcomes) as one exhaustive match: a new refusal in
//! `nuncio_teams::classify` does not compile until it is given its meaning there.

mod connector_sender;
mod hosts;
mod marked;
mod misled;
pub mod outcome;

pub use connector_sender::{AppConnector, ConnectorSender};
