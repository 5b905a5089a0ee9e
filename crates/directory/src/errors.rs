//! What a failed call means to whoever wants to know who is in a directory.

use nuncio_domain::directory::DirectoryError;
use nuncio_teams::graph::{CallError, GraphError, GraphRefusal};
use nuncio_teams::retry_after::RetryAfter;
use nuncio_teams::token::TokenError;

/// `of` is the group or team that was asked for.
pub(crate) fn of_call(error: &CallError, of: Option<&str>) -> DirectoryError {
    match error {
        CallError::Token(error @ TokenError::Unreachable { .. }) => {
            DirectoryError::Unavailable(error.to_string())
        }
        CallError::Token(error @ TokenError::Refused { .. }) => DirectoryError::NoToken(error.to_string()),
        CallError::Refused(error) => refused(error, of),
        CallError::ResyncNeeded(error) => DirectoryError::Anew(error.to_string()),
        // A page that cannot be gone on from; the pages before it may be whole another time.
        CallError::LinkRepeats | CallError::NoDeltaLink => DirectoryError::Anew(error.to_string()),
        CallError::Link(error) => DirectoryError::Refused(error.to_string()),
        CallError::Failed(_) | CallError::TooLong | CallError::Unreadable { .. } | CallError::NoValue => {
            DirectoryError::Unavailable(error.to_string())
        }
    }
}

fn refused(error: &GraphError, of: Option<&str>) -> DirectoryError {
    match &error.refusal {
        GraphRefusal::MissingRole { any_of } => match any_of.first() {
            Some(role) => DirectoryError::NotPermitted { role: role.clone() },
            None => DirectoryError::Refused(error.text.clone()),
        },
        GraphRefusal::Throttled => {
            DirectoryError::Throttled { retry_after: error.retry_after.map(RetryAfter::wait) }
        }
        GraphRefusal::Transient => DirectoryError::Unavailable(error.to_string()),
        _ => match of {
            Some(id) if error.status == 404 => DirectoryError::NotFound { id: id.to_owned() },
            _ => DirectoryError::Refused(error.to_string()),
        },
    }
}

/// The same of a page that is not the first: a link that is too old, or not understood any more, is no reason to give up.
pub(crate) fn of_link(error: &CallError, of: Option<&str>) -> DirectoryError {
    match error.refused() {
        Some(refused) if [400, 404, 410].contains(&refused.status) => {
            DirectoryError::Anew(refused.to_string())
        }
        _ => of_call(error, of),
    }
}
