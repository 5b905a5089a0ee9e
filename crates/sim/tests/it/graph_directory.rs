//! People and groups of the directory.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    graph::{Graph, assert_good, assert_refused},
    harness::{World, text},
};

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn everybody_comes_in_pages() {
    let graph = Graph::of(World::with(250, None).await).await;
    let first = graph.good("users").await;
    assert_eq!(first["value"].as_array().unwrap().len(), 100);
    let all = graph.all("users?$top=99&$select=id").await;
    let mut ids: Vec<&str> = all.iter().map(|user| text(&user["id"])).collect();
    assert_eq!(ids.len(), 250);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 250, "each once");
    assert_eq!(all[0].as_object().unwrap().len(), 1, "nothing but what was selected");
    assert_good(&graph.good("users?$top=1").await, "users");
    assert_refused(&graph.get("users?$top=1000").await, "page_size");
    assert_eq!(graph.get("users?$skip=10").await.0, 400);
    // A token is good for its own query only.
    let link = text(&first["@odata.nextLink"]).to_owned();
    assert_eq!(graph.get(&link).await.0, 200);
    assert_eq!(graph.get(&link.replace("users?", "users?$select=id&")).await.0, 400);
    graph.world.settings(json!({"graph_page_max": 7})).await;
    assert_eq!(graph.good("users").await["value"].as_array().unwrap().len(), 7);
    let (_, counted) = graph.advanced("users?$count=true&$top=5").await;
    assert_eq!(counted["@odata.count"], 250);
    assert!(graph.good("users?$count=true").await.get("@odata.count").is_none());
}

#[tokio::test]
async fn one_by_any_name() {
    let graph = Graph::start().await;
    let person = graph.world.person("installed").await;
    for name in [&person["id"], &person["upn"]] {
        let user = graph.good(&format!("users/{}", text(name))).await;
        assert_eq!((&user["id"], &user["displayName"]), (&person["id"], &person["name"]));
        assert_good(&user, "user");
    }
    assert_refused(&graph.get(&format!("users/{NOBODY}")).await, "user_not_found");
    assert_eq!(graph.get("users/x?$select=nothing").await.0, 400);
    assert_eq!(graph.get("me").await.0, 400);
    let refused = graph.post("users", json!({})).await;
    assert_refused(&refused, "method_not_allowed");
}

#[tokio::test]
async fn what_the_directory_knows_of_somebody() {
    let graph = Graph::start().await;
    let states =
        json!({"unlicensed": 0.2, "guest": 0.1, "account_disabled": 0.1, "deleted": 0.1, "external": 0.1});
    graph.world.post("reset", json!({"people": 100, "states": states})).await;
    let all = graph.all("users?$select=id,accountEnabled,userType,assignedPlans").await;
    assert_eq!(all.len(), 80, "who is deleted or from elsewhere is not there");
    let count = |wanted: &dyn Fn(&Value) -> bool| all.iter().filter(|user| wanted(user)).count();
    assert_eq!(count(&|user| user["userType"] == "Guest"), 10);
    assert_eq!(count(&|user| user["accountEnabled"] == false), 10);
    let teams = |user: &Value, status: &str| {
        let plans = user["assignedPlans"].as_array().unwrap();
        plans.iter().any(|plan| plan["service"] == "TeamspaceAPI" && plan["capabilityStatus"] == status)
    };
    assert_eq!(count(&|user| teams(user, "Enabled")), 50);
    let lost = count(&|user| teams(user, "Deleted"));
    assert!((1..20).contains(&lost), "some without Teams still show that they had it: {lost}");
    let licensed = graph.world.person("installed").await;
    let path = format!(
        "users?$select=id,accountEnabled,userType,assignedPlans&$filter=id eq '{}'",
        text(&licensed["id"])
    );
    assert_good(&graph.good(&path).await, "users_plans");
    let deleted = graph.world.person("deleted").await;
    assert_eq!(graph.get(&format!("users/{}", text(&deleted["id"]))).await.0, 404);
    // Neither comes without being asked for.
    assert!(graph.good("users").await["value"][0].get("accountEnabled").is_none());
    // What is known of somebody changes beside the state.
    let path = format!("people/{}", text(&licensed["id"]));
    let change = json!({"user_type": "guest", "account_enabled": false, "licensed": false});
    assert_eq!(graph.world.control(Method::PATCH, &path, Some(change)).await.0, 200);
    let user = graph.good(&format!("users/{}?$select=userType,accountEnabled", text(&licensed["upn"]))).await;
    assert_eq!((&user["userType"], &user["accountEnabled"]), (&json!("Guest"), &json!(false)));
    assert_eq!(graph.world.get(&path).await["state"], "installed");
}

