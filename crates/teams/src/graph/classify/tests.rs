//! Every refusal of the fixtures has its name, and what is not certain has none.

use std::path::Path;

use ::http::Method;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::graph::Operation;

const USER_INSTALL: Kind = Kind::Install(ScopeKind::User);

fn missing(roles: &[&str]) -> GraphRefusal {
    GraphRefusal::MissingRole { any_of: roles.iter().map(|role| (*role).to_owned()).collect() }
}

/// File by file, with what was asked; a new fixture fails here until it is given its name.
fn fixtures() -> Vec<(&'static str, Kind, GraphRefusal)> {
    vec![
        ("already_installed", USER_INSTALL, GraphRefusal::AlreadyInstalled),
        ("app_blocked", USER_INSTALL, GraphRefusal::BlockedByAppPolicy),
        (
            "missing_role",
            USER_INSTALL,
            missing(&[
                "TeamsAppInstallation.ReadWriteSelfForUser.All",
                "TeamsAppInstallation.ReadWriteForUser.All",
            ]),
        ),
        ("insufficient_privileges", Kind::Users, missing(&["User.Read.All"])),
        ("not_allowed_to_manage_app", USER_INSTALL, GraphRefusal::NotAllowedToManageApp),
        ("rsc_consent", Kind::Install(ScopeKind::Team), GraphRefusal::RscConsentNeeded),
        ("bare_bad_request", USER_INSTALL, GraphRefusal::Other),
        ("bare_not_found", USER_INSTALL, GraphRefusal::Other),
        ("app_not_found", USER_INSTALL, GraphRefusal::AppNotInCatalogue),
        ("user_not_found", Kind::User, GraphRefusal::UserNotFound),
        ("page_size", Kind::Users, GraphRefusal::Other),
        ("throttled_directory", Kind::Users, GraphRefusal::Throttled),
        ("throttled_without_retry_after", USER_INSTALL, GraphRefusal::Throttled),
        ("token_expired", Kind::Users, GraphRefusal::Unauthorized),
        ("delta_gone", Kind::UsersDelta, GraphRefusal::Gone),
        ("delta_expired", Kind::GroupsDelta, GraphRefusal::Gone),
        ("service_unavailable", Kind::Users, GraphRefusal::Transient),
    ]
}

#[test]
fn every_fixture_has_its_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/microsoft");
    let mut refusals = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(name) = path.file_stem().unwrap().to_str().unwrap().strip_prefix("graph_reply_") else {
            continue;
        };
        let fixture: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let status = fixture["status"].as_u64().unwrap() as u16;
        if status < 300 {
            continue;
        }
        let said = Said::read(fixture["body"].to_string().as_bytes());
        let (_, kind, expected) = fixtures()
            .into_iter()
            .find(|(file, ..)| *file == name)
            .unwrap_or_else(|| panic!("give graph_reply_{name}.json its name in fixtures()"));
        assert_eq!(classify(kind, status, &said), expected, "{name}: {said:?}");
        refusals.push(name.to_owned());
    }
    assert_eq!(refusals.len(), fixtures().len(), "{refusals:?}");
}

fn name(method: &Method, url: &str, status: u16, body: &str) -> GraphRefusal {
    classify(Operation::of(method, url).kind, status, &Said::read(body.as_bytes()))
}

fn error(code: &str, message: &str) -> String {
    serde_json::json!({"error": {"code": code, "message": message}}).to_string()
}

#[test]
fn the_same_answer_means_what_was_asked() {
    let conflict = error("Conflict", "m");
    let install = "/users/u/teamwork/installedApps";
    assert_eq!(name(&Method::POST, install, 409, &conflict), GraphRefusal::AlreadyInstalled);
    assert_eq!(name(&Method::POST, "/teams/t/installedApps", 409, ""), GraphRefusal::AlreadyInstalled);
    assert_eq!(name(&Method::POST, "/users", 409, &conflict), GraphRefusal::Other);
    assert_eq!(name(&Method::GET, "/users/delta?$deltatoken=x", 410, ""), GraphRefusal::Gone);
    assert_eq!(name(&Method::GET, "/users", 410, ""), GraphRefusal::Other);
    let not_found = error("Request_ResourceNotFound", "Resource 'x' does not exist");
    assert_eq!(name(&Method::GET, "/users/x", 404, &not_found), GraphRefusal::UserNotFound);
    assert_eq!(name(&Method::GET, "/users/x", 404, ""), GraphRefusal::UserNotFound);
    assert_eq!(name(&Method::GET, install, 404, &not_found), GraphRefusal::UserNotFound);
    assert_eq!(name(&Method::GET, "/groups/x", 404, &not_found), GraphRefusal::Other);
    assert_eq!(name(&Method::GET, "/teams/x", 404, &not_found), GraphRefusal::Other);
}

