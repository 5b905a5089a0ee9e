//! The Connector, which Teams offers to bots under the service URL (protocol section 5).
//!
//! To add an operation: a file of its own beside `send.rs`, an arm in [`Target`] and one in [`work`].

pub(crate) mod activity;
pub(crate) mod attachments;
pub(crate) mod auth;
pub(crate) mod batch;
mod change;
mod content;
mod create;
pub(crate) use create::guid;
pub(crate) mod meetings;
mod members;
pub(crate) mod path;
mod send;
mod swagger;
mod target;
mod teams;

use std::sync::Arc;

use axum::{body::Body, extract::State, response::Response};
use futures_util::StreamExt;
use http::{HeaderMap, Request, header, request::Parts, uri::Authority};
use serde_json::Value;

use crate::{
    clock::Micros,
    exchange::{Answer, Call, Cutter, Op, Work, exchange},
    limits::{Kind, Thread},
    refusal::{self, Refusal},
    world::{Shared, World},
};
use target::Target;

/// Far above what a message may have, because embedded images do not count into its size.
const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// What a client may send on until the connection is closed.
const READ_AT_MOST: usize = 64 * 1024 * 1024;

/// A request in the form in which the operations take it.
struct Incoming {
    shared: Arc<Shared>,
    app: u16,
    query: String,
    /// `None`: empty or not JSON.
    body: Option<Value>,
    length: usize,
}

impl Incoming {
    /// Checks an activity that came with the request; true when it becomes two messages.
    fn check(&self, world: &World, activity: &Value) -> Result<bool, Refusal> {
        let known = |id: &str| members::known(world, self.app, id);
        activity::check(activity, self.length, &world.settings, &known)
    }

    /// Whether the activity is for one member's eyes (protocol section 5.4).
    fn targeted(&self) -> bool {
        path::parameter(&self.query, "isTargetedActivity").is_some_and(|is| is.eq_ignore_ascii_case("true"))
    }
}

/// Everything that is neither the control API nor a fixed document.
pub(crate) async fn serve(
    State(shared): State<Arc<Shared>>,
    axum::Extension(cutter): axum::Extension<Cutter>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let target = Target::of(&parts.method, parts.uri.path());
    let (body, too_big) = read(body).await;
    let caller = auth::caller(&shared, &parts.headers);
    let (length, host) = (body.len(), host(&parts));
    let body: Option<Value> = serde_json::from_slice(&body).ok();
    let op = target.op(body.as_ref().is_some_and(create::is_thread));
    let call = {
        let world = shared.world();
        let person = caller.ok().and_then(|app| match target.conversation() {
            Some(conversation) => match world.conversation(app, conversation)?.thread {
                Thread::Person(person) => Some(person),
                Thread::Channel { .. } | Thread::Chat(_) => None,
            },
            None => create::person(&world, app, body.as_ref()?),
        });
        Call {
            op,
            host: host.clone(),
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            app_id: caller.ok().map(|app| world.bots[usize::from(app)].app_id.clone()),
            person: person
                .and_then(|person| world.org.person(person))
                .map(|person| person.object_id.to_string()),
            conversation: target
                .conversation()
                .or_else(|| body.as_ref().filter(|_| op == Op::CreateThread).and_then(create::channel_id))
                .map(str::to_owned),
            tenant: Some(shared.tenant_id.clone()),
            authorised: caller.is_ok(),
            ids: None,
        }
    };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let refused = match (&target, caller) {
        // The web server in front looks at no token.
        (Target::Refused(refusal @ (Refusal::BadUrl | Refusal::UrlTooLong)), _) => Some(*refusal),
        (_, Err(refusal)) => Some(refusal),
        (_, Ok(_)) if too_big => Some(Refusal::RequestEntityTooLarge),
        (target, Ok(_)) if target.takes_a_body() && length > 0 && !is_json(&parts.headers) => {
            Some(Refusal::UnsupportedMediaType)
        }
        _ => None,
    };
    let work: Work = match (caller, refused) {
        (Ok(app), None) => {
            let incoming = Incoming { shared: Arc::clone(&shared), app, query, body, length };
            Box::new(move |world, now| match elsewhere(world, &host) {
                Some(refused) => refused,
                None => work(world, now, &target, &incoming),
            })
        }
        (Err(refusal), None) | (_, Some(refusal)) => Box::new(move |_, _| refusal.into()),
    };
    exchange(shared, call, cutter, work).await
}

