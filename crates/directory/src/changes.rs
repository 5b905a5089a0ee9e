//! Rounds of changes: everyone and every group once, and from then on what changed (protocol section 7.2, Delta).

use nuncio_domain::directory::{DirectoryError, DirectoryPerson};
use nuncio_domain::directory_copy::{CopyGroup, CopyNext, CopyPage, CopyStep};
use nuncio_teams::graph::{
    CallError, ChangedUser, DirectoryObject, Graph, Group, Page, Pages, TEAMS_SERVICE_PLANS, Told,
};
use serde::de::DeserializeOwned;

use crate::errors;
use crate::people::{SELECT, external, is_guest};
use crate::tenant::Tenant;

/// What is asked for of each group.
const GROUP: [&str; 7] = [
    "id",
    "displayName",
    "groupTypes",
    "securityEnabled",
    "mailEnabled",
    "resourceProvisioningOptions",
    "members",
];

/// The first page of everything, or the one at `link`.
pub(crate) async fn page(
    tenant: &Tenant,
    step: CopyStep,
    link: Option<&str>,
) -> Result<CopyPage, DirectoryError> {
    loop {
        let page = match step {
            CopyStep::Groups => ask(tenant, link, |graph| graph.groups_delta(&GROUP))
                .await
                .map(|(page, next)| groups(page, next)),
            _ => ask(tenant, link, |graph| graph.users_delta(&SELECT))
                .await
                .map(|(page, next)| people(page, next)),
        };
        match page {
            Ok(page) => return Ok(page),
            // How long a page is, is said with every request, so that a link can be gone on with.
            Err(CallError::TooLong) if tenant.shrink() => {}
            Err(error) if link.is_some() => return Err(errors::of_link(&error, None)),
            Err(error) => return Err(errors::of_call(&error, None)),
        }
    }
}

async fn ask<T: DeserializeOwned>(
    tenant: &Tenant,
    link: Option<&str>,
    first: impl Fn(&Graph) -> Pages<T>,
) -> Result<(Page<T>, CopyNext), CallError> {
    let mut pages = match link {
        Some(link) => tenant.graph.resume(link)?,
        None => first(&tenant.graph),
    };
    if let Some(size) = tenant.page_size() {
        pages = pages.with_max_page_size(size);
    }
    let page = tenant.next(&mut pages).await?;
    let next = match (pages.link(), pages.delta_link()) {
        (Some(link), _) => CopyNext::At(link.to_owned()),
        (None, Some(changes)) => CopyNext::End { changes: changes.to_owned() },
        // No call is made to find out why it cannot be gone on with.
        (None, None) => match pages.next().await {
            Some(Err(error)) => return Err(error),
            Some(Ok(_)) => return Err(CallError::LinkRepeats),
            None => return Err(CallError::NoDeltaLink),
        },
    };
    Ok((page, next))
}

fn people(page: Page<ChangedUser>, next: CopyNext) -> CopyPage {
    let mut read = CopyPage {
        people: Vec::with_capacity(page.items.len()),
        gone_people: Vec::new(),
        groups: Vec::new(),
        gone_groups: Vec::new(),
        next,
    };
    for user in page.items {
        let Some(id) = id(user.id.as_ref()) else { continue };
        // Of somebody who stands on a page twice the last word counts.
        read.people.retain(|known| known.object_id != id);
        read.gone_people.retain(|known| *known != id);
        if user.removed.is_some() {
            read.gone_people.push(id);
        } else {
            read.people.push(person(id, user));
        }
    }
    read
}

fn person(object_id: String, user: ChangedUser) -> DirectoryPerson {
    let guest = user.user_type.as_deref().map(is_guest);
    DirectoryPerson {
        object_id,
        guest,
        external: external(guest, user.user_principal_name.as_deref()),
        enabled: user.account_enabled,
        licensed: user.has_plan(&TEAMS_SERVICE_PLANS),
        upn: user.user_principal_name,
        name: user.display_name,
        mail: match user.mail {
            Told::Unchanged => None,
            // Nobody is found by an address that is empty.
            Told::Nothing => Some(String::new()),
            Told::Is(mail) => Some(mail),
        },
    }
}

fn groups(page: Page<Group>, next: CopyNext) -> CopyPage {
    let mut read = CopyPage {
        people: Vec::new(),
        gone_people: Vec::new(),
        groups: Vec::with_capacity(page.items.len()),
        gone_groups: Vec::new(),
        next,
    };
    for group in page.items {
        let Some(id) = id(group.id.as_ref()) else { continue };
        read.gone_groups.retain(|known| *known != id);
        if group.removed.is_some() {
            read.groups.retain(|known| known.id != id);
            read.gone_groups.push(id);
            continue;
        }
        let mut known =
            CopyGroup { kinds: kinds(&group), name: group.display_name, id, ..CopyGroup::default() };
        for member in &group.members_delta {
            let Some((id, is_group)) = member_of(member) else { continue };
            let members = if is_group { &mut known.groups } else { &mut known.people };
            members.push((id, member.removed.is_none()));
        }
        read.groups.push(known);
    }
    read
}

