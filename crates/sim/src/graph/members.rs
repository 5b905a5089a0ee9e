//! `GET /groups/{id}/members` and `…/transitiveMembers`: people, groups and devices, each with its `@odata.type`.

use serde_json::{Value, json};

use super::{
    Ask, Context,
    envelope::Problem,
    groups, page,
    query::Options,
    roles,
    user::{KNOWN, USUAL, show},
};
use crate::{answer::Answer, org::Member, world::World};

const TAKEN: [&str; 4] = ["$select", "$top", "$count", "$skiptoken"];

pub(super) fn direct(world: &World, context: &Context, ask: &Ask, group: &str) -> Result<Answer, Problem> {
    let group = groups::find(world, group)?;
    answer(world, context, ask, &world.org.group_members(group), "directoryObjects")
}

/// `users`: the cast to people, which is an advanced query (protocol section 7.2).
pub(super) fn transitive(
    world: &World,
    context: &Context,
    ask: &Ask,
    group: &str,
    users: bool,
) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &TAKEN)?;
    if users && !(ask.eventual && options.count) {
        return Err(Problem::unsupported(
            "Request with OData cast is not supported without the header 'ConsistencyLevel: eventual' and $count=true.",
        ));
    }
    let group = groups::find(world, group)?;
    let mut members = world.org.transitive_members(group);
    if users {
        members.retain(|member| matches!(member, Member::Person(_)));
    }
    answer(world, context, ask, &members, if users { "users" } else { "directoryObjects" })
}

fn answer(
    world: &World,
    context: &Context,
    ask: &Ask,
    members: &[Member],
    set: &str,
) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &TAKEN)?;
    options.check_select(&KNOWN, "user")?;
    let size = page::size(world, options.page_size()?);
    let from = page::start(world, ask, &options)?;
    let (places, next) = page::cut(from..members.len() as u64, size);
    let properties = options.properties(&KNOWN, USUAL);
    let items =
        places.into_iter().map(|at| item(world, context, members[at as usize], &properties)).collect();
    let total = (options.count && ask.eventual).then_some(members.len());
    Ok(page::answer(world, context, (ask, &options), set, items, next, total))
}

/// Of people whom the caller may not read there is only the id; what else was asked for is null.
fn item(world: &World, context: &Context, member: Member, properties: &[&'static str]) -> Value {
    let nulls = || -> Value {
        properties
            .iter()
            .map(|name| ((*name).to_owned(), Value::Null))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let mut shown = match member {
        Member::Person(person) if roles::may_see_users(&context.caller.roles) => {
            show(world, context.cloud(world), person, properties)
        }
        _ => nulls(),
    };
    let named = |shown: &mut Value, name: &str| {
        if properties.contains(&"displayName") {
            shown["displayName"] = name.into();
        }
    };
    let (kind, id) = match member {
        Member::Person(person) => ("user", world.org.person(person).map(|person| person.object_id)),
        Member::Group(group) => {
            let known = &world.org.groups[group as usize];
            named(&mut shown, &known.name);
            ("group", Some(known.id))
        }
        Member::Device { group, number } => {
            named(&mut shown, &format!("DESKTOP-{number:05}"));
            ("device", Some(world.org.device_id(group, number)))
        }
    };
    shown["@odata.type"] = format!("#microsoft.graph.{kind}").into();
    shown["id"] = json!(id);
    shown
}
