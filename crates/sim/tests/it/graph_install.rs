//! Finding the app and installing it: for people, in teams and chats, with what the bot is told of it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    fixtures::fixture,
    graph::{Graph, assert_good, assert_refused},
    harness::{APP, BotServer, Received, SECRET, World, text},
};

fn apps_of(person: &Value) -> String {
    format!("users/{}/teamwork/installedApps", text(&person["id"]))
}

async fn with_bot() -> (BotServer, Graph) {
    let (bot, url) = BotServer::start().await;
    let graph = Graph::of(World::with(60, Some(&url)).await).await;
    graph.world.settings(json!({"uninstall_event": "remove", "event_delivery": {"order": "straight"}})).await;
    (bot, graph)
}

/// Type and action of what the bot was told.
async fn told(graph: &Graph, bot: &BotServer) -> Vec<String> {
    graph.world.until("events", |events| events["pending"] == 0).await;
    let kind = |received: Received| {
        format!("{} {}", text(&received.body["type"]), received.body["action"].as_str().unwrap_or_default())
    };
    bot.received().into_iter().map(kind).collect()
}

const INSTALLED: [&str; 2] = ["conversationUpdate ", "installationUpdate add"];

#[tokio::test]
async fn from_the_catalogue_to_the_chat() {
    let (bot, mut graph) = with_bot().await;
    let known = graph.world.get("bots").await["items"][0].clone();
    let by_manifest =
        format!("appCatalogs/teamsApps?$filter=externalId eq '{}'", text(&known["manifest_id"]));
    let catalog = graph.good(&by_manifest).await;
    assert_good(&catalog, "catalog");
    assert_eq!(catalog["value"][0]["id"], known["teams_app_id"]);
    let person = graph.world.person("never_installed").await;
    let path = apps_of(&person);
    let listed = format!("{path}?$expand=teamsApp&$filter=teamsApp/id eq '{}'", text(&known["teams_app_id"]));
    assert_eq!(graph.good(&listed).await["value"], json!([]));

    let (status, body) = graph.install(&person).await;
    let expected = fixture("graph/install.json");
    assert_eq!((json!(status), body), (expected["status"].clone(), expected["body"].clone()));
    assert_eq!(told(&graph, &bot).await, INSTALLED);
    assert_refused(&graph.install(&person).await, "already_installed");

    let installed = graph.good(&listed).await;
    assert_good(&installed, "installed_apps");
    let id = text(&installed["value"][0]["id"]).to_owned();
    let by_external = format!("{path}?$filter=teamsApp/externalId eq '{}'", text(&known["manifest_id"]));
    assert_eq!(graph.good(&by_external).await["value"], json!([{"id": id}]));
    assert_eq!(graph.good(&format!("{path}?$filter=teamsApp/id eq 'x'")).await["value"], json!([]));
    assert_eq!(graph.good(&format!("{path}/{id}")).await["id"], *id);
    let chat = graph.good(&format!("{path}/{id}/chat")).await;
    assert_good(&chat, "chat");
    // The Connector knows the chat by that name, and by the one that it gave out itself.
    let token = graph.world.token(graph.world.sim.tenant_id(), APP, SECRET, crate::harness::SCOPE).await.1;
    text(&token["access_token"]).clone_into(&mut graph.world.token);
    assert_eq!(graph.world.send(text(&chat["id"]), "welcome").await.0, 201);
    assert_eq!(graph.world.create(text(&person["id"])).await.0, 201);

    assert_eq!(graph.post(&format!("{path}/{id}/upgrade"), json!({})).await.0, 204);
    assert_eq!(graph.delete(&format!("{path}/{id}")).await, 204);
    assert_eq!(told(&graph, &bot).await, ["installationUpdate remove"]);
    assert_eq!(graph.get(&format!("{path}/{id}")).await.0, 404);
    assert_eq!(graph.get(&format!("{path}/{id}/chat")).await.0, 404);
    assert_eq!(graph.delete(&format!("{path}/{id}")).await, 404);
    let uninstalled = graph.world.get(&format!("people/{}", text(&person["id"]))).await;
    assert_eq!(uninstalled["state"], "uninstalled");
}

