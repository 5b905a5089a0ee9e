//! Every row of protocol section 6, provoked from outside and compared with its fixture: status, headers, body.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::{
    fixtures::{assert_headers, fixture, names},
    harness::{APP, SECRET, World, read, text},
};

/// What a service has now and then without a client's doing: a fault asks for it.
const BY_FAULT: [&str; 12] = [
    "bad_gateway",
    "capability_override",
    "error_code_without_sub_code",
    "forbidden_without_body",
    "gateway_html",
    "gateway_timeout",
    "message_writes_blocked_2026",
    "other_region",
    "precondition_failed",
    "request_timeout",
    "service_error",
    "service_unavailable",
];

fn message() -> Value {
    json!({"type": "message", "text": "x"})
}

async fn post(world: &World, path: &str, body: Value) -> Response {
    world.request(Method::POST, path).json(&body).send().await.unwrap()
}

async fn send(world: &World, conversation: &Value, activity: Value) -> Response {
    post(world, &format!("v3/conversations/{}/activities", text(conversation)), activity).await
}

async fn to(world: &World, state: &str) -> Response {
    send(world, &world.person(state).await["conversation_id"], message()).await
}

async fn to_installed(world: &World, activity: Value) -> Response {
    send(world, &world.person("installed").await["conversation_id"], activity).await
}

async fn create(world: &World, member: &Value) -> Response {
    let body = json!({"members": [{"id": member}], "tenantId": world.sim.tenant_id()});
    post(world, "v3/conversations", body).await
}

fn root(citations: &Value) -> Value {
    json!({"type": "https://schema.org/Message", "@type": "Message", "citation": citations})
}

/// Does what is refused with that row.
async fn provoke(world: &mut World, row: &str) -> Response {
    let nobody = "00000000-0000-4000-8000-000000000000";
    let person = world.person("installed").await;
    let chat = text(&person["conversation_id"]).to_owned();
    match row {
        "bad_argument" => {
            let strange = json!({"type": "message", "attachments": [{"contentType": "application/x-foo"}]});
            to_installed(world, strange).await
        }
        "bad_syntax" => to_installed(world, json!({"type": "message"})).await,
        "missing_property" => {
            world.post("bots", json!({"app_id": APP, "secret": SECRET, "supports_sessions": true})).await;
            create(world, &person["id"]).await
        }
        "message_entities" => {
            let two =
                json!({"type": "message", "text": "x", "entities": [root(&json!([])), root(&json!([]))]});
            to_installed(world, two).await
        }
        "message_citations" => {
            let claim = json!({"@type": "Claim", "position": 1,
                "appearance": {"@type": "DigitalDocument", "name": "Handbook"}});
            let many = json!({"type": "message", "text": "x", "entities": [root(&json!(vec![claim; 21]))]});
            to_installed(world, many).await
        }
        "message_appearance" => {
            let claim = json!([{"@type": "Claim", "position": 1, "appearance": {}}]);
            to_installed(world, json!({"type": "message", "text": "x", "entities": [root(&claim)]})).await
        }
        "mention_entity" => {
            let mention = json!([{"type": "mention", "text": "<at>x</at>", "mentioned": {"id": "29:x"}}]);
            to_installed(world, json!({"type": "message", "text": "<at>x</at>", "entities": mention})).await
        }
        "creation_parameters" => {
            let members = json!([{"id": person["id"]}, {"id": person["mri"]}]);
            let body = json!({"isGroup": true, "members": members, "tenantId": world.sim.tenant_id()});
            post(world, "v3/conversations", body).await
        }
        "conversation_id_format" => send(world, &json!(format!("a:{}", "x".repeat(2000))), message()).await,
        "bot_not_registered" => {
            let (status, _) = world.control(Method::DELETE, &format!("bots/{APP}"), None).await;
            assert_eq!(status, 204);
            post(world, &format!("v3/conversations/{chat}/activities"), message()).await
        }
        "authorization_error" | "authorization_denied" => {
            if row == "authorization_error" {
                world.settings(json!({"refused_token_as": "code"})).await;
            }
            world.token.push('x');
            to_installed(world, message()).await
        }
        "bot_disabled_by_admin" => {
            world.change(&person, "admin_disabled").await;
            to(world, "admin_disabled").await
        }
        "bot_disabled_by_user" => {
            world.settings(json!({"blocked_as": "disabled_by_user"})).await;
            to(world, "blocked").await
        }
        "bot_not_in_conversation_roster" => to(world, "uninstalled").await,
        "conversation_blocked_by_user" => to(world, "blocked").await,
        "message_writes_blocked" => {
            world.settings(json!({"blocked_as": "209"})).await;
            to(world, "blocked").await
        }
        "forbidden_operation" => create(world, &world.person("never_installed").await["id"]).await,
        "bad_pairwise_id" => create(world, &json!(format!("29:{}", text(&person["id"])))).await,
        "invalid_bot_api_host" => {
            world.settings(json!({"gcc_host": "smba.infra.gcc.teams.microsoft.com"})).await;
            to_installed(world, message()).await
        }
        "not_enough_permissions" => {
            world.settings(json!({"unlicensed_as": "not_permitted"})).await;
            world.change(&person, "unlicensed").await;
            to(world, "unlicensed").await
        }
        "tenant_no_permission" => {
            let body = json!({"members": [{"id": person["id"]}], "tenantId": nobody});
            post(world, "v3/conversations", body).await
        }
        "batch_forbidden" => post(world, "v3/batch/conversation/tenant/", json!({})).await,
        "activity_not_found" => {
            let path = format!("v3/conversations/{chat}/activities/1795356500001");
            world.request(Method::DELETE, &path).send().await.unwrap()
        }
        "conversation_not_found" => to(world, "chat_deleted").await,
        "member_not_found" => {
            let path = format!("v3/conversations/{chat}/members/{nobody}");
            world.request(Method::GET, &path).send().await.unwrap()
        }
        "message_size_too_big" => {
            to_installed(world, json!({"type": "message", "text": "x".repeat(60_000)})).await
        }
        "request_entity_too_large" => {
            to_installed(world, json!({"type": "message", "text": "x".repeat(9 * 1024 * 1024)})).await
        }
        "throttled" => {
            world.settings(json!({"limits_per_s": 1, "scale": 100})).await;
            assert_eq!(to_installed(world, message()).await.status(), 201);
            to_installed(world, message()).await
        }
        by_fault => {
            assert!(BY_FAULT.contains(&by_fault), "nothing provokes {by_fault}");
            let expected = fixture(&format!("refusals/{by_fault}.json"));
            let action = json!({"status": expected["status"], "body": expected["body"]});
            world.post("faults", json!({"match": {"op": "send"}, "do": action, "times": 1})).await;
            to_installed(world, message()).await
        }
    }
}

#[tokio::test]
async fn every_row_is_provoked_and_equals_its_fixture() {
    let rows = names("refusals");
    for row in &rows {
        let mut world = World::start().await;
        let response = provoke(&mut world, row).await;
        let expected = fixture(&format!("refusals/{row}.json"));
        assert_headers(&response, &expected, row);
        assert_eq!(
            read(response).await,
            (expected["status"].as_u64().unwrap() as u16, expected["body"].clone()),
            "{row}"
        );
        world.sim.stop().await;
    }
    assert!(rows.len() >= 39, "{}", rows.len());
}
