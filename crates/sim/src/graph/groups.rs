//! `GET /groups`, `GET /groups/{id}`, and a group as the directory shows one.

use serde_json::{Value, json};

use super::{
    Ask, Context,
    envelope::Problem,
    filter::{Filter, Filterable},
    page,
    query::Options,
    user::CREATED,
};
use crate::{
    answer::Answer,
    connector::guid,
    org::{DOMAIN, GroupRef},
    world::World,
};

pub(super) const KNOWN: [&str; 12] = [
    "createdDateTime",
    "description",
    "displayName",
    "groupTypes",
    "id",
    "mail",
    "mailEnabled",
    "mailNickname",
    "resourceProvisioningOptions",
    "securityEnabled",
    "visibility",
    "members",
];
/// Everything but the members.
pub(super) const USUAL: &[&str] = KNOWN.split_at(KNOWN.len() - 1).0;
const FILTERABLE: [&str; 6] = ["id", "displayName", "mail", "mailNickname", "mailEnabled", "securityEnabled"];
const TAKEN: [&str; 5] = ["$select", "$top", "$filter", "$count", "$skiptoken"];

pub(super) fn list(world: &World, context: &Context, ask: &Ask) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &TAKEN)?;
    options.check_select(USUAL, "group")?;
    let size = page::size(world, options.page_size()?);
    let counted = options.count && ask.eventual;
    let may = Filterable { kind: "Group", properties: &FILTERABLE, advanced: counted };
    let filter = options.filter.as_deref().map(|text| Filter::read(text, may)).transpose()?;
    let groups: Vec<GroupRef> = world
        .org
        .group_refs()
        .filter(|group| {
            filter.as_ref().is_none_or(|filter| filter.matches(&|name| property(world, *group, name)))
        })
        .collect();
    let from = page::start(world, ask, &options)?;
    let (places, next) = page::cut(from..groups.len() as u64, size);
    let properties = options.properties(USUAL, USUAL);
    let items = places.into_iter().map(|at| show(world, groups[at as usize], &properties)).collect();
    let total = counted.then_some(groups.len());
    Ok(page::answer(world, context, (ask, &options), "groups", items, next, total))
}

pub(super) fn one(world: &World, context: &Context, ask: &Ask, id: &str) -> Result<Answer, Problem> {
    let options = Options::read(&ask.query, &["$select"])?;
    options.check_select(USUAL, "group")?;
    let group = find(world, id)?;
    let mut shown = show(world, group, &options.properties(USUAL, USUAL));
    let set = format!("groups{}/$entity", options.selection());
    shown["@odata.context"] = format!("{}/$metadata#{set}", context.base).into();
    Ok(Answer::ok(200, shown))
}

/// A group that is there, only by its id.
pub(super) fn find(world: &World, id: &str) -> Result<GroupRef, Problem> {
    let Some(given) = guid(id) else {
        let text = format!("Invalid object identifier '{}'.", super::envelope::printable(id));
        return Err(Problem::new(400, "Request_BadRequest", text));
    };
    let found = world.org.group_by_id(&given).filter(|group| world.org.group_is_there(*group));
    found.ok_or_else(|| Problem::no_resource(id))
}

pub(super) fn show(world: &World, group: GroupRef, properties: &[&'static str]) -> Value {
    let shown = properties.iter().map(|name| ((*name).to_owned(), property(world, group, name)));
    Value::Object(shown.collect())
}

fn property(world: &World, group: GroupRef, name: &str) -> Value {
    let (display, team) = match group {
        GroupRef::Team(team) => (&world.org.teams[team as usize].name, true),
        GroupRef::Group(group) => (&world.org.groups[group as usize].name, false),
    };
    let nickname = || display.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    match name {
        "id" => json!(world.org.group_id(group)),
        "displayName" => display.as_str().into(),
        "createdDateTime" => CREATED.into(),
        "mailNickname" => nickname().into(),
        "mail" if team => format!("{}@{DOMAIN}", nickname()).into(),
        "mailEnabled" => team.into(),
        "securityEnabled" => (!team).into(),
        "groupTypes" if team => json!(["Unified"]),
        "resourceProvisioningOptions" if team => json!(["Team"]),
        "groupTypes" | "resourceProvisioningOptions" => json!([]),
        "visibility" if team => "Private".into(),
        _ => Value::Null,
    }
}
