//! What a request asks for, as Microsoft's limits and refusals distinguish it (protocol sections 7.2 and 8). Read from
//! method and URL, so that a link and an item of a batch are counted like the request that they stand for.

use ::http::Method;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `GET users`
    Users,
    /// `GET users/{id}`
    User,
    /// `GET users/delta`
    UsersDelta,
    /// `GET groups`
    Groups,
    /// `GET groups/{id}`
    Group,
    /// `GET groups/delta`
    GroupsDelta,
    /// `GET groups/{id}/members`
    GroupMembers,
    /// `GET groups/{id}/transitiveMembers`, with or without a cast.
    TransitiveMembers,
    /// `GET teams/{id}`
    Team,
    /// `GET teams/{id}/members`
    TeamMembers,
    /// `GET teams/{id}/channels`
    Channels,
    /// `GET teams/{id}/channels/{id}`
    Channel,
    /// `GET teams/{id}/channels/{id}/members` and `…/allMembers`
    ChannelMembers,
    /// `GET appCatalogs/teamsApps`
    Catalogue,
    /// `GET …/installedApps`
    InstalledApps(ScopeKind),
    /// `POST …/installedApps`
    Install(ScopeKind),
    /// `POST …/installedApps/{id}/upgrade`
    Upgrade(ScopeKind),
    /// `DELETE …/installedApps/{id}`
    Remove(ScopeKind),
    /// `GET users/{id}/teamwork/installedApps/{id}/chat`
    InstallationChat,
    /// `POST $batch`. Its items count themselves.
    Batch,
    /// Any other `GET`.
    OtherRead,
    /// Anything else.
    OtherWrite,
}

/// Where an app is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScopeKind {
    /// In a person's own scope.
    User,
    /// In a team.
    Team,
    /// In a chat.
    Chat,
}

impl Kind {
    /// Is it a round of changes?
    pub fn is_delta(self) -> bool {
        matches!(self, Kind::UsersDelta | Kind::GroupsDelta)
    }

    /// The resource units of protocol section 7.2 before anything is added or taken off; `None` where they do not count.
    fn base_units(self) -> Option<u32> {
        Some(match self {
            Kind::TransitiveMembers => 5,
            Kind::GroupMembers => 3,
            Kind::Users => 2,
            Kind::User | Kind::UsersDelta | Kind::Groups | Kind::Group | Kind::GroupsDelta => 1,
            _ => return None,
        })
    }
}

/// One thing of Teams that has a limit of its own. Ids are as the URL has them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// A team.
    Team(String),
    /// A channel.
    Channel(String),
    /// A chat.
    Chat(String),
    /// An app where it is installed.
    Installation(String),
}

/// A request as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What is asked for.
    pub kind: Kind,
    /// Resource units, of what is asked of the directory; else 0.
    pub units: u32,
    /// What it is asked of, where that has a limit of its own.
    pub on: Vec<Resource>,
}

impl Operation {
    /// Reads it from a URL, or from what follows the version in one.
    ///
    /// ```
    /// use http::Method;
    /// use nuncio_teams::graph::{Kind, Operation};
    ///
    /// let operation = Operation::of(&Method::GET, "https://graph.microsoft.com/v1.0/users?$top=999");
    /// assert_eq!((operation.kind, operation.units), (Kind::Users, 2));
    /// ```
    pub fn of(method: &Method, url: &str) -> Self {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let segments = segments(path);
        let names: Vec<String> = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let kind = kind(method, &names);
        let units = kind.base_units().map_or(0, |base| units(base, query));
        Self { kind, units, on: resources(kind, &segments, &names) }
    }
}

/// The segments behind the version, where there is one.
fn segments(path: &str) -> Vec<&str> {
    let path = match path.find("://") {
        Some(at) => path[at + 3..].split_once('/').map_or("", |(_, path)| path),
        None => path,
    };
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.iter().position(|segment| segment.eq_ignore_ascii_case("v1.0")) {
        Some(at) => segments[at + 1..].to_vec(),
        None => segments,
    }
}

fn kind(method: &Method, names: &[&str]) -> Kind {
    let delta = |name: &str| name.trim_end_matches("()").trim_start_matches("microsoft.graph.") == "delta";
    let get = *method == Method::GET;
    match names {
        ["users"] if get => Kind::Users,
        ["users", name] if get && delta(name) => Kind::UsersDelta,
        ["users", _] if get => Kind::User,
        ["groups"] if get => Kind::Groups,
        ["groups", name] if get && delta(name) => Kind::GroupsDelta,
        ["groups", _] if get => Kind::Group,
        ["groups", _, "members", ..] if get => Kind::GroupMembers,
        ["groups", _, "transitivemembers", ..] if get => Kind::TransitiveMembers,
        ["teams", _] if get => Kind::Team,
        ["teams", _, "members"] if get => Kind::TeamMembers,
        ["teams", _, "channels"] if get => Kind::Channels,
        ["teams", _, "channels", _] if get => Kind::Channel,
        ["teams", _, "channels", _, "members" | "allmembers"] if get => Kind::ChannelMembers,
        ["appcatalogs", "teamsapps", ..] if get => Kind::Catalogue,
        ["users", _, "teamwork", "installedapps", rest @ ..] => installed(method, ScopeKind::User, rest),
        ["teams", _, "installedapps", rest @ ..] => installed(method, ScopeKind::Team, rest),
        ["chats", _, "installedapps", rest @ ..] => installed(method, ScopeKind::Chat, rest),
        ["$batch"] if *method == Method::POST => Kind::Batch,
        _ => other(get),
    }
}