#[tokio::test]
async fn in_teams_and_chats() {
    let (bot, graph) = with_bot().await;
    let person = graph.world.person("installed").await;
    let other = graph.world.person("blocked").await;
    let chat = graph.world.post("chats", json!({"members": [person["id"], other["id"]]})).await;
    let team = graph.world.get("teams").await["items"][0].clone();
    let bind = graph.bind().await;
    for path in [
        format!("teams/{}/installedApps", text(&team["aadGroupId"])),
        format!("chats/{}/installedApps", text(&chat["id"])),
    ] {
        assert_eq!(graph.good(&path).await["value"], json!([]));
        let (status, body) = graph.post(&path, bind.clone()).await;
        assert_eq!((status, body), (201, Value::Null), "{path}");
        assert_eq!(told(&graph, &bot).await, INSTALLED, "{path}");
        assert_eq!(graph.post(&path, bind.clone()).await.0, 409);
        let id = graph.good(&path).await["value"][0]["id"].clone();
        assert_eq!(graph.get(&format!("{path}/{}/chat", text(&id))).await.0, 400, "only people have one");
        assert_eq!(graph.delete(&format!("{path}/{}", text(&id))).await, 204);
        let gone = told(&graph, &bot).await;
        assert!(gone.contains(&"installationUpdate remove".to_owned()), "{gone:?}");
        assert_eq!(graph.good(&path).await["value"], json!([]));
    }
    // Graph knows teams by their groups alone.
    assert_eq!(graph.get(&format!("teams/{}/installedApps", text(&team["id"]))).await.0, 400);
    assert_eq!(graph.get("chats/19:nothing@thread.v2/installedApps").await.0, 404);
    graph.world.post(&format!("teams/{}/archive", text(&team["id"])), json!({})).await;
    let path = format!("teams/{}/installedApps", text(&team["aadGroupId"]));
    assert_eq!(graph.post(&path, bind).await.0, 403);
}

#[tokio::test]
async fn who_can_be_given_the_app() {
    let graph = Graph::start().await;
    let states = json!({
        "unlicensed": 0.1, "guest": 0.1, "account_disabled": 0.1, "deleted": 0.1, "policy_blocked": 0.1,
        "admin_disabled": 0.1, "never_installed": 0.1, "blocked": 0.1, "never_signed_in": 0.1,
    });
    graph.world.post("reset", json!({"people": 50, "states": states})).await;
    let install = async |state: &str| graph.install(&graph.world.person(state).await).await;
    assert_refused(&install("policy_blocked").await, "blocked_by_policy");
    assert_refused(&install("admin_disabled").await, "blocked_by_policy");
    assert_refused(&install("unlicensed").await, "unlicensed");
    assert_eq!(install("guest").await.0, 403);
    assert_eq!(install("account_disabled").await.0, 403);
    assert_eq!(install("deleted").await.0, 404);
    assert_eq!(install("never_signed_in").await.0, 201);
    assert_refused(&install("blocked").await, "already_installed");
    assert_refused(&install("installed").await, "already_installed");
    let answers = json!({"unlicensed_install_as": "not_found", "guest_install_as": "accepted", "account_disabled_install_as": "not_found"});
    graph.world.settings(answers).await;
    assert_eq!(install("unlicensed").await.0, 404);
    assert_eq!(install("account_disabled").await.0, 404);
    let guest = graph.world.person("guest").await;
    assert_eq!(graph.install(&guest).await.0, 201);
    // Who was a guest is one with the app.
    let now = graph.world.get(&format!("people/{}", text(&guest["id"]))).await;
    assert_eq!((&now["state"], &now["user_type"]), (&json!("installed"), &json!("guest")));
}

#[tokio::test]
async fn the_body_is_looked_at() {
    let graph = Graph::start().await;
    let person = graph.world.person("never_installed").await;
    let path = apps_of(&person);
    let id = graph.app().await;
    let bad = |bind: String| json!({"teamsApp@odata.bind": bind});
    let catalog = "https://graph.microsoft.com/v1.0/appCatalogs/teamsApps";
    for body in [
        json!({}),
        json!([]),
        json!({"teamsApp": id}),
        json!({"teamsApp@odata.bind": format!("{catalog}/{id}"), "extra": 1}),
        bad(id.clone()),
        bad(format!("https://graph.microsoft.us/v1.0/appCatalogs/teamsApps/{id}")),
        bad(format!("https://graph.microsoft.com/v1.0/teamsApps/{id}")),
        bad(format!("{catalog}/x")),
    ] {
        let (status, answer) = graph.post(&path, body.clone()).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("BadRequest")), "{body}");
    }
    let bare = graph.request(Method::POST, &path).body(bad(format!("{catalog}/{id}")).to_string());
    assert_eq!(bare.send().await.unwrap().status().as_u16(), 400, "without a content type");
    let nothing = graph.request(Method::POST, &path).header("content-type", "application/json");
    assert_eq!(nothing.body("{").send().await.unwrap().status().as_u16(), 400);
    let unknown = bad(format!("{catalog}/00000000-0000-4000-8000-000000000000"));
    assert_refused(&graph.post(&path, unknown).await, "app_not_in_catalog");
    // Both Microsoft's host and this server's are the catalogue.
    let own = bad(format!("{}/v1.0/appCatalogs/teamsApps/{id}", graph.world.sim.base()));
    assert_eq!(graph.post(&path, own).await.0, 201);
}

