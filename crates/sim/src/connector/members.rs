//! Rosters (protocol section 5.5).

use serde_json::{Value, json};

use super::{Incoming, admit, change::present, create::guid, path::parameter};
use crate::{
    clock::Micros,
    exchange::Answer,
    limits::{Kind, Thread},
    people::PersonState,
    refusal::Refusal,
    signing::{b64, unb64},
    world::World,
};

/// The deprecated call gives at most so many.
const WHOLE_ROSTER: usize = 10_000;

/// `GET …/members`
pub(super) fn all(world: &mut World, now: Micros, incoming: &Incoming, conversation: &str) -> Answer {
    match roster(world, now, incoming, conversation, true) {
        Ok(people) => {
            let people = people.iter().take(WHOLE_ROSTER);
            Answer::ok(200, people.map(|person| member(world, incoming, *person)).collect())
        }
        Err(refused) => refused,
    }
}

/// `GET …/activities/{a}/members`: the roster of the conversation that the message is in.
pub(super) fn of_activity(
    world: &mut World,
    now: Micros,
    incoming: &Incoming,
    conversation: &str,
    id: &str,
) -> Answer {
    let answer = all(world, now, incoming, conversation);
    let target = world.conversation(incoming.app, conversation);
    let there = target.is_some_and(|target| present(world, now, &target, id).is_some());
    if answer.status == 200 && !there { Refusal::ActivityNotFound.into() } else { answer }
}

/// `GET …/pagedmembers?pageSize=&continuationToken=`
pub(super) fn page(world: &mut World, now: Micros, incoming: &Incoming, conversation: &str) -> Answer {
    let people = match roster(world, now, incoming, conversation, false) {
        Ok(people) => people,
        Err(refused) => return refused,
    };
    let size =
        parameter(&incoming.query, "pageSize").and_then(|size| size.parse::<usize>().ok()).unwrap_or(200);
    let size = size.clamp(50, 500);
    let from = match parameter(&incoming.query, "continuationToken").filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => match offset(&token) {
            Some(from) => from,
            None => return Refusal::BadArgument("The continuation token is not valid").into(),
        },
    };
    let members: Vec<Value> =
        people.iter().skip(from).take(size).map(|person| member(world, incoming, *person)).collect();
    let mut body = json!({"members": members});
    if from + size < people.len() {
        body["continuationToken"] = json!(b64(format!("after {}", from + size)));
    }
    Answer::ok(200, body)
}

fn offset(token: &str) -> Option<usize> {
    String::from_utf8(unb64(token)?).ok()?.strip_prefix("after ")?.parse().ok()
}

/// `GET …/members/{29:… | object id | UPN}`
pub(super) fn one(
    world: &mut World,
    now: Micros,
    incoming: &Incoming,
    conversation: &str,
    id: &str,
) -> Answer {
    let thread = match entered(world, now, incoming, conversation, Kind::Members) {
        Ok(thread) => thread,
        Err(refused) => return refused,
    };
    match found(world, incoming.app, thread, id) {
        Some(person) => Answer::ok(200, member(world, incoming, person)),
        None => Refusal::MemberNotFound.into(),
    }
}

/// A member of a conversation by `29:` id, object id or UPN.
pub(super) fn found(world: &World, app: u16, thread: Thread, id: &str) -> Option<u32> {
    world
        .sealer(app)
        .open_person(id)
        .or_else(|| world.org.by_object_id(&guid(id)?))
        .or_else(|| world.org.by_upn(id))
        .filter(|person| world.org.is_in(thread, *person) && listed(world, *person))
}

/// Whether an id of a mention is somebody's: a person, or a bot that is registered.
pub(super) fn known(world: &World, app: u16, id: &str) -> bool {
    world.sealer(app).open_person(id).is_some_and(|person| person < world.org.len())
        || guid(id).is_some_and(|id| world.org.by_object_id(&id).is_some())
        || world.org.by_upn(id).is_some()
        || id.strip_prefix("28:").is_some_and(|app_id| world.bot(app_id).is_some())
        // A channel or team may be mentioned too.
        || world.org.channel(id).is_some()
}

fn roster(
    world: &mut World,
    now: Micros,
    incoming: &Incoming,
    conversation: &str,
    whole: bool,
) -> Result<Vec<u32>, Answer> {
    let of_team = matches!(
        world.conversation(incoming.app, conversation).map(|conversation| conversation.thread),
        Some(Thread::Channel { .. })
    );
    let kind = if whole && of_team { Kind::WholeRoster } else { Kind::Members };
    let thread = entered(world, now, incoming, conversation, kind)?;
    let mut roster = world.org.roster(thread);
    roster.retain(|person| listed(world, *person));
    Ok(roster)
}

/// The thread, if the bot may look into it.
pub(super) fn entered(
    world: &mut World,
    now: Micros,
    incoming: &Incoming,
    conversation: &str,
    kind: Kind,
) -> Result<Thread, Answer> {
    let target = world.conversation(incoming.app, conversation);
    let thread = target.as_ref().map(|target| target.thread);
    admit(world, now, incoming.app, thread, kind, 1)?;
    let target = target.filter(|target| target.alive).ok_or(Refusal::ConversationNotFound)?;
    match target.thread {
        Thread::Person(person) => {
            let known = world.org.person(person).ok_or(Refusal::ConversationNotFound)?;
            known.state.look(&world.settings)?;
        }
        thread if !world.org.is_installed(incoming.app, thread) => {
            return Err(Refusal::BotNotInConversationRoster.into());
        }
        _ => {}
    }
    Ok(target.thread)
}

pub(super) fn member(world: &World, incoming: &Incoming, index: u32) -> Value {
    let Some(person) = world.org.person(index) else {
        return Value::Null;
    };
    let mut member = json!({
        "id": world.sealer(incoming.app).person(index), "objectId": person.object_id, "aadObjectId": person.object_id,
        "name": person.name(), "tenantId": incoming.shared.tenant_id, "userRole": "user",
    });
    match person.state {
        // Of guests little is told.
        PersonState::Guest => member["userRole"] = "anonymous".into(),
        PersonState::External => member["tenantId"] = json!(world.org.other_tenant()),
        _ => {
            let upn = person.upn(index);
            member["givenName"] = person.given_name().into();
            member["surname"] = person.surname().into();
            member["email"] = upn.clone().into();
            member["userPrincipalName"] = upn.into();
        }
    }
    member
}

/// Who is deleted is in no roster.
pub(super) fn listed(world: &World, person: u32) -> bool {
    world.org.person(person).is_some_and(|person| person.state != PersonState::Deleted)
}
