//! The catalogue, and installing.

use nuncio_teams::graph::{
    AppIs, CallError, GraphRefusal, Install, PermissionType, ResourcePermission, Scope,
};
use serde_json::json;

use crate::graph_world::{CATALOGUE_ID, GraphWorld, INES, MANIFEST_ID, TEAM};

#[tokio::test]
async fn an_app_of_the_catalogue() {
    let world = GraphWorld::new().await;
    world.answers(&["catalogue"]);
    let apps = world.graph.catalogue(AppIs::ExternalId(MANIFEST_ID)).await.unwrap();
    assert_eq!(apps[0].id.as_deref(), Some(CATALOGUE_ID));
    assert_eq!(apps[0].distribution_method.as_deref(), Some("organization"));
    assert_eq!(
        world.asked(),
        format!("GET /appCatalogs/teamsApps?$filter=externalId%20eq%20%27{MANIFEST_ID}%27")
    );
    // Of a Store app both ids are one.
    world.answers(&["catalogue_store"]);
    let apps = world.graph.catalogue(AppIs::CatalogueId(MANIFEST_ID)).await.unwrap();
    assert_eq!((apps[0].id.as_deref(), apps[0].external_id.as_deref()), (Some(MANIFEST_ID), None));
    assert_eq!(world.asked(), format!("GET /appCatalogs/teamsApps?$filter=id%20eq%20%27{MANIFEST_ID}%27"));
}

#[tokio::test]
async fn whether_it_is_installed() {
    let world = GraphWorld::new().await;
    world.answers(&["installed_apps"]);
    let app = Some(AppIs::CatalogueId(CATALOGUE_ID));
    let installed = world.graph.installed_apps(Scope::User(INES), app).await.unwrap();
    assert_eq!(installed[0].teams_app.as_ref().unwrap().id.as_deref(), Some(CATALOGUE_ID));
    assert_eq!(
        world.asked(),
        format!(
            "GET /users/{INES}/teamwork/installedApps?$expand=teamsApp&$filter=teamsApp%2Fid%20eq%20%27{CATALOGUE_ID}%27"
        )
    );
    let id = installed[0].id.as_deref().unwrap();
    world.answers(&["chat"]);
    let chat = world.graph.installation_chat(INES, id).await.unwrap();
    assert!(chat.id.unwrap().ends_with("@unq.gbl.spaces"));
    assert!(world.asked().ends_with("%3D/chat"), "the id is opaque and encoded: {}", world.asked());

    for scope in [Scope::Team(TEAM), Scope::Chat("19:c@thread.v2")] {
        world.answers(&["installed_apps_none"]);
        assert_eq!(world.graph.installed_apps(scope, None).await.unwrap(), []);
    }
    assert_eq!(world.asked(), "GET /chats/19%3Ac%40thread.v2/installedApps?$expand=teamsApp");
    // No answer is not "not installed".
    for name in ["throttled_directory", "service_unavailable", "missing_role"] {
        world.answers(&[name]);
        assert!(world.graph.installed_apps(Scope::User(INES), app).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn installing_what_is_there_is_no_failure() {
    let world = GraphWorld::new().await;
    world.answers(&["installed", "already_installed"]);
    let first = world.graph.install(Scope::User(INES), CATALOGUE_ID, &[]).await.unwrap();
    let again = world.graph.install(Scope::User(INES), CATALOGUE_ID, &[]).await.unwrap();
    assert_eq!((first, again), (Install::Installed, Install::AlreadyThere));
    assert_eq!(world.asked(), format!("POST /users/{INES}/teamwork/installedApps"));
    let bind = format!("https://graph.microsoft.com/v1.0/appCatalogs/teamsApps/{CATALOGUE_ID}");
    assert_eq!(world.sent(), json!({ "teamsApp@odata.bind": bind }));

    world.answers(&["installed"]);
    let consents = [ResourcePermission {
        value: "ChatMessageReadReceipt.Read.Chat".into(),
        kind: PermissionType::Application,
    }];
    world.graph.install(Scope::Chat("19:c@thread.v2"), CATALOGUE_ID, &consents).await.unwrap();
    assert_eq!(world.asked(), "POST /chats/19%3Ac%40thread.v2/installedApps");
    assert_eq!(
        world.sent()["consentedPermissionSet"],
        json!({"resourceSpecificPermissions": [
            {"permissionValue": "ChatMessageReadReceipt.Read.Chat", "permissionType": "Application"}]})
    );

    world.answers(&["rsc_consent"]);
    let error = world.graph.install(Scope::Team(TEAM), CATALOGUE_ID, &[]).await.unwrap_err();
    let CallError::Refused(error) = error else { panic!("{error}") };
    assert_eq!((error.status, error.refusal), (412, GraphRefusal::RscConsentNeeded));
}

#[tokio::test]
async fn upgrading_and_taking_away() {
    let world = GraphWorld::new().await;
    world.answers(&["upgraded"]);
    world.graph.upgrade(Scope::Team(TEAM), "aW5z=", &[]).await.unwrap();
    assert_eq!(world.asked(), format!("POST /teams/{TEAM}/installedApps/aW5z%3D/upgrade"));
    world.graph.remove(Scope::Team(TEAM), "aW5z=").await.unwrap();
    assert_eq!(world.asked(), format!("DELETE /teams/{TEAM}/installedApps/aW5z%3D"));
    world.answers(&["bare_not_found"]);
    let error = world.graph.remove(Scope::Team(TEAM), "aW5z=").await.unwrap_err();
    assert_eq!(error.refused().unwrap().status, 404);
}