#[tokio::test]
async fn people_by_filter() {
    let graph = Graph::start().await;
    let person = graph.world.person("installed").await;
    let other = graph.world.person("blocked").await;
    let (id, upn, another) = (text(&person["id"]), text(&person["upn"]), text(&other["id"]));
    let found =
        async |filter: &str| graph.good(&format!("users?$select=id&$filter={filter}")).await["value"].clone();
    let him = json!([{"id": id}]);
    assert_eq!(found(&format!("userPrincipalName eq '{upn}'")).await, him);
    assert_eq!(found(&format!("mail eq '{}'", upn.to_uppercase())).await, him);
    assert_eq!(found(&format!("mail eq '{upn}' or userPrincipalName eq '{upn}'")).await, him);
    let both = found(&format!("id in ('{id}','{another}','{NOBODY}')")).await;
    assert_eq!(both.as_array().unwrap().len(), 2);
    assert_eq!(found(&format!("id eq '{id}' and accountEnabled eq false")).await, json!([]));
    assert_eq!(found("mail eq 'nobody@contoso.example'").await, json!([]));
    assert_eq!(found("accountEnabled eq true").await.as_array().unwrap().len(), 100);
    let (status, body) = graph.get("users?$filter=jobTitle eq 'x'").await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("Request_UnsupportedQuery")));
    let many = vec![format!("'{id}'"); 16].join(",");
    assert_eq!(graph.get(&format!("users?$filter=id in ({many})")).await.0, 400);
}

fn described() -> Value {
    json!({
        "person": [
            {"name": "Ines Moreau", "upn": "ines@contoso.example", "mail": "i.moreau@contoso.example"},
            {"name": "Amara Okafor", "upn": "amara@contoso.example"},
            {"name": "Gast Gast", "upn": "gast@elsewhere.example", "user_type": "guest", "account_enabled": false},
        ],
        "team": [{"name": "Platform", "members": ["ines@contoso.example"]}],
        "group": [
            {"name": "Everybody", "groups": ["On call"], "members": ["gast@elsewhere.example"], "devices": 2},
            {"name": "On call", "groups": ["Night shift"], "members": ["amara@contoso.example"]},
            // A circle.
            {"name": "Night shift", "groups": ["Everybody"], "members": ["ines@contoso.example", "amara@contoso.example"]},
        ],
    })
}

async fn group(graph: &Graph, name: &str) -> String {
    let groups = graph.good(&format!("groups?$filter=displayName eq '{name}'")).await;
    text(&groups["value"][0]["id"]).to_owned()
}

#[tokio::test]
async fn groups_in_groups_and_in_a_circle() {
    let graph = Graph::start().await;
    let made = graph.world.post("reset", described()).await;
    assert_eq!(made["groups"], 3);
    let id = group(&graph, "Everybody").await;
    let direct = graph.all(&format!("groups/{id}/members?$select=id,displayName")).await;
    let kinds: Vec<&str> = direct.iter().map(|member| text(&member["@odata.type"])).collect();
    assert_eq!(kinds, ["user", "group", "device", "device"].map(|kind| format!("#microsoft.graph.{kind}")));
    let (_, all) =
        graph.advanced(&format!("groups/{id}/transitiveMembers?$select=id,displayName&$count=true")).await;
    // Three people, the three groups of the circle, two devices.
    assert_eq!(all["@odata.count"], 8);
    let members = all["value"].as_array().unwrap();
    assert_eq!(members.iter().filter(|member| member["@odata.type"] == "#microsoft.graph.group").count(), 3);
    assert_good(
        &graph.good(&format!("groups/{id}/transitiveMembers?$select=id,displayName")).await,
        "transitive_members",
    );
    let cast = format!("groups/{id}/transitiveMembers/microsoft.graph.user");
    assert_eq!(graph.get(&cast).await.0, 400);
    assert_eq!(graph.advanced(&cast).await.0, 400);
    let people = graph.all(&format!("{cast}?$count=true&$top=2&$select=id,mail")).await;
    assert_eq!(people.len(), 3);
    assert!(people.iter().any(|person| person["mail"] == "i.moreau@contoso.example"));
    let found = graph.good("users?$filter=mail eq 'i.moreau@contoso.example'").await;
    assert_eq!(found["value"][0]["userPrincipalName"], "ines@contoso.example");
    assert_eq!(graph.good("users?$filter=mail eq 'ines@contoso.example'").await["value"], json!([]));
}

