//! Uploaded lists of people, as rows of either database.

use nuncio_domain::AudienceId;
use nuncio_domain::lists::{Added, Knows, ListedName, Unresolved, UploadedList};
use nuncio_domain::message::Idempotency;
use nuncio_domain::ports::StoreError;

use crate::words::{AnyRow, get, id, time, word};

/// Entries that are written together, and rows that are deleted together: a chunk must not be in the way of intents.
pub(crate) const TOGETHER: usize = 2_000;

/// Why a list is not stored although all of it was written.
pub(crate) const GIVEN_UP: &str =
    "storing the list took so long that it was taken for one whose upload had ended: upload it again";

pub(crate) fn answer_of(hash: &[u8], list: AudienceId, idempotency: &Idempotency) -> Added {
    if hash == idempotency.body_hash { Added::Repeated(list) } else { Added::KeyReused }
}

pub(crate) fn uploaded(row: &impl AnyRow) -> Result<UploadedList, StoreError> {
    Ok(UploadedList {
        list_no: get(row, "list_no")?,
        id: id(row, "id", AudienceId)?,
        lane_no: get(row, "lane_no")?,
        app: get(row, "app")?,
        tenant: get(row, "tenant")?,
        name: get(row, "name")?,
        lines: get(row, "lines")?,
        blanks: get(row, "blanks")?,
        duplicates: get(row, "duplicates")?,
        people: get(row, "people")?,
        names: get(row, "names")?,
        looked_up: get(row, "looked_up")?,
        unresolved: get(row, "unresolved")?,
        cause: get(row, "cause")?,
        created_at: time(row, "created_at")?,
    })
}

pub(crate) fn listed_name(row: &impl AnyRow) -> Result<ListedName, StoreError> {
    Ok(ListedName { line: get(row, "line")?, name: get(row, "name")? })
}

pub(crate) fn unresolved(row: &impl AnyRow) -> Result<Unresolved, StoreError> {
    Ok(Unresolved { listed: listed_name(row)?, knows: word(row, "knows", Knows::of_word)? })
}

/// The line that a cursor names.
pub(crate) fn line_of(cursor: Option<&str>) -> Option<i64> {
    cursor.and_then(|cursor| cursor.parse().ok())
}
