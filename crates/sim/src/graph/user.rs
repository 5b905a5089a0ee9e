//! A person as the directory shows one.

use serde_json::{Value, json};

use super::{
    envelope::Problem,
    filter::{Filter, Filterable},
};
use crate::{cloud::Cloud, connector::guid, org::Person, world::World};

pub(super) const KNOWN: [&str; 18] = [
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "accountEnabled",
    "assignedPlans",
    "country",
    "createdDateTime",
    "department",
    "usageLocation",
    "userType",
];
/// What comes when nothing is selected: neither licences nor whether the account is enabled.
pub(super) const USUAL: &[&str] = KNOWN.split_at(11).0;
const FILTERABLE: [&str; 11] = [
    "id",
    "userPrincipalName",
    "mail",
    "accountEnabled",
    "userType",
    "displayName",
    "givenName",
    "surname",
    "department",
    "country",
    "usageLocation",
];
/// When everybody and everything was made.
pub(super) const CREATED: &str = "2021-03-08T09:12:44Z";
/// Exchange Online, which people without Teams have.
const MAIL_PLAN: &str = "efb87545-963c-4e0d-99df-69c6916d9eb0";

pub(super) fn filter(text: Option<&str>, advanced: bool) -> Result<Option<Filter>, Problem> {
    let may = Filterable { kind: "User", properties: &FILTERABLE, advanced };
    text.map(|text| Filter::read(text, may)).transpose()
}

/// Somebody of the directory by object id or UPN.
pub(super) fn find(world: &World, id: &str) -> Option<u32> {
    let by_id = guid(id).and_then(|id| world.org.by_object_id(&id));
    by_id.or_else(|| world.org.by_upn(id)).filter(|person| is_there(world, *person))
}

pub(super) fn is_there(world: &World, person: u32) -> bool {
    world.org.person(person).is_some_and(Person::in_directory)
}

/// Whom a comparison names; `None` where it names nobody in particular.
pub(super) fn named(world: &World, property: &str, value: &str) -> Option<Vec<u32>> {
    let one = match property {
        "id" => guid(value).and_then(|id| world.org.by_object_id(&id)),
        "userPrincipalName" => world.org.by_upn(value),
        "mail" => world.org.by_mail(value),
        _ => return None,
    };
    Some(one.into_iter().collect())
}

pub(super) fn show(world: &World, cloud: Cloud, index: u32, properties: &[&'static str]) -> Value {
    let shown = properties.iter().map(|name| ((*name).to_owned(), property(world, cloud, index, name)));
    Value::Object(shown.collect())
}

pub(super) fn property(world: &World, cloud: Cloud, index: u32, name: &str) -> Value {
    let Some(person) = world.org.person(index) else { return Value::Null };
    match name {
        "id" => json!(person.object_id),
        "displayName" => person.name().into(),
        "givenName" => person.given_name().into(),
        "surname" => person.surname().into(),
        "userPrincipalName" => person.upn(index).into(),
        "mail" => person.mail(index).into(),
        "preferredLanguage" => person.language().into(),
        "department" => person.department().into(),
        "country" | "usageLocation" => person.country().into(),
        "accountEnabled" => person.is_enabled().into(),
        "userType" => (if person.is_guest() { "Guest" } else { "Member" }).into(),
        "createdDateTime" => CREATED.into(),
        "businessPhones" => json!([]),
        "assignedPlans" => plans(world, cloud, index),
        _ => Value::Null,
    }
}

/// Whoever lost Teams has no such plan any more, or one that says so (`capabilityStatus`): both happen.
fn plans(world: &World, cloud: Cloud, index: u32) -> Value {
    let Some(person) = world.org.person(index) else { return Value::Null };
    let plan = |service: &str, id: &str, status: &str| {
        json!({
            "assignedDateTime": CREATED, "capabilityStatus": status, "service": service, "servicePlanId": id,
        })
    };
    let mail = plan("exchange", MAIL_PLAN, "Enabled");
    let teams = |status| plan("TeamspaceAPI", cloud.teams_plan(), status);
    if person.is_licensed() {
        json!([mail, teams("Enabled")])
    } else if person.is_guest() {
        json!([])
    } else if index.is_multiple_of(2) {
        json!([mail, teams("Deleted")])
    } else {
        json!([mail])
    }
}
