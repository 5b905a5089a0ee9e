//! The difference of the directory: everything once, then what changed, and the day on which all begins anew.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    graph::{Graph, assert_good, assert_refused, header},
    harness::{read, text},
};

/// All pages of a round: what they held, and the link to the next round.
async fn round(graph: &Graph, path: &str) -> (Vec<Value>, String) {
    let mut items = Vec::new();
    let mut path = path.to_owned();
    loop {
        let request = graph.request(Method::GET, &path).header("Prefer", "odata.maxpagesize=30");
        let (status, page) = read(request.send().await.unwrap()).await;
        assert_eq!(status, 200, "{path}: {page}");
        items.extend(page["value"].as_array().unwrap().clone());
        if let Some(link) = page["@odata.deltaLink"].as_str() {
            assert!(page.get("@odata.nextLink").is_none());
            return (items, link.to_owned());
        }
        text(&page["@odata.nextLink"]).clone_into(&mut path);
    }
}

#[tokio::test]
async fn people_who_change() {
    let graph = Graph::start().await;
    let (all, link) = round(&graph, "users/delta?$select=id,accountEnabled&$top=1").await;
    assert_eq!(all.len(), 100, "$top is not heeded");
    let (nothing, link) = round(&graph, &link).await;
    assert!(nothing.is_empty());
    let gone = graph.world.person("installed").await;
    graph.world.change(&gone, "deleted").await;
    let disabled = graph.world.person("installed").await;
    graph.world.change(&disabled, "account_disabled").await;
    // That somebody removed the app is nothing to the directory.
    let person = graph.world.person("installed").await;
    graph.world.change(&person, "uninstalled").await;
    let (mut changed, next) = round(&graph, &link).await;
    changed.sort_by_key(|user| user.get("@removed").is_some());
    assert_eq!(changed.len(), 2);
    assert_eq!(changed[0], json!({"id": disabled["id"], "accountEnabled": false}));
    assert_eq!(changed[1], json!({"id": gone["id"], "@removed": {"reason": "changed"}}));
    // The old link tells the same again.
    assert_eq!(round(&graph, &link).await.0.len(), 2);
    graph.world.settings(json!({"graph_removed_reason": "deleted"})).await;
    let again = round(&graph, &link).await.0;
    assert!(again.contains(&json!({"id": gone["id"], "@removed": {"reason": "deleted"}})));
    graph.world.change(&disabled, "installed").await;
    let (back, _) = round(&graph, &next).await;
    assert_eq!(back, [json!({"id": disabled["id"], "accountEnabled": true})]);
}

#[tokio::test]
async fn what_changes_while_pages_are_read_comes_afterwards() {
    let graph = Graph::start().await;
    let first = graph.good("users/delta?$select=id,userType").await;
    assert_eq!(first["value"].as_array().unwrap().len(), 100);
    let request = graph
        .request(Method::GET, "users/delta?$select=id,userType")
        .header("prefer", "odata.maxpagesize=60");
    let response = request.send().await.unwrap();
    assert_eq!(header(&response, "preference-applied").as_deref(), Some("odata.maxpagesize=60"));
    let (_, page) = read(response).await;
    let person = page["value"][0].clone();
    graph.world.change(&person, "guest").await;
    let last = graph.good(text(&page["@odata.nextLink"])).await;
    let (changed, _) = round(&graph, text(&last["@odata.deltaLink"])).await;
    assert_eq!(changed, [json!({"id": person["id"], "userType": "Guest"})]);
}

#[tokio::test]
async fn a_link_that_expired() {
    let graph = Graph::start().await;
    let (_, link) = round(&graph, "users/delta?$select=id").await;
    graph.world.post("graph", json!({"expire_delta_tokens": true})).await;
    let response = graph.request(Method::GET, &link).send().await.unwrap();
    let anew = header(&response, "location").unwrap();
    assert_refused(&read(response).await, "sync_state_not_found");
    assert!(anew.ends_with("/v1.0/users/delta?$select=id&$deltatoken="), "{anew}");
    let (all, link) = round(&graph, &anew).await;
    assert_eq!(all.len(), 100);
    assert!(round(&graph, &link).await.0.is_empty());
    graph.world.settings(json!({"graph_delta_lifetime_s": 0})).await;
    assert_eq!(graph.get(&link).await.0, 410);
    graph.world.settings(json!({"graph_delta_expired_as": "bad_request"})).await;
    let (status, body) = graph.get(&link).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("syncStateNotFound")));
    graph.world.settings(json!({"graph_delta_lifetime_s": 60, "graph_delta_expired_as": "gone"})).await;
    assert_eq!(graph.get(&link).await.0, 200);
    // Another organisation knows nothing of it.
    graph.world.post("reset", json!({"people": 10})).await;
    assert_eq!(graph.get(&link).await.0, 410);
    assert_eq!(graph.get("users/delta?$deltatoken=x").await.0, 400);
    assert_eq!(graph.world.control(Method::POST, "graph", Some(json!({}))).await.0, 400);
}

