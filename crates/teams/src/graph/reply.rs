//! What Graph answers.

mod apps;
mod directory;
mod page;
mod teams;

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::Value;

use super::error::{CallError, is_json};
use crate::http::{ANSWER_LIMIT, Answer};

pub use apps::{Chat, Install, Installation, TeamsApp};
pub use directory::{
    AssignedPlan, ChangedUser, DirectoryObject, Group, Removed, TEAMS_SERVICE_PLANS, Told, User,
};
pub use page::Page;
pub use teams::{Channel, ConversationMember, Team};

pub(super) use apps::install;
pub(super) use page::page;

/// The one object of a success. Without an id it is something else than was asked for.
pub(super) fn object<T: DeserializeOwned>(answer: &Answer) -> Result<T, CallError> {
    let body: Value = json(answer)?;
    if body["id"].as_str().is_none_or(str::is_empty) {
        return Err(unreadable(answer, "an object without an id"));
    }
    T::deserialize(body).map_err(|_| unreadable(answer, "not the object that was asked for"))
}

/// The body of a success as JSON.
pub(super) fn json<T: DeserializeOwned>(answer: &Answer) -> Result<T, CallError> {
    if let Some(cut) = &answer.cut {
        let full = answer.body.len() >= ANSWER_LIMIT;
        return Err(if full { CallError::TooLong } else { unreadable(answer, cut) });
    }
    serde_json::from_slice(&answer.body).map_err(|_| {
        unreadable(answer, if is_json(answer) { "not the JSON that was asked for" } else { "not JSON" })
    })
}

pub(super) fn unreadable(answer: &Answer, cause: &str) -> CallError {
    CallError::Unreadable { status: answer.status.as_u16(), cause: cause.to_owned() }
}

/// `null` where a list or a text is expected is none.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}
