//! A bounded record of every request, without tokens, secrets or contents.

use std::collections::VecDeque;

use serde::Serialize;

const KEPT: usize = 200_000;

#[derive(Clone, Serialize)]
pub(crate) struct Entry {
    pub(crate) n: u64,
    pub(crate) at: String,
    pub(crate) op: &'static str,
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
    pub(crate) activity_id: Option<String>,
    pub(crate) fault: Option<u64>,
    /// The message was taken but the sender did not get told.
    pub(crate) answer_lost: bool,
    /// The sender closed the connection before it was answered.
    pub(crate) client_gone: bool,
    pub(crate) ms: i64,
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

    pub(crate) fn after(&self, n: u64, limit: usize) -> Vec<Entry> {
        let skip = n.saturating_sub(self.dropped()) as usize;
        self.entries.iter().skip(skip).take(limit).cloned().collect()
    }

    pub(crate) fn last(&self) -> u64 {
        self.last
    }
}
