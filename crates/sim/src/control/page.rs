//! What the page at `/sim` reads beside the rest: `GET /sim/conversations`, `GET /sim/conversations/{id}`,
//! `GET /sim/conversations/{id}/members`, `GET /sim/told`, and the search of `GET /sim/people`.
//!
//! An organisation may have 300,000 people: nothing here answers with a whole list, and a search lets go of the world
//! between pieces, so that no request of a bot waits for it.

use std::{cmp::Reverse, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, Result, observe, people, query};
use crate::{
    clock::{Micros, rfc3339},
    limits::Thread,
    org::ChatKind,
    world::{Shared, World},
};

/// So many are looked at before the world is let go for a moment.
const PIECE: usize = 500;
const MOST: usize = 200;

const KINDS: [&str; 4] = ["personal", "groupChat", "channel", "meeting"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// One or more of [`KINDS`], with commas between them
    kind: Option<String>,
    /// Where this person is: the own chat, group chats, channels
    person: Option<String>,
    /// The channels of this team, by its `19:` id or that of its Entra group
    team: Option<String>,
    /// Words that all occur in the name, in any case
    q: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// Where something stands in the list: the last message, newest first, then the place in the organisation.
type Place = (Reverse<Micros>, u8, u32, u32);

fn place(last: Micros, thread: Thread) -> Place {
    match thread {
        Thread::Person(person) => (Reverse(last), 0, person, 0),
        Thread::Chat(chat) => (Reverse(last), 1, chat, 0),
        Thread::Channel { team, channel } => (Reverse(last), 2, team, channel),
    }
}

fn cursor((Reverse(last), kind, a, b): Place) -> String {
    format!("{last}.{kind}.{a}.{b}")
}

fn read_cursor(text: &str) -> Option<Place> {
    let mut parts = text.split('.');
    let place = (
        Reverse(parts.next()?.parse().ok()?),
        parts.next()?.parse().ok()?,
        parts.next()?.parse().ok()?,
        parts.next()?.parse().ok()?,
    );
    parts.next().is_none().then_some(place)
}

/// With a team, or with kinds but not `personal`: all of them, in the order of the organisation. With a person: where
/// that one is. Else what has messages, the newest first.
pub(super) async fn conversations(
    State(shared): State<Arc<Shared>>,
    filter: std::result::Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Value>> {
    let filter = query(filter)?;
    let after = match filter.after.as_deref().filter(|after| !after.is_empty()) {
        Some(after) => {
            Some(read_cursor(after).ok_or_else(|| ControlError::bad("after is not a `next` of this call"))?)
        }
        None => None,
    };
    let limit = filter.limit.unwrap_or(50).clamp(1, MOST);
    let words = words(filter.q.as_deref());
    let mut places = candidates(&shared.world(), &filter)?;
    places.retain(|(place, _)| after.is_none_or(|after| *place > after));
    places.sort_unstable_by_key(|(place, _)| *place);

    let (mut items, mut last, mut more) = (Vec::new(), None, false);
    'all: for piece in places.chunks(PIECE) {
        let world = shared.world();
        for (place, thread) in piece {
            let Some(name) = name(&world, *thread).filter(|name| matches(name, &words)) else { continue };
            if items.len() == limit {
                more = true;
                break 'all;
            }
            items.push(show(&world, *thread, &name));
            last = Some(*place);
        }
    }
    Ok(Json(json!({"items": items, "next": last.filter(|_| more).map(cursor)})))
}

fn candidates(world: &World, filter: &Filter) -> Result<Vec<(Place, Thread)>> {
    let kinds: Vec<&str> = filter.kind.as_deref().into_iter().flat_map(|kinds| kinds.split(',')).collect();
    if kinds.iter().any(|kind| !KINDS.contains(kind)) {
        return Err(ControlError::bad("kind: personal, groupChat, channel, meeting"));
    }
    let teams = 0..world.org.teams.len() as u32;
    let chats = (0..world.org.chats.len() as u32).map(Thread::Chat);
    let channels = |team: u32| {
        let known = &world.org.teams[team as usize];
        let there = known.channels.iter().enumerate().filter(|(_, channel)| !channel.deleted);
        there.map(move |(at, _)| Thread::Channel { team, channel: at as u32 })
    };
    let mut threads: Vec<Thread> = if let Some(id) = &filter.person {
        let person = people::index_of(world, id)?;
        let others = chats.chain(teams.flat_map(channels)).filter(|thread| world.org.is_in(*thread, person));
        std::iter::once(Thread::Person(person)).chain(others).collect()
    } else if let Some(id) = &filter.team {
        channels(world.org.team(id).ok_or_else(|| ControlError::not_found("no such team"))?).collect()
    } else if !kinds.is_empty() && !kinds.contains(&"personal") {
        chats.chain(teams.flat_map(channels)).collect()
    } else {
        let mut written: Vec<(Place, Thread)> =
            world.messages.last_of_each().map(|(thread, last)| (place(last, thread), thread)).collect();
        written.retain(|(_, thread)| kinds.is_empty() || kinds.contains(&kind(world, *thread)));
        return Ok(written);
    };
    threads.retain(|thread| kinds.is_empty() || kinds.contains(&kind(world, *thread)));
    // All at the same time, so that the order is that of the organisation.
    Ok(threads.into_iter().map(|thread| (place(0, thread), thread)).collect())
}

fn kind(world: &World, thread: Thread) -> &'static str {
    match thread {
        Thread::Person(_) => "personal",
        Thread::Channel { .. } => "channel",
        Thread::Chat(chat) => match world.org.chats.get(chat as usize).map(|chat| chat.kind) {
            Some(ChatKind::Meeting) => "meeting",
            _ => "groupChat",
        },
    }
}

