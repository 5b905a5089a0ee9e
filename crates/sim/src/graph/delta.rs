//! `GET /users/delta`, `GET /groups/delta`: everything once, and from then on what changed (protocol section 7.2).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    Ask, Context,
    envelope::Problem,
    groups, page,
    query::{MOST, Options, USUAL},
    user,
};
use crate::{
    answer::Answer,
    clock::Micros,
    org::{Change, GroupRef, Member},
    people::PersonState,
    switches::DeltaExpiredAs,
    world::World,
};

/// `$top` is taken and not heeded; the size of a page is asked for in `Prefer`.
const TAKEN: [&str; 4] = ["$select", "$top", "$skiptoken", "$deltatoken"];
/// Members of a group that are told at once; a bigger one comes again with the rest.
const MEMBERS_AT_ONCE: usize = 100;

/// What a request is after.
enum Wanted {
    /// Everything, as it was when the first page was asked for.
    All,
    /// What changed after that number.
    Since(u64),
}

struct Round {
    wanted: Wanted,
    /// The number at which the next difference begins.
    until: u64,
    /// Where the page begins.
    from: usize,
}

pub(super) fn users(world: &World, context: &Context, ask: &Ask, now: Micros) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &TAKEN)?;
    options.check_select(&user::KNOWN, "user")?;
    if options.delta_token.as_deref() == Some("latest") {
        return Ok(latest(world, context, ask, &options, "users", now));
    }
    let round = round(world, context, ask, &options, now)?;
    let untidy = world.settings.graph_delta_untidy;
    let mut people: Vec<u32> = match round.wanted {
        Wanted::All => (0..world.org.len())
            .filter(|person| user::is_there(world, *person) || (untidy && is_gone(world, *person)))
            .collect(),
        Wanted::Since(number) => changed_people(world, number).into_iter().collect(),
    };
    if untidy {
        people.extend(people.first().copied());
    }
    let cloud = context.cloud(world);
    let properties = options.properties(&user::KNOWN, user::USUAL);
    let show = |person: &u32| {
        if user::is_there(world, *person) {
            let mut shown = user::show(world, cloud, *person, &properties);
            shown["id"] = user::property(world, cloud, *person, "id");
            return shown;
        }
        removed(world, &user::property(world, cloud, *person, "id"))
    };
    let size = size(world, ask);
    let items = people.iter().skip(round.from).take(size).map(show).collect();
    Ok(answer(world, context, (ask, &options), "users", (items, people.len(), size), &round, now))
}

pub(super) fn groups(world: &World, context: &Context, ask: &Ask, now: Micros) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &TAKEN)?;
    options.check_select(&groups::KNOWN, "group")?;
    if options.delta_token.as_deref() == Some("latest") {
        return Ok(latest(world, context, ask, &options, "groups", now));
    }
    let round = round(world, context, ask, &options, now)?;
    let with_members =
        options.select.as_ref().is_none_or(|names| names.iter().any(|it| it.eq_ignore_ascii_case("members")));
    // Each with some of its members; a big group several times.
    let entries: Vec<(GroupRef, Vec<(Member, bool)>)> = match round.wanted {
        Wanted::All => {
            world.org.group_refs().flat_map(|group| in_parts(group, everyone(world, group))).collect()
        }
        Wanted::Since(number) => changed_groups(world, number)
            .into_iter()
            .flat_map(|(group, members)| in_parts(group, members))
            .collect(),
    };
    let mut properties = options.properties(&groups::KNOWN, groups::USUAL);
    properties.retain(|name| *name != "members");
    let show = |(group, members): &(GroupRef, Vec<(Member, bool)>)| {
        let id = json!(world.org.group_id(*group));
        if !world.org.group_is_there(*group) {
            return removed(world, &id);
        }
        let mut shown = groups::show(world, *group, &properties);
        shown["id"] = id;
        if with_members && !members.is_empty() {
            shown["members@delta"] =
                members.iter().map(|(member, there)| told(world, *member, *there)).collect();
        }
        shown
    };
    let size = size(world, ask);
    let items = entries.iter().skip(round.from).take(size).map(show).collect();
    Ok(answer(world, context, (ask, &options), "groups", (items, entries.len(), size), &round, now))
}

fn is_gone(world: &World, person: u32) -> bool {
    world.org.person(person).is_some_and(|person| person.state == PersonState::Deleted)
}

fn everyone(world: &World, group: GroupRef) -> Vec<(Member, bool)> {
    world.org.group_members(group).into_iter().map(|member| (member, true)).collect()
}

fn in_parts(group: GroupRef, members: Vec<(Member, bool)>) -> Vec<(GroupRef, Vec<(Member, bool)>)> {
    if members.is_empty() {
        return vec![(group, members)];
    }
    members.chunks(MEMBERS_AT_ONCE).map(|part| (group, part.to_vec())).collect()
}

fn changed_people(world: &World, number: u64) -> BTreeSet<u32> {
    let changes = world.org.changes.after(number).into_iter().flatten();
    changes
        .filter_map(|change| match change {
            Change::Person(person) => Some(person),
            Change::Group(_) | Change::Member { .. } => None,
        })
        .collect()
}

