//! Changing a message that is there: update, delete and the bot's reactions (protocol section 5.3).

use serde_json::json;

use super::{Incoming, admit, send};
use crate::{
    clock::Micros,
    exchange::Answer,
    limits::Kind,
    messages::Receipt,
    refusal::Refusal,
    world::{Conversation, World},
};

/// `PUT /v3/conversations/{c}/activities/{a}`
pub(super) fn update(
    world: &mut World,
    now: Micros,
    incoming: &Incoming,
    conversation: &str,
    id: &str,
) -> Answer {
    let target = match counted(world, now, incoming, conversation) {
        Ok(target) => target,
        Err(throttled) => return throttled,
    };
    let Some(body) = &incoming.body else {
        return Refusal::BadSyntax.into();
    };
    if let Err(refusal) = incoming.check(world, body) {
        return refusal.into();
    }
    if body["type"] != "message" {
        return Refusal::BadArgument("Unsupported activity type").into();
    }
    match own_message(world, now, incoming, target, id) {
        Ok(message) => {
            world.messages.update(message, body);
            Answer::ok(200, json!({"id": message.id.to_string()}))
        }
        Err(refusal) => refusal.into(),
    }
}

/// `DELETE /v3/conversations/{c}/activities/{a}`
pub(super) fn delete(
    world: &mut World,
    now: Micros,
    incoming: &Incoming,
    conversation: &str,
    id: &str,
) -> Answer {
    let target = match counted(world, now, incoming, conversation) {
        Ok(target) => target,
        Err(throttled) => return throttled,
    };
    match own_message(world, now, incoming, target, id) {
        Ok(message) => {
            world.messages.delete(message);
            Answer::empty(200)
        }
        Err(refusal) => refusal.into(),
    }
}

/// `PUT` and `DELETE …/activities/{a}/reactions/{type}`: the bot's own reaction to anybody's message.
pub(super) fn react(
    world: &mut World,
    now: Micros,
    incoming: &Incoming,
    conversation: &str,
    id: &str,
    (kind, there): (&str, bool),
) -> Answer {
    let target = match counted(world, now, incoming, conversation) {
        Ok(target) => target,
        Err(throttled) => return throttled,
    };
    let target = match send::writable(world, incoming.app, target) {
        Ok(target) => target,
        Err(refusal) => return refusal.into(),
    };
    // Nobody reacts to a targeted message.
    let message = present(world, now, &target, id)
        .filter(|receipt| world.messages.message(*receipt).is_some_and(|message| message.targeted.is_none()));
    let Some(message) = message else {
        return Refusal::ActivityNotFound.into();
    };
    if kind.is_empty() {
        return Refusal::BadSyntax.into();
    }
    world.messages.react(message, incoming.app, kind, there);
    Answer::empty(200)
}

fn counted(
    world: &mut World,
    now: Micros,
    incoming: &Incoming,
    conversation: &str,
) -> Result<Option<Conversation>, Answer> {
    let target = world.conversation(incoming.app, conversation);
    let thread = target.as_ref().map(|target| target.thread);
    let kind = if world.settings.updates_count_as_sends { Kind::Send } else { Kind::Other };
    admit(world, now, incoming.app, thread, kind, 1)?;
    Ok(target)
}

/// A message that this bot sent into that conversation and that is still there. A targeted one is reached only as such,
/// and never given to somebody else (protocol section 5.4).
fn own_message(
    world: &World,
    now: Micros,
    incoming: &Incoming,
    target: Option<Conversation>,
    id: &str,
) -> Result<Receipt, Refusal> {
    let target = send::writable(world, incoming.app, target)?;
    let recipient = incoming.body.as_ref().is_some_and(|body| !body["recipient"].is_null());
    if incoming.targeted() && recipient {
        return Err(Refusal::BadArgument("Bad argument"));
    }
    let gone = Refusal::ActivityNotFound;
    let receipt = present(world, now, &target, id).ok_or(gone)?;
    let message = world.messages.message(receipt).ok_or(gone)?;
    let own = message.app == Some(incoming.app) && message.targeted.is_some() == incoming.targeted();
    if own { Ok(receipt) } else { Err(gone) }
}

/// Anybody's message in a conversation, if it can be seen there now.
pub(super) fn present(world: &World, now: Micros, target: &Conversation, id: &str) -> Option<Receipt> {
    let receipt = Receipt { thread: target.thread, id: id.parse().ok()? };
    let message = world.messages.message(receipt)?;
    // A message from before its person deleted the chat is not in the chat that followed, nor is one of another session.
    // Ids of chats differ per bot.
    let here = (0..world.bots.len() as u16)
        .find_map(|app| world.conversation(app, &message.conversation))
        .is_some_and(|conversation| conversation.alive && conversation.session == target.session);
    let lifetime = (world.settings.targeted_lifetime_s * 1e6) as Micros;
    let expired = message.targeted.is_some() && now - message.at >= lifetime;
    (message.visible && !message.deleted && !expired && here).then_some(receipt)
}