#[tokio::test]
async fn what_microsoft_allows_itself() {
    let graph = Graph::start().await;
    let gone = graph.world.person("installed").await;
    graph.world.change(&gone, "deleted").await;
    assert_eq!(round(&graph, "users/delta?$select=id").await.0.len(), 99);
    graph.world.settings(json!({"graph_delta_untidy": true})).await;
    let (all, link) = round(&graph, "users/delta?$select=id").await;
    assert_eq!(all.len(), 101, "the one who is gone, and somebody twice");
    assert!(all.contains(&json!({"id": gone["id"], "@removed": {"reason": "changed"}})));
    let person = graph.world.person("installed").await;
    graph.world.change(&person, "guest").await;
    assert_eq!(round(&graph, &link).await.0, [json!({"id": person["id"]}), json!({"id": person["id"]})]);
    let fault = json!({"match": {"op": "graph.users_delta"}, "do": {"page": "empty"}, "times": 1});
    graph.world.post("faults", fault).await;
    let empty = graph.good(&link).await;
    assert_eq!(empty["value"], json!([]));
    assert_eq!(graph.good(text(&empty["@odata.nextLink"])).await["value"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn from_now_on() {
    let graph = Graph::start().await;
    let (nothing, link) = round(&graph, "users/delta?$select=id&$deltatoken=latest").await;
    assert!(nothing.is_empty());
    let person = graph.world.person("installed").await;
    graph.world.change(&person, "deleted").await;
    let page = graph.good(&link).await;
    assert_good(&page, "users_delta");
}

#[tokio::test]
async fn groups_and_their_members() {
    let graph = Graph::start().await;
    graph.world.post("reset", json!({"people": 250, "groups": 1})).await;
    let (all, link) = round(&graph, "groups/delta?$select=displayName,members").await;
    // One group of 250 people in parts of a hundred, and two teams of 125.
    assert_eq!(all.len(), 3 + 4);
    let members: usize = all.iter().map(|group| group["members@delta"].as_array().unwrap().len()).sum();
    assert_eq!(members, 500);
    let group = graph.world.get("groups").await["items"][0].clone();
    let person = graph.world.person("installed").await;
    let path = format!("groups/{}/members", text(&group["id"]));
    graph.world.post(&path, json!({"remove": [person["id"]]})).await;
    let team = graph.world.get("teams").await["items"][1].clone();
    let rename = format!("teams/{}/rename", text(&team["id"]));
    graph.world.post(&rename, json!({"name": "Other"})).await;
    let made = graph.world.post("groups", json!({"name": "New", "members": [person["id"]]})).await;
    let (changed, link) = round(&graph, &link).await;
    assert_eq!(changed.len(), 3);
    assert_eq!((&changed[0]["id"], &changed[0]["displayName"]), (&team["aadGroupId"], &json!("Other")));
    let user = "#microsoft.graph.user";
    let left = json!([{"@odata.type": user, "id": person["id"], "@removed": {"reason": "deleted"}}]);
    assert_eq!((&changed[1]["id"], &changed[1]["members@delta"]), (&group["id"], &left));
    let came = json!([{"@odata.type": user, "id": person["id"]}]);
    assert_eq!((&changed[2]["id"], &changed[2]["members@delta"]), (&made["id"], &came));
    let delete = format!("groups/{}", text(&made["id"]));
    assert_eq!(graph.world.control(Method::DELETE, &delete, None).await.0, 204);
    let (gone, _) = round(&graph, &link).await;
    assert_eq!(gone, [json!({"id": made["id"], "@removed": {"reason": "changed"}})]);
}