/// The last word of each member counts.
fn changed_groups(world: &World, number: u64) -> Vec<(GroupRef, Vec<(Member, bool)>)> {
    let mut found: BTreeMap<(bool, u32), Vec<(Member, bool)>> = BTreeMap::new();
    let key = |group: GroupRef| match group {
        GroupRef::Team(team) => (false, team),
        GroupRef::Group(group) => (true, group),
    };
    for change in world.org.changes.after(number).into_iter().flatten() {
        match change {
            Change::Person(_) => {}
            Change::Group(group) => {
                found.entry(key(group)).or_default();
            }
            Change::Member { group, member, there } => {
                let members = found.entry(key(group)).or_default();
                members.retain(|(other, _)| *other != member);
                members.push((member, there));
            }
        }
    }
    let group = |(own, at): (bool, u32)| if own { GroupRef::Group(at) } else { GroupRef::Team(at) };
    found.into_iter().map(|(key, members)| (group(key), members)).collect()
}

fn told(world: &World, member: Member, there: bool) -> Value {
    let (kind, id) = match member {
        Member::Person(person) => ("user", world.org.person(person).map(|person| person.object_id)),
        Member::Group(group) => ("group", world.org.groups.get(group as usize).map(|group| group.id)),
        Member::Device { group, number } => ("device", Some(world.org.device_id(group, number))),
    };
    let mut told = json!({"@odata.type": format!("#microsoft.graph.{kind}"), "id": id});
    if !there {
        told["@removed"] = json!({"reason": "deleted"});
    }
    told
}

fn removed(world: &World, id: &Value) -> Value {
    json!({"id": id, "@removed": {"reason": world.settings.graph_removed_reason}})
}

fn size(world: &World, ask: &Ask) -> usize {
    page::size(world, ask.max_page.unwrap_or(USUAL).clamp(1, MOST))
}

/// Reads the token that was sent, if any.
fn round(
    world: &World,
    context: &Context,
    ask: &Ask,
    options: &Options,
    now: Micros,
) -> Result<Round, Problem> {
    let changes = &world.org.changes;
    let given = [&options.skip_token, &options.delta_token].into_iter().flatten().find(|it| !it.is_empty());
    let Some(token) = given else {
        return Ok(Round { wanted: Wanted::All, until: changes.last(), from: 0 });
    };
    let gone = || {
        let path = format!("{}{}", context.base, ask.path);
        let text = "The sync state is not found or has expired. A full synchronization is required.";
        match world.settings.graph_delta_expired_as {
            DeltaExpiredAs::BadRequest => Problem::new(400, "syncStateNotFound", text),
            DeltaExpiredAs::Gone => Problem {
                location: Some(options.link(&path, "$deltatoken", "")),
                ..Problem::new(410, "syncStateNotFound", text)
            },
        }
    };
    if token.len() < 16
        || !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    {
        return Err(Problem::new(400, "Request_BadRequest", "Badly formed token."));
    }
    let text = page::open(world, &page::bound(ask, options), token).ok_or_else(gone)?;
    let words: Vec<&str> = text.split(' ').collect();
    let number = |word: &str| word.parse::<u64>().map_err(|_| gone());
    let (round, issued) = match words.as_slice() {
        ["all", until, from, issued] => {
            let round = Round { wanted: Wanted::All, until: number(until)?, from: number(from)? as usize };
            (round, number(issued)?)
        }
        ["since", since, until, from, issued] => {
            let wanted = Wanted::Since(number(since)?);
            (Round { wanted, until: number(until)?, from: number(from)? as usize }, number(issued)?)
        }
        ["next", since, issued] => {
            let wanted = Wanted::Since(number(since)?);
            (Round { wanted, until: changes.last(), from: 0 }, number(issued)?)
        }
        _ => return Err(gone()),
    };
    let issued = issued as Micros;
    let old = (now - issued) as f64 > world.settings.graph_delta_lifetime_s * 1e6;
    let forgotten = match round.wanted {
        Wanted::All => false,
        Wanted::Since(number) => changes.after(number).is_none(),
    };
    if old || forgotten || changes.expired_before.is_some_and(|moment| issued <= moment) {
        return Err(gone());
    }
    Ok(round)
}

/// Nothing now, and the difference from here on.
fn latest(world: &World, context: &Context, ask: &Ask, options: &Options, set: &str, now: Micros) -> Answer {
    let round = Round { wanted: Wanted::All, until: world.org.changes.last(), from: 0 };
    answer(world, context, (ask, options), set, (Vec::new(), 0, 1), &round, now)
}

fn answer(
    world: &World,
    context: &Context,
    (ask, options): (&Ask, &Options),
    set: &str,
    (items, total, size): (Vec<Value>, usize, usize),
    round: &Round,
    now: Micros,
) -> Answer {
    let next = round.from + size;
    let until = round.until;
    let (field, name, text) = if next < total {
        let text = match round.wanted {
            Wanted::All => format!("all {until} {next} {now}"),
            Wanted::Since(since) => format!("since {since} {until} {next} {now}"),
        };
        ("@odata.nextLink", "$skiptoken", text)
    } else {
        ("@odata.deltaLink", "$deltatoken", format!("next {until} {now}"))
    };
    let token = page::seal(world, &page::bound(ask, options), &text);
    let path = format!("{}{}", context.base, ask.path);
    let mut body = json!({
        "@odata.context": format!("{}/$metadata#{set}{}", context.base, options.selection()),
        field: options.link(&path, name, &token),
    });
    body["value"] = Value::Array(items);
    let mut answer = Answer::ok(200, body);
    if ask.max_page.is_some() {
        answer.header("preference-applied", format!("odata.maxpagesize={size}"));
    }
    answer
}
