//! One file per operation, or per few that share everything.

pub(crate) mod audiences;
pub(crate) mod control;
pub(crate) mod conversations;
pub(crate) mod deliveries;
pub(crate) mod directory;
pub(crate) mod docs;
pub(crate) mod health;
pub(crate) mod install_preview;
pub(crate) mod installs;
pub(crate) mod keys;
pub(crate) mod lanes;
pub(crate) mod messages;
pub(crate) mod opt_outs;
pub(crate) mod people;
pub(crate) mod preview;
pub(crate) mod reachability;
pub(crate) mod reachability_csv;
pub(crate) mod report;
pub(crate) mod retry;
mod runs;
pub(crate) mod send;
pub(crate) mod settle;
pub(crate) mod surveys;
pub(crate) mod teams;

use std::str::FromStr;

use nuncio_api::Code;
use nuncio_domain::MessageId;

use crate::problem::Refusal;
use crate::query::Params;

/// An id from a path. What is no id is not there, and is answered so.
fn id<T: FromStr>(text: &str, what: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| Refusal::not_found(what))
}

/// The only one of those that have an id; several apps or tenants can know the same conversation.
fn only_one<T>(found: Vec<T>, what: &str) -> Result<T, Refusal> {
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Refusal::not_found(what)),
        (Some(_), Some(_)) => {
            let text = format!("several apps or tenants know this {what}: say which with ?app= and ?tenant=");
            Err(Refusal::at(Code::OneLane, "?app", text))
        }
    }
}

/// Tenants are stored in lower case.
fn tenant(params: &Params) -> Option<String> {
    params.get("tenant").map(str::to_ascii_lowercase)
}

fn message_id(text: &str) -> Result<MessageId, Refusal> {
    id(text, "message")
}
