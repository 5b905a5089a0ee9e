//! Batch sends, in the spellings of Microsoft's SDKs.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    fixtures::refusal,
    harness::{SCOPE, World, text},
};

const USERS: &str = "v3/batch/conversation/users/";

fn message() -> Value {
    json!({"type": "message", "text": "to many"})
}

/// The id of an operation that was taken.
async fn start(world: &World, path: &str, body: Value) -> String {
    let (status, answer) = world.call(Method::POST, path, Some(body)).await;
    assert_eq!(status, 201, "{answer}");
    let id = answer["operationId"].as_str().or(answer.as_str()).unwrap();
    format!("v3/batch/conversation/{id}")
}

async fn ended(world: &World, operation: &str) -> Value {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(5));
    loop {
        tick.tick().await;
        let (status, state) = world.call(Method::GET, operation, None).await;
        assert_eq!(status, 200, "{state}");
        if state["state"] != "Ongoing" {
            return state;
        }
    }
}

async fn ids(world: &World, query: &str, field: &str) -> Vec<Value> {
    let people = world.get(&format!("people?{query}")).await;
    people["items"].as_array().unwrap().iter().map(|person| json!({"id": person[field]})).collect()
}

#[tokio::test]
async fn off_by_default() {
    let world = World::start().await;
    let body = json!({"members": ids(&world, "limit=1", "id").await, "activity": message(), "tenantId": world.sim.tenant_id()});
    assert_eq!(world.call(Method::POST, USERS, Some(body)).await, refusal("batch_forbidden"));
    for (method, path) in [
        (Method::GET, "v3/batch/conversation/x"),
        (Method::GET, "v3/batch/conversation/failedentries/x"),
        (Method::DELETE, "v3/batch/conversation/x"),
    ] {
        assert_eq!(world.call(method, path, None).await, refusal("batch_forbidden"), "{path}");
    }
    assert_eq!(world.get("counts").await["requests"]["batch"], json!({"403": 4}));
}

#[tokio::test]
async fn both_spellings() {
    let world = World::start().await;
    world.settings(json!({"batch": true, "limits": false})).await;
    let tenant = world.sim.tenant_id();
    let people = ids(&world, "state=installed&limit=3", "mri").await;
    let camel = json!({"members": people, "activity": message(), "tenantId": tenant});
    let state = ended(&world, &start(&world, USERS, camel).await).await;
    assert_eq!(
        state,
        json!({"state": "Completed", "statusMap": {"201": 3}, "totalEntriesCount": 3}),
        "without retryAfter"
    );
    world
        .settings(json!({"batch_answer": "text", "batch_state_map": true, "batch_entry_id_short": true}))
        .await;
    let strangers = ids(&world, "state=never_installed&limit=1", "id").await;
    let pascal = json!({"Members": [{"Id": people[0]["id"]}, {"Id": strangers[0]["id"]}], "Activity": message(), "TenantId": tenant});
    let operation = start(&world, "v3/batch/conversation/users", pascal).await;
    let state = ended(&world, &operation).await;
    assert_eq!(state["stateMap"], json!({"201": 1, "403": 1}));
    let path = operation.replace("conversation/", "conversation/failedentries/");
    let (_, failed) = world.call(Method::GET, &path, None).await;
    let expected = json!({"id": strangers[0]["id"], "error": "ForbiddenOperationException"});
    assert_eq!(failed, json!({"failedEntryResponses": [expected]}));
    assert_eq!(world.get("counts").await["accepted"], 4);
}