/// Its id, and whether it is a group. Devices and the like are nobody.
fn member_of(member: &DirectoryObject) -> Option<(String, bool)> {
    let is_group = match member.kind() {
        Some("group") => true,
        Some("user") | None => false,
        Some(_) => return None,
    };
    Some((id(member.id.as_ref())?, is_group))
}

fn kinds(group: &Group) -> Option<String> {
    // Told with everything else of it, or not at all.
    let (security, mail) = (group.security_enabled?, group.mail_enabled.unwrap_or(false));
    let has = |words: &[String], word: &str| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    let kinds = [
        ("team", has(&group.resource_provisioning_options, "Team")),
        ("unified", has(&group.group_types, "Unified")),
        ("security", security),
        ("mail", mail),
        ("dynamic", has(&group.group_types, "DynamicMembership")),
    ];
    let of: Vec<&str> = kinds.into_iter().filter(|(_, is)| *is).map(|(kind, _)| kind).collect();
    Some(of.join(" "))
}

fn id(id: Option<&String>) -> Option<String> {
    id.filter(|id| !id.is_empty()).map(|id| id.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use nuncio_teams::graph::Throttle;
    use serde_json::{Value, json};

    use super::*;

    fn page<T: DeserializeOwned>(items: Value) -> Page<T> {
        let items = serde_json::from_value(items).unwrap();
        Page { items, next_link: None, delta_link: None, count: None, throttle: Throttle::default() }
    }

    fn end() -> CopyNext {
        CopyNext::End { changes: "link".to_owned() }
    }

    #[test]
    fn what_is_told_of_people() {
        let plan = json!([{"servicePlanId": TEAMS_SERVICE_PLANS[0], "capabilityStatus": "Enabled"}]);
        let read = people(
            page(json!([
                {"id": "ANN", "displayName": "Ann Lee", "userPrincipalName": "ann.lee@contoso.com", "mail": null,
                 "userType": "Member", "accountEnabled": true, "assignedPlans": plan},
                // Renamed, and nothing else is told.
                {"id": "bob", "userPrincipalName": "bob.new@contoso.com"},
                {"id": "cid", "accountEnabled": false},
                {"id": "dan", "@removed": {"reason": "changed"}},
                {"id": "eve", "@removed": {"reason": "deleted"}},
                {"id": "eve", "displayName": "Eve"},
                {"id": "cid", "@removed": {"reason": "changed"}},
                {"displayName": "nobody"}
            ])),
            end(),
        );
        let ids: Vec<&str> = read.people.iter().map(|person| person.object_id.as_str()).collect();
        assert_eq!(
            (ids.as_slice(), read.gone_people.as_slice()),
            (&["ann", "bob", "eve"][..], &["dan".to_owned(), "cid".to_owned()][..])
        );
        let ann = &read.people[0];
        assert_eq!((ann.licensed, ann.external, ann.mail.as_deref()), (Some(true), Some(false), Some("")));
        let bob = &read.people[1];
        let renamed = DirectoryPerson {
            object_id: "bob".to_owned(),
            upn: Some("bob.new@contoso.com".to_owned()),
            ..DirectoryPerson::default()
        };
        assert_eq!(*bob, renamed);
    }

    #[test]
    fn what_is_told_of_groups() {
        let member =
            |kind: &str, id: &str| json!({"@odata.type": format!("#microsoft.graph.{kind}"), "id": id});
        let mut left = member("user", "BOB");
        left["@removed"] = json!({"reason": "deleted"});
        let read = groups(
            page(json!([
                {"id": "G", "displayName": "All", "groupTypes": ["Unified"], "securityEnabled": false, "mailEnabled": true,
                 "resourceProvisioningOptions": ["Team"],
                 "members@delta": [member("user", "ann"), left, member("group", "h"), member("device", "d"), {"id": "x"}]},
                {"id": "G", "members@delta": [member("user", "cid")]},
                {"id": "h", "@removed": {"reason": "deleted"}}
            ])),
            end(),
        );
        let member = |id: &str, there| (id.to_owned(), there);
        assert_eq!(read.groups[0].people, [member("ann", true), member("bob", false), member("x", true)]);
        assert_eq!(read.groups[0].groups, [member("h", true)]);
        assert_eq!(read.groups[0].kinds.as_deref(), Some("team unified mail"));
        assert_eq!((read.groups[1].kinds.as_ref(), read.groups[1].name.as_ref()), (None, None));
        assert_eq!((read.groups[1].people.len(), read.gone_groups), (1, vec!["h".to_owned()]));
    }
}
