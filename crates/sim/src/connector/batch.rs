//! Batch sends: Microsoft's own fan-out (protocol section 5.8). Nearly nothing of it is documented.
//!
//! An operation is worked through in the background, each entry as a send of the bot that counts in its limits and waits
//! for them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Incoming, admit,
    create::guid,
    path::parameter,
    send::{self, Post},
    target::BAD_ID,
};
use crate::{
    answer::More,
    clock::{Micros, rfc3339},
    exchange::Answer,
    limits::{Kind, Thread},
    refusal::Refusal,
    signing::{b64, unb64},
    switches::BatchAnswer,
    world::{Shared, World},
};

/// Whom an operation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    Users,
    Tenant,
    Team,
    Channels,
}

/// Failed entries of one answer.
const PAGE: usize = 100;
/// Entries worked on before others may have the world.
const AT_ONCE: usize = 50;
/// How long an operation waits when the limits are full.
const WAIT: Duration = Duration::from_millis(100);

struct Entry {
    /// As it was given; without, the `29:` id.
    given: Option<Box<str>>,
    target: Result<Thread, Refusal>,
}

/// One operation.
pub(crate) struct Batch {
    app: u16,
    total: usize,
    /// Let go when the operation is over.
    entries: Vec<Entry>,
    done: usize,
    canceled: bool,
    activity: Value,
    split: bool,
    statuses: BTreeMap<u16, u64>,
    /// Entries as they were given, with what refused them.
    failed: Vec<(String, Refusal)>,
}

impl Batch {
    fn open(&self) -> bool {
        !self.canceled && self.done < self.total
    }

    fn state(&self) -> &'static str {
        match (self.canceled, self.open()) {
            (true, _) => "Canceled",
            (false, true) => "Ongoing",
            (false, false) => "Completed",
        }
    }
}

/// All operations since the last reset.
pub(crate) type Batches = HashMap<Uuid, Batch>;

/// `POST /v3/batch/conversation/{users|tenant|team|channels}/`
pub(super) fn start(world: &mut World, now: Micros, incoming: &Incoming, audience: Audience) -> Answer {
    if let Err(refused) = allowed(world, now, incoming) {
        return refused;
    }
    match made(world, incoming, audience) {
        Ok(batch) => {
            let id = world.rng.uuid();
            world.batches.insert(id, batch);
            run(Arc::clone(&incoming.shared), world, id);
            operation(world.settings.batch_answer, id)
        }
        Err(refusal) => refusal.into(),
    }
}

/// The answer that .NET reads is a JSON text, that of JavaScript an object.
fn operation(form: BatchAnswer, id: Uuid) -> Answer {
    match form {
        BatchAnswer::Object => Answer::ok(201, json!({"operationId": id})),
        BatchAnswer::Text => {
            let raw = Some(("application/json; charset=utf-8".to_owned(), Bytes::from(format!("\"{id}\""))));
            Answer { more: Some(Box::new(More { headers: Vec::new(), raw })), ..Answer::empty(201) }
        }
    }
}

fn allowed(world: &mut World, now: Micros, incoming: &Incoming) -> Result<(), Answer> {
    admit(world, now, incoming.app, None, Kind::Other, 1)?;
    if world.settings.batch { Ok(()) } else { Err(Refusal::Forbidden.into()) }
}

fn made(world: &World, incoming: &Incoming, audience: Audience) -> Result<Batch, Refusal> {
    let body = incoming.body.as_ref().filter(|body| body.is_object()).ok_or(Refusal::BadSyntax)?;
    let tenant = field(body, "tenantId").as_str().ok_or(Refusal::BadSyntax)?;
    if !tenant.eq_ignore_ascii_case(&incoming.shared.tenant_id) {
        return Err(Refusal::TenantNoPermission);
    }
    let activity = field(body, "activity");
    let split = incoming.check(world, activity)?;
    let entries = match audience {
        Audience::Users => {
            listed(body, world.settings.batch_entries_max, |id| user(world, incoming.app, id))?
        }
        Audience::Channels => listed(body, world.settings.batch_entries_max, |id| channel(world, id))?,
        Audience::Tenant => people(0..world.org.len(), |person| {
            world.org.person(person).is_some_and(|person| person.state.has_the_app(&world.settings))
        }),
        Audience::Team => {
            let id = field(body, "teamId").as_str().ok_or(Refusal::BadSyntax)?;
            let team = world.org.channel(id).filter(|(_, channel)| *channel == 0);
            let (team, channel) = team.ok_or(Refusal::ConversationNotFound)?;
            send::open(world, incoming.app, Thread::Channel { team, channel })?;
            people(world.org.members(team), |_| true)
        }
    };
    let running = world.batches.values().filter(|batch| batch.app == incoming.app && batch.open()).count();
    if running >= world.settings.batch_operations_max {
        return Err(Refusal::Throttled);
    }
    Ok(Batch {
        app: incoming.app,
        total: entries.len(),
        entries,
        done: 0,
        canceled: false,
        activity: activity.clone(),
        split,
        statuses: BTreeMap::new(),
        failed: Vec::new(),
    })
}

