//! A bounded record of every request, without tokens, secrets or contents.

use std::collections::VecDeque;

use serde::{Serialize, Serializer};

use crate::clock::{Micros, rfc3339};

const KEPT: usize = 200_000;

#[derive(Serialize)]
pub(crate) struct Entry {
    pub(crate) n: u64,
    #[serde(serialize_with = "in_words")]
    pub(crate) at: Micros,
    pub(crate) op: &'static str,
    /// Whose name the client used: Microsoft's, or an address of this machine.
    pub(crate) host: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) app_id: Option<String>,
    /// Entra object id
    pub(crate) person: Option<String>,
    pub(crate) conversation: Option<String>,
    /// Null when the connection was cut before a status.
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    /// The id of the first message that this request made.
    #[serde(serialize_with = "as_text")]
    pub(crate) activity_id: Option<u64>,
    pub(crate) fault: Option<u64>,
    /// The message was taken but the sender did not get told.
    pub(crate) answer_lost: bool,
    /// The sender closed the connection before it was answered.
    pub(crate) client_gone: bool,
    pub(crate) ms: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn in_words<S: Serializer>(at: &Micros, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn as_text<S: Serializer>(id: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    id.map(|id| id.to_string()).serialize(serializer)
}

#[derive(Default)]
pub(crate) struct Journal {
    entries: VecDeque<Entry>,
    last: u64,
}

impl Journal {
    pub(crate) fn push(&mut self, mut entry: Entry) {
        self.last += 1;
        entry.n = self.last;
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.last - self.entries.len() as u64
    }

    pub(crate) fn after(&self, n: u64, limit: usize) -> Vec<&Entry> {
        let skip = n.saturating_sub(self.dropped()) as usize;
        self.entries.iter().skip(skip).take(limit).collect()
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }
}
