//! `POST /v3/conversations/{c}/activities` and its reply form (protocol section 5.3).

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Incoming, admit, members};
use crate::{
    clock::Micros,
    exchange::Answer,
    limits::{Kind, Thread},
    messages::{self, Receipt},
    org::Place,
    refusal::Refusal,
    switches::{ArchivedAs, MissingRootAs},
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
        Some(body) => incoming.check(world, body),
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
    if let Err(refusal) = root_there(world, &target) {
        return refusal.into();
    }
    let root = target.root.as_deref().or(reply_to).or(activity["replyToId"].as_str());
    let to = match targeted(world, incoming, &target, root) {
        Ok(to) => to,
        Err(refusal) => return refusal.into(),
    };
    let post = Post { thread: target.thread, conversation, reply_to: root, targeted: to, activity, split };
    let receipts = take(world, now, incoming.app, &post);
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

/// Whether the message whose thread is meant by the conversation's id is there. One that is older than all that are kept
/// is taken to be.
fn root_there(world: &World, target: &Conversation) -> Result<(), Refusal> {
    let Some(root) = &target.root else { return Ok(()) };
    let id = root.parse::<u64>().ok();
    let known = id.and_then(|id| world.messages.message(Receipt { thread: target.thread, id }));
    let there = match known {
        Some(message) => !message.deleted,
        None => id.is_some_and(|id| world.messages.is_dropped(target.thread, id)),
    };
    if there {
        return Ok(());
    }
    match world.settings.missing_root_as {
        MissingRootAs::Accepted => Ok(()),
        MissingRootAs::NotFound => Err(Refusal::ConversationNotFound),
        MissingRootAs::ActivityNotFound => Err(Refusal::ActivityNotFound),
    }
}

/// Whether a bot may write into a channel or group chat.
pub(super) fn open(world: &World, app: u16, thread: Thread) -> Result<(), Refusal> {
    match world.org.place(thread) {
        Place::Gone => Err(Refusal::ConversationNotFound),
        _ if !world.org.is_installed(app, thread) => Err(Refusal::BotNotInConversationRoster),
        // An archived team takes no posts (protocol section 4.3); which refusal that is, Microsoft does not say.
        Place::ReadOnly => Err(match world.settings.archived_as {
            ArchivedAs::WritesBlocked => Refusal::MessageWritesBlocked,
            ArchivedAs::NotPermitted => Refusal::NotEnoughPermissions,
        }),
        Place::Open => Ok(()),
    }
}

/// Whom a targeted message is for (protocol section 5.4); nobody answers one.
fn targeted(
    world: &World,
    incoming: &Incoming,
    target: &Conversation,
    root: Option<&str>,
) -> Result<Option<Uuid>, Refusal> {
    let root = root.and_then(|root| root.parse().ok()).map(|id| Receipt { thread: target.thread, id });
    if root.and_then(|root| world.messages.message(root)).is_some_and(|root| root.targeted.is_some()) {
        return Err(Refusal::ActivityNotFound);
    }
    if !incoming.targeted() {
        return Ok(None);
    }
    let refusal = Refusal::BadArgument("Bad argument");
    if matches!(target.thread, Thread::Person(_)) && !world.settings.targeted_in_personal {
        return Err(refusal);
    }
    let id = incoming.body.as_ref().and_then(|body| body["recipient"]["id"].as_str()).ok_or(refusal)?;
    let person = members::found(world, incoming.app, target.thread, id).ok_or(refusal)?;
    Ok(world.org.person(person).map(|person| person.object_id))
}

/// An activity that is taken.
pub(super) struct Post<'a> {
    pub(super) thread: Thread,
    pub(super) conversation: &'a str,
    pub(super) reply_to: Option<&'a str>,
    pub(super) targeted: Option<Uuid>,
    pub(super) activity: &'a Value,
    /// Text and attachments become two messages.
    pub(super) split: bool,
}

/// Takes an activity as one message or, if it is split, as two.
pub(super) fn take(world: &mut World, now: Micros, app: u16, post: &Post<'_>) -> Vec<Receipt> {
    let Post { thread, conversation, reply_to, targeted, activity, split } = *post;
    let incoming = |activity| messages::Incoming {
        thread,
        conversation,
        app: Some(app),
        by: None,
        reply_to,
        targeted,
        activity,
    };
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
