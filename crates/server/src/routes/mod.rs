//! One file per operation, or per few that share everything.

pub(crate) mod control;
pub(crate) mod deliveries;
pub(crate) mod docs;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod messages;
pub(crate) mod people;
pub(crate) mod report;
pub(crate) mod send;

use std::str::FromStr;

use nuncio_domain::MessageId;

use crate::problem::Refusal;

/// An id from a path. What is no id is not there, and is answered so.
fn id<T: FromStr>(text: &str, what: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::not_found(what))
}

fn message_id(text: &str) -> Result<MessageId, Refusal> {
    id(text, "message")
}