fn installed(method: &Method, scope: ScopeKind, rest: &[&str]) -> Kind {
    match (method.as_str(), rest) {
        ("GET", [] | [_]) => Kind::InstalledApps(scope),
        ("POST", []) => Kind::Install(scope),
        ("DELETE", [_]) => Kind::Remove(scope),
        ("POST", [_, "upgrade"]) => Kind::Upgrade(scope),
        ("GET", [_, "chat"]) if scope == ScopeKind::User => Kind::InstallationChat,
        (method, _) => other(method == "GET"),
    }
}

fn other(get: bool) -> Kind {
    if get { Kind::OtherRead } else { Kind::OtherWrite }
}

/// "Other factors that affect a request cost" (Microsoft, "Microsoft Graph service-specific throttling limits").
fn units(base: u32, query: &str) -> u32 {
    let mut units = i64::from(base);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name.trim_start_matches("%24").trim_start_matches('$') {
            "select" => units -= 1,
            "expand" => units += 1,
            "top" if value.parse().is_ok_and(|top: u32| top < 20) => units -= 1,
            _ => {}
        }
    }
    units.max(1) as u32
}

fn resources(kind: Kind, segments: &[&str], names: &[&str]) -> Vec<Resource> {
    let mut on = Vec::new();
    for (name, id) in names.iter().zip(segments.iter().skip(1)) {
        match *name {
            "teams" => on.push(Resource::Team((*id).to_owned())),
            "channels" => on.push(Resource::Channel((*id).to_owned())),
            "chats" => on.push(Resource::Chat((*id).to_owned())),
            "installedapps" if matches!(kind, Kind::InstallationChat | Kind::Upgrade(_)) => {
                on.push(Resource::Installation((*id).to_owned()));
            }
            _ => {}
        }
    }
    on
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(method: &Method, url: &str) -> (Kind, u32) {
        let operation = Operation::of(method, url);
        (operation.kind, operation.units)
    }

    #[test]
    fn costs_of_the_directory() {
        for (url, kind, units) in [
            ("/users", Kind::Users, 2),
            ("/users?$top=999", Kind::Users, 2),
            ("/users?$select=id,mail&$top=999", Kind::Users, 1),
            ("/users?%24select=id", Kind::Users, 1),
            ("/users?$select=id&$top=19", Kind::Users, 1),
            ("/users?$top=19", Kind::Users, 1),
            ("/users?$top=20", Kind::Users, 2),
            ("/users?$expand=manager&$top=999", Kind::Users, 3),
            ("/users/b7c41e0a?$select=id", Kind::User, 1),
            ("/users/delta?$select=id", Kind::UsersDelta, 1),
            ("/users/microsoft.graph.delta()?$deltatoken=x", Kind::UsersDelta, 1),
            ("/groups", Kind::Groups, 1),
            ("/groups/g", Kind::Group, 1),
            ("/groups/delta", Kind::GroupsDelta, 1),
            ("/groups/g/members", Kind::GroupMembers, 3),
            ("/groups/g/members?$select=id&$top=10", Kind::GroupMembers, 1),
            ("/groups/g/transitiveMembers", Kind::TransitiveMembers, 5),
            (
                "https://graph.microsoft.com/v1.0/groups/g/transitiveMembers/microsoft.graph.user?$count=true&$select=id",
                Kind::TransitiveMembers,
                4,
            ),
            ("https://graph.microsoft.com/V1.0/Users?$skiptoken=x", Kind::Users, 2),
        ] {
            assert_eq!(of(&Method::GET, url), (kind, units), "{url}");
        }
    }

    #[test]
    fn what_has_a_limit_of_its_own() {
        let on = |method: &Method, url: &str| Operation::of(method, url).on;
        assert_eq!(on(&Method::GET, "/users/u/teamwork/installedApps"), []);
        assert_eq!(on(&Method::POST, "/chats/19%3Ax/installedApps"), [Resource::Chat("19%3Ax".into())]);
        assert_eq!(
            on(&Method::GET, "/teams/T/channels/19%3Ax/members?$top=2"),
            [Resource::Team("T".into()), Resource::Channel("19%3Ax".into())]
        );
        assert_eq!(
            on(&Method::GET, "/users/u/teamwork/installedApps/i/chat"),
            [Resource::Installation("i".into())]
        );
        assert_eq!(on(&Method::DELETE, "/users/u/teamwork/installedApps/i"), []);
    }

    #[test]
    fn apps() {
        use ScopeKind::{Chat, Team, User};
        for (method, url, kind) in [
            (Method::GET, "/users/u/teamwork/installedApps?$expand=teamsApp", Kind::InstalledApps(User)),
            (Method::POST, "/users/u/teamwork/installedApps", Kind::Install(User)),
            (Method::POST, "/teams/t/installedApps", Kind::Install(Team)),
            (Method::POST, "/chats/c/installedApps/i/upgrade", Kind::Upgrade(Chat)),
            (Method::DELETE, "/teams/t/installedApps/i", Kind::Remove(Team)),
            (Method::GET, "/users/u/teamwork/installedApps/i/chat", Kind::InstallationChat),
            (Method::GET, "/teams/t/installedApps/i/chat", Kind::OtherRead),
            (Method::GET, "/appCatalogs/teamsApps?$filter=x", Kind::Catalogue),
            (Method::POST, "/$batch", Kind::Batch),
            (Method::POST, "/users", Kind::OtherWrite),
            (Method::GET, "/", Kind::OtherRead),
        ] {
            assert_eq!(of(&method, url), (kind, 0), "{url}");
        }
    }

    proptest! {
        #[test]
        fn any_url_is_counted(url in ".{0,80}", query in "[$&=a-z0-9]{0,40}") {
            for url in [url.clone(), format!("/users?{query}"), format!("https://x/{url}")] {
                let operation = Operation::of(&Method::GET, &url);
                prop_assert!(operation.units <= 40);
            }
        }
    }
}
