//! What was accepted: the messages of each thread, and who got the same one twice.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    clock::{Micros, millis, rfc3339},
    limits::Thread,
};

/// Bodies are kept whole for so many messages; after that only their beginning.
const WHOLE_BODIES: u64 = 10_000;
const BODY_BEGINNING: usize = 4 * 1024;
/// So many messages are kept, those of all threads together.
const KEPT: usize = 300_000;
/// Content that came again is recognised among so many different ones of a thread, the latest.
const CONTENTS: usize = 32;

#[expect(clippy::struct_excessive_bools, reason = "marks of one message, each independent of the others")]
pub(crate) struct Message {
    pub(crate) id: u64,
    pub(crate) at: Micros,
    /// `None`: said by the person.
    pub(crate) app: Option<u16>,
    /// Who said it, if a person did.
    pub(crate) by: Option<u32>,
    pub(crate) conversation: Box<str>,
    pub(crate) reply_to: Option<Box<str>>,
    /// The one member (Entra object id) who sees it, of a targeted message (protocol section 5.4).
    pub(crate) targeted: Option<Uuid>,
    body: Box<str>,
    truncated: bool,
    /// Something a person sees, not `typing` and the like.
    pub(crate) visible: bool,
    /// How often it was updated.
    edits: u32,
    pub(crate) deleted: bool,
    /// Of bots, each kind once.
    reactions: Vec<(u16, Box<str>)>,
    pub(crate) answer_lost: bool,
}

impl Message {
    /// What it shows; `None` when only the beginning was kept.
    pub(crate) fn activity(&self) -> Option<Value> {
        if self.truncated { None } else { serde_json::from_str(&self.body).ok() }
    }

    /// How often it was updated.
    pub(crate) fn edits(&self) -> u32 {
        self.edits
    }

    /// For the control API; `activity` is null when only the beginning of the body was kept.
    pub(crate) fn show(&self, app_id: Option<&str>) -> Value {
        let activity = self.activity().unwrap_or(Value::Null);
        let reactions: Vec<&str> = self.reactions.iter().map(|(_, kind)| &**kind).collect();
        json!({
            "id": self.id.to_string(), "at": rfc3339(self.at), "from": if self.app.is_some() { "bot" } else { "person" },
            "app_id": app_id, "conversation_id": self.conversation, "reply_to": self.reply_to,
            "targeted": self.targeted,
            "activity": activity, "truncated": self.truncated,
            "beginning": if self.truncated { Some(&*self.body) } else { None },
            "edits": self.edits, "deleted": self.deleted, "reactions": reactions, "answer_lost": self.answer_lost,
        })
    }
}

#[derive(Default)]
struct Log {
    messages: Vec<Message>,
    /// So many at the beginning are dropped already.
    dropped: usize,
    has_dropped: bool,
    last_id: u64,
    accepted: u64,
    /// Hashes of contents, the latest last, and how often each came.
    same: Vec<(u64, u64)>,
}

impl Log {
    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.messages.get_mut(self.dropped) {
            // What it takes goes now, its place with others.
            (oldest.conversation, oldest.body, oldest.reply_to) = (Box::default(), Box::default(), None);
            self.dropped += 1;
            self.has_dropped = true;
            if self.dropped * 2 >= self.messages.len() {
                self.messages.drain(..self.dropped);
                self.messages.shrink_to(self.messages.len() * 2);
                self.dropped = 0;
            }
        }
    }

    /// How often this content came, this time included.
    fn again(&mut self, hash: u64) -> u64 {
        let before = self.same.iter().rposition(|(other, _)| *other == hash);
        let count = before.map_or(0, |at| self.same.remove(at).1) + 1;
        if self.same.len() == CONTENTS {
            self.same.remove(0);
        }
        make_room(&mut self.same);
        self.same.push((hash, count));
        count
    }

    fn next_id(&mut self, now: Micros) -> u64 {
        self.last_id = (millis(now) as u64).max(self.last_id + 1);
        self.last_id
    }
}

/// Which message of which thread was accepted, to mark it later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    pub(crate) thread: Thread,
    pub(crate) id: u64,
}

pub(crate) struct Incoming<'a> {
    pub(crate) thread: Thread,
    pub(crate) conversation: &'a str,
    pub(crate) app: Option<u16>,
    pub(crate) by: Option<u32>,
    pub(crate) reply_to: Option<&'a str>,
    pub(crate) targeted: Option<Uuid>,
    pub(crate) activity: &'a Value,
}

