//! Turns of messages (`docs/delivery.md`, Priority): urgent strictly first, normal to bulk 4 : 1, round robin in a class.

use std::collections::{BTreeMap, VecDeque};

use crate::message::Class;

/// Bulk gets one turn after so many of normal.
const NORMAL_TURNS: u32 = 4;

/// The messages that have something to do, in the order of their turns.
#[derive(Debug, Default)]
pub(super) struct Turns {
    messages: BTreeMap<Class, VecDeque<i64>>,
    normal_run: u32,
}

impl Turns {
    /// The classes in the order in which they may go now.
    pub(super) fn classes(&self) -> [Class; 3] {
        if self.normal_run >= NORMAL_TURNS {
            [Class::Urgent, Class::Bulk, Class::Normal]
        } else {
            [Class::Urgent, Class::Normal, Class::Bulk]
        }
    }

    pub(super) fn went(&mut self, class: Class) {
        match class {
            Class::Urgent => {}
            Class::Normal => self.normal_run = self.normal_run.saturating_add(1),
            Class::Bulk => self.normal_run = 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.values().all(VecDeque::is_empty)
    }

    /// All of them.
    pub(super) fn messages(&self) -> impl Iterator<Item = i64> {
        self.messages.values().flatten().copied()
    }

    pub(super) fn len(&self, class: Class) -> usize {
        self.messages.get(&class).map_or(0, VecDeque::len)
    }

    pub(super) fn next(&mut self, class: Class) -> Option<i64> {
        self.messages.get_mut(&class)?.pop_front()
    }

    pub(super) fn push_back(&mut self, class: Class, message_no: i64) {
        self.messages.entry(class).or_default().push_back(message_no);
    }

    pub(super) fn push_front(&mut self, class: Class, message_no: i64) {
        self.messages.entry(class).or_default().push_front(message_no);
    }

    pub(super) fn remove(&mut self, class: Class, message_no: i64) {
        if let Some(turns) = self.messages.get_mut(&class) {
            turns.retain(|other| *other != message_no);
        }
    }
}
