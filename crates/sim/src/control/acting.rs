//! `POST /sim/people/{id}/says`, `/edits`, `/deletes`, `/undeletes`, `/reacts`, `/reads`: what a person does in a chat.
//! Each answers when each bot that hears of it has answered.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use bytes::Bytes;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ControlError, Result, read,
    stage::{Stage, told},
};
use crate::{
    clock::Micros,
    events::{deliver::tell, said},
    limits::Thread,
    messages::{Incoming, Receipt},
    world::{READ_RECEIPTS, READS_ALL_CHANNELS, READS_ALL_CHATS, Shared, World},
};

const NOT_MENTIONED: &str = "no bot here is mentioned or may read all messages";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Says {
    text: String,
    /// The 1:1 chat when absent; with `;messageid=…` a reply in that thread of a channel
    conversation: Option<String>,
    app_id: Option<String>,
    /// Puts a mention of the bot before the text
    #[serde(default)]
    mention: bool,
    /// The message that is answered
    reply_to: Option<String>,
}

pub(super) async fn says(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    let says: Says = read(&body)?;
    let (message, activities, conversation, unblocked) = {
        let mut world = shared.world();
        let world = &mut *world;
        let now = shared.clock.now();
        let stage = Stage::new(world, &id, says.conversation.as_deref(), says.app_id.as_deref())?;
        if let Thread::Person(person) = stage.thread
            && let Some(known) = world.org.person_mut(person)
            && known.chat_gone
        {
            // Writing again starts another chat.
            known.chat += 1;
            known.chat_gone = false;
        }
        if let Some(other) = &says.reply_to {
            stage.message_there(world, other)?;
        }
        let mut text = says.text.clone();
        if says.mention {
            let app = stage.apps.first().ok_or_else(|| ControlError::conflict("no bot is here"))?;
            text = format!("<at>{}</at> {text}", world.bots[usize::from(*app)].name);
        }
        let mut content = said::content(world, &text, &mentioned(world, &stage, &text));
        content["type"] = "message".into();
        let conversation = base_of(world, &stage);
        let channel = matches!(stage.thread, Thread::Channel { .. });
        let root = stage.within.clone().filter(|_| channel);
        let incoming = Incoming {
            thread: stage.thread,
            conversation: &conversation,
            app: None,
            by: Some(stage.person),
            targeted: None,
            reply_to: root.as_deref().or(says.reply_to.as_deref()),
            activity: &content,
        };
        let message = world.messages.accept(now, &incoming).id.to_string();
        let activities = hearers(world, &stage, &content)
            .into_iter()
            .map(|app| {
                // What is in no thread of a channel begins one.
                let begins = (channel && root.is_none()).then_some(message.as_str());
                let scene = stage.scene(world, app, begins);
                let mut activity = said::message(&shared, world, &scene, &content, now);
                activity["id"] = message.clone().into();
                if let Some(other) = &says.reply_to {
                    activity["replyToId"] = other.clone().into();
                }
                (app, activity)
            })
            .collect();
        (message, activities, conversation, stage.unblocked)
    };
    let mut answer = tell_all(&shared, &message.into(), activities, NOT_MENTIONED).await;
    answer["conversation"] = conversation.into();
    answer["unblocked"] = unblocked.into();
    Ok(Json(answer))
}

fn base_of(world: &World, stage: &Stage) -> String {
    let app = stage.apps.first().copied().unwrap_or_default();
    let id = stage.scene(world, app, None).conversation;
    id.split_once(";messageid=").map(|(base, _)| base.to_owned()).unwrap_or(id)
}

/// The bots here whose `<at>…</at>` the text has.
fn mentioned(world: &World, stage: &Stage, text: &str) -> Vec<u16> {
    let at = |app: &u16| text.contains(&format!("<at>{}</at>", world.bots[usize::from(*app)].name));
    stage.apps.iter().copied().filter(at).collect()
}

