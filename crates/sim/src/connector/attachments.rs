//! Attachments that are uploaded (protocol section 5.6): in Microsoft's swagger; whether Teams serves them is not known, so
//! `attachments` is off.

use std::collections::VecDeque;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::json;
use uuid::Uuid;

use super::{Incoming, admit, create::guid, send};
use crate::{answer::More, clock::Micros, exchange::Answer, limits::Kind, refusal::Refusal, world::World};

/// The newest ones are kept.
const KEPT: usize = 1000;

pub(crate) struct Attachment {
    id: Uuid,
    app: u16,
    kind: String,
    name: String,
    original: Bytes,
    thumbnail: Option<Bytes>,
}

/// In the order of their uploads.
pub(crate) type Attachments = VecDeque<Attachment>;

/// `POST /v3/conversations/{c}/attachments`
pub(super) fn upload(world: &mut World, now: Micros, incoming: &Incoming, conversation: &str) -> Answer {
    let target = world.conversation(incoming.app, conversation);
    let thread = target.as_ref().map(|target| target.thread);
    if let Err(throttled) = admit(world, now, incoming.app, thread, Kind::Other, 1) {
        return throttled;
    }
    if !world.settings.attachments {
        return Refusal::NoSuchPath.into();
    }
    if let Err(refusal) = send::writable(world, incoming.app, target) {
        return refusal.into();
    }
    match read(incoming, world.rng.uuid()) {
        Ok(attachment) => {
            let answer = Answer::ok(201, json!({"id": attachment.id}));
            if world.attachments.len() == KEPT {
                world.attachments.pop_front();
            }
            world.attachments.push_back(attachment);
            answer
        }
        Err(refusal) => refusal.into(),
    }
}

fn read(incoming: &Incoming, id: Uuid) -> Result<Attachment, Refusal> {
    let body = incoming.body.as_ref().filter(|body| body.is_object()).ok_or(Refusal::BadSyntax)?;
    let kind = body["type"].as_str().ok_or(Refusal::BadSyntax)?;
    if http::HeaderValue::from_str(kind).is_err() || !kind.contains('/') {
        return Err(Refusal::BadArgument("Unknown attachment type"));
    }
    let data = |name: &str| {
        let text = body[name].as_str()?;
        STANDARD.decode(text).ok().map(Bytes::from)
    };
    let thumbnail = match &body["thumbnailBase64"] {
        serde_json::Value::Null => None,
        _ => Some(data("thumbnailBase64").ok_or(Refusal::BadSyntax)?),
    };
    Ok(Attachment {
        id,
        app: incoming.app,
        kind: kind.to_owned(),
        name: body["name"].as_str().unwrap_or_default().to_owned(),
        original: data("originalBase64").ok_or(Refusal::BadSyntax)?,
        thumbnail,
    })
}

/// `GET /v3/attachments/{id}`
pub(super) fn info(world: &mut World, now: Micros, incoming: &Incoming, id: &str) -> Answer {
    match found(world, now, incoming, id) {
        Ok(attachment) => {
            let mut views = vec![json!({"viewId": "original", "size": attachment.original.len()})];
            if let Some(thumbnail) = &attachment.thumbnail {
                views.push(json!({"viewId": "thumbnail", "size": thumbnail.len()}));
            }
            Answer::ok(200, json!({"name": attachment.name, "type": attachment.kind, "views": views}))
        }
        Err(refused) => refused,
    }
}

/// `GET /v3/attachments/{id}/views/{viewId}`
pub(super) fn view(world: &mut World, now: Micros, incoming: &Incoming, id: &str, view: &str) -> Answer {
    let attachment = match found(world, now, incoming, id) {
        Ok(attachment) => attachment,
        Err(refused) => return refused,
    };
    let bytes = match view {
        "original" => Some(&attachment.original),
        "thumbnail" => attachment.thumbnail.as_ref(),
        _ => None,
    };
    let Some(bytes) = bytes else {
        return Refusal::OperationNotFound.into();
    };
    let raw = Some((attachment.kind.clone(), bytes.clone()));
    Answer { more: Some(Box::new(More { headers: Vec::new(), raw })), ..Answer::empty(200) }
}

fn found<'a>(
    world: &'a mut World,
    now: Micros,
    incoming: &Incoming,
    id: &str,
) -> Result<&'a Attachment, Answer> {
    admit(world, now, incoming.app, None, Kind::Other, 1)?;
    if !world.settings.attachments {
        return Err(Refusal::NoSuchPath.into());
    }
    let id = guid(id);
    let mut all = world.attachments.iter();
    all.find(|attachment| Some(attachment.id) == id && attachment.app == incoming.app)
        .ok_or_else(|| Refusal::OperationNotFound.into())
}
