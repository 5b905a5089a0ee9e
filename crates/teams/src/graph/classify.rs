//! A refusal's status and body, to a name (protocol section 8). Only names: what one means for a delivery is decided
//! elsewhere (`docs/delivery.md`). What is not certain is [`GraphRefusal::Other`], whose text and codes are kept.

use super::error::Said;
use super::operation::{Kind, ScopeKind};

/// One name per row of protocol section 8 that has one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GraphRefusal {
    /// 409 of an install: the app is there already.
    AlreadyInstalled,
    /// 404: the tenant's catalogue has no such app.
    AppNotInCatalogue,
    /// 404: the directory has no such person.
    UserNotFound,
    /// 403: a permission policy blocks the app for this person.
    BlockedByAppPolicy,
    /// 403: the app lacks a role.
    MissingRole {
        /// Any one of these would do, the least first; as Microsoft says, else as its pages say. Empty where neither is
        /// known.
        any_of: Vec<String>,
    },
    /// 403: a `…Self…` role, and the manifest's `webApplicationInfo.id` is not the calling app's id.
    NotAllowedToManageApp,
    /// The app wants resource-specific consent that was not given.
    RscConsentNeeded,
    /// 429.
    Throttled,
    /// 401.
    Unauthorized,
    /// 410 of a round of changes, or a state that Graph does not find any more.
    Gone,
    /// 408, 500, 502, 503, 504: it may pass.
    Transient,
    /// None of them.
    Other,
}

impl GraphRefusal {
    /// The name that is stored and shown.
    pub fn as_str(&self) -> &'static str {
        match self {
            GraphRefusal::AlreadyInstalled => "already_installed",
            GraphRefusal::AppNotInCatalogue => "app_not_in_catalogue",
            GraphRefusal::UserNotFound => "user_not_found",
            GraphRefusal::BlockedByAppPolicy => "blocked_by_app_policy",
            GraphRefusal::MissingRole { .. } => "missing_role",
            GraphRefusal::NotAllowedToManageApp => "not_allowed_to_manage_app",
            GraphRefusal::RscConsentNeeded => "rsc_consent_needed",
            GraphRefusal::Throttled => "throttled",
            GraphRefusal::Unauthorized => "unauthorized",
            GraphRefusal::Gone => "gone",
            GraphRefusal::Transient => "transient",
            GraphRefusal::Other => "other",
        }
    }
}

/// The name of a refusal of a request of this kind.
pub fn classify(kind: Kind, status: u16, said: &Said) -> GraphRefusal {
    let text = said.text.to_ascii_lowercase();
    let coded = |code: &str| {
        [&said.code, &said.inner_code].into_iter().flatten().any(|said| said.eq_ignore_ascii_case(code))
    };
    // An expired token is "a 40X with such a code" (Microsoft, "Use delta query to track changes", Token duration).
    if kind.is_delta() && (status == 410 || ((400..500).contains(&status) && coded("syncStateNotFound"))) {
        return GraphRefusal::Gone;
    }
    match status {
        401 => GraphRefusal::Unauthorized,
        403 => forbidden(kind, said, &text, coded("Authorization_RequestDenied")),
        404 => not_found(kind, &text, coded("Request_ResourceNotFound")),
        409 if matches!(kind, Kind::Install(_)) => GraphRefusal::AlreadyInstalled,
        400 | 412 if wants_consent(kind, &text) => GraphRefusal::RscConsentNeeded,
        429 => GraphRefusal::Throttled,
        408 | 500 | 502 | 503 | 504 => GraphRefusal::Transient,
        _ => GraphRefusal::Other,
    }
}

fn forbidden(kind: Kind, said: &Said, text: &str, denied: bool) -> GraphRefusal {
    if text.contains("blocked by app permission policy") {
        GraphRefusal::BlockedByAppPolicy
    } else if text.contains("is not allowed to manage the teams app") {
        GraphRefusal::NotAllowedToManageApp
    } else if text.contains("missing role permissions on the request") || denied {
        let named = roles(&said.text);
        let any_of = if named.is_empty() { roles_of(kind) } else { named };
        GraphRefusal::MissingRole { any_of }
    } else if wants_consent(kind, text) {
        GraphRefusal::RscConsentNeeded
    } else {
        GraphRefusal::Other
    }
}

