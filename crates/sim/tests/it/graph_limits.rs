//! Graph's limits from outside, with windows stretched so that no test races against a second; and batches.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    fixtures::fixture,
    graph::{Graph, assert_refused, assert_shape, header},
    harness::text,
};

async fn limited() -> Graph {
    let graph = Graph::start().await;
    graph.world.settings(json!({"limits": true, "scale": 100})).await;
    graph
}

async fn throttled(graph: &Graph) -> Value {
    graph.world.get("counts").await["graph_throttled"].clone()
}

#[tokio::test]
async fn thirty_installs_and_no_more() {
    let graph = Graph::start().await;
    graph.world.post("reset", json!({"people": 40, "states": {"never_installed": 1.0}})).await;
    let bind = graph.bind().await;
    let people = graph.world.get("people?limit=40").await["items"].clone();
    graph.world.settings(json!({"limits": true, "scale": 100})).await;
    let install = async |at: usize| {
        let path = format!("users/{}/teamwork/installedApps", text(&people[at]["id"]));
        graph.request(Method::POST, &path).json(&bind).send().await.unwrap()
    };
    for at in 0..30 {
        assert_eq!(install(at).await.status().as_u16(), 201, "{at}");
    }
    let refused = install(30).await;
    assert_eq!(header(&refused, "x-ms-resource-unit"), None);
    let wait: i64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert!((60..=100).contains(&wait), "{wait}");
    let refused = crate::harness::read(refused).await;
    assert_refused(&refused, "throttled");
    // Reading is counted elsewhere.
    let path = format!("users/{}/teamwork/installedApps", text(&people[31]["id"]));
    assert_eq!(graph.get(&path).await.0, 200);
    graph.world.settings(json!({"graph_retry_after": "none"})).await;
    assert_eq!(header(&install(31).await, "retry-after"), None);
    graph.world.settings(json!({"graph_retry_after": "fraction"})).await;
    let wait = header(&install(31).await, "retry-after").unwrap();
    let (whole, rest) = wait.split_once('.').unwrap();
    assert!(whole.parse::<u32>().unwrap() <= 100 && rest.len() == 3, "{wait}");
    assert_eq!(
        throttled(&graph).await,
        json!({"app_tenant": 3, "app": 0, "resource": 0, "resource_units": 0})
    );
    graph.world.settings(json!({"limits": false})).await;
    assert_eq!(install(32).await.status().as_u16(), 201);
}

#[tokio::test]
async fn four_on_one_team() {
    let graph = limited().await;
    let teams = graph.world.get("teams").await;
    let team = |at: usize| format!("teams/{}", text(&teams["items"][at]["aadGroupId"]));
    for path in [team(0), format!("{}/channels", team(0)), format!("{}/members", team(0)), team(0)] {
        assert_eq!(graph.get(&path).await.0, 200);
    }
    assert_eq!(graph.get(&team(0)).await.0, 429);
    assert_eq!(graph.get(&team(1)).await.0, 200);
    assert_eq!(throttled(&graph).await["resource"], 1);
}

#[tokio::test]
async fn the_directory_counts_units() {
    let graph = limited().await;
    let one = async |path: &str| graph.request(Method::GET, path).send().await.unwrap();
    let response = one("users?$top=50").await;
    assert_eq!(header(&response, "x-ms-resource-unit").as_deref(), Some("2"));
    assert_eq!(header(&response, "x-ms-throttle-limit-percentage"), None);
    assert_eq!(header(&one("users?$select=id").await, "x-ms-resource-unit").as_deref(), Some("1"));
    // A hundred people: 5,000 units in ten seconds, of which a thousandth is real here.
    graph.world.settings(json!({"graph_limits_share": 0.001})).await;
    assert_eq!(one("users?$select=id").await.status().as_u16(), 200);
    let nearly = one("users?$select=id").await;
    assert_eq!(nearly.status().as_u16(), 200);
    let share: f64 = header(&nearly, "x-ms-throttle-limit-percentage").unwrap().parse().unwrap();
    assert!((0.8..=1.0).contains(&share), "{share}");
    let refused = one("users").await;
    assert_eq!(refused.status().as_u16(), 429);
    let scope = header(&refused, "x-ms-throttle-scope").unwrap();
    assert!(
        scope.starts_with("Tenant_Application/ReadWrite/") && scope.ends_with(graph.world.sim.tenant_id())
    );
    let why = header(&refused, "x-ms-throttle-information");
    assert_eq!(why.as_deref(), Some("ResourceUnitLimitExceeded"));
    assert!(header(&refused, "retry-after").is_some());
    let share: f64 = header(&refused, "x-ms-throttle-limit-percentage").unwrap().parse().unwrap();
    assert!((1.0..=1.8).contains(&share), "{share}");
    assert_eq!(throttled(&graph).await["resource_units"], 1);
    assert_eq!(graph.world.get("counts").await["limit_breaches"], 0, "the Connector's are others");
}

fn get(id: &str, url: &str) -> Value {
    json!({"id": id, "method": "GET", "url": url})
}

fn by_id<'a>(body: &'a Value, id: &str) -> &'a Value {
    body["responses"].as_array().unwrap().iter().find(|response| response["id"] == id).unwrap()
}