#[tokio::test]
async fn an_app_manages_only_itself() {
    let mut graph = Graph::start().await;
    let second = json!({"app_id": "second", "secret": "s", "catalog": "store"});
    let second = graph.world.post("bots", second).await;
    assert_eq!(second["teams_app_id"], second["manifest_id"]);
    let stored = graph.good("appCatalogs/teamsApps?$filter=distributionMethod eq 'store'").await;
    assert!(stored["value"][0]["externalId"].is_null());
    let person = graph.world.person("never_installed").await;
    let link =
        format!("https://graph.microsoft.com/v1.0/appCatalogs/teamsApps/{}", text(&second["teams_app_id"]));
    let bind = json!({"teamsApp@odata.bind": link});
    assert_refused(&graph.post(&apps_of(&person), bind.clone()).await, "not_allowed_to_manage");
    // It sees only itself, and a wider role everything.
    assert_eq!(graph.install(&person).await.0, 201);
    assert_eq!(graph.good(&apps_of(&person)).await["value"].as_array().unwrap().len(), 1);
    graph.consent(&["TeamsAppInstallation.ReadWriteForUser.All"]).await;
    assert_eq!(graph.good(&apps_of(&person)).await["value"].as_array().unwrap().len(), 2);
    let other = graph.world.person("uninstalled").await;
    assert_eq!(graph.post(&apps_of(&other), bind).await.0, 201);
}

#[tokio::test]
async fn consent_to_what_an_app_asks_of_a_place() {
    let mut graph = Graph::start().await;
    let asks = json!({"app_id": APP, "secret": SECRET, "permissions": ["ChannelMessage.Read.Group"]});
    graph.world.post("bots", asks).await;
    let team = graph.world.get("teams").await["items"][0]["aadGroupId"].clone();
    let path = format!("teams/{}/installedApps", text(&team));
    let mut body = graph.bind().await;
    assert_eq!(graph.post(&path, body.clone()).await.0, 400, "nothing was consented to");
    let set = |value: &str| json!({"resourceSpecificPermissions": [{"permissionValue": value, "permissionType": "Application"}]});
    body["consentedPermissionSet"] = set("ChannelMessage.Read.Group");
    assert_eq!(graph.post(&path, body.clone()).await.0, 403, "not by this role");
    graph.consent(&["TeamsAppInstallation.ReadWriteAndConsentSelfForTeam.All"]).await;
    body["consentedPermissionSet"] = set("ChannelSettings.Read.Group");
    assert_eq!(graph.post(&path, body.clone()).await.0, 400, "not what the manifest says");
    body["consentedPermissionSet"] = set("ChannelMessage.Read.Group");
    assert_eq!(graph.post(&path, body).await.0, 201);
}

#[tokio::test]
async fn an_app_that_left_the_catalogue() {
    let graph = Graph::start().await;
    let person = graph.world.person("never_installed").await;
    let bind = graph.bind().await;
    graph.bot(json!({"catalog": "absent"})).await;
    assert_eq!(graph.good("appCatalogs/teamsApps").await["value"], json!([]));
    assert_refused(&graph.post(&apps_of(&person), bind).await, "app_not_in_catalog");
    let installed = graph.world.person("installed").await;
    let apps = graph.good(&format!("{}?$expand=teamsApp", apps_of(&installed))).await;
    assert_eq!(apps["value"][0]["teamsApp"]["distributionMethod"], "sideloaded", "where it is it stays");
    graph.bot(json!({"catalog": "organization"})).await;
    assert_eq!(graph.install(&person).await.0, 201);
}

#[tokio::test]
async fn installs_that_no_bot_hears_of() {
    let (bot, graph) = with_bot().await;
    graph.world.settings(json!({"install_events_lost": 1.0})).await;
    let person = graph.world.person("never_installed").await;
    assert_eq!(graph.install(&person).await.0, 201);
    assert_eq!(graph.good(&apps_of(&person)).await["value"].as_array().unwrap().len(), 1);
    assert!(told(&graph, &bot).await.is_empty());
}

#[tokio::test]
async fn a_policy_brings_the_app_to_everybody() {
    let (bot, graph) = with_bot().await;
    let states = json!({"never_installed": 0.5, "guest": 0.1});
    graph.world.post("reset", json!({"people": 20, "states": states})).await;
    let started = graph.world.post("policy-install", json!({"everyone": true, "seconds": 0.1})).await;
    // Ten who never had it and eight who have it; no guests.
    assert_eq!((&started["people"], &started["events"]), (&json!(18), &json!(36)));
    graph.world.until("events", |events| events["pending"] == 0).await;
    assert_eq!(bot.received().len(), 36);
    let counts = graph.world.get("counts").await;
    assert_eq!(
        (&counts["people"]["never_installed"], &counts["people"]["installed"]),
        (&json!(0), &json!(18))
    );
}
