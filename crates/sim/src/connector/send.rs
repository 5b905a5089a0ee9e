//! `POST /v3/conversations/{c}/activities` and its reply form (protocol section 5.3).

use serde_json::{Value, json};

use super::{Incoming, activity, admit};
use crate::{
    clock::Micros,
    exchange::Answer,
    limits::{Kind, Thread},
    messages::{self, Receipt},
    org::Place,
    refusal::Refusal,
    world::{Conversation, World},
};

pub(super) fn send(
    world: &mut World,
    now: Micros,
    incoming: &Incoming,
    conversation: &str,
    reply_to: Option<&str>,
) -> Answer {
    let target = world.conversation(incoming.app, conversation);
    let checked = match &incoming.body {
        Some(body) => activity::check(body, incoming.length, &world.settings),
        None => Err(Refusal::BadSyntax),
    };
    let cost = if matches!(checked, Ok(true)) { 2 } else { 1 };
    let thread = target.as_ref().map(|target| target.thread);
    if let Err(throttled) = admit(world, now, incoming.app, thread, Kind::Send, cost) {
        return throttled;
    }
    let (Ok(split), Some(activity)) = (checked, &incoming.body) else {
        return checked.err().unwrap_or(Refusal::BadSyntax).into();
    };
    let target = match writable(world, incoming.app, target) {
        Ok(target) => target,
        Err(refusal) => return refusal.into(),
    };
    if world.spurious_404(target.thread) {
        return Refusal::ConversationNotFound.into();
    }
    let root = target.root.as_deref().or(reply_to).or(activity["replyToId"].as_str());
    let receipts = take(world, now, incoming.app, target.thread, conversation, root, activity, split);
    let answer = if split {
        // Two messages, neither with an id that could be used.
        Answer::empty(202)
    } else {
        Answer::ok(201, json!({"id": receipts.first().map(|receipt| receipt.id.to_string())}))
    };
    Answer { receipts, ..answer }
}

/// The conversation if the bot may write into it as things stand: what an update or delete needs as well.
pub(super) fn writable(
    world: &World,
    app: u16,
    target: Option<Conversation>,
) -> Result<Conversation, Refusal> {
    let target = target.ok_or(Refusal::ConversationNotFound)?;
    match target.thread {
        Thread::Person(person) => {
            world.org.person(person).ok_or(Refusal::ConversationNotFound)?.state.send(&world.settings)?;
        }
        Thread::Channel { .. } | Thread::Chat(_) => open(world, app, target.thread)?,
    }
    if target.alive { Ok(target) } else { Err(Refusal::ConversationNotFound) }
}

/// Whether a bot may write into a channel or group chat.
pub(super) fn open(world: &World, app: u16, thread: Thread) -> Result<(), Refusal> {
    match world.org.place(thread) {
        Place::Gone => Err(Refusal::ConversationNotFound),
        _ if !world.org.is_installed(app, thread) => Err(Refusal::BotNotInConversationRoster),
        // An archived team takes no posts (protocol section 4.3); which refusal that is, Microsoft does not say.
        Place::ReadOnly => Err(Refusal::MessageWritesBlocked),
        Place::Open => Ok(()),
    }
}

/// Takes an activity as one message or, if it is split, as two.
#[expect(clippy::too_many_arguments, reason = "one line of the ledger, written from two places")]
pub(super) fn take(
    world: &mut World,
    now: Micros,
    app: u16,
    thread: Thread,
    conversation: &str,
    reply_to: Option<&str>,
    activity: &Value,
    split: bool,
) -> Vec<Receipt> {
    let incoming =
        |activity| messages::Incoming { thread, conversation, app: Some(app), by: None, reply_to, activity };
    world.counts.sent(now);
    if !split {
        return vec![world.messages.accept(now, &incoming(activity))];
    }
    world.messages.split += 1;
    let mut text = activity.clone();
    let mut cards = activity.clone();
    if let (Some(text), Some(cards)) = (text.as_object_mut(), cards.as_object_mut()) {
        text.remove("attachments");
        cards.remove("text");
    }
    vec![world.messages.accept(now, &incoming(&text)), world.messages.accept(now, &incoming(&cards))]
}
