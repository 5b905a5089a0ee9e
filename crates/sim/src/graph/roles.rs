//! App roles: which an administrator can consent to, and which of them an operation takes (protocol section 8 and the
//! tables of permissions on Microsoft's page of each operation).

use super::{envelope::Problem, target::Scope};

/// What one app role or another allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Users,
    Groups,
    Team,
    TeamMembers,
    Channels,
    ChannelMembers,
    Catalog,
    ReadApps(Scope),
    ChangeApps(Scope),
}

const USERS: &[&str] =
    &["User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"];
const GROUPS: &[&str] = &[
    "GroupMember.Read.All",
    "Group.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const TEAM: &[&str] = &[
    "Team.ReadBasic.All",
    "TeamSettings.Read.All",
    "TeamSettings.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const TEAM_MEMBERS: &[&str] = &["TeamMember.Read.All", "TeamMember.ReadWrite.All"];
const CHANNELS: &[&str] = &[
    "Channel.ReadBasic.All",
    "ChannelSettings.Read.All",
    "ChannelSettings.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const CHANNEL_MEMBERS: &[&str] = &["ChannelMember.Read.All", "ChannelMember.ReadWrite.All"];
const CATALOG: &[&str] = &["AppCatalog.Read.All", "AppCatalog.ReadWrite.All"];
/// By these an app manages only itself.
const SELF: &[&str] = &[
    "TeamsAppInstallation.ReadWriteSelfForUser.All",
    "TeamsAppInstallation.ReadWriteSelfForTeam.All",
    "TeamsAppInstallation.ReadWriteSelfForChat.All",
    "TeamsAppInstallation.ReadWriteAndConsentSelfForUser.All",
    "TeamsAppInstallation.ReadWriteAndConsentSelfForTeam.All",
    "TeamsAppInstallation.ReadWriteAndConsentSelfForChat.All",
];
const READ_APPS: [&[&str]; 3] = [
    &["TeamsAppInstallation.ReadForUser.All"],
    &["TeamsAppInstallation.ReadForTeam.All"],
    &["TeamsAppInstallation.ReadForChat.All"],
];
const CHANGE_APPS: [&[&str]; 3] = [
    &[
        "TeamsAppInstallation.ReadWriteSelfForUser.All",
        "TeamsAppInstallation.ReadWriteForUser.All",
        "TeamsAppInstallation.ReadWriteAndConsentSelfForUser.All",
        "TeamsAppInstallation.ReadWriteAndConsentForUser.All",
        "TeamsAppInstallation.ManageSelectedForUser.All",
        "TeamsAppInstallation.ReadWriteSelectedForUser.All",
    ],
    &[
        "TeamsAppInstallation.ReadWriteSelfForTeam.All",
        "TeamsAppInstallation.ReadWriteForTeam.All",
        "TeamsAppInstallation.ReadWriteAndConsentSelfForTeam.All",
        "TeamsAppInstallation.ReadWriteAndConsentForTeam.All",
        "TeamsAppInstallation.ManageSelectedForTeam.All",
        "Group.ReadWrite.All",
    ],
    &[
        "TeamsAppInstallation.ReadWriteSelfForChat.All",
        "TeamsAppInstallation.ReadWriteForChat.All",
        "TeamsAppInstallation.ReadWriteAndConsentSelfForChat.All",
        "TeamsAppInstallation.ReadWriteAndConsentForChat.All",
    ],
];
/// Known, and of no use here.
const OTHERS: &[&str] = &[
    "AppCatalog.Submit",
    "Chat.Read.All",
    "Chat.ReadBasic.All",
    "ChatMember.Read.All",
    "Member.Read.Hidden",
    "TeamsActivity.Send",
    "User.ReadBasic.All",
];

/// What a bot has when nothing is said: what is needed to find people and to install itself.
pub(crate) fn usual() -> Vec<String> {
    [
        "User.Read.All",
        "GroupMember.Read.All",
        "AppCatalog.Read.All",
        "TeamsAppInstallation.ReadWriteSelfForUser.All",
        "TeamsAppInstallation.ReadWriteSelfForTeam.All",
        "TeamsAppInstallation.ReadWriteSelfForChat.All",
        "Team.ReadBasic.All",
        "TeamMember.Read.All",
        "Channel.ReadBasic.All",
        "ChannelMember.Read.All",
        "ChatMember.Read.All",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Refuses names that no role has.
pub(crate) fn check(roles: &[String]) -> Result<(), String> {
    let lists = [USERS, GROUPS, TEAM, TEAM_MEMBERS, CHANNELS, CHANNEL_MEMBERS, CATALOG, OTHERS];
    let known = |role: &String| {
        let mut all = lists.iter().chain(&READ_APPS).chain(&CHANGE_APPS).copied().flatten();
        all.any(|known| known == role)
    };
    match roles.iter().find(|role| !known(role)) {
        Some(unknown) => Err(format!("graph_roles: unknown `{unknown}`; see docs/simulator.md")),
        None => Ok(()),
    }
}

impl Needs {
    /// Those that it takes, the least one first.
    fn accepted(self) -> Vec<&'static str> {
        match self {
            Self::Users => USERS.to_vec(),
            Self::Groups => GROUPS.to_vec(),
            Self::Team => TEAM.to_vec(),
            Self::TeamMembers => TEAM_MEMBERS.to_vec(),
            Self::Channels => CHANNELS.to_vec(),
            Self::ChannelMembers => CHANNEL_MEMBERS.to_vec(),
            Self::Catalog => CATALOG.to_vec(),
            Self::ReadApps(scope) => [READ_APPS[scope.at()], CHANGE_APPS[scope.at()]].concat(),
            Self::ChangeApps(scope) => CHANGE_APPS[scope.at()].to_vec(),
        }
    }

    /// The directory and the services of Teams refuse in words of their own.
    fn is_directory(self) -> bool {
        matches!(self, Self::Users | Self::Groups)
    }

    pub(super) fn check(self, roles: &[String]) -> Result<(), Problem> {
        let accepted = self.accepted();
        if roles.iter().any(|role| accepted.contains(&role.as_str())) {
            return Ok(());
        }
        if self.is_directory() {
            let text = "Insufficient privileges to complete the operation.";
            return Err(Problem::new(403, "Authorization_RequestDenied", text));
        }
        let text = format!(
            "Missing role permissions on the request. API requires one of '{}'. Roles on the request '{}'.",
            accepted.join(", "),
            roles.join(", ")
        );
        Err(Problem::new(403, "Forbidden", text))
    }
}

/// Whether the caller's roles for something are only those by which an app manages itself.
pub(super) fn only_itself(roles: &[String], needs: Needs) -> bool {
    let accepted = needs.accepted();
    roles.iter().filter(|role| accepted.contains(&role.as_str())).all(|role| SELF.contains(&role.as_str()))
}

/// Whether the caller may consent to what an app asks of the place that it is installed in.
pub(super) fn may_consent(roles: &[String], scope: Scope) -> bool {
    let accepted = CHANGE_APPS[scope.at()];
    roles.iter().any(|role| {
        accepted.contains(&role.as_str()) && (role.contains("AndConsent") || role.contains("ManageSelected"))
    })
}

/// Whether what is known of people may be shown: without it, members of a group are ids.
pub(super) fn may_see_users(roles: &[String]) -> bool {
    Needs::Users.check(roles).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_roles_are_known_and_enough() {
        let roles = usual();
        assert_eq!(check(&roles), Ok(()));
        assert!(check(&["User.Raed.All".to_owned()]).is_err());
        for needs in [
            Needs::Users,
            Needs::Groups,
            Needs::Team,
            Needs::TeamMembers,
            Needs::Channels,
            Needs::ChannelMembers,
            Needs::Catalog,
            Needs::ReadApps(Scope::User),
            Needs::ChangeApps(Scope::Team),
            Needs::ChangeApps(Scope::Chat),
        ] {
            assert_eq!(needs.check(&roles), Ok(()), "{needs:?}");
            assert_eq!(needs.check(&[]).unwrap_err().status, 403, "{needs:?}");
        }
        assert!(only_itself(&roles, Needs::ReadApps(Scope::User)));
        let wide = ["TeamsAppInstallation.ReadForUser.All".to_owned()];
        assert!(!only_itself(&wide, Needs::ReadApps(Scope::User)) && !may_consent(&wide, Scope::User));
    }
}
