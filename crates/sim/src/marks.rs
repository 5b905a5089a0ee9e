//! What people did to messages: reactions, clicks on cards, the card as each of them sees it, how far they read.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{
    clock::{Micros, rfc3339},
    limits::Thread,
    messages::Receipt,
};

/// So many clicks are kept for each message.
const CLICKS_KEPT: usize = 100;

/// One click on a card and what the person was shown for it.
pub(crate) struct Click {
    pub(crate) person: u32,
    pub(crate) at: Micros,
    /// The action as it went to the bot
    pub(crate) action: Value,
    /// As in the answer of `/sim/people/{id}/acts`
    pub(crate) shown: &'static str,
    /// The toast, or what was wrong
    pub(crate) text: Option<String>,
}

#[derive(Default)]
struct Mark {
    reactions: Vec<(u32, Box<str>)>,
    /// Cards of a person alone, and after how many edits of the message they came: an edit replaces them again.
    seen: HashMap<u32, (u32, Value)>,
    clicks: Vec<Click>,
}

#[derive(Default)]
pub(crate) struct Marks {
    of: HashMap<(Thread, u64), Mark>,
    read: HashMap<(Thread, u32), u64>,
}

impl Marks {
    fn mark(&mut self, receipt: Receipt) -> &mut Mark {
        self.of.entry((receipt.thread, receipt.id)).or_default()
    }

    pub(crate) fn has_reaction(&self, receipt: Receipt, person: u32, kind: &str) -> bool {
        let mark = self.of.get(&(receipt.thread, receipt.id));
        mark.is_some_and(|mark| mark.reactions.iter().any(|(who, is)| (*who, &**is) == (person, kind)))
    }

    pub(crate) fn react(&mut self, receipt: Receipt, person: u32, new: Option<&str>, gone: Option<&str>) {
        let reactions = &mut self.mark(receipt).reactions;
        if let Some(gone) = gone {
            reactions.retain(|(who, is)| (*who, &**is) != (person, gone));
        }
        if let Some(new) = new {
            reactions.push((person, new.into()));
        }
    }

    pub(crate) fn replace_card(&mut self, receipt: Receipt, person: u32, edits: u32, card: Value) {
        self.mark(receipt).seen.insert(person, (edits, card));
    }

    /// The card that replaced the message's own for this person, unless the message was edited since.
    pub(crate) fn card(&self, receipt: Receipt, person: u32, edits: u32) -> Option<&Value> {
        let (made_after, card) = self.of.get(&(receipt.thread, receipt.id))?.seen.get(&person)?;
        (*made_after == edits).then_some(card)
    }

    pub(crate) fn clicked(&mut self, receipt: Receipt, click: Click) {
        let clicks = &mut self.mark(receipt).clicks;
        if clicks.len() == CLICKS_KEPT {
            clicks.remove(0);
        }
        clicks.push(click);
    }

    /// False if the person had read so far before.
    pub(crate) fn read(&mut self, thread: Thread, person: u32, up_to: u64) -> bool {
        let read = self.read.entry((thread, person)).or_default();
        let further = up_to > *read;
        *read = up_to.max(*read);
        further
    }

    pub(crate) fn read_up_to(&self, thread: Thread, person: u32) -> Option<u64> {
        self.read.get(&(thread, person)).copied()
    }

    /// For the control API: reactions of people, the cards that only one of them sees, clicks.
    pub(crate) fn show(&self, receipt: Receipt, edits: u32, id_of: impl Fn(u32) -> Value) -> Value {
        let Some(mark) = self.of.get(&(receipt.thread, receipt.id)) else {
            return json!({"reactions": [], "seen": {}, "clicks": []});
        };
        let reactions: Vec<Value> = mark
            .reactions
            .iter()
            .map(|(person, kind)| json!({"person": id_of(*person), "type": kind}))
            .collect();
        let seen: serde_json::Map<String, Value> = mark
            .seen
            .iter()
            .filter(|(_, (made_after, _))| *made_after == edits)
            .filter_map(|(person, (_, card))| Some((id_of(*person).as_str()?.to_owned(), card.clone())))
            .collect();
        let clicks: Vec<Value> = mark
            .clicks
            .iter()
            .map(|click| {
                json!({
                    "person": id_of(click.person), "at": rfc3339(click.at), "action": click.action,
                    "shown": click.shown, "text": click.text,
                })
            })
            .collect();
        json!({"reactions": reactions, "seen": seen, "clicks": clicks})
    }
}