/// What a search looks through; the beginning is what is shown.
fn name(world: &World, thread: Thread) -> Option<String> {
    match thread {
        Thread::Person(person) => world.org.person(person).map(crate::org::Person::name),
        Thread::Channel { team, channel } => {
            let team = world.org.teams.get(team as usize)?;
            Some(format!("{} / {}", team.name, team.channels.get(channel as usize)?.name))
        }
        Thread::Chat(chat) => {
            let chat = world.org.chats.get(chat as usize)?;
            Some(chat.name.clone().unwrap_or_else(|| members_named(world, &chat.members)))
        }
    }
}

/// What Teams calls a chat without a topic: some of its people.
fn members_named(world: &World, members: &[u32]) -> String {
    let people = members.iter().filter_map(|member| world.org.person(*member));
    let names: Vec<&str> = people.map(crate::org::Person::given_name).take(3).collect();
    let more = members.len() - names.len();
    if more == 0 { names.join(", ") } else { format!("{} and {more} more", names.join(", ")) }
}

fn show(world: &World, thread: Thread, name: &str) -> Value {
    let messages = world.messages.of(thread);
    let visible = messages.iter().filter(|message| message.visible && !message.deleted);
    let mut shown = json!({
        "name": name, "messages": visible.count(), "last_at": messages.last().map(|message| rfc3339(message.at)),
    });
    shown["kind"] = kind(world, thread).into();
    match thread {
        Thread::Person(person) => {
            // The chat's name depends on the bot: that of the last message, else the first bot's.
            let app =
                messages.iter().rev().find_map(|message| message.app).or_else(|| people::first_bot(world));
            let known = world.org.person(person);
            shown["id"] = app.map(|app| world.chat_id(app, person)).into();
            shown["app_id"] = app.map(|app| world.bots[usize::from(app)].app_id.as_str()).into();
            shown["person"] = json!(known.map(|person| json!({
                "id": person.object_id, "name": person.name(), "state": person.state, "department": person.department(),
            })));
        }
        Thread::Chat(chat) => {
            let chat = &world.org.chats[chat as usize];
            shown["id"] = (*chat.id).into();
            shown["members"] = chat.members.len().into();
            shown["installed"] = chat.apps.any().into();
        }
        Thread::Channel { team, channel } => {
            let team = &world.org.teams[team as usize];
            let channel = &team.channels[channel as usize];
            shown["id"] = (*channel.id).into();
            shown["team"] = json!({
                "id": team.id(), "group": team.group_id, "name": team.name, "state": team.state,
                "installed": team.apps.any(),
            });
            shown["channel"] = json!({"id": channel.id, "name": channel.name, "kind": channel.kind});
        }
    }
    shown
}

