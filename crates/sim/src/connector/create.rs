//! `POST /v3/conversations`: a 1:1 chat, or a new thread in a channel (protocol sections 5.1 and 5.2).

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Incoming, admit,
    send::{self, Post},
    target::BAD_ID,
};
use crate::{
    clock::Micros,
    exchange::Answer,
    limits::{Kind, Thread},
    refusal::Refusal,
    world::World,
};

/// As Microsoft's integration tests of April 2026 saw it for a group chat or a thread without an activity
/// (microsoft/teams.net, `CreateConversation` API Behavior).
const WRONG_PARAMETERS: Refusal = Refusal::BadSyntaxAs("Incorrect conversation creation parameters");

pub(crate) fn is_thread(body: &Value) -> bool {
    body["isGroup"] == true || channel_id(body).is_some()
}

pub(crate) fn channel_id(body: &Value) -> Option<&str> {
    let data = &body["channelData"];
    data["channel"]["id"].as_str().or_else(|| data["teamsChannelId"].as_str())
}

/// Who is meant by a 1:1 create, for the journal and for faults.
pub(crate) fn person(world: &World, app: u16, body: &Value) -> Option<u32> {
    let id = body["members"][0]["id"].as_str()?;
    world.sealer(app).open_person(id).or_else(|| world.org.by_object_id(&guid(id)?))
}

/// Only the usual form; the parser would take braces and URNs too.
pub(crate) fn guid(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::parse_str(text).ok() } else { None }
}

pub(super) fn create(world: &mut World, now: Micros, incoming: &Incoming) -> Answer {
    let thread = match &incoming.body {
        Some(body) if is_thread(body) => channel_id(body)
            .and_then(|id| world.conversation(incoming.app, id))
            .map(|conversation| conversation.thread),
        Some(body) => person(world, incoming.app, body).map(Thread::Person),
        None => None,
    };
    let inside =
        incoming.body.as_ref().and_then(|body| body.get("activity")).filter(|activity| !activity.is_null());
    let checked = inside.map(|inside| incoming.check(world, inside));
    let cost = if matches!(checked, Some(Ok(true))) { 2 } else { 1 };
    if let Err(throttled) = admit(world, now, incoming.app, thread, Kind::Create, cost) {
        return throttled;
    }
    let Some(body) = incoming.body.as_ref().filter(|body| body.is_object()) else {
        return Refusal::BadSyntax.into();
    };
    if let Err(refusal) = envelope(world, incoming, body) {
        return refusal.into();
    }
    let split = match checked {
        Some(Err(refusal)) => return refusal.into(),
        Some(Ok(split)) => split,
        None => false,
    };
    let made = if is_thread(body) {
        new_thread(world, now, incoming, body, inside, split)
    } else {
        chat(world, now, incoming, body, inside, split)
    };
    made.unwrap_or_else(Answer::from)
}

/// What both kinds need: the right tenant, and the bot itself if one is named. A channel has a tenant of its own, so that
/// a new thread may leave it out, as `sendMessageToTeamsChannel` of Microsoft's SDKs does (protocol section 14).
fn envelope(world: &World, incoming: &Incoming, body: &Value) -> Result<(), Refusal> {
    let tenant = field(body, "tenantId").or_else(|| body["channelData"]["tenant"]["id"].as_str());
    match tenant {
        None if is_thread(body) => {}
        None => return Err(Refusal::BadSyntax),
        Some(tenant) if !tenant.eq_ignore_ascii_case(&incoming.shared.tenant_id) => {
            return Err(Refusal::TenantNoPermission);
        }
        Some(_) => {}
    }
    if let Some(bot) = body["bot"]["id"].as_str() {
        let bare = bot.strip_prefix("28:").unwrap_or(bot);
        if !bare.eq_ignore_ascii_case(&world.bots[usize::from(incoming.app)].app_id) {
            return Err(Refusal::BadArgument("The bot id does not belong to the caller"));
        }
    }
    Ok(())
}