/// Who is told of a message: in a 1:1 chat the bot, else those that it mentions or that may read everything
/// (protocol section 4.5).
fn hearers(world: &World, stage: &Stage, content: &Value) -> Vec<u16> {
    let all = match stage.thread {
        Thread::Person(_) => return stage.apps.clone(),
        Thread::Chat(_) => READS_ALL_CHATS,
        Thread::Channel { .. } => READS_ALL_CHANNELS,
    };
    let hears = |app: &u16| {
        let bot = &world.bots[usize::from(*app)];
        bot.may(all) || said::mentions(content, &bot.app_id)
    };
    stage.apps.iter().copied().filter(hears).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edits {
    message: String,
    text: String,
    conversation: Option<String>,
    app_id: Option<String>,
}

pub(super) async fn edits(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    let edits: Edits = read(&body)?;
    let activities = {
        let mut world = shared.world();
        let world = &mut *world;
        let stage = Stage::new(world, &id, edits.conversation.as_deref(), edits.app_id.as_deref())?;
        let (receipt, root, before) = own(world, &stage, &edits.message, false)?;
        let mut content = said::content(world, &edits.text, &mentioned(world, &stage, &edits.text));
        content["type"] = "message".into();
        let mut apps = hearers(world, &stage, &content);
        apps.extend(hearers(world, &stage, &before));
        apps.sort_unstable();
        apps.dedup();
        world.messages.update(receipt, &content);
        let now = shared.clock.now();
        let what = (receipt.id, edits.text.as_str(), "editMessage");
        each(world, &stage, apps, root.as_deref(), |world, scene| {
            said::updated(&shared, world, scene, what, now)
        })
    };
    Ok(Json(tell_all(&shared, &edits.message.into(), activities, NOT_MENTIONED).await))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    message: String,
    conversation: Option<String>,
    app_id: Option<String>,
}

pub(super) async fn deletes(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    set_deleted(&shared, &id, &read(&body)?, true).await
}

pub(super) async fn undeletes(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    set_deleted(&shared, &id, &read(&body)?, false).await
}

async fn set_deleted(shared: &Arc<Shared>, id: &str, one: &One, deleted: bool) -> Result<Json<Value>> {
    let activities = {
        let mut world = shared.world();
        let world = &mut *world;
        let stage = Stage::new(world, id, one.conversation.as_deref(), one.app_id.as_deref())?;
        let (receipt, root, content) = own(world, &stage, &one.message, !deleted)?;
        world.messages.set_deleted(receipt, deleted);
        let apps = hearers(world, &stage, &content);
        let now = shared.clock.now();
        let text = content["text"].as_str().unwrap_or_default();
        each(world, &stage, apps, root.as_deref(), |world, scene| {
            if deleted {
                said::deleted(shared, world, scene, receipt.id, now)
            } else {
                said::updated(shared, world, scene, (receipt.id, text, "undeleteMessage"), now)
            }
        })
    };
    Ok(Json(tell_all(shared, &one.message.clone().into(), activities, NOT_MENTIONED).await))
}

/// A message of this person, that is or is not deleted, and what it shows.
fn own(world: &World, stage: &Stage, id: &str, deleted: bool) -> Result<(Receipt, Option<String>, Value)> {
    let (receipt, message) = stage.message(world, id)?;
    if message.by != Some(stage.person) {
        return Err(ControlError::conflict("this message is not this person's"));
    }
    if message.deleted != deleted {
        let state = if deleted { "not deleted" } else { "deleted" };
        return Err(ControlError::conflict(format!("this message is {state}")));
    }
    Ok((receipt, stage.within(world, message), message.activity().unwrap_or_default()))
}

fn each(
    world: &mut World,
    stage: &Stage,
    apps: Vec<u16>,
    root: Option<&str>,
    mut make: impl FnMut(&mut World, &crate::events::envelope::Scene) -> Value,
) -> Vec<(u16, Value)> {
    apps.into_iter()
        .map(|app| {
            let scene = stage.scene(world, app, root);
            (app, make(world, &scene))
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reacts {
    message: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    removed: bool,
    /// The reaction of this person that the new one takes the place of
    replaces: Option<String>,
    conversation: Option<String>,
    app_id: Option<String>,
}

pub(super) async fn reacts(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    let reacts: Reacts = read(&body)?;
    if reacts.kind.is_empty() {
        return Err(ControlError::bad("type must not be empty"));
    }
    if reacts.removed && reacts.replaces.is_some() {
        return Err(ControlError::bad("removed: what is removed replaces nothing"));
    }
    let activities = {
        let mut world = shared.world();
        let world = &mut *world;
        let stage = Stage::new(world, &id, reacts.conversation.as_deref(), reacts.app_id.as_deref())?;
        let (receipt, message) = stage.message_there(world, &reacts.message)?;
        let root = stage.within(world, message);
        let apps = message.app.into_iter().filter(|app| stage.apps.contains(app)).collect();
        let has = |kind: &str| world.marks.has_reaction(receipt, stage.person, kind);
        let gone = if reacts.removed { Some(reacts.kind.as_str()) } else { reacts.replaces.as_deref() };
        if gone.is_some_and(|kind| !has(kind)) {
            return Err(ControlError::conflict("the message has no such reaction of this person"));
        }
        let new = (!reacts.removed).then_some(reacts.kind.as_str());
        if new.is_some_and(has) {
            return Err(ControlError::conflict("the message has this reaction of this person already"));
        }
        world.marks.react(receipt, stage.person, new, gone);
        let now = shared.clock.now();
        let what = (receipt.id, new, gone);
        each(world, &stage, apps, root.as_deref(), |world, scene| {
            said::reacted(&shared, world, scene, what, now)
        })
    };
    let nobody = "a bot is told only of reactions to its own messages";
    Ok(Json(tell_all(&shared, &Value::Null, activities, nobody).await))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reads {
    conversation: Option<String>,
    /// Up to this one; to the last when absent
    message: Option<String>,
    app_id: Option<String>,
}

pub(super) async fn reads(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>> {
    let reads: Reads = read(&body)?;
    let (last, activities) = {
        let mut world = shared.world();
        let world = &mut *world;
        let stage = Stage::new(world, &id, reads.conversation.as_deref(), reads.app_id.as_deref())?;
        let last = match &reads.message {
            Some(message) => Some(stage.message(world, message)?.0.id),
            None => last_message(world, &stage),
        };
        let last = last.ok_or_else(|| ControlError::conflict("there is nothing to read"))?;
        if !world.marks.read(stage.thread, stage.person, last) {
            return Err(ControlError::conflict("this person had read so far before"));
        }
        let now: Micros = shared.clock.now();
        let personal = matches!(stage.thread, Thread::Person(_));
        let may = |app: &u16| personal && world.bots[usize::from(*app)].may(READ_RECEIPTS);
        let apps = stage.apps.iter().copied().filter(may).collect();
        (
            last,
            each(world, &stage, apps, None, |world, scene| {
                said::read_receipt(&shared, world, scene, last, now)
            }),
        )
    };
    let nobody = "receipts go only to bots with ChatMessageReadReceipt.Read.Chat, in 1:1 chats";
    let mut answer = tell_all(&shared, &Value::Null, activities, nobody).await;
    answer["read"] = last.to_string().into();
    Ok(Json(answer))
}

fn last_message(world: &World, stage: &Stage) -> Option<u64> {
    let here = world.messages.of(stage.thread).iter().rev().filter(|message| !message.deleted);
    here.map(|message| message.id).find(|id| stage.message(world, &id.to_string()).is_ok())
}

/// Tells all at the same time. `id`: the activity's, or null for that of each activity.
async fn tell_all(shared: &Arc<Shared>, id: &Value, activities: Vec<(u16, Value)>, nobody: &str) -> Value {
    let own = activities.first().map(|(_, activity)| activity["id"].clone()).unwrap_or_default();
    let id = if id.is_null() { own } else { id.clone() };
    let answers = join_all(activities.into_iter().map(async |(app, activity)| {
        let app_id = shared.world().bots[usize::from(app)].app_id.clone();
        (app_id, tell(shared, app, activity).await)
    }))
    .await;
    told(&json!(id), &answers, nobody)
}
