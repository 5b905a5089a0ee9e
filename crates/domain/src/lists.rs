//! Lists of people that callers upload, and the names in them that the directory has to be asked for (`docs/adr/0024`).

use crate::directory::Resolved;
use crate::ids::AudienceId;
use crate::message::Idempotency;
use crate::time::Time;
use crate::words;

/// A list as it was uploaded, checked and ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewList {
    pub id: AudienceId,
    pub lane_no: i64,
    /// The caller's own word for it.
    pub name: Option<String>,
    /// Lines of the upload, without a header.
    pub lines: i64,
    /// How many of those are empty.
    pub blanks: i64,
    /// How many of those name somebody whom an earlier line names.
    pub duplicates: i64,
    /// Entra object ids in lower case, each once.
    pub people: Vec<String>,
    /// Who is named otherwise, each once, by line.
    pub names: Vec<ListedName>,
    pub created_at: Time,
    pub idempotency: Option<Idempotency>,
}

/// What came of storing a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    Stored,
    /// The same request was taken before; this is the list that it made.
    Repeated(AudienceId),
    /// The idempotency key was used with another list.
    KeyReused,
}

/// A sign-in name or mail address, and the line that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedName {
    pub line: i64,
    pub name: String,
}

impl ListedName {
    /// The key of the recipient that stands for it where it is not exactly one person.
    pub fn key(&self) -> String {
        self.name.to_lowercase()
    }
}

/// A list as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedList {
    pub list_no: i64,
    pub id: AudienceId,
    pub lane_no: i64,
    pub app: String,
    pub tenant: String,
    pub name: Option<String>,
    pub lines: i64,
    pub blanks: i64,
    pub duplicates: i64,
    /// Distinct entries: what a message to this list alone has as its audience.
    pub people: i64,
    /// How many were named by a sign-in name or mail address.
    pub names: i64,
    /// How many of those the directory was asked for.
    pub looked_up: i64,
    /// How many of those are not exactly one person.
    pub unresolved: i64,
    /// Why the directory tells nothing, if somebody has to put that right.
    pub cause: Option<String>,
    pub created_at: Time,
}

impl UploadedList {
    /// Whether all its names were looked up.
    pub const fn ready(&self) -> bool {
        self.looked_up >= self.names
    }
}

words! {
    /// Whom the directory knows by a name that is not exactly one person's.
    pub enum Knows {
        Nobody = "nobody",
        Several = "several",
    }
}

impl Knows {
    /// `None` for a name that is exactly one person's.
    pub const fn of(resolved: &Resolved) -> Option<Self> {
        match resolved {
            Resolved::One(_) => None,
            Resolved::None => Some(Self::Nobody),
            Resolved::Several => Some(Self::Several),
        }
    }
}

/// A name in a list that is not exactly one person's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    pub listed: ListedName,
    pub knows: Knows,
}

/// The next names of a list to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The line that they come after, which was looked up last.
    pub after: Option<i64>,
    /// By line, and not none.
    pub names: Vec<ListedName>,
}

/// What the directory said of [`Names`], to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub list_no: i64,
    /// As it was in [`Names`]. If the list is not there any more, it is left out.
    pub after: Option<i64>,
    /// Each with whom it stands for, or why nothing is told.
    pub names: Result<Vec<(ListedName, Resolved)>, String>,
}

/// What came of deleting a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    Done,
    /// A message is still being worked out from it.
    InUse,
    NotFound,
}
