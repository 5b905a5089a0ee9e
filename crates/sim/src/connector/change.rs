//! `PUT` and `DELETE /v3/conversations/{c}/activities/{a}`: updating and deleting a message (protocol section 5.3).

use serde_json::json;

use super::{Incoming, activity, admit, send};
use crate::{
    clock::Micros,
    exchange::Answer,
    limits::Kind,
    messages::Receipt,
    refusal::Refusal,
    world::{Conversation, World},
};

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
    if let Err(refusal) = activity::check(body, incoming.length, &world.settings) {
        return refusal.into();
    }
    if body["type"] != "message" {
        return Refusal::BadArgument("Unsupported activity type").into();
    }
    match own_message(world, incoming.app, target, id) {
        Ok(message) => {
            world.messages.update(message, body);
            Answer::ok(200, json!({"id": message.id.to_string()}))
        }
        Err(refusal) => refusal.into(),
    }
}

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
    match own_message(world, incoming.app, target, id) {
        Ok(message) => {
            world.messages.delete(message);
            Answer::empty(200)
        }
        Err(refusal) => refusal.into(),
    }
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

/// A message that this bot sent into that conversation and that is still there.
fn own_message(world: &World, app: u16, target: Option<Conversation>, id: &str) -> Result<Receipt, Refusal> {
    let target = send::writable(world, target)?;
    let gone = Refusal::ActivityNotFound;
    let receipt = Receipt { thread: target.thread, id: id.parse().map_err(|_| gone)? };
    let message = world.messages.message(receipt).ok_or(gone)?;
    // A message from before its person deleted the chat is not in the chat that followed.
    let here = world.conversation(app, &message.conversation).is_some_and(|conversation| conversation.alive);
    if message.app == Some(app) && message.visible && !message.deleted && here {
        Ok(receipt)
    } else {
        Err(gone)
    }
}