/// One of them, by its id or by a person's.
pub(super) async fn conversation(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<Value>> {
    let world = shared.world();
    let unknown = || ControlError::not_found("no such conversation");
    let thread = observe::thread(&world, &id).ok_or_else(unknown)?;
    let name = name(&world, thread).ok_or_else(unknown)?;
    Ok(Json(show(&world, thread, &name)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MembersPage {
    q: Option<String>,
    /// Object id of the last one of the page before
    after: Option<String>,
    limit: Option<usize>,
}

/// Who can write there.
pub(super) async fn members(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    page: std::result::Result<Query<MembersPage>, QueryRejection>,
) -> Result<Json<Value>> {
    let page = query(page)?;
    let (mut all, from) = {
        let world = shared.world();
        let from = page.after.as_deref().map(|after| people::index_of(&world, after)).transpose()?;
        let thread =
            observe::thread(&world, &id).ok_or_else(|| ControlError::not_found("no such conversation"))?;
        (world.org.roster(thread), from)
    };
    all.sort_unstable();
    let left = all.into_iter().filter(|index| from.is_none_or(|from| *index > from));
    let limit = page.limit.unwrap_or(50).clamp(1, MOST);
    Ok(Json(find_people(&shared, left, page.q.as_deref(), limit, None, |_, _| true)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToldPage {
    after: Option<u64>,
    /// Only what that person did or was written there
    conversation: Option<String>,
    limit: Option<usize>,
}

/// What bots were told and what they answered, oldest first; with `conversation` (an id, or a person's) only what concerns it.
pub(super) async fn told(
    State(shared): State<Arc<Shared>>,
    page: std::result::Result<Query<ToldPage>, QueryRejection>,
) -> Result<Json<Value>> {
    let page = query(page)?;
    let world = shared.world();
    let person = page.conversation.as_deref().and_then(|id| match observe::thread(&world, id)? {
        Thread::Person(person) => world.org.person(person).map(|person| person.object_id.to_string()),
        Thread::Channel { .. } | Thread::Chat(_) => None,
    });
    let about: Vec<&str> = person.as_deref().into_iter().chain(page.conversation.as_deref()).collect();
    let items = world.told.after(page.after.unwrap_or(0), page.limit.unwrap_or(50).clamp(1, 500), &about);
    Ok(Json(json!({"items": items, "last": world.told.last()})))
}

/// A page of the people among `indexes` whom the words of `q` describe, as `GET /sim/people` shows them.
pub(super) fn find_people(
    shared: &Shared,
    indexes: impl Iterator<Item = u32>,
    q: Option<&str>,
    limit: usize,
    app: Option<u16>,
    wanted: impl Fn(&World, u32) -> bool,
) -> Value {
    let words = words(q);
    let mut indexes = indexes.peekable();
    let (mut items, mut more) = (Vec::new(), false);
    while indexes.peek().is_some() && !more {
        let world = shared.world();
        let app = app.or_else(|| people::first_bot(&world));
        for index in indexes.by_ref().take(PIECE) {
            if !wanted(&world, index) || !(words.is_empty() || described(&world, index, &words)) {
                continue;
            }
            if items.len() == limit {
                more = true;
                break;
            }
            items.push(people::show(&world, app, index));
        }
    }
    let next = items.last().filter(|_| more).map(|item: &Value| item["id"].clone());
    json!({"items": items, "next": next})
}

fn described(world: &World, index: u32, words: &[String]) -> bool {
    world.org.person(index).is_some_and(|person| {
        let text = format!("{} {} {}", person.name(), person.upn(index), person.department());
        matches(&text, words) || words.iter().all(|word| *word == person.object_id.to_string())
    })
}

fn words(q: Option<&str>) -> Vec<String> {
    q.unwrap_or_default().split_whitespace().map(str::to_lowercase).collect()
}

fn matches(text: &str, words: &[String]) -> bool {
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        let at = place(1_795_356_312_044_000, Thread::Channel { team: 3, channel: 1 });
        assert_eq!(read_cursor(&cursor(at)), Some(at));
        for bad in ["", "1", "1.2.3", "1.2.3.4.5", "a.0.0.0", "1.300.0.0"] {
            assert_eq!(read_cursor(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_newest_comes_first() {
        assert!(place(2, Thread::Person(9)) < place(1, Thread::Person(1)));
        assert!(place(0, Thread::Person(1)) < place(0, Thread::Channel { team: 0, channel: 0 }));
    }
}
