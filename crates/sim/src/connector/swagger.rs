//! Operations of Microsoft's swagger that no page of Teams mentions (protocol sections 5.3 and 5.5). Each has its switch
//! and is refused as long as that is off.

use serde_json::{Value, json};

use super::{
    Incoming, admit, members,
    path::parameter,
    send::{self, Post},
};
use crate::{
    clock::Micros,
    exchange::Answer,
    limits::{Kind, Thread},
    refusal::Refusal,
    signing::{b64, unb64},
    world::World,
};

const PAGE: usize = 100;

/// `GET /v3/conversations?continuationToken=`: the 1:1 chats of who has the app, and the chats that the bot is in.
pub(super) fn conversations(world: &mut World, now: Micros, incoming: &Incoming) -> Answer {
    if let Err(throttled) = admit(world, now, incoming.app, None, Kind::Conversations, 1) {
        return throttled;
    }
    if !world.settings.conversation_list {
        return Refusal::MethodNotAllowed("POST").into();
    }
    let token = parameter(&incoming.query, "continuationToken").filter(|token| !token.is_empty());
    let Some(from) = token.map_or(Some(0), |token| offset(&token)) else {
        return Refusal::BadArgument("The continuation token is not valid").into();
    };
    let has_the_app = |person: &u32| {
        world.org.person(*person).is_some_and(|person| person.state.has_the_app(&world.settings))
    };
    let people = (0..world.org.len()).filter(has_the_app).map(Thread::Person);
    let chats = (0..world.org.chats.len() as u32).map(Thread::Chat);
    let inside = chats.filter(|chat| world.org.is_installed(incoming.app, *chat));
    let mut rest = people.chain(inside).skip(from);
    let items: Vec<Value> = rest
        .by_ref()
        .take(PAGE)
        .map(|thread| {
            let id = match thread {
                Thread::Person(person) => world.chat_id(incoming.app, person),
                Thread::Chat(chat) => world.org.chats[chat as usize].id.to_string(),
                Thread::Channel { .. } => String::new(),
            };
            let roster = world.org.roster(thread);
            let members: Vec<Value> =
                roster.iter().map(|person| members::member(world, incoming, *person)).collect();
            json!({"id": id, "members": members})
        })
        .collect();
    let mut body = json!({"conversations": items});
    if rest.next().is_some() {
        body["continuationToken"] = b64(format!("after {}", from + PAGE)).into();
    }
    Answer::ok(200, body)
}

fn offset(token: &str) -> Option<usize> {
    String::from_utf8(unb64(token)?).ok()?.strip_prefix("after ")?.parse().ok()
}

/// `POST …/activities/history`: activities of before, which nobody is told of.
pub(super) fn history(world: &mut World, now: Micros, incoming: &Incoming, conversation: &str) -> Answer {
    let target = world.conversation(incoming.app, conversation);
    let thread = target.as_ref().map(|target| target.thread);
    if let Err(throttled) = admit(world, now, incoming.app, thread, Kind::Send, 1) {
        return throttled;
    }
    if !world.settings.history {
        return Refusal::NoSuchPath.into();
    }
    let target = match send::writable(world, incoming.app, target) {
        Ok(target) => target,
        Err(refusal) => return refusal.into(),
    };
    let activities = incoming.body.as_ref().and_then(|body| body["activities"].as_array());
    let Some(activities) = activities.filter(|activities| !activities.is_empty()) else {
        return Refusal::BadSyntax.into();
    };
    if let Some(refusal) = activities.iter().find_map(|activity| incoming.check(world, activity).err()) {
        return refusal.into();
    }
    let mut receipts = Vec::new();
    for activity in activities {
        let reply_to = target.root.as_deref();
        let thread = target.thread;
        let post = Post { thread, conversation, reply_to, targeted: None, activity, split: false };
        receipts.extend(send::take(world, now, incoming.app, &post));
    }
    let last = receipts.last().map(|receipt| receipt.id.to_string());
    Answer { receipts, ..Answer::ok(201, json!({"id": last})) }
}

/// `DELETE …/members/{id}`
pub(super) fn remove_member(
    world: &mut World,
    now: Micros,
    incoming: &Incoming,
    conversation: &str,
    id: &str,
) -> Answer {
    // Whatever the switch says, who may not look into a conversation is told so.
    let thread = match members::entered(world, now, incoming, conversation, Kind::Members) {
        Ok(thread) => thread,
        Err(refused) => return refused,
    };
    if !world.settings.member_delete {
        return Refusal::MethodNotAllowed("GET").into();
    }
    let Some(person) = members::found(world, incoming.app, thread, id) else {
        return Refusal::MemberNotFound.into();
    };
    if world.org.remove(thread, person) { Answer::empty(200) } else { Refusal::NotEnoughPermissions.into() }
}