/// A text field whose name may be in capitals or not: botbuilder for Python writes `tenantID`.
fn field<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1.as_str()
}

fn chat(
    world: &mut World,
    now: Micros,
    incoming: &Incoming,
    body: &Value,
    inside: Option<&Value>,
    split: bool,
) -> Result<Answer, Refusal> {
    let members = body["members"].as_array().ok_or(Refusal::BadSyntax)?;
    let [member] = members.as_slice() else {
        // No new group chats this way.
        return Err(if members.is_empty() { Refusal::BadSyntax } else { WRONG_PARAMETERS });
    };
    // `aadObjectId` instead of `id` is refused (protocol section 15).
    let id = member["id"].as_str().ok_or(Refusal::BadSyntax)?;
    let person = if id.starts_with("29:") {
        let person = world.sealer(incoming.app).open_person(id).ok_or(Refusal::BadPairwiseId)?;
        let known = world.org.person(person).ok_or(Refusal::BadPairwiseId)?;
        known.state.create_by_mri(&world.settings)?;
        person
    } else {
        // An address or a UPN is not accepted.
        let object_id = guid(id).ok_or(Refusal::BadSyntaxAs(BAD_ID))?;
        let person = world.org.by_object_id(&object_id).ok_or(Refusal::ConversationNotFound)?;
        let known = world.org.person(person).ok_or(Refusal::ConversationNotFound)?;
        known.state.create_by_object_id(&world.settings)?;
        person
    };
    let sessions = world.bots[usize::from(incoming.app)].supports_sessions
        && world.org.person(person).is_some_and(|known| known.state.has_the_app(&world.settings));
    // A session needs its first message, whose text becomes its title.
    if sessions && inside.is_none() {
        return Err(Refusal::MissingProperty);
    }
    world.renew_chat(person);
    let chat = if sessions {
        let count = world.sessions.entry((incoming.app, person)).or_default();
        *count += 1;
        let number = *count;
        world.sealer(incoming.app).session(person, number)
    } else {
        world.chat_id(incoming.app, person)
    };
    let Some(inside) = inside else {
        return Ok(Answer::ok(201, json!({"id": chat})));
    };
    if let Some(known) = world.org.person(person) {
        known.state.send(&world.settings)?;
    }
    let thread = Thread::Person(person);
    let post = Post { thread, conversation: &chat, reply_to: None, targeted: None, activity: inside, split };
    let receipts = send::take(world, now, incoming.app, &post);
    let mut body = json!({"id": chat});
    if !split
        && (sessions || world.settings.personal_activity_id)
        && let Some(receipt) = receipts.first()
    {
        body["activityId"] = json!(receipt.id.to_string());
    }
    Ok(Answer { receipts, ..Answer::ok(201, body) })
}

fn new_thread(
    world: &mut World,
    now: Micros,
    incoming: &Incoming,
    body: &Value,
    inside: Option<&Value>,
    split: bool,
) -> Result<Answer, Refusal> {
    // Without a channel this would be a new group chat, which a bot cannot make.
    let id = channel_id(body).ok_or(WRONG_PARAMETERS)?;
    let inside = inside.ok_or(WRONG_PARAMETERS)?;
    let base = id.split_once(';').map_or(id, |(base, _)| base);
    let (team, channel) = world.org.channel(base).ok_or(Refusal::ConversationNotFound)?;
    let thread = Thread::Channel { team, channel };
    send::open(world, incoming.app, thread)?;
    let post = Post { thread, conversation: base, reply_to: None, targeted: None, activity: inside, split };
    let receipts = send::take(world, now, incoming.app, &post);
    let root = receipts.first().map(|receipt| receipt.id.to_string()).unwrap_or_default();
    let mut body = json!({"id": format!("{base};messageid={root}")});
    if !split {
        body["activityId"] = json!(root);
    }
    Ok(Answer { receipts, ..Answer::ok(201, body) })
}