/// Most 404 of an install say `Not Found` and no more (company-communicator #239, #285): then nobody can know what was
/// not found.
fn not_found(kind: Kind, text: &str, by_directory: bool) -> GraphRefusal {
    let of_app = matches!(kind, Kind::Install(_));
    let of_user = matches!(
        kind,
        Kind::User
            | Kind::InstalledApps(ScopeKind::User)
            | Kind::Install(ScopeKind::User)
            | Kind::Upgrade(ScopeKind::User)
            | Kind::Remove(ScopeKind::User)
            | Kind::InstallationChat
    );
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let says = |any: &[&str]| words.iter().any(|word| any.contains(word));
    let (app, user) = (says(&["app", "apps", "teamsapp", "application"]), says(&["user", "users", "userid"]));
    if kind == Kind::User || (of_user && (by_directory || (user && !app))) {
        GraphRefusal::UserNotFound
    } else if of_app && app && !user {
        GraphRefusal::AppNotInCatalogue
    } else {
        GraphRefusal::Other
    }
}

/// Known from one refusal, `IsUserAuthorizedToGrantGroupResourceSpecificPermissionsRequest` (docs-contrib #322), and from
/// the names in the request. A bare `Bad Request` may be it and may be not.
fn wants_consent(kind: Kind, text: &str) -> bool {
    let squeezed: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    matches!(kind, Kind::Install(_) | Kind::Upgrade(_))
        && (squeezed.contains("resourcespecific") || squeezed.contains("consentedpermissionset"))
}

/// `A, B` of "API requires one of 'A, B'. Roles on the request 'C'."
fn roles(text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("requires one of '") else { return Vec::new() };
    let Some((roles, _)) = rest.split_once('\'') else { return Vec::new() };
    roles.split(',').map(str::trim).filter(|role| !role.is_empty()).map(str::to_owned).collect()
}

/// The application permissions of protocol sections 7.2 and 8 and of Microsoft's page for each request, the least first.
fn roles_of(kind: Kind) -> Vec<String> {
    let scoped = |scope: ScopeKind, names: &[&str]| {
        let scope = match scope {
            ScopeKind::User => "ForUser",
            ScopeKind::Team => "ForTeam",
            ScopeKind::Chat => "ForChat",
        };
        names.iter().map(|name| format!("TeamsAppInstallation.{name}{scope}.All")).collect()
    };
    let plain = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match kind {
        Kind::Users | Kind::User | Kind::UsersDelta => plain(&["User.Read.All"]),
        Kind::Groups | Kind::Group | Kind::GroupsDelta | Kind::GroupMembers | Kind::TransitiveMembers => {
            plain(&["GroupMember.Read.All", "Group.Read.All"])
        }
        Kind::Team => plain(&["Team.ReadBasic.All"]),
        Kind::TeamMembers => plain(&["TeamMember.Read.All"]),
        Kind::Channels | Kind::Channel => plain(&["Channel.ReadBasic.All"]),
        Kind::ChannelMembers => plain(&["ChannelMember.Read.All"]),
        Kind::Catalogue => plain(&["AppCatalog.Read.All"]),
        Kind::InstalledApps(scope) => scoped(scope, &["Read", "ReadWriteSelf", "ReadWrite"]),
        Kind::InstallationChat => scoped(ScopeKind::User, &["Read", "ReadWriteSelf", "ReadWrite"]),
        Kind::Install(scope) | Kind::Upgrade(scope) | Kind::Remove(scope) => {
            scoped(scope, &["ReadWriteSelf", "ReadWrite", "ReadWriteAndConsentSelf", "ReadWriteAndConsent"])
        }
        Kind::Batch | Kind::OtherRead | Kind::OtherWrite => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