#[tokio::test]
async fn everybody_a_team_and_channels() {
    let world = World::start().await;
    world.settings(json!({"batch": true, "limits": false})).await;
    let tenant = world.sim.tenant_id();
    let everybody = json!({"activity": message(), "tenantId": tenant});
    let state = ended(&world, &start(&world, "v3/batch/conversation/tenant/", everybody).await).await;
    let people = world.get("counts").await["people"].clone();
    let with_app = people["installed"].as_u64().unwrap() + people["chat_deleted"].as_u64().unwrap();
    assert_eq!(state["statusMap"], json!({"201": with_app}));

    let team = world.get("teams").await["items"][0].clone();
    let body = json!({"activity": message(), "tenantId": tenant, "teamId": team["id"]});
    let path = "v3/batch/conversation/team";
    let refused = world.call(Method::POST, path, Some(body.clone())).await;
    assert_eq!(refused, refusal("bot_not_in_conversation_roster"));
    world.post(&format!("teams/{}/install", text(&team["id"])), json!({})).await;
    let state = ended(&world, &start(&world, path, body).await).await;
    assert_eq!(state["totalEntriesCount"], team["members"]);

    let channels = json!([{"id": team["channels"][1]["id"]}, {"id": "19:nowhere@thread.tacv2"}]);
    let body = json!({"members": channels, "activity": message(), "tenantId": tenant});
    let state = ended(&world, &start(&world, "v3/batch/conversation/channels/", body).await).await;
    assert_eq!(state["statusMap"], json!({"201": 1, "404": 1}));
    let kept = world.get(&format!("conversations/{}/messages", text(&team["channels"][1]["id"]))).await;
    assert_eq!(kept["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn failed_entries_come_in_pages() {
    let world = World::start().await;
    world.settings(json!({"batch": true, "limits": false})).await;
    let nobody: Vec<Value> = (0..150).map(|at| json!({"id": format!("29:nobody{at}")})).collect();
    let body = json!({"members": nobody, "activity": message(), "tenantId": world.sim.tenant_id()});
    let operation = start(&world, USERS, body).await;
    ended(&world, &operation).await;
    let path = operation.replace("conversation/", "conversation/failedentries/");
    let (_, first) = world.call(Method::GET, &path, None).await;
    assert_eq!(first["failedEntryResponses"].as_array().unwrap().len(), 100);
    let next = format!("{path}?continuationToken={}", text(&first["continuationToken"]));
    let (_, second) = world.call(Method::GET, &next, None).await;
    assert_eq!(
        second["failedEntryResponses"][49],
        json!({"entryId": "29:nobody149", "error": "BadArgument"})
    );
    assert!(second.get("continuationToken").is_none());
    let (status, _) = world.call(Method::GET, &format!("{path}?continuationToken=x"), None).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn it_waits_for_the_limits_on_the_simulators_clock_and_is_canceled() {
    let world = World::start().await;
    let (status, _) = world.control(Method::PATCH, "time", Some(json!({"mode": "explicit"}))).await;
    assert_eq!(status, 200);
    world.settings(json!({"batch": true, "limits_per_s": 20})).await;
    let people = ids(&world, "state=installed&limit=60", "mri").await;
    let body = json!({"members": people, "activity": message(), "tenantId": world.sim.tenant_id()});
    let operation = start(&world, USERS, body).await;
    // The request itself took one of the twenty.
    world.until("counts", |counts| counts["accepted"] == 19).await;
    world.settings(json!({"limits": false})).await;
    let (_, state) = world.call(Method::GET, &operation, None).await;
    assert_eq!((&state["state"], &state["statusMap"]), (&json!("Ongoing"), &json!({"201": 19})));
    assert!(text(&state["retryAfter"]).ends_with('Z'), "{state}");
    world.settings(json!({"limits": true})).await;
    world.post("time/advance", json!({"by_s": 1.2})).await;
    world.until("counts", |counts| counts["accepted"] == 39).await;
    world.settings(json!({"limits": false})).await;
    assert_eq!(world.call(Method::DELETE, &operation, None).await, (200, Value::Null));
    world.post("time/advance", json!({"by_s": 10})).await;
    let state = ended(&world, &operation).await;
    assert_eq!((&state["state"], &state["statusMap"]), (&json!("Canceled"), &json!({"201": 39})));
    assert_eq!(world.get("counts").await["accepted"], 39);
}

#[tokio::test]
async fn refusals() {
    let mut world = World::start().await;
    world.settings(json!({"batch": true, "limits": false, "batch_entries_max": 2})).await;
    let tenant = world.sim.tenant_id().to_owned();
    let one = ids(&world, "state=installed&limit=1", "mri").await[0].clone();
    let other = "00000000-0000-4000-8000-000000000000";
    for (body, expected) in [
        (json!({}), "bad_syntax"),
        (json!({"members": [one], "activity": message()}), "bad_syntax"),
        (json!({"members": [], "activity": message(), "tenantId": tenant}), "bad_syntax"),
        (json!({"members": [{}], "activity": message(), "tenantId": tenant}), "bad_syntax"),
        (json!({"members": [one], "tenantId": tenant}), "bad_syntax"),
        (json!({"members": [one], "activity": {"type": "message"}, "tenantId": tenant}), "bad_syntax"),
        (json!({"members": [one], "activity": message(), "tenantId": other}), "tenant_no_permission"),
    ] {
        assert_eq!(world.call(Method::POST, USERS, Some(body.clone())).await, refusal(expected), "{body}");
    }
    let many = json!({"members": [one, one, one], "activity": message(), "tenantId": tenant});
    assert_eq!(world.call(Method::POST, USERS, Some(many)).await.0, 400);
    let few = json!({"members": [one], "activity": message(), "tenantId": tenant});
    let operation = start(&world, USERS, few.clone()).await;
    ended(&world, &operation).await;
    world.settings(json!({"batch_operations_max": 0})).await;
    assert_eq!(world.call(Method::POST, USERS, Some(few)).await.0, 429);
    // Another bot does not see it.
    world.post("bots", json!({"app_id": "second", "secret": "s"})).await;
    let (_, answer) = world.token(&tenant, "second", "s", SCOPE).await;
    text(&answer["access_token"]).clone_into(&mut world.token);
    for (method, path) in [
        (Method::GET, operation.clone()),
        (Method::DELETE, operation.clone()),
        (Method::GET, operation.replace("conversation/", "conversation/failedentries/")),
    ] {
        assert_eq!(world.call(method, &path, None).await.0, 404, "{path}");
    }
}