/// A property in either spelling: .NET writes `Members`, JavaScript `members`.
fn field<'a>(body: &'a Value, name: &str) -> &'a Value {
    let fields = body.as_object().into_iter().flatten();
    fields
        .into_iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map_or(&Value::Null, |(_, value)| value)
}

fn listed(
    body: &Value,
    most: usize,
    target: impl Fn(&str) -> Result<Thread, Refusal>,
) -> Result<Vec<Entry>, Refusal> {
    let members = field(body, "members").as_array().ok_or(Refusal::BadSyntax)?;
    if members.is_empty() {
        return Err(Refusal::BadSyntax);
    }
    if members.len() > most {
        return Err(Refusal::BadArgument("Too many members in a batch"));
    }
    members
        .iter()
        .map(|member| {
            let id = field(member, "id").as_str().filter(|id| !id.is_empty()).ok_or(Refusal::BadSyntax)?;
            Ok(Entry { given: Some(id.into()), target: target(id) })
        })
        .collect()
}

fn people(all: impl Iterator<Item = u32>, wanted: impl Fn(u32) -> bool) -> Vec<Entry> {
    all.filter(|person| wanted(*person))
        .map(|person| Entry { given: None, target: Ok(Thread::Person(person)) })
        .collect()
}

fn user(world: &World, app: u16, id: &str) -> Result<Thread, Refusal> {
    let person = if id.starts_with("29:") {
        world.sealer(app).open_person(id).ok_or(Refusal::BadPairwiseId)?
    } else {
        let object_id = guid(id).ok_or(Refusal::BadSyntaxAs(BAD_ID))?;
        world.org.by_object_id(&object_id).ok_or(Refusal::ConversationNotFound)?
    };
    let known = world.org.person(person).ok_or(Refusal::ConversationNotFound)?;
    if id.starts_with("29:") {
        known.state.create_by_mri(&world.settings)?;
    } else {
        known.state.create_by_object_id(&world.settings)?;
    }
    Ok(Thread::Person(person))
}

fn channel(world: &World, id: &str) -> Result<Thread, Refusal> {
    let (team, channel) = world.org.channel(id).ok_or(Refusal::ConversationNotFound)?;
    Ok(Thread::Channel { team, channel })
}

fn run(shared: Arc<Shared>, world: &World, id: Uuid) {
    let era = world.era.clone();
    tokio::spawn(async move {
        while step(&shared, id) {
            tokio::select! {
                () = shared.clock.pause(WAIT) => {}
                () = era.cancelled() => return,
            }
        }
    });
}

/// Works on until the limits are full; false when there is nothing left to do.
fn step(shared: &Shared, id: Uuid) -> bool {
    loop {
        let mut world = shared.world();
        let now = shared.clock.now();
        // Out of the world for as long, so that both can be changed.
        let Some(mut batch) = world.batches.remove(&id) else { return false };
        let mut full = false;
        for _ in 0..AT_ONCE {
            if !batch.open() || full {
                break;
            }
            full = !one(&mut world, now, &mut batch);
        }
        let open = batch.open();
        if !open {
            batch.entries = Vec::new();
        }
        world.batches.insert(id, batch);
        if full || !open {
            return open;
        }
    }
}

/// Sends to the next entry, unless the limits are full.
fn one(world: &mut World, now: Micros, batch: &mut Batch) -> bool {
    let at = batch.done;
    let target = batch.entries[at].target;
    if world.settings.limits {
        let rules = world.rules(now);
        let cost = if batch.split { 2 } else { 1 };
        if world.limits.admit(now, batch.app, target.ok(), Kind::Send, cost, &rules).is_err() {
            return false;
        }
    }
    batch.done += 1;
    match target.and_then(|thread| deliver(world, now, batch, thread)) {
        Ok(()) => *batch.statuses.entry(201).or_default() += 1,
        Err(refusal) => {
            *batch.statuses.entry(refusal.status()).or_default() += 1;
            let entry = shown(world, batch, at);
            batch.failed.push((entry, refusal));
        }
    }
    true
}