#[derive(Default)]
pub(crate) struct Messages {
    logs: HashMap<Thread, Log>,
    /// Whose message is the oldest, the next …
    order: VecDeque<Thread>,
    stored: u64,
    pub(crate) accepted: u64,
    /// Accepted activities that are no messages, such as `typing`.
    pub(crate) other_activities: u64,
    pub(crate) split: u64,
    pub(crate) most_per_recipient: u64,
    pub(crate) most_per_recipient_total: u64,
}

impl Messages {
    /// Takes an activity and gives it its id: epoch milliseconds, rising within a thread (protocol section 4.0).
    pub(crate) fn accept(&mut self, now: Micros, incoming: &Incoming<'_>) -> Receipt {
        let log = self.logs.entry(incoming.thread).or_default();
        let id = log.next_id(now);
        let (body, truncated) = kept(incoming.activity, self.stored);
        let visible = incoming.activity["type"] == "message";
        self.stored += 1;
        make_room(&mut log.messages);
        log.messages.push(Message {
            id,
            at: now,
            app: incoming.app,
            by: incoming.by,
            conversation: incoming.conversation.into(),
            reply_to: incoming.reply_to.map(Into::into),
            targeted: incoming.targeted,
            body,
            truncated,
            visible,
            edits: 0,
            deleted: false,
            reactions: Vec::new(),
            answer_lost: false,
        });
        if incoming.app.is_some() {
            if visible {
                self.accepted += 1;
                log.accepted += 1;
                self.most_per_recipient_total = self.most_per_recipient_total.max(log.accepted);
                let same = log.again(content_hash(incoming.activity));
                self.most_per_recipient = self.most_per_recipient.max(same);
            } else {
                self.other_activities += 1;
            }
        }
        self.order.push_back(incoming.thread);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
            && let Some(log) = self.logs.get_mut(&oldest)
        {
            log.drop_oldest();
        }
        Receipt { thread: incoming.thread, id }
    }

    /// The id of a message that is not kept, such as the click on a card.
    pub(crate) fn next_id(&mut self, thread: Thread, now: Micros) -> u64 {
        self.logs.entry(thread).or_default().next_id(now)
    }

    pub(crate) fn mark_lost(&mut self, receipt: Receipt) {
        if let Some(message) = self.message_mut(receipt) {
            message.answer_lost = true;
        }
    }

    /// The message shows this activity from now on.
    pub(crate) fn update(&mut self, receipt: Receipt, activity: &Value) {
        let (body, truncated) = kept(activity, self.stored);
        if let Some(message) = self.message_mut(receipt) {
            message.body = body;
            message.truncated = truncated;
            message.edits += 1;
        }
    }

    pub(crate) fn delete(&mut self, receipt: Receipt) {
        self.set_deleted(receipt, true);
    }

    /// Only people can take a deletion back.
    pub(crate) fn set_deleted(&mut self, receipt: Receipt, deleted: bool) {
        if let Some(message) = self.message_mut(receipt) {
            message.deleted = deleted;
        }
    }

    /// A bot's reaction of that kind is there, or is not.
    pub(crate) fn react(&mut self, receipt: Receipt, app: u16, kind: &str, there: bool) {
        if let Some(message) = self.message_mut(receipt) {
            message.reactions.retain(|(other, is)| (*other, &**is) != (app, kind));
            if there {
                message.reactions.push((app, kind.into()));
            }
        }
    }

    /// Ids rise within a thread, so a message is found by halving.
    pub(crate) fn message(&self, receipt: Receipt) -> Option<&Message> {
        let messages = self.of(receipt.thread);
        let at = messages.binary_search_by_key(&receipt.id, |message| message.id).ok()?;
        messages.get(at)
    }

    /// Whether a message of that id would be older than all that are kept of its thread, of which some are dropped.
    pub(crate) fn is_dropped(&self, thread: Thread, id: u64) -> bool {
        let Some(log) = self.logs.get(&thread).filter(|log| log.has_dropped) else { return false };
        log.messages.get(log.dropped).map_or(id <= log.last_id, |oldest| id < oldest.id)
    }

    fn message_mut(&mut self, receipt: Receipt) -> Option<&mut Message> {
        let log = self.logs.get_mut(&receipt.thread)?;
        let messages = log.messages.get_mut(log.dropped..)?;
        let at = messages.binary_search_by_key(&receipt.id, |message| message.id).ok()?;
        messages.get_mut(at)
    }

    /// Threads in which something was written, with the time of the last message.
    pub(crate) fn last_of_each(&self) -> impl Iterator<Item = (Thread, Micros)> {
        self.logs.iter().filter_map(|(thread, log)| Some((*thread, log.messages.last()?.at)))
    }

