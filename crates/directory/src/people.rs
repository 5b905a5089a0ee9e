//! A person of Graph as we want them.

use nuncio_domain::directory::DirectoryPerson;
use nuncio_teams::graph::{TEAMS_SERVICE_PLANS, User};

/// What is asked for of each person.
pub(crate) const SELECT: [&str; 7] =
    ["id", "displayName", "userPrincipalName", "mail", "userType", "accountEnabled", "assignedPlans"];

/// `None` for what has no id. Without the role to read people Graph names ids and nothing else: then nothing is known.
pub(crate) fn person(user: User) -> Option<DirectoryPerson> {
    let object_id = user.id.as_ref().filter(|id| !id.is_empty())?.to_ascii_lowercase();
    let guest = user.user_type.as_deref().map(is_guest);
    let external = external(guest, user.user_principal_name.as_deref());
    let licensed = user.account_enabled.map(|_| user.has_plan(&TEAMS_SERVICE_PLANS));
    Some(DirectoryPerson {
        object_id,
        guest,
        external,
        enabled: user.account_enabled,
        licensed,
        upn: user.user_principal_name,
        name: user.display_name,
        mail: user.mail,
    })
}

pub(crate) fn is_guest(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("Guest")
}

/// A member whose sign-in name Entra made of another one's has the account elsewhere (Microsoft, "Properties of a B2B
/// collaboration user": `#EXT#`).
pub(crate) fn external(guest: Option<bool>, upn: Option<&str>) -> Option<bool> {
    let made = upn.map(|upn| upn.to_ascii_uppercase().contains("#EXT#"));
    guest.zip(made).map(|(guest, made)| made && !guest)
}

#[cfg(test)]
mod tests {
    use nuncio_teams::graph::AssignedPlan;

    use super::*;

    fn user(kind: Option<&str>, upn: &str, plan: &str) -> User {
        User {
            id: Some("B7C41E0A-9d25-4f6e-8a37-52e1f08c6d9b".to_owned()),
            user_principal_name: Some(upn.to_owned()),
            user_type: kind.map(str::to_owned),
            account_enabled: kind.map(|_| true),
            assigned_plans: vec![AssignedPlan {
                service_plan_id: Some(plan.to_owned()),
                capability_status: Some("Enabled".to_owned()),
                ..AssignedPlan::default()
            }],
            ..User::default()
        }
    }

    #[test]
    fn kinds_of_people() {
        let teams = TEAMS_SERVICE_PLANS[0];
        let member = person(user(Some("Member"), "ines@contoso.com", teams)).unwrap();
        assert_eq!(member.object_id, "b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b");
        assert_eq!(
            (member.guest, member.external, member.enabled, member.licensed),
            (Some(false), Some(false), Some(true), Some(true))
        );
        let foreign = "omar_fabrikam.com#EXT#@contoso.onmicrosoft.com";
        let guest = person(user(Some("Guest"), foreign, "other")).unwrap();
        assert_eq!((guest.guest, guest.external, guest.licensed), (Some(true), Some(false), Some(false)));
        let external = person(user(Some("Member"), foreign, teams)).unwrap();
        assert_eq!((external.guest, external.external), (Some(false), Some(true)));
        let untold = person(user(None, "ines@contoso.com", teams)).unwrap();
        assert_eq!((untold.guest, untold.external, untold.licensed), (None, None, None));
        assert_eq!(person(User::default()), None);
    }
}
