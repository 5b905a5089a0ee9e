//! The conversation that comes of an install (`docs/adr/0027`). Teams tells of it by an event, which may reach another
//! process than this one: what is known of the person is read again, soon and then less and less often. Events are missed
//! now and then (`docs/protocol.md` section 15), so that Graph is asked in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::batch::Key;
use crate::lane::core::{Action, Item, LaneCore};
use crate::lane::installs::Step;
use crate::people::Reference;
use crate::time::Time;

/// So long after an install Graph is asked for the chat (`docs/protocol.md` section 15).
pub(super) const ASK_GRAPH: Duration = Duration::from_secs(20);
/// When it is looked for the first time; each further wait is as long as all before it.
const FIRST_LOOK: Duration = Duration::from_millis(250);

/// Who has the app now and no conversation yet.
#[derive(Debug, Default)]
pub(super) struct Meetings {
    waiting: BTreeMap<Key, Item>,
    /// When each is looked for.
    looks: BTreeSet<(Time, Key)>,
}

impl Meetings {
    pub(super) fn clock_set(&mut self, by_us: i64) {
        let looks = std::mem::take(&mut self.looks).into_iter();
        self.looks = looks.map(|(at, key)| (at.moved(by_us), key)).collect();
        for item in self.waiting.values_mut() {
            item.install = item.install.moved(by_us);
        }
    }

    pub(super) fn take_of(&mut self, message_no: i64) -> Vec<Item> {
        self.looks.retain(|(_, key)| key.message_no != message_no);
        let keys: Vec<Key> =
            self.waiting.keys().filter(|key| key.message_no == message_no).copied().collect();
        keys.iter().filter_map(|key| self.waiting.remove(key)).collect()
    }
}

impl Step {
    fn moved(self, by_us: i64) -> Self {
        match self {
            Self::There { since, until } => {
                Self::There { since: since.moved(by_us), until: until.moved(by_us) }
            }
            step => step,
        }
    }
}

impl LaneCore {
    /// The install is durable: the conversation is looked for.
    pub(super) fn meet(&mut self, item: Item) {
        let Step::There { since, until } = item.install else { return self.queue_front(item) };
        let key = item.row.key;
        self.installs.meetings.waiting.insert(key, item);
        self.installs.meetings.looks.insert((until.min(since + FIRST_LOOK), key));
    }

    pub(super) fn look_for_references(&mut self, now: Time) {
        while let Some(&(at, key)) = self.installs.meetings.looks.first() {
            if at > now {
                self.wake_by(at);
                return;
            }
            self.installs.meetings.looks.pop_first();
            self.actions.push(Action::LoadReferences { key });
        }
    }

    /// What is known of where they can be spoken to.
    pub(super) fn met(&mut self, now: Time, key: Key, references: Vec<Reference>) {
        let Some(mut item) = self.installs.meetings.waiting.remove(&key) else { return };
        let mut usable = references.into_iter().filter(|reference| !reference.suspect);
        if let Some(best) = usable.next() {
            item.install = Step::Over;
            let row = item.row_mut();
            (row.reference, row.others) = (Some(best), usable.count() as u32);
            return self.queue_front(item);
        }
        match item.install {
            Step::There { since, until } if now < until => {
                let wait = now.since(since).max(FIRST_LOOK);
                self.installs.meetings.waiting.insert(key, item);
                self.installs.meetings.looks.insert((until.min(now + wait), key));
            }
            _ => self.ask_for_chat(item),
        }
    }
}
