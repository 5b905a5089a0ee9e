//! What the directory says of people, and the audiences that it names.

use std::collections::BTreeSet;

use nuncio_domain::directory::{DirectoryPerson, DirectorySource, Fill, Next, Wanted};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{ReachState, RecipientKind, Time};

use super::{Entry, Part, Place, Recipient, State};

impl Part {
    pub(super) fn of(from: DirectorySource) -> Self {
        Self { from, members: BTreeSet::new(), cursor: None, read: false }
    }

    pub(super) fn wants(&self, source_no: usize) -> Option<Wanted> {
        (!self.read).then(|| Wanted { source_no, from: self.from.clone(), cursor: self.cursor.clone() })
    }
}

impl Recipient {
    /// What the directory's word makes of them, against what counted before.
    fn note_directory(&mut self, at: Time) {
        let was = self.history.iter().rev().find(|entry| !entry.contradicts).map(|entry| entry.state);
        let by_directory =
            [ReachState::External, ReachState::AccountDisabled, ReachState::Unlicensed].map(Some);
        let state = match self.standing.counts(self.reach_at) {
            Some(says) if was != Some(says) => says,
            None if by_directory.contains(&was) && was != Some(self.reach) => self.reach,
            _ => return,
        };
        self.history.push(Entry { at, state, contradicts: false, late: false });
    }
}

impl State {
    /// The person's number, with what is said of them kept.
    pub(super) fn told(&mut self, lane_no: i64, person: &DirectoryPerson, at: Time) -> i64 {
        let key = person.object_id.to_ascii_lowercase();
        let recipient_no = self.recipient(lane_no, RecipientKind::Person, &key);
        if let Some(recipient) = self.recipients.get_mut(&recipient_no) {
            recipient.name = person.name.clone().or(recipient.name.take());
            recipient.upn = person.upn.clone().or(recipient.upn.take());
            let standing = &mut recipient.standing;
            standing.guest = person.guest.or(standing.guest);
            standing.external = person.external.or(standing.external);
            standing.enabled = person.enabled.or(standing.enabled);
            standing.licensed = person.licensed.or(standing.licensed);
            standing.at = Some(at);
            recipient.note_directory(at);
        }
        recipient_no
    }

    pub(super) fn fill(&mut self, fill: Fill, now: Time) -> Result<bool, StoreError> {
        let Some(message) = self.messages.get(&fill.message_no) else {
            return Err(StoreError::Broken("no such message".to_owned()));
        };
        let lane_no = message.new.lane_no;
        let (part, excluded) = match message.sources.get(fill.source_no) {
            Some(Place::Directory(part)) => (part, false),
            Some(Place::Excluded(part)) => (part, true),
            _ => return Err(StoreError::Broken("no such part of the directory".to_owned())),
        };
        if message.audience_final || part.read || part.cursor != fill.cursor {
            return Ok(false);
        }
        let mut members = Vec::new();
        for person in fill.people.iter().filter(|_| !excluded) {
            members.push(self.told(lane_no, person, now));
        }
        let Some(message) = self.messages.get_mut(&fill.message_no) else { return Ok(false) };
        if excluded {
            let keys = fill.people.iter().map(|person| person.object_id.to_ascii_lowercase());
            message.new.exclude.extend(keys);
        }
        if let Some(Place::Directory(part) | Place::Excluded(part)) = message.sources.get_mut(fill.source_no)
        {
            part.members.extend(members);
            part.read = fill.next == Next::End;
            part.cursor = if let Next::At(cursor) = fill.next { Some(cursor) } else { None };
        }
        Ok(true)
    }
}
