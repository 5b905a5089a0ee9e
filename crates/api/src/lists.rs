//! Lists of people that callers upload, to be named in `audience.lists` of a message.

use serde::{Deserialize, Serialize};

/// The content type of a list with a column of people.
pub const LIST_CSV: &str = "text/csv";
/// The content type of a list with one JSON value a line.
pub const LIST_NDJSON: &str = "application/x-ndjson";

/// An uploaded list, as `POST /v1/audiences` and `GET /v1/audiences/{id}` answer it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedList {
    /// `aud_…`
    pub id: String,
    /// `ready`, or `resolving` while names in it are looked up; a message to it waits for that.
    pub state: String,
    /// Why the directory tells nothing, for people, and what to do; while it is `resolving`.
    pub cause_text: Option<String>,
    /// The caller's own word for it.
    pub name: Option<String>,
    /// The app whose messages take it.
    pub app: String,
    /// The tenant whose people it names.
    pub tenant: String,
    /// Lines that were read, without a header.
    pub lines: i64,
    /// Distinct entries: `lines` without `duplicates` and `blanks`, and the audience of a message to this list alone.
    pub people: i64,
    /// Lines that name somebody whom another line names; a name may turn out to be one when it is looked up.
    pub duplicates: i64,
    /// Empty lines.
    pub blanks: i64,
    /// Entries that are sign-in names or mail addresses, which are looked up in the directory.
    pub names: i64,
    /// How many of those were looked up so far.
    pub looked_up: i64,
    /// How many of those are not exactly one person. A message fails for them (`recipient_not_found`).
    pub unresolved: i64,
    /// The first 1,000 of those, by line; not in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved_names: Vec<UnresolvedName>,
    /// RFC 3339.
    pub created_at: String,
}

/// A name in a list that is not exactly one person's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnresolvedName {
    /// The line that has it; the first is 1.
    pub line: i64,
    /// As it was uploaded.
    pub name: String,
    /// Whom the directory knows by it: `nobody` or `several`.
    pub knows: String,
}