#[tokio::test]
async fn teams_are_groups_too() {
    let graph = Graph::start().await;
    graph.world.post("reset", described()).await;
    assert_eq!(graph.good("groups").await["value"].as_array().unwrap().len(), 4);
    let teams = graph.good("groups?$filter=resourceProvisioningOptions/Any(x:x eq 'Team')").await;
    assert_eq!(teams["value"].as_array().unwrap().len(), 1);
    let team = &teams["value"][0];
    assert_eq!((&team["displayName"], &team["groupTypes"]), (&json!("Platform"), &json!(["Unified"])));
    let members = graph.good(&format!("groups/{}/members", text(&team["id"]))).await;
    assert_eq!(members["value"][0]["userPrincipalName"], "ines@contoso.example");
    assert_eq!(graph.get(&format!("groups/{NOBODY}")).await.0, 404);
    assert_eq!(graph.get("groups/x").await.0, 400);
    assert_eq!(graph.good(&format!("groups/{}", text(&team["id"]))).await["id"], team["id"]);
}

#[tokio::test]
async fn members_without_the_right_to_see_them_are_ids() {
    let mut graph = Graph::start().await;
    graph.world.post("reset", described()).await;
    let id = group(&graph, "On call").await;
    graph.consent(&["GroupMember.Read.All"]).await;
    let members = graph.good(&format!("groups/{id}/members?$select=id,userPrincipalName")).await;
    let member = &members["value"][0];
    assert!(member["id"].is_string() && member["userPrincipalName"].is_null(), "{member}");
}

#[tokio::test]
async fn made_up_groups_hold_everybody_once() {
    let graph = Graph::start().await;
    let made = graph.world.post("reset", json!({"people": 90, "groups": 4})).await;
    assert_eq!(made["groups"], 4);
    let groups = graph.world.get("groups").await;
    let groups = groups["items"].as_array().unwrap();
    let mut people = 0;
    for group in groups {
        let direct = graph.all(&format!("groups/{}/members?$select=id", text(&group["id"]))).await;
        people += direct.iter().filter(|member| member["@odata.type"] == "#microsoft.graph.user").count();
    }
    assert_eq!(people, 90);
    // The first three are a circle, so each of them reaches the people of all.
    let path =
        format!("groups/{}/transitiveMembers/microsoft.graph.user?$count=true", text(&groups[2]["id"]));
    assert_eq!(graph.advanced(&path).await.1["@odata.count"], 90 - 22);
}

#[tokio::test]
async fn groups_are_made_and_changed_by_hand() {
    let graph = Graph::start().await;
    let person = graph.world.person("installed").await;
    let one = graph.world.post("groups", json!({"name": "One", "members": [person["id"]]})).await;
    let two = graph.world.post("groups", json!({"name": "Two", "members": [one["id"]]})).await;
    let path = format!("groups/{}/members", text(&one["id"]));
    let change = graph.world.post(&path, json!({"add": [two["id"]], "remove": [person["upn"]]})).await;
    assert_eq!((&change["members"], &change["groups"]), (&json!(1), &json!([two["id"]])));
    let delete = format!("groups/{}", text(&two["id"]));
    assert_eq!(graph.world.control(Method::DELETE, &delete, None).await.0, 204);
    assert_eq!(graph.good(&path).await["value"], json!([]));
    for bad in [json!({"name": ""}), json!({"name": "x", "members": [NOBODY]}), json!({"nmae": "x"})] {
        let status = graph.world.control(Method::POST, "groups", Some(bad.clone())).await.0;
        assert!(status == 400 || status == 404, "{bad}");
    }
    let team = graph.world.get("teams").await["items"][0]["aadGroupId"].clone();
    let path = format!("groups/{}/members", text(&team));
    assert_eq!(graph.world.control(Method::POST, &path, Some(json!({"add": []}))).await.0, 409);
}