    pub(crate) fn of(&self, thread: Thread) -> &[Message] {
        self.logs.get(&thread).and_then(|log| log.messages.get(log.dropped..)).unwrap_or_default()
    }
}

/// Room for one more, and little beside: most threads have one message, and there are hundreds of thousands of threads.
fn make_room<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(1 + list.len() / 2);
    }
}

/// What is kept of a body when so many were stored before it, and whether its end is missing.
fn kept(activity: &Value, stored: u64) -> (Box<str>, bool) {
    let mut body = activity.to_string();
    let truncated = stored >= WHOLE_BODIES && body.len() > BODY_BEGINNING;
    if truncated {
        body.truncate(body.floor_char_boundary(BODY_BEGINNING));
    }
    (body.into_boxed_str(), truncated)
}

/// What the recipient sees. Envelope fields are left out, so that a repeated message is recognised whatever id,
/// recipient or time travels with it.
fn content_hash(activity: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    for field in ["type", "text", "textFormat", "summary", "attachments", "suggestedActions", "value"] {
        activity.get(field).map(Value::to_string).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(messages: &mut Messages, person: u32, activity: &Value) -> Receipt {
        let incoming = Incoming {
            thread: Thread::Person(person),
            conversation: "a:1",
            app: Some(0),
            by: None,
            reply_to: None,
            targeted: None,
            activity,
        };
        messages.accept(1_795_356_312_044_000, &incoming)
    }

    #[test]
    fn the_same_content_for_the_same_person_is_counted() {
        let mut messages = Messages::default();
        let one = json!({"type": "message", "text": "one", "recipient": {"id": "29:1"}});
        let first = accept(&mut messages, 1, &one);
        let again = accept(&mut messages, 1, &json!({"type": "message", "text": "one", "replyToId": "x"}));
        accept(&mut messages, 1, &json!({"type": "message", "text": "two"}));
        accept(&mut messages, 2, &one);
        accept(&mut messages, 2, &json!({"type": "typing"}));
        assert!(again.id > first.id);
        assert_eq!((messages.accepted, messages.other_activities), (4, 1));
        assert_eq!((messages.most_per_recipient, messages.most_per_recipient_total), (2, 3));
        messages.mark_lost(again);
        assert!(messages.of(Thread::Person(1))[1].answer_lost);
    }

    #[test]
    fn the_oldest_messages_of_all_threads_are_dropped() {
        let mut messages = Messages::default();
        let hello = json!({"type": "message", "text": "hello"});
        let firsts: Vec<Receipt> = (0..4).map(|person| accept(&mut messages, person, &hello)).collect();
        for _ in 0..KEPT - 3 {
            accept(&mut messages, 9, &json!({"type": "typing"}));
        }
        let left: Vec<bool> = firsts.iter().map(|receipt| messages.message(*receipt).is_some()).collect();
        assert_eq!(left, [false, true, true, true]);
        assert_eq!(messages.of(Thread::Person(9)).len(), KEPT - 3);
        for _ in 0..KEPT {
            accept(&mut messages, 9, &json!({"type": "typing"}));
        }
        assert_eq!(messages.of(Thread::Person(9)).len(), KEPT);
        let again = accept(&mut messages, 1, &hello);
        assert!(again.id > firsts[1].id);
        assert_eq!(messages.most_per_recipient, 2, "counted beyond what is kept");
    }

    #[test]
    fn what_was_dropped_is_told_from_what_never_was() {
        let mut messages = Messages::default();
        let hello = json!({"type": "message", "text": "hello"});
        let first = accept(&mut messages, 1, &hello);
        assert!(!messages.is_dropped(first.thread, first.id));
        assert!(!messages.is_dropped(first.thread, first.id - 1), "all of the thread is kept");
        for _ in 0..KEPT {
            accept(&mut messages, 9, &json!({"type": "typing"}));
        }
        // Nothing of the thread is left.
        assert!(messages.is_dropped(first.thread, first.id));
        assert!(!messages.is_dropped(first.thread, first.id + 1));
        let second = accept(&mut messages, 1, &hello);
        assert!(messages.is_dropped(first.thread, first.id));
        assert!(!messages.is_dropped(first.thread, second.id));
        assert!(!messages.is_dropped(Thread::Person(2), first.id));
    }

    #[test]
    fn the_latest_contents_of_a_thread_are_recognised() {
        let mut log = Log::default();
        for hash in 0..CONTENTS as u64 {
            assert_eq!(log.again(hash), 1);
        }
        assert_eq!(log.again(0), 2);
        assert_eq!(log.again(99), 1, "in the place of 1, which came longest ago");
        assert_eq!((log.again(0), log.again(1)), (3, 1));
    }
}