/// The body, and whether it was too big. What is too big is read to its end all the same, so that the answer arrives.
pub(crate) async fn read(body: Body) -> (Vec<u8>, bool) {
    let mut stream = body.into_data_stream();
    let (mut read, mut length) = (Vec::new(), 0_usize);
    while let Some(chunk) = stream.next().await {
        // Cut off in the middle: nothing was said.
        let Ok(chunk) = chunk else { return (Vec::new(), false) };
        length += chunk.len();
        if length <= BODY_LIMIT {
            read.extend_from_slice(&chunk);
        }
        if length > READ_AT_MOST {
            break;
        }
    }
    (read, length > BODY_LIMIT)
}

pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "application/json" | "text/json")
        || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The host that was asked, with its port.
fn host(parts: &Parts) -> String {
    let named = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    named.or(parts.uri.authority().map(Authority::as_str)).unwrap_or_default().to_ascii_lowercase()
}

/// The refusal of a call that came to another host than that of the GCC tenant (protocol sections 1 and 6).
fn elsewhere(world: &World, host: &str) -> Option<Answer> {
    let gcc = world.settings.gcc_host.as_deref()?;
    (!gcc.eq_ignore_ascii_case(host)).then(|| refusal::invalid_host(gcc))
}

fn work(world: &mut World, now: Micros, target: &Target, incoming: &Incoming) -> Answer {
    match target {
        Target::Create => create::create(world, now, incoming),
        Target::Send { conversation, reply_to } => {
            send::send(world, now, incoming, conversation, reply_to.as_deref())
        }
        Target::Update { conversation, activity } => {
            change::update(world, now, incoming, conversation, activity)
        }
        Target::Delete { conversation, activity } => {
            change::delete(world, now, incoming, conversation, activity)
        }
        Target::Reaction { conversation, activity, kind, there } => {
            change::react(world, now, incoming, conversation, activity, (kind, *there))
        }
        Target::ActivityMembers { conversation, activity } => {
            members::of_activity(world, now, incoming, conversation, activity)
        }
        Target::Members { conversation } => members::all(world, now, incoming, conversation),
        Target::PagedMembers { conversation } => members::page(world, now, incoming, conversation),
        Target::Member { conversation, member } => members::one(world, now, incoming, conversation, member),
        Target::Team { id } => teams::details(world, now, incoming, id),
        Target::TeamConversations { id } => teams::conversations(world, now, incoming, id),
        Target::Batch(audience) => batch::start(world, now, incoming, *audience),
        Target::BatchState { operation } => batch::state(world, now, incoming, operation),
        Target::BatchFailed { operation } => batch::failed(world, now, incoming, operation),
        Target::BatchCancel { operation } => batch::cancel(world, now, incoming, operation),
        Target::Upload { conversation } => attachments::upload(world, now, incoming, conversation),
        Target::Attachment { id } => attachments::info(world, now, incoming, id),
        Target::AttachmentView { id, view } => attachments::view(world, now, incoming, id, view),
        Target::Conversations => swagger::conversations(world, now, incoming),
        Target::History { conversation } => swagger::history(world, now, incoming, conversation),
        Target::RemoveMember { conversation, member } => {
            swagger::remove_member(world, now, incoming, conversation, member)
        }
        Target::Meeting { id } => meetings::details(world, now, incoming, id),
        Target::Participant { id, person } => meetings::participant(world, now, incoming, id, person),
        Target::Notification { id } => meetings::notify(world, now, incoming, id),
        Target::Refused(refusal) => (*refusal).into(),
    }
}

/// Counts the request in the limits of section 7.1, or gives the 429 that it gets.
fn admit(
    world: &mut World,
    now: Micros,
    app: u16,
    thread: Option<Thread>,
    kind: Kind,
    cost: usize,
) -> Result<(), Answer> {
    if !world.settings.limits {
        return Ok(());
    }
    let rules = world.rules(now);
    world.limits.admit(now, app, thread, kind, cost, &rules).map_err(|breach| {
        world.counts.breach(breach);
        let retry_after = world.settings.retry_after_s.map(|seconds| seconds.to_string());
        Answer { retry_after, ..Refusal::Throttled.into() }
    })
}