#[tokio::test]
async fn several_in_one() {
    let graph = limited().await;
    let person = graph.world.person("never_installed").await;
    let path = format!("/users/{}/teamwork/installedApps", text(&person["id"]));
    let install = json!({
        "id": "2", "method": "POST", "url": path, "headers": {"Content-Type": "application/json"},
        "body": graph.bind().await,
    });
    let requests = json!([
        get("1", &format!("/users/{}?$select=id", text(&person["id"]))),
        install,
        get("3", "users/nobody@nowhere"),
        get("4", "/nothing"),
    ]);
    let (status, body) = graph.post("$batch", json!({"requests": requests})).await;
    assert_eq!(status, 200, "{body}");
    let statuses = ["1", "2", "3", "4"].map(|id| by_id(&body, id)["status"].clone());
    assert_eq!(statuses, [json!(200), json!(201), json!(404), json!(400)]);
    let expected = fixture("graph/batch.json")["body"]["responses"][0].clone();
    assert_shape(by_id(&body, "1"), &expected, "batch");
    assert!(by_id(&body, "2").get("body").is_none());
    assert_eq!(graph.good(path.trim_start_matches('/')).await["value"].as_array().unwrap().len(), 1);
    let counts = graph.world.get("counts").await;
    assert_eq!(counts["requests"]["graph.install"], json!({"201": 1}));
    assert_eq!(counts["requests"]["graph.batch"], json!({"200": 1}));
    let journal = graph.world.get("journal").await;
    let mut entries = journal["items"].as_array().unwrap().iter();
    let entry = entries.find(|entry| entry["op"] == "graph.install").unwrap();
    assert_eq!((&entry["person"], &entry["status"]), (&person["id"], &json!(201)));
    assert!(text(&entry["path"]).starts_with("/v1.0/$batch/users/"));
}

#[tokio::test]
async fn each_of_a_batch_is_throttled_by_itself() {
    let graph = limited().await;
    let team = graph.world.get("teams").await["items"][0]["aadGroupId"].clone();
    let requests: Vec<Value> =
        (0..6).map(|id| get(&id.to_string(), &format!("/teams/{}", text(&team)))).collect();
    let (status, body) = graph.post("$batch", json!({"requests": requests})).await;
    assert_eq!(status, 200);
    let mut statuses: Vec<u64> =
        body["responses"].as_array().unwrap().iter().map(|one| one["status"].as_u64().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 429, 429]);
    let refused = body["responses"].as_array().unwrap().iter().find(|one| one["status"] == 429).unwrap();
    assert!(refused["headers"]["Retry-After"].is_string());
    // A fault can meet one of them.
    graph.world.settings(json!({"limits": false})).await;
    let fault = json!({"match": {"op": "graph.users"}, "do": {"status": 503}, "times": 1});
    graph.world.post("faults", fault).await;
    let requests = json!([get("a", "/users?$top=1"), get("b", "/users?$top=1")]);
    let (_, body) = graph.post("$batch", json!({"requests": requests})).await;
    assert_eq!((&by_id(&body, "a")["status"], &by_id(&body, "b")["status"]), (&json!(503), &json!(200)));
}

#[tokio::test]
async fn what_depends_on_a_failure_fails() {
    let graph = Graph::start().await;
    let after = |id: &str, url: &str, before: &str| {
        let mut request = get(id, url);
        request["dependsOn"] = json!([before]);
        request
    };
    let chain = json!([
        get("1", "/users?$top=1"),
        after("2", "/users/nobody@nowhere", "1"),
        after("3", "/users?$top=1", "2"),
        after("4", "/users?$top=1", "3"),
    ]);
    let (_, body) = graph.post("$batch", json!({"requests": chain})).await;
    let statuses = ["1", "2", "3", "4"].map(|id| by_id(&body, id)["status"].clone());
    assert_eq!(statuses, [json!(200), json!(404), json!(424), json!(424)]);
    let refused = async |requests: Value| graph.post("$batch", json!({"requests": requests})).await.0;
    assert_eq!(refused(json!([get("1", "/users"), get("1", "/groups")])).await, 400, "two of one id");
    assert_eq!(refused(json!([get("A", "/users"), get("a", "/groups")])).await, 400, "in any case");
    assert_eq!(refused(json!([after("1", "/users", "2"), get("2", "/users")])).await, 400);
    assert_eq!(refused(json!([])).await, 400);
    assert_eq!(refused(json!([{"id": "1", "method": "GET"}])).await, 400);
    assert_eq!(refused(json!([get("1", "https://graph.microsoft.com/v1.0/users")])).await, 400);
    assert_eq!(refused(json!([{"id": "1", "method": "POST", "url": "/users", "body": {}}])).await, 400);
    let many: Vec<Value> = (0..21).map(|id| get(&id.to_string(), "/users?$top=1")).collect();
    let answer = graph.post("$batch", json!({"requests": many})).await;
    assert_refused(&answer, "batch_too_many");
    let nested = json!([{"id": "1", "method": "POST", "url": "/$batch", "headers": {"content-type": "application/json"}, "body": {}}]);
    let (_, body) = graph.post("$batch", json!({"requests": nested})).await;
    assert_eq!(by_id(&body, "1")["status"], 400);
}
