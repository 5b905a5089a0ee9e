//! A delivery, or somebody who may become one, with what a call needs, as the statements of `rows.rs` give it: once for each
//! of its references.

use nuncio_domain::batch::Row;
use nuncio_domain::directory::Standing;
use nuncio_domain::people::{Origin, Reference};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Key, ReachState, RecipientKind, Time};
use serde::Deserialize;

use crate::reach_terms::standing;
use crate::rows::{Seen, best_first, key, seen};
use crate::words::{AnyRow, get, small, time_or_null, word};

/// The columns, in their order.
#[derive(Deserialize)]
pub(crate) struct FoundRow {
    /// Which of the questions that were asked together it answers.
    pub(crate) asked: usize,
    message_no: i64,
    recipient_no: i64,
    thread_no: i64,
    attempts: u32,
    tries: u32,
    resent: Flag,
    due_at: Option<i64>,
    kind: RecipientKind,
    address: String,
    mri: Option<String>,
    reach: ReachState,
    reach_at: Option<i64>,
    guest: Option<Flag>,
    external: Option<Flag>,
    enabled: Option<Flag>,
    licensed: Option<Flag>,
    directory_at: Option<i64>,
    excluded: Flag,
    opted_out: Flag,
    reference_no: Option<i64>,
    conversation_id: Option<String>,
    service_url: Option<String>,
    origin: Option<Origin>,
    seen_at: Option<i64>,
    suspect_at: Option<i64>,
}

/// SQLite has numbers for it.
#[derive(Clone, Copy, Deserialize)]
#[serde(from = "u8")]
pub(crate) struct Flag(pub(crate) bool);

impl From<u8> for Flag {
    fn from(number: u8) -> Self {
        Self(number != 0)
    }
}

/// What both databases give.
pub(crate) trait Found {
    fn key(&self) -> Result<Key, StoreError>;
    /// The reference in it, if there is one.
    fn seen(&mut self) -> Result<Option<Seen>, StoreError>;
    /// The delivery, with the best of its references and how many others there are.
    fn row(self, reference: Option<Reference>, others: u32) -> Result<Row, StoreError>;
}

impl Found for FoundRow {
    fn key(&self) -> Result<Key, StoreError> {
        Ok(Key { message_no: self.message_no, recipient_no: self.recipient_no })
    }

    fn seen(&mut self) -> Result<Option<Seen>, StoreError> {
        let columns = (self.reference_no, self.conversation_id.take(), self.service_url.take(), self.origin);
        let (Some(reference_no), Some(conversation_id), Some(service_url), Some(origin)) = columns else {
            return Ok(None);
        };
        let suspect = self.suspect_at.is_some();
        let reference = Reference { reference_no, conversation_id, service_url, suspect };
        Ok(Some(Seen { reference, origin, at: self.seen_at.unwrap_or_default() }))
    }

    fn row(self, reference: Option<Reference>, others: u32) -> Result<Row, StoreError> {
        let flag = |flag: Option<Flag>| flag.map(|Flag(set)| set);
        Ok(Row {
            key: self.key()?,
            thread_no: self.thread_no,
            kind: self.kind,
            address: self.address,
            mri: self.mri,
            others,
            reference,
            reach: self.reach,
            reach_at: self.reach_at.map(Time),
            standing: Standing {
                guest: flag(self.guest),
                external: flag(self.external),
                enabled: flag(self.enabled),
                licensed: flag(self.licensed),
                at: self.directory_at.map(Time),
            },
            excluded: self.excluded.0,
            opted_out: self.opted_out.0,
            attempts: self.attempts,
            tries: self.tries,
            resent: self.resent.0,
            due_at: self.due_at.map(Time),
        })
    }
}

impl<R: AnyRow> Found for &R {
    fn key(&self) -> Result<Key, StoreError> {
        key(*self)
    }

    fn seen(&mut self) -> Result<Option<Seen>, StoreError> {
        seen(*self)
    }

    fn row(self, reference: Option<Reference>, others: u32) -> Result<Row, StoreError> {
        Ok(Row {
            key: key(self)?,
            thread_no: get(self, "thread_no")?,
            kind: word(self, "kind", RecipientKind::of_word)?,
            address: get(self, "key")?,
            mri: get(self, "mri")?,
            others,
            reference,
            reach: word(self, "reach", ReachState::of_word)?,
            reach_at: time_or_null(self, "reach_at")?,
            standing: standing(self)?,
            excluded: get(self, "excluded")?,
            opted_out: get(self, "opted_out")?,
            attempts: small(self, "attempts")?,
            tries: small(self, "tries")?,
            resent: get(self, "resent")?,
            due_at: time_or_null(self, "due_at")?,
        })
    }
}

/// One delivery of several database rows that follow each other.
pub(crate) fn gather<F: Found>(found: impl IntoIterator<Item = F>) -> Result<Vec<Row>, StoreError> {
    let mut found = found.into_iter().peekable();
    let mut rows = Vec::with_capacity(found.size_hint().0);
    while let Some(mut first) = found.next() {
        let key = first.key()?;
        let mut known = Vec::from_iter(first.seen()?);
        while let Some(mut other) = found.next_if(|other| other.key().is_ok_and(|other| other == key)) {
            known.extend(other.seen()?);
        }
        known.retain(|seen| !seen.reference.suspect);
        best_first(&mut known);
        let others = known.len().saturating_sub(1) as u32;
        rows.push(first.row(known.into_iter().next().map(|seen| seen.reference), others)?);
    }
    Ok(rows)
}
