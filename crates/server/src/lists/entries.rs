//! What the lines of a list come to.

use std::collections::HashSet;

use nuncio_api::Code;
use nuncio_domain::lists::ListedName;
use uuid::Uuid;

use super::pointer;
use crate::problem::Refusal;
use crate::validate::audience::is_name;
use crate::validate::guid;

/// More bad lines are counted, not listed.
const MOST_TOLD: usize = 10_000;

/// People and names, each once, and what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) lines: i64,
    pub(crate) blanks: i64,
    pub(crate) duplicates: i64,
    pub(crate) people: Vec<String>,
    pub(crate) names: Vec<ListedName>,
    /// An id, or the beginning of a name's hash: a million names would take much more.
    seen: HashSet<u128>,
    wrong: Vec<(Code, String, String)>,
    more: usize,
}

impl Entries {
    pub(super) fn blank(&mut self) {
        self.lines += 1;
        self.blanks += 1;
    }

    pub(super) fn bad(&mut self, line: i64, text: &str) {
        self.lines += 1;
        if self.wrong.len() < MOST_TOLD {
            self.wrong.push((Code::ListLineInvalid, pointer(line), text.to_owned()));
        } else {
            self.more += 1;
        }
    }

    /// Whether it is one; what it must be else is for the caller to say.
    pub(super) fn take(&mut self, line: i64, entry: &str) -> bool {
        let entry = entry.trim();
        let (id, mark) = if let Some(id) = guid(entry) {
            let mark = Uuid::parse_str(&id).map_or(0, |id| id.as_u128());
            (Some(id), mark)
        } else if is_name(entry) {
            let hash = blake3::hash(entry.to_lowercase().as_bytes());
            (None, u128::from_le_bytes(*hash.as_bytes().first_chunk().expect("16 of 32 bytes")))
        } else {
            return false;
        };
        self.lines += 1;
        if !self.seen.insert(mark) {
            self.duplicates += 1;
        } else if let Some(id) = id {
            self.people.push(id);
        } else {
            self.names.push(ListedName { line, name: entry.to_owned() });
        }
        true
    }

    /// Itself, if nothing was found wrong.
    pub(super) fn right(self) -> Result<Self, Refusal> {
        if !self.wrong.is_empty() {
            return Err(Refusal::of(self.wrong, self.more));
        }
        if self.people.is_empty() && self.names.is_empty() {
            return Err(Refusal::new(Code::ListEmpty, "no line names anybody"));
        }
        Ok(self)
    }
}
