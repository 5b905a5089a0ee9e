//! `GET /teams/{id}`, its members, its channels and their members.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    Ask, Context,
    envelope::{Problem, printable},
    filter::{Filter, Filterable},
    installed::team,
    page,
    query::Options,
    user::{CREATED, is_there},
};
use crate::{
    answer::Answer,
    limits::Thread,
    org::{Channel, Person, TeamState},
    people::PersonState,
    world::World,
};

pub(super) fn details(world: &World, context: &Context, ask: &Ask, id: &str) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &["$select"])?;
    let team = &world.org.teams[team(world, id)? as usize];
    let mut body = json!({
        "@odata.context": format!("{}/$metadata#teams/$entity", context.base),
        "id": team.group_id, "displayName": team.name, "description": null, "internalId": team.id(),
        "createdDateTime": CREATED, "specialization": "none", "visibility": "private",
        "isArchived": team.state == TeamState::Archived, "tenantId": context.shared.tenant_id,
        "webUrl": format!("https://teams.microsoft.com/l/team/{}/conversations?groupId={}", team.id(), team.group_id),
    });
    options.keep_selected(&mut body);
    Ok(Answer::ok(200, body))
}

/// `GET /teams/{id}/members`: an owner, guests, and members, who have no role.
pub(super) fn members(world: &World, context: &Context, ask: &Ask, id: &str) -> Result<Answer, Problem> {
    let team = team(world, id)?;
    let mut people: Vec<u32> = world.org.members(team).filter(|person| is_there(world, *person)).collect();
    people.sort_unstable();
    let place = world.org.teams[team as usize].group_id.to_string();
    roster(world, context, ask, (&place, &people), &format!("teams('{place}')/members"))
}

/// `GET /teams/{id}/channels`: deleted ones are not there.
pub(super) fn channels(world: &World, context: &Context, ask: &Ask, id: &str) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &["$select", "$filter"])?;
    let may = Filterable { kind: "channel", properties: &["membershipType", "displayName"], advanced: false };
    let filter = options.filter.as_deref().map(|text| Filter::read(text, may)).transpose()?;
    let team = &world.org.teams[team(world, id)? as usize];
    let items: Vec<Value> = team
        .channels
        .iter()
        .filter(|channel| !channel.deleted)
        .map(channel)
        .filter(|shown| filter.as_ref().is_none_or(|filter| filter.matches(&|name| shown[name].clone())))
        .map(|mut shown| {
            options.keep_selected(&mut shown);
            shown
        })
        .collect();
    let body = json!({
        "@odata.context": format!("{}/$metadata#teams('{}')/channels", context.base, team.group_id),
        "@odata.count": items.len(), "value": items,
    });
    Ok(Answer::ok(200, body))
}

fn channel(channel: &Channel) -> Value {
    json!({
        "id": channel.id, "displayName": channel.name, "description": null, "email": "", "isArchived": false,
        "createdDateTime": CREATED, "membershipType": channel.kind.name(),
        "webUrl": format!("https://teams.microsoft.com/l/channel/{}", channel.id),
    })
}

/// `all`: with those of the other teams that share it.
pub(super) fn channel_members(
    world: &World,
    context: &Context,
    ask: &Ask,
    (id, name, all): (&str, &str, bool),
) -> Result<Answer, Problem> {
    let team = team(world, id)?;
    let channels = &world.org.teams[team as usize].channels;
    let at = channels
        .iter()
        .position(|channel| *channel.id == *name && !channel.deleted)
        .ok_or_else(|| Problem::not_found(format!("No Channel found with id '{}'", printable(name))))?;
    let thread = Thread::Channel { team, channel: at as u32 };
    let own = &channels[at].members;
    let mut people = world.org.roster(thread);
    if !all && !own.is_empty() {
        people.retain(|person| own.contains(person));
    }
    // Who is from outside is in a shared channel though not in the directory.
    people.retain(|person| world.org.person(*person).is_some_and(|it| it.state != PersonState::Deleted));
    people.sort_unstable();
    let of = if all { "allMembers" } else { "members" };
    let set = format!("teams('{id}')/channels('{name}')/{of}");
    roster(world, context, ask, (name, &people), &set)
}

fn roster(
    world: &World,
    context: &Context,
    ask: &Ask,
    (place, people): (&str, &[u32]),
    set: &str,
) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &["$top", "$skiptoken"])?;
    let size = page::size(world, options.page_size()?);
    let from = page::start(world, ask, &options)?;
    let (places, next) = page::cut(from..people.len() as u64, size);
    // Somebody has to own it: the first who is no guest.
    let is_guest = |person: u32| world.org.person(person).is_none_or(Person::is_guest);
    let owner = people.iter().copied().find(|person| !is_guest(*person));
    let items: Vec<Value> = places
        .into_iter()
        .map(|at| people[at as usize])
        .map(|person| member(world, context, (place, owner == Some(person)), person))
        .collect();
    let count = items.len();
    let mut answer = page::answer(world, context, (ask, &options), set, items, next, None);
    if let Some(body) = &mut answer.body {
        // Of this page, as Teams counts.
        body["@odata.count"] = count.into();
    }
    Ok(answer)
}

fn member(world: &World, context: &Context, (place, owns): (&str, bool), index: u32) -> Value {
    let Some(person) = world.org.person(index) else { return Value::Null };
    let tenant = if person.state == PersonState::External {
        world.org.other_tenant().to_string()
    } else {
        context.shared.tenant_id.clone()
    };
    let roles: &[&str] = match (owns, person.is_guest()) {
        (true, _) => &["owner"],
        (false, true) => &["guest"],
        (false, false) => &[],
    };
    json!({
        "@odata.type": "#microsoft.graph.aadUserConversationMember",
        "id": STANDARD.encode(format!("{tenant}##{place}##{}", person.object_id)),
        "roles": roles, "displayName": person.name(), "userId": person.object_id, "email": person.mail(index),
        "tenantId": tenant, "visibleHistoryStartDateTime": "0001-01-01T00:00:00Z",
    })
}
