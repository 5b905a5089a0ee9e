//! The catalogue of apps, and apps where they are installed (protocol section 8).

use ::http::Method;
use serde_json::{Value, json};

use super::super::query::{Query, quoted};
use super::{GraphRequest, encoded};
use crate::cloud::GraphRoot;

/// Where an app is, or is to be, installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// With a person; object id or user principal name.
    User(&'a str),
    /// In a team, by the id of its group in Entra.
    Team(&'a str),
    /// In a chat.
    Chat(&'a str),
}

impl Scope<'_> {
    fn path(self) -> String {
        match self {
            Scope::User(id) => format!("/users/{}/teamwork/installedApps", encoded(id)),
            Scope::Team(id) => format!("/teams/{}/installedApps", encoded(id)),
            Scope::Chat(id) => format!("/chats/{}/installedApps", encoded(id)),
        }
    }
}

/// Which app is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppIs<'a> {
    /// The one with this id in the tenant's catalogue. For an app of the Teams Store that is its manifest's id.
    CatalogueId(&'a str),
    /// The one with this id in its manifest. Not for apps of the Teams Store.
    ExternalId(&'a str),
}

impl AppIs<'_> {
    fn filter(self, before: &str) -> String {
        match self {
            AppIs::CatalogueId(id) => format!("{before}id eq {}", quoted(id)),
            AppIs::ExternalId(id) => format!("{before}externalId eq {}", quoted(id)),
        }
    }
}

/// A resource-specific permission that an app's manifest asks for. What is consented to must be exactly what the
/// manifest has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourcePermission {
    /// Such as `ChatMessageReadReceipt.Read.Chat`.
    pub value: String,
    /// Whose it is.
    pub kind: PermissionType,
}

/// Whose permission it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermissionType {
    /// The app's.
    Application,
    /// The app's in the name of whoever uses it.
    Delegated,
}

/// `GET /appCatalogs/teamsApps`, filtered.
pub fn catalogue(app: AppIs<'_>) -> GraphRequest {
    GraphRequest::get(Query::of("/appCatalogs/teamsApps".into()).with("$filter", &app.filter("")).done())
}

/// `GET …/installedApps`, with each one's app; all, or one. No answer is not "not installed": an empty list is.
pub fn installed_apps(scope: Scope<'_>, app: Option<AppIs<'_>>) -> GraphRequest {
    let query = Query::of(scope.path()).with("$expand", "teamsApp");
    GraphRequest::get(match app {
        Some(app) => query.with("$filter", &app.filter("teamsApp/")).done(),
        None => query.done(),
    })
}

/// `POST …/installedApps`. `consents` are those that the app's manifest asks for, or none.
pub fn install(
    root: &GraphRoot,
    scope: Scope<'_>,
    catalogue_id: &str,
    consents: &[ResourcePermission],
) -> GraphRequest {
    let app = root.bind(&format!("/appCatalogs/teamsApps/{}", encoded(catalogue_id)));
    let mut body = json!({ "teamsApp@odata.bind": app });
    if let Some(set) = consented(consents) {
        body["consentedPermissionSet"] = set;
    }
    GraphRequest::new(Method::POST, scope.path(), Some(body))
}

/// `POST …/installedApps/{id}/upgrade`: to the newest version in the catalogue.
pub fn upgrade(scope: Scope<'_>, installation_id: &str, consents: &[ResourcePermission]) -> GraphRequest {
    let path = format!("{}/{}/upgrade", scope.path(), encoded(installation_id));
    let body = consented(consents).map(|set| json!({ "consentedPermissionSet": set }));
    GraphRequest::new(Method::POST, path, body)
}

/// `DELETE …/installedApps/{id}`.
pub fn remove(scope: Scope<'_>, installation_id: &str) -> GraphRequest {
    GraphRequest::new(Method::DELETE, format!("{}/{}", scope.path(), encoded(installation_id)), None)
}

/// `GET /users/{id}/teamwork/installedApps/{id}/chat`: the 1:1 chat of a person with the app.
pub fn installation_chat(user_id: &str, installation_id: &str) -> GraphRequest {
    GraphRequest::get(format!("{}/{}/chat", Scope::User(user_id).path(), encoded(installation_id)))
}

fn consented(consents: &[ResourcePermission]) -> Option<Value> {
    let consents: Vec<Value> = consents
        .iter()
        .map(|consent| {
            let kind = match consent.kind {
                PermissionType::Application => "Application",
                PermissionType::Delegated => "Delegated",
            };
            json!({ "permissionValue": consent.value, "permissionType": kind })
        })
        .collect();
    (!consents.is_empty()).then(|| json!({ "resourceSpecificPermissions": consents }))
}
