//! Users, groups and what else is in a directory.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::or_default;

/// The service plans that Teams itself is in: commercial, GCC High, DoD (protocol section 15). Someone without one has no
/// Teams.
pub const TEAMS_SERVICE_PLANS: [&str; 3] = [
    "57ff2da0-773e-42df-b2af-ffb7a2317929",
    "9953b155-8aef-4c56-92f3-72b0487fce41",
    "fd500458-c24c-478e-856c-a6067a8376cd",
];

/// A person of the directory. What was not selected is not there.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct User {
    /// The object id.
    pub id: Option<String>,
    /// The name to sign in with.
    pub user_principal_name: Option<String>,
    /// The name to show.
    pub display_name: Option<String>,
    /// The mail address.
    pub mail: Option<String>,
    /// `Member` or `Guest`.
    pub user_type: Option<String>,
    /// Whether they can sign in.
    pub account_enabled: Option<bool>,
    /// What their licences hold.
    #[serde(deserialize_with = "or_default")]
    pub assigned_plans: Vec<AssignedPlan>,
    /// They are there no more; in a round of changes.
    #[serde(rename = "@removed")]
    pub removed: Option<Removed>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl User {
    /// Have they one of these service plans, in use or in its days of grace (`Warning`)?
    pub fn has_plan(&self, plans: &[&str]) -> bool {
        self.assigned_plans.iter().any(|plan| plan.is_usable() && plan.is_one_of(plans))
    }
}

/// A person in a round of changes: what is not told has not changed (Microsoft, "Use delta query to track changes in
/// Microsoft Graph data"), and may so be told from what is not there any more.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChangedUser {
    /// The object id.
    pub id: Option<String>,
    /// The name to sign in with.
    pub user_principal_name: Option<String>,
    /// The name to show.
    pub display_name: Option<String>,
    /// The mail address.
    pub mail: Told<String>,
    /// `Member` or `Guest`.
    pub user_type: Option<String>,
    /// Whether they can sign in.
    pub account_enabled: Option<bool>,
    /// What their licences hold.
    pub assigned_plans: Told<Vec<AssignedPlan>>,
    /// They are there no more.
    #[serde(rename = "@removed")]
    pub removed: Option<Removed>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ChangedUser {
    /// Have they one of these service plans in use, as [`User::has_plan`]? `None` where nothing is told of plans.
    pub fn has_plan(&self, plans: &[&str]) -> Option<bool> {
        match &self.assigned_plans {
            Told::Unchanged => None,
            Told::Nothing => Some(false),
            Told::Is(told) => Some(told.iter().any(|plan| plan.is_usable() && plan.is_one_of(plans))),
        }
    }
}

/// What a round of changes tells of a property.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Told<T> {
    /// It is not there: as it was.
    #[default]
    Unchanged,
    /// `null`: there is none any more.
    Nothing,
    /// This.
    Is(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Told<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Option::deserialize(from).map(|told| told.map_or(Self::Nothing, Self::Is))
    }
}

/// A service that a person's licence holds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AssignedPlan {
    /// Which plan.
    pub service_plan_id: Option<String>,
    /// Of which service, such as `TeamspaceAPI`.
    pub service: Option<String>,
    /// `Enabled`, `Warning`, `Suspended`, `Deleted`, `LockedOut`.
    pub capability_status: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl AssignedPlan {
    fn is_usable(&self) -> bool {
        matches!(self.capability_status.as_deref(), Some("Enabled" | "Warning"))
    }

    fn is_one_of(&self, plans: &[&str]) -> bool {
        let id = self.service_plan_id.as_deref().unwrap_or_default();
        plans.iter().any(|wanted| wanted.eq_ignore_ascii_case(id))
    }
}

/// Why an object is there no more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Removed {
    /// `changed` (it can be restored) or `deleted`.
    pub reason: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A group.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Group {
    /// The object id; that of the team, where it has one.
    pub id: Option<String>,
    /// Its name.
    pub display_name: Option<String>,
    /// Its mail address.
    pub mail: Option<String>,
    /// `Unified` for Microsoft 365 groups, `DynamicMembership`.
    #[serde(deserialize_with = "or_default")]
    pub group_types: Vec<String>,
    /// Whether it gives rights.
    pub security_enabled: Option<bool>,
    /// Whether it has a mailbox or list.
    pub mail_enabled: Option<bool>,
    /// `Public`, `Private`, `HiddenMembership`.
    pub visibility: Option<String>,
    /// `Team` where a team belongs to it.
    #[serde(deserialize_with = "or_default")]
    pub resource_provisioning_options: Vec<String>,
    /// Who came and who left (`removed`); in a round of changes that asks for members.
    #[serde(rename = "members@delta", deserialize_with = "or_default")]
    pub members_delta: Vec<DirectoryObject>,
    /// It is there no more; in a round of changes.
    #[serde(rename = "@removed")]
    pub removed: Option<Removed>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A member of a group: a person, a group, a device or something else.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DirectoryObject {
    /// Such as `#microsoft.graph.user`.
    #[serde(rename = "@odata.type")]
    pub odata_type: Option<String>,
    /// The object id.
    pub id: Option<String>,
    /// Its name.
    pub display_name: Option<String>,
    /// A person's name to sign in with.
    pub user_principal_name: Option<String>,
    /// Its mail address.
    pub mail: Option<String>,
    /// It left; in a round of changes.
    #[serde(rename = "@removed")]
    pub removed: Option<Removed>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl DirectoryObject {
    /// `user`, `group`, `device`, …
    pub fn kind(&self) -> Option<&str> {
        self.odata_type.as_deref()?.strip_prefix("#microsoft.graph.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_not_what_is_not_there() {
        let user = |body: &str| serde_json::from_str::<ChangedUser>(body).unwrap();
        let partial = user(r#"{"id": "1", "accountEnabled": false}"#);
        assert_eq!((&partial.mail, partial.has_plan(&TEAMS_SERVICE_PLANS)), (&Told::Unchanged, None));
        let gone = user(r#"{"id": "1", "mail": null, "assignedPlans": null}"#);
        assert_eq!((&gone.mail, gone.has_plan(&TEAMS_SERVICE_PLANS)), (&Told::Nothing, Some(false)));
        let plan =
            format!(r#"[{{"servicePlanId": "{}", "capabilityStatus": "Enabled"}}]"#, TEAMS_SERVICE_PLANS[0]);
        let there = user(&format!(r#"{{"id": "1", "mail": "a@b", "assignedPlans": {plan}}}"#));
        assert_eq!(there.mail, Told::Is("a@b".to_owned()));
        assert_eq!(there.has_plan(&TEAMS_SERVICE_PLANS), Some(true));
    }
}
