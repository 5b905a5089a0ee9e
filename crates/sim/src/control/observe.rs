//! `GET /sim/counts`, `GET /sim/journal`, `GET /sim/conversations/{id}/messages`

use std::sync::{Arc, atomic::Ordering};

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Result, query};
use crate::{
    connector::guid,
    limits::Thread,
    messages::{Message, Receipt},
    world::{Shared, World},
};

pub(super) async fn counts(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let world = shared.world();
    let (counts, messages) = (&world.counts, &world.messages);
    Json(json!({
        "requests": counts.requests,
        "open": shared.open.load(Ordering::Relaxed),
        "held": world.faults.held(),
        "clients_gone": counts.clients_gone,
        "accepted": messages.accepted,
        "answers_lost": counts.answers_lost,
        "split": messages.split,
        "other_activities": messages.other_activities,
        "most_per_recipient": messages.most_per_recipient,
        "most_per_recipient_total": messages.most_per_recipient_total,
        "throttled": {"limits": counts.throttled_by_limits, "faults": counts.throttled_by_faults},
        "limit_breaches": counts.breaches_app_tenant + counts.breaches_thread,
        "limit_breaches_by": {"app_tenant": counts.breaches_app_tenant, "thread": counts.breaches_thread},
        "graph_throttled": counts.graph_throttled,
        "spurious_404": {"passing": counts.spurious_passing, "lasting": counts.spurious_lasting},
        "outage": world.outage.hits(),
        "first_send_at": counts.first_send(),
        "last_send_at": counts.last_send(),
        "peak_per_s": counts.peak_per_s,
        "people": world.org.by_state(),
        "people_total": world.org.len(),
        "events": world.events.show(),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalPage {
    after: Option<u64>,
    limit: Option<usize>,
}

pub(super) async fn journal(
    State(shared): State<Arc<Shared>>,
    page: std::result::Result<Query<JournalPage>, QueryRejection>,
) -> Result<Json<Value>> {
    let page = query(page)?;
    let world = shared.world();
    let after = page.after.unwrap_or(0);
    let items = world.journal.after(after, page.limit.unwrap_or(1000).clamp(1, 10_000));
    let next = items.last().map(|entry| entry.n).filter(|last| *last < world.journal.last());
    Ok(Json(
        json!({"items": items, "next": next, "last": world.journal.last(), "dropped": world.journal.dropped()}),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessagesPage {
    /// Only so many, the last ones
    last: Option<usize>,
    /// Only those that are older than this message
    before: Option<u64>,
}

/// By conversation id (any bot's, any generation of the chat), or by the Entra object id of a person.
pub(super) async fn messages(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    page: std::result::Result<Query<MessagesPage>, QueryRejection>,
) -> Result<Json<Value>> {
    let page = query(page)?;
    let world = shared.world();
    let thread = thread(&world, &id).ok_or_else(|| ControlError::not_found("no such conversation"))?;
    let root = id.split_once(";messageid=").map(|(_, root)| root);
    let found: Vec<&Message> = world
        .messages
        .of(thread)
        .iter()
        .filter(|message| page.before.is_none_or(|before| message.id < before))
        .filter(|message| {
            root.is_none_or(|root| {
                message.reply_to.as_deref() == Some(root) || message.id.to_string() == root
            })
        })
        .collect();
    let earlier = page.last.map_or(0, |last| found.len().saturating_sub(last));
    let items: Vec<Value> = found[earlier..].iter().map(|message| show(&world, thread, message)).collect();
    let person = match thread {
        Thread::Person(person) => world.org.person(person).map(|person| person.object_id),
        Thread::Channel { .. } | Thread::Chat(_) => None,
    };
    let read = match thread {
        Thread::Person(person) => world.marks.read_up_to(thread, person).map(|id| id.to_string()),
        Thread::Channel { .. } | Thread::Chat(_) => None,
    };
    Ok(Json(json!({
        "conversation_id": id, "person": person, "read_up_to": read, "items": items, "earlier": earlier, "next": null,
    })))
}

/// A message with who sent it and what people did to it.
fn show(world: &World, thread: Thread, message: &Message) -> Value {
    let bot = message.app.and_then(|app| world.bots.get(usize::from(app)));
    let id_of = |person| world.org.person(person).map(|person| person.object_id.to_string()).into();
    let mut shown = message.show(bot.map(|bot| bot.app_id.as_str()));
    shown["sender"] = match (bot, message.by.and_then(|person| world.org.person(person))) {
        (Some(bot), _) => json!({"id": bot.app_id, "name": bot.name}),
        (None, Some(person)) => json!({"id": person.object_id, "name": person.name()}),
        (None, None) => Value::Null,
    };
    shown["people"] = world.marks.show(Receipt { thread, id: message.id }, message.edits(), id_of);
    shown
}

pub(super) fn thread(world: &World, id: &str) -> Option<Thread> {
    if let Some(person) = guid(id).and_then(|object_id| world.org.by_object_id(&object_id)) {
        return Some(Thread::Person(person));
    }
    (0..world.bots.len())
        .find_map(|app| world.conversation(app as u16, id))
        .map(|conversation| conversation.thread)
}
