//! Teams and channels, faults at Graph, and pages that are wrong.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    graph::{Graph, assert_good, header},
    harness::{World, read, text},
};

#[tokio::test]
async fn a_team_with_its_members_and_channels() {
    let graph = Graph::of(World::with(250, None).await).await;
    let team = graph.world.get("teams").await["items"][0].clone();
    let id = text(&team["aadGroupId"]);
    let shown = graph.good(&format!("teams/{id}")).await;
    assert_eq!((&shown["internalId"], &shown["displayName"]), (&team["id"], &team["name"]));
    assert_eq!(shown["isArchived"], false);
    let channels = graph.good(&format!("teams/{id}/channels")).await;
    assert_good(&channels, "channels");
    assert_eq!(channels["value"][0]["id"], team["channels"][0]["id"]);
    let members = graph.all(&format!("teams/{id}/members")).await;
    assert_eq!(json!(members.len()), team["members"]);
    assert_good(&graph.good(&format!("teams/{id}/members?$top=999")).await, "team_members");
    let channel = text(&team["channels"][0]["id"]);
    let of_channel = graph.all(&format!("teams/{id}/channels/{channel}/members?$top=50")).await;
    assert_eq!(of_channel.len(), members.len());
    for missing in [
        format!("teams/{}", text(&team["id"])),
        "teams/00000000-0000-4000-8000-000000000000".to_owned(),
        format!("teams/{id}/channels/19:nothing@thread.tacv2/members"),
    ] {
        assert!(matches!(graph.get(&missing).await.0, 400 | 404), "{missing}");
    }
    graph.world.post(&format!("teams/{}/delete", text(&team["id"])), json!({})).await;
    assert_eq!(graph.get(&format!("teams/{id}")).await.0, 404);
    assert_eq!(graph.get(&format!("groups/{id}")).await.0, 404);
}

#[tokio::test]
async fn private_and_shared_channels() {
    let graph = Graph::start().await;
    let teams = graph.world.get("teams").await;
    let (host, other) = (&teams["items"][0], &teams["items"][1]);
    let id = text(&host["aadGroupId"]);
    let member = graph.good(&format!("teams/{id}/members?$top=1")).await["value"][0].clone();
    let path = format!("teams/{}/channels", text(&host["id"]));
    let order = json!({"name": "Salaries", "kind": "private", "members": [member["userId"]]});
    let private = graph.world.post(&path, order).await["channel"].clone();
    let order = json!({"name": "Partners", "kind": "shared", "members": [member["userId"]]});
    let shared = graph.world.post(&path, order).await["channel"].clone();
    let share = format!("{path}/{}/share", text(&shared["id"]));
    graph.world.post(&share, json!({"teams": [other["id"]]})).await;
    let kinds = graph.good(&format!("teams/{id}/channels?$filter=membershipType eq 'private'")).await;
    assert_eq!(kinds["value"].as_array().unwrap().len(), 1);
    let count = async |channel: &Value, of: &str| {
        graph.all(&format!("teams/{id}/channels/{}/{of}", text(&channel["id"]))).await.len()
    };
    assert_eq!(count(&private, "members").await, 1);
    assert_eq!(count(&shared, "members").await, 1);
    assert!(count(&shared, "allMembers").await > 40);
}

#[tokio::test]
async fn guests_of_a_team_are_marked() {
    let graph = Graph::start().await;
    graph.world.post("reset", json!({"people": 20, "teams": 1, "states": {"guest": 0.5}})).await;
    let team = graph.world.get("teams").await["items"][0]["aadGroupId"].clone();
    let members = graph.all(&format!("teams/{}/members", text(&team))).await;
    let guests = members.iter().filter(|member| member["roles"] == json!(["guest"])).count();
    assert_eq!((members.len(), guests), (20, 10));
    assert_eq!(members.iter().filter(|member| member["roles"] == json!(["owner"])).count(), 1);
}

async fn fault(graph: &Graph, op: &str, action: Value) {
    let fault = json!({"match": {"op": op}, "do": action, "times": 1});
    graph.world.post("faults", fault).await;
}

#[tokio::test]
async fn faults_speak_as_graph_does() {
    let graph = Graph::start().await;
    for (status, code) in [
        (400, "BadRequest"),
        (404, "NotFound"),
        (409, "Conflict"),
        (410, "syncStateNotFound"),
        (429, "TooManyRequests"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
    ] {
        fault(&graph, "graph.users", json!({"status": status, "retry_after": 7})).await;
        let response = graph.request(Method::GET, "users").send().await.unwrap();
        assert_eq!(header(&response, "retry-after").as_deref(), Some("7"));
        let id = header(&response, "request-id").unwrap();
        let (is, body) = read(response).await;
        assert_eq!((is, &body["error"]["code"]), (status, &json!(code)), "{body}");
        assert_eq!(body["error"]["innerError"]["request-id"], id, "{status}");
    }
    let person = graph.world.person("never_installed").await;
    let bind = graph.bind().await;
    let path = format!("users/{}/teamwork/installedApps", text(&person["id"]));
    // By the person, whatever the path calls them; accepted, and the answer lost.
    let lost = json!({"match": {"op": "graph.install", "person": person["id"]},
        "do": {"status": 504, "accept": "before"}, "times": 1});
    graph.world.post("faults", lost).await;
    let by_upn = format!("users/{}/teamwork/installedApps", text(&person["upn"]));
    assert_eq!(graph.post(&by_upn, bind.clone()).await.0, 504);
    assert_eq!(graph.post(&path, bind).await.0, 409);
    fault(&graph, "graph.catalog", json!({"cut": "before_status"})).await;
    assert!(graph.request(Method::GET, "appCatalogs/teamsApps").send().await.is_err());
    let unknown = json!({"match": {"op": "graph.nothing"}, "do": {"status": 500}});
    assert_eq!(graph.world.control(Method::POST, "faults", Some(unknown)).await.0, 400);
}

#[tokio::test]
async fn pages_that_are_wrong() {
    let graph = Graph::start().await;
    let path = "users?$select=id&$top=40";
    fault(&graph, "graph.users", json!({"page": "repeats"})).await;
    let first = graph.good(path).await;
    let link = text(&first["@odata.nextLink"]);
    assert!(link.ends_with("/v1.0/users?$select=id&$top=40"), "{link}");
    assert_eq!(graph.good(link).await["value"], first["value"]);
    fault(&graph, "graph.users", json!({"page": "half"})).await;
    let half = graph.good(path).await;
    assert_eq!(half["value"].as_array().unwrap().len(), 20);
    let next = graph.good(text(&half["@odata.nextLink"])).await;
    assert_eq!(next["value"].as_array().unwrap().len(), 40, "what was missing does not come");
    fault(&graph, "graph.users", json!({"page": "ends"})).await;
    assert!(graph.good(path).await.get("@odata.nextLink").is_none());
    // The last page that leads to itself.
    fault(&graph, "graph.users", json!({"page": "repeats"})).await;
    let last = graph.good(text(&next["@odata.nextLink"])).await;
    assert_eq!(last["@odata.nextLink"], next["@odata.nextLink"]);
}