#[test]
fn a_404_of_an_install_names_what_is_missing_or_nobody_knows() {
    let of =
        |text: &str| name(&Method::POST, "/users/u/teamwork/installedApps", 404, &error("NotFound", text));
    assert_eq!(of("User not found."), GraphRefusal::UserNotFound);
    assert_eq!(of("No app with that id."), GraphRefusal::AppNotInCatalogue);
    for text in ["Not Found", "", "The app is not found for the user.", "mapped", "userinfo"] {
        assert_eq!(of(text), GraphRefusal::Other, "{text}");
    }
    // What an upgrade does not find is the installation.
    let upgrade = "/users/u/teamwork/installedApps/i/upgrade";
    let text = error("NotFound", "The app installation was not found.");
    assert_eq!(name(&Method::POST, upgrade, 404, &text), GraphRefusal::Other);
    // In a team there is no person to be missing.
    let team = "/teams/t/installedApps";
    assert_eq!(name(&Method::POST, team, 404, &error("NotFound", "User not found.")), GraphRefusal::Other);
}

#[test]
fn consent_is_read_from_its_words_only() {
    let of = |status, text: &str| {
        name(&Method::POST, "/teams/t/installedApps", status, &error("BadRequest", text))
    };
    for text in [
        "The app requires resource-specific consent.",
        "Resource specific permissions do not match",
        "consentedPermissionSet is missing",
    ] {
        for status in [400, 403, 412] {
            assert_eq!(of(status, text), GraphRefusal::RscConsentNeeded, "{status} {text}");
        }
    }
    for (status, text) in [(400, "Bad Request"), (412, "Precondition Failed"), (403, "Forbidden")] {
        assert_eq!(of(status, text), GraphRefusal::Other, "{status}");
    }
    let list = "/teams/t/installedApps";
    let text = error("BadRequest", "resource-specific");
    assert_eq!(name(&Method::GET, list, 400, &text), GraphRefusal::Other);
}

#[test]
fn roles_that_would_do() {
    let denied = error("Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
    for (method, url, first, count) in [
        (Method::POST, "/teams/t/installedApps", "TeamsAppInstallation.ReadWriteSelfForTeam.All", 4),
        (Method::DELETE, "/chats/c/installedApps/i", "TeamsAppInstallation.ReadWriteSelfForChat.All", 4),
        (Method::GET, "/users/u/teamwork/installedApps", "TeamsAppInstallation.ReadForUser.All", 3),
        (Method::GET, "/users/u/teamwork/installedApps/i/chat", "TeamsAppInstallation.ReadForUser.All", 3),
        (Method::GET, "/appCatalogs/teamsApps", "AppCatalog.Read.All", 1),
        (Method::GET, "/groups/g/transitiveMembers", "GroupMember.Read.All", 2),
        (Method::GET, "/teams/t/channels/c/allMembers", "ChannelMember.Read.All", 1),
    ] {
        let GraphRefusal::MissingRole { any_of } = name(&method, url, 403, &denied) else { panic!("{url}") };
        assert_eq!((any_of[0].as_str(), any_of.len()), (first, count), "{url}");
    }
    assert_eq!(name(&Method::GET, "/x", 403, &denied), missing(&[]));
    let named = error(
        "Forbidden",
        "Missing role permissions on the request. API requires one of 'A.All'. Roles on the request ''.",
    );
    assert_eq!(name(&Method::GET, "/x", 403, &named), missing(&["A.All"]));
}

#[test]
fn names_are_those_that_are_stored() {
    let mut names: Vec<&str> = fixtures().iter().map(|(_, _, refusal)| refusal.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 12, "every name has a fixture: {names:?}");
}

proptest! {
    #[test]
    fn any_refusal_is_taken(status in 100u16..1000, code in ".{0,20}", text in ".{0,80}") {
        let said = Said::read(error(&code, &text).as_bytes());
        for kind in [USER_INSTALL, Kind::Users, Kind::UsersDelta, Kind::OtherWrite] {
            classify(kind, status, &said);
        }
    }
}
