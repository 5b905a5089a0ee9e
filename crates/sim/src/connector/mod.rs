//! The Connector, which Teams offers to bots under the service URL (protocol section 5).
//!
//! To add an operation: a file of its own beside `send.rs`, an arm in [`Target::of`] and one in [`work`].

pub(crate) mod activity;
pub(crate) mod auth;
mod change;
mod create;
pub(crate) use create::guid;
mod members;
pub(crate) mod path;
mod send;
mod teams;

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::State,
    response::Response,
};
use bytes::Bytes;
use http::{Method, Request};
use serde_json::Value;

use crate::{
    clock::Micros,
    exchange::{Answer, Call, Cutter, Op, Work, exchange},
    limits::{Kind, Thread},
    refusal::Refusal,
    world::{Shared, World},
};

/// Far above what a message may have, because embedded images do not count into its size.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// What a path means.
enum Target {
    Create,
    Send { conversation: String, reply_to: Option<String> },
    Update { conversation: String, activity: String },
    Delete { conversation: String, activity: String },
    Reaction { conversation: String, activity: String, kind: String, there: bool },
    ActivityMembers { conversation: String, activity: String },
    Members { conversation: String },
    PagedMembers { conversation: String },
    Member { conversation: String, member: String },
    Team { id: String },
    TeamConversations { id: String },
    WrongMethod,
    Unknown,
}

impl Target {
    fn of(method: &Method, path: &str) -> Self {
        let segments: Vec<String> =
            path.strip_suffix('/').unwrap_or(path).split('/').skip(1).map(path::decode).collect();
        let lower: Vec<String> = segments.iter().map(|segment| segment.to_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let at = |place: usize| segments[place].clone();
        let (needed, target) = match lower.as_slice() {
            ["teams", "v3", "conversations"] => (Method::POST, Self::Create),
            ["teams", "v3", "conversations", _, "activities"] => {
                (Method::POST, Self::Send { conversation: at(3), reply_to: None })
            }
            ["teams", "v3", "conversations", _, "activities", _] if *method == Method::PUT => {
                (Method::PUT, Self::Update { conversation: at(3), activity: at(5) })
            }
            ["teams", "v3", "conversations", _, "activities", _] if *method == Method::DELETE => {
                (Method::DELETE, Self::Delete { conversation: at(3), activity: at(5) })
            }
            // The id may be one that was never given out: SDKs put a random one here (protocol section 14).
            ["teams", "v3", "conversations", _, "activities", _] => {
                (Method::POST, Self::Send { conversation: at(3), reply_to: Some(at(5)) })
            }
            ["teams", "v3", "conversations", _, "activities", _, "reactions", _] => {
                let there = *method == Method::PUT;
                let needed = if there { Method::PUT } else { Method::DELETE };
                (needed, Self::Reaction { conversation: at(3), activity: at(5), kind: at(7), there })
            }
            ["teams", "v3", "conversations", _, "activities", _, "members"] => {
                (Method::GET, Self::ActivityMembers { conversation: at(3), activity: at(5) })
            }
            ["teams", "v3", "conversations", _, "members"] => {
                (Method::GET, Self::Members { conversation: at(3) })
            }
            ["teams", "v3", "conversations", _, "pagedmembers"] => {
                (Method::GET, Self::PagedMembers { conversation: at(3) })
            }
            ["teams", "v3", "conversations", _, "members", _] => {
                (Method::GET, Self::Member { conversation: at(3), member: at(5) })
            }
            ["teams", "v3", "teams", _] => (Method::GET, Self::Team { id: at(3) }),
            ["teams", "v3", "teams", _, "conversations"] => {
                (Method::GET, Self::TeamConversations { id: at(3) })
            }
            _ => return Self::Unknown,
        };
        if *method == needed { target } else { Self::WrongMethod }
    }

    fn conversation(&self) -> Option<&str> {
        match self {
            Self::Send { conversation, .. }
            | Self::Update { conversation, .. }
            | Self::Delete { conversation, .. }
            | Self::Reaction { conversation, .. }
            | Self::ActivityMembers { conversation, .. }
            | Self::Members { conversation }
            | Self::PagedMembers { conversation }
            | Self::Member { conversation, .. } => Some(conversation),
            Self::Team { id } | Self::TeamConversations { id } => Some(id),
            Self::Create | Self::WrongMethod | Self::Unknown => None,
        }
    }
}

/// A request in the form in which the operations take it.
struct Incoming {
    shared: Arc<Shared>,
    app: u16,
    query: String,
    /// `None`: empty or not JSON.
    body: Option<Value>,
    length: usize,
}

/// Everything that is neither the control API nor a fixed document.
pub(crate) async fn serve(
    State(shared): State<Arc<Shared>>,
    axum::Extension(cutter): axum::Extension<Cutter>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let target = Target::of(&parts.method, parts.uri.path());
    let read = to_bytes(body, BODY_LIMIT).await;
    let too_big = read.is_err();
    let body: Bytes = read.unwrap_or_default();
    let caller = auth::caller(&shared, &parts.headers);
    let length = body.len();
    let body: Option<Value> = serde_json::from_slice(&body).ok();
    let op = match &target {
        Target::Create if body.as_ref().is_some_and(create::is_thread) => Op::CreateThread,
        Target::Create => Op::Create,
        Target::Send { .. } => Op::Send,
        Target::Update { .. } => Op::Update,
        Target::Delete { .. } => Op::Delete,
        Target::Reaction { .. } => Op::Reaction,
        Target::ActivityMembers { .. }
        | Target::Members { .. }
        | Target::PagedMembers { .. }
        | Target::Member { .. } => Op::Members,
        Target::Team { .. } | Target::TeamConversations { .. } => Op::Teams,
        Target::WrongMethod | Target::Unknown => Op::Other,
    };
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
        }
    };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let work: Work = match (caller, too_big) {
        (Err(refusal), _) => Box::new(move |_, _| refusal.into()),
        (Ok(_), true) => Box::new(|_, _| Refusal::MessageSizeTooBig.into()),
        (Ok(app), false) => {
            let incoming = Incoming { shared: Arc::clone(&shared), app, query, body, length };
            Box::new(move |world, now| work(world, now, &target, &incoming))
        }
    };
    exchange(shared, call, cutter, work).await
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
        Target::WrongMethod => Refusal::MethodNotAllowed.into(),
        Target::Unknown => Refusal::NoSuchPath.into(),
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