fn deliver(world: &mut World, now: Micros, batch: &Batch, thread: Thread) -> Result<(), Refusal> {
    let conversation = match thread {
        Thread::Person(person) => {
            let known = world.org.person(person).ok_or(Refusal::ConversationNotFound)?;
            known.state.send(&world.settings)?;
            world.renew_chat(person);
            world.chat_id(batch.app, person)
        }
        Thread::Channel { team, channel } => {
            send::open(world, batch.app, thread)?;
            let channel = world.org.channel_at(team, channel).ok_or(Refusal::ConversationNotFound)?;
            channel.id.to_string()
        }
        Thread::Chat(_) => return Err(Refusal::ConversationNotFound),
    };
    let post = Post {
        thread,
        conversation: &conversation,
        reply_to: None,
        targeted: None,
        activity: &batch.activity,
        split: batch.split,
    };
    send::take(world, now, batch.app, &post);
    Ok(())
}

/// `GET /v3/batch/conversation/{operationId}`
pub(super) fn state(world: &mut World, now: Micros, incoming: &Incoming, id: &str) -> Answer {
    if let Err(refused) = allowed(world, now, incoming) {
        return refused;
    }
    let map = if world.settings.batch_state_map { "stateMap" } else { "statusMap" };
    match found(world, incoming, id) {
        Ok(batch) => {
            let statuses: BTreeMap<String, u64> =
                batch.statuses.iter().map(|(status, count)| (status.to_string(), *count)).collect();
            let mut body = json!({"state": batch.state(), map: statuses, "totalEntriesCount": batch.total});
            if batch.open() {
                body["retryAfter"] = json!(rfc3339(now + 1_000_000));
            }
            Answer::ok(200, body)
        }
        Err(refusal) => refusal.into(),
    }
}

/// `GET /v3/batch/conversation/failedentries/{operationId}?continuationToken=`
pub(super) fn failed(world: &mut World, now: Micros, incoming: &Incoming, id: &str) -> Answer {
    if let Err(refused) = allowed(world, now, incoming) {
        return refused;
    }
    let batch = match found(world, incoming, id) {
        Ok(batch) => batch,
        Err(refusal) => return refusal.into(),
    };
    let token = parameter(&incoming.query, "continuationToken").filter(|token| !token.is_empty());
    let from = match token.map(|token| offset(&token)) {
        None => 0,
        Some(Some(from)) => from,
        Some(None) => return Refusal::BadArgument("The continuation token is not valid").into(),
    };
    let page = &batch.failed[from.min(batch.failed.len())..];
    let (page, more) = (&page[..page.len().min(PAGE)], page.len() > PAGE);
    let name = if world.settings.batch_entry_id_short { "id" } else { "entryId" };
    let items: Vec<Value> = page
        .iter()
        .map(|(entry, refusal)| json!({name: entry, "error": refusal.code().unwrap_or_default()}))
        .collect();
    let next = more.then(|| b64(format!("failed after {}", from + items.len())));
    let mut body = json!({"failedEntryResponses": items});
    if let Some(next) = next {
        body["continuationToken"] = next.into();
    }
    Answer::ok(200, body)
}

/// `DELETE /v3/batch/conversation/{operationId}`: what was not sent yet is not sent any more.
pub(super) fn cancel(world: &mut World, now: Micros, incoming: &Incoming, id: &str) -> Answer {
    if let Err(refused) = allowed(world, now, incoming) {
        return refused;
    }
    if let Err(refusal) = found(world, incoming, id) {
        return refusal.into();
    }
    if let Some(batch) = guid(id).and_then(|id| world.batches.get_mut(&id)) {
        batch.canceled |= batch.open();
    }
    Answer::empty(200)
}

fn shown(world: &World, batch: &Batch, at: usize) -> String {
    let entry = &batch.entries[at];
    match (&entry.given, entry.target) {
        (Some(given), _) => given.to_string(),
        (None, Ok(Thread::Person(person))) => world.sealer(batch.app).person(person),
        (None, _) => String::new(),
    }
}

fn offset(token: &str) -> Option<usize> {
    String::from_utf8(unb64(token)?).ok()?.strip_prefix("failed after ")?.parse().ok()
}

/// An operation of this bot.
fn found<'a>(world: &'a World, incoming: &Incoming, id: &str) -> Result<&'a Batch, Refusal> {
    let batch = guid(id).and_then(|id| world.batches.get(&id));
    batch.filter(|batch| batch.app == incoming.app).ok_or(Refusal::OperationNotFound)
}
