//! What a method and a path below `/v1.0` mean. Literal segments match without regard to case.

use super::{envelope::Problem, roles::Needs};
use crate::{connector::path, exchange::Op};

/// Where an app is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    User,
    Team,
    Chat,
}

impl Scope {
    pub(super) fn at(self) -> usize {
        match self {
            Self::User => 0,
            Self::Team => 1,
            Self::Chat => 2,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Users,
    User {
        id: String,
    },
    UsersDelta,
    Groups,
    Group {
        id: String,
    },
    GroupsDelta,
    Members {
        group: String,
    },
    /// `users`: only those, by a cast.
    TransitiveMembers {
        group: String,
        users: bool,
    },
    Team {
        id: String,
    },
    TeamMembers {
        team: String,
    },
    Channels {
        team: String,
    },
    /// `all`: those of other teams that share it as well.
    ChannelMembers {
        team: String,
        channel: String,
        all: bool,
    },
    Catalog,
    InstalledApps {
        scope: Scope,
        place: String,
    },
    InstalledApp {
        scope: Scope,
        place: String,
        installation: String,
    },
    Install {
        scope: Scope,
        place: String,
    },
    Upgrade {
        scope: Scope,
        place: String,
        installation: String,
    },
    Uninstall {
        scope: Scope,
        place: String,
        installation: String,
    },
    Chat {
        user: String,
        installation: String,
    },
    Batch,
}

impl Target {
    /// `path`: what comes after `/v1.0`, still encoded.
    pub(super) fn of(method: &str, path: &str) -> Result<Self, Problem> {
        let segments = segments(path)?;
        let lower: Vec<String> = segments.iter().map(|segment| segment.to_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let at = |place: usize| segments[place].clone();
        let scope = match lower.as_slice() {
            ["users", _, "teamwork", "installedapps", ..] => Some((Scope::User, 4)),
            ["teams", _, "installedapps", ..] => Some((Scope::Team, 3)),
            ["chats", _, "installedapps", ..] => Some((Scope::Chat, 3)),
            _ => None,
        };
        if let Some((scope, rest)) = scope {
            return Self::of_apps(method, scope, at(1), &segments[rest..], &lower[rest..]);
        }
        let (allowed, target) = match lower.as_slice() {
            ["$batch"] => ("POST", Self::Batch),
            ["users"] => ("GET", Self::Users),
            ["users", "delta" | "delta()" | "microsoft.graph.delta"] => ("GET", Self::UsersDelta),
            ["users", _] => ("GET", Self::User { id: at(1) }),
            ["groups"] => ("GET", Self::Groups),
            ["groups", "delta" | "delta()" | "microsoft.graph.delta"] => ("GET", Self::GroupsDelta),
            ["groups", _] => ("GET", Self::Group { id: at(1) }),
            ["groups", _, "members"] => ("GET", Self::Members { group: at(1) }),
            ["groups", _, "transitivemembers"] => {
                ("GET", Self::TransitiveMembers { group: at(1), users: false })
            }
            ["groups", _, "transitivemembers", "microsoft.graph.user"] => {
                ("GET", Self::TransitiveMembers { group: at(1), users: true })
            }
            ["teams", _] => ("GET", Self::Team { id: at(1) }),
            ["teams", _, "members"] => ("GET", Self::TeamMembers { team: at(1) }),
            ["teams", _, "channels"] => ("GET", Self::Channels { team: at(1) }),
            ["teams", _, "channels", _, of @ ("members" | "allmembers")] => {
                ("GET", Self::ChannelMembers { team: at(1), channel: at(3), all: *of == "allmembers" })
            }
            ["appcatalogs", "teamsapps"] => ("GET", Self::Catalog),
            _ => return Err(no_segment(&segments)),
        };
        if method == allowed { Ok(target) } else { Err(other_method()) }
    }

    fn of_apps(
        method: &str,
        scope: Scope,
        place: String,
        rest: &[String],
        lower: &[&str],
    ) -> Result<Self, Problem> {
        let installation = || rest[0].clone();
        Ok(match (method, lower) {
            ("GET", []) => Self::InstalledApps { scope, place },
            ("POST", []) => Self::Install { scope, place },
            ("GET", [_]) => Self::InstalledApp { scope, place, installation: installation() },
            ("DELETE", [_]) => Self::Uninstall { scope, place, installation: installation() },
            ("POST", [_, "upgrade" | "microsoft.graph.upgrade"]) => {
                Self::Upgrade { scope, place, installation: installation() }
            }
            ("GET", [_, "chat"]) if scope == Scope::User => {
                Self::Chat { user: place, installation: installation() }
            }
            (_, [] | [_] | [_, "upgrade"]) => return Err(other_method()),
            (_, [_, "chat"]) if scope == Scope::User => return Err(other_method()),
            _ => return Err(no_segment(rest)),
        })
    }

    pub(super) fn op(&self) -> Op {
        match self {
            Self::Users => Op::GraphUsers,
            Self::User { .. } => Op::GraphUser,
            Self::UsersDelta => Op::GraphUsersDelta,
            Self::Groups => Op::GraphGroups,
            Self::Group { .. } => Op::GraphGroup,
            Self::GroupsDelta => Op::GraphGroupsDelta,
            Self::Members { .. } | Self::TransitiveMembers { .. } => Op::GraphMembers,
            Self::Team { .. } => Op::GraphTeam,
            Self::TeamMembers { .. } => Op::GraphTeamMembers,
            Self::Channels { .. } => Op::GraphChannels,
            Self::ChannelMembers { .. } => Op::GraphChannelMembers,
            Self::Catalog => Op::GraphCatalog,
            Self::InstalledApps { .. } | Self::InstalledApp { .. } => Op::GraphInstalledApps,
            Self::Install { .. } => Op::GraphInstall,
            Self::Upgrade { .. } => Op::GraphUpgrade,
            Self::Uninstall { .. } => Op::GraphUninstall,
            Self::Chat { .. } => Op::GraphChat,
            Self::Batch => Op::GraphBatch,
        }
    }

    /// `None`: whoever has a token may.
    pub(super) fn needs(&self) -> Option<Needs> {
        Some(match self {
            Self::Users | Self::User { .. } | Self::UsersDelta => Needs::Users,
            Self::Groups
            | Self::Group { .. }
            | Self::GroupsDelta
            | Self::Members { .. }
            | Self::TransitiveMembers { .. } => Needs::Groups,
            Self::Team { .. } => Needs::Team,
            Self::TeamMembers { .. } => Needs::TeamMembers,
            Self::Channels { .. } => Needs::Channels,
            Self::ChannelMembers { .. } => Needs::ChannelMembers,
            Self::Catalog => Needs::Catalog,
            Self::InstalledApps { scope, .. } | Self::InstalledApp { scope, .. } => Needs::ReadApps(*scope),
            Self::Install { scope, .. } | Self::Upgrade { scope, .. } | Self::Uninstall { scope, .. } => {
                Needs::ChangeApps(*scope)
            }
            Self::Chat { .. } => Needs::ReadApps(Scope::User),
            Self::Batch => return None,
        })
    }

    /// The person that is meant, as named in the path.
    pub(super) fn person(&self) -> Option<&str> {
        match self {
            Self::User { id } => Some(id),
            Self::InstalledApps { scope: Scope::User, place }
            | Self::InstalledApp { scope: Scope::User, place, .. }
            | Self::Install { scope: Scope::User, place }
            | Self::Upgrade { scope: Scope::User, place, .. }
            | Self::Uninstall { scope: Scope::User, place, .. } => Some(place),
            Self::Chat { user, .. } => Some(user),
            _ => None,
        }
    }

    /// The team, channel, chat or group that is meant, as named in the path.
    pub(super) fn place(&self) -> Option<&str> {
        match self {
            Self::Group { id } | Self::Team { id } => Some(id),
            Self::Members { group } | Self::TransitiveMembers { group, .. } => Some(group),
            Self::TeamMembers { team } | Self::Channels { team } => Some(team),
            Self::ChannelMembers { channel, .. } => Some(channel),
            Self::InstalledApps { scope, place }
            | Self::InstalledApp { scope, place, .. }
            | Self::Install { scope, place }
            | Self::Upgrade { scope, place, .. }
            | Self::Uninstall { scope, place, .. }
                if *scope != Scope::User =>
            {
                Some(place)
            }
            _ => None,
        }
    }
}

fn segments(path: &str) -> Result<Vec<String>, Problem> {
    let path = path.trim_start_matches('/').trim_end_matches('/');
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let decoded = path.split('/').map(path::decode_strictly).collect::<Option<Vec<String>>>();
    decoded
        .filter(|segments| segments.iter().all(|segment| !matches!(segment.as_str(), "" | "." | "..")))
        .ok_or_else(|| Problem::bad("Invalid request URI."))
}

fn no_segment(segments: &[String]) -> Problem {
    let last = segments.last().map_or("", String::as_str);
    Problem::bad(format!("Resource not found for the segment '{}'.", super::envelope::printable(last)))
}

fn other_method() -> Problem {
    let text = "Specified HTTP method is not allowed for the request target.";
    Problem::new(405, "Request_BadRequest", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_what_they_mean() {
        let of = |path: &str| Target::of("GET", path).unwrap();
        assert_eq!(of("/users"), Target::Users);
        assert_eq!(of("/USERS/Delta"), Target::UsersDelta);
        assert_eq!(of("/users/a%23EXT%23%40b"), Target::User { id: "a#EXT#@b".into() });
        let group = || "g".to_owned();
        assert_eq!(
            of("/groups/g/transitiveMembers/microsoft.graph.user"),
            Target::TransitiveMembers { group: group(), users: true }
        );
        assert_eq!(
            of("/chats/19%3Ax%40thread.v2/installedApps"),
            Target::InstalledApps { scope: Scope::Chat, place: "19:x@thread.v2".into() }
        );
        let installation = || "aQ==".to_owned();
        assert_eq!(
            of("/users/u/teamwork/installedApps/aQ==/chat"),
            Target::Chat { user: "u".into(), installation: installation() }
        );
        assert_eq!(
            Target::of("POST", "/teams/t/installedApps/aQ%3D%3D/upgrade").unwrap(),
            Target::Upgrade { scope: Scope::Team, place: "t".into(), installation: installation() }
        );
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let status = |method, path| Target::of(method, path).unwrap_err().status;
        assert_eq!(status("GET", "/me"), 400);
        assert_eq!(status("GET", "/"), 400);
        assert_eq!(status("GET", "/users/%zz"), 400);
        assert_eq!(status("GET", "/users/../groups"), 400);
        assert_eq!(status("POST", "/users"), 405);
        assert_eq!(status("PUT", "/users/u/teamwork/installedApps"), 405);
        assert_eq!(status("GET", "/teams/t/installedApps/x/chat"), 400);
        assert_eq!(status("GET", "/$batch"), 405);
    }
}
