//! Wrong, expired and foreign tokens, at every operation of the Connector.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    fixtures::{assert_headers, fixture, refusal},
    harness::{APP, SCOPE, SECRET, World, read, text},
};

/// Every operation that is served, with a body where it takes one. All ids are somebody's.
async fn operations(world: &World) -> Vec<(Method, String, Option<Value>)> {
    let person = world.person("installed").await;
    let team = text(&world.get("teams").await["items"][0]["id"]).to_owned();
    world.post(&format!("teams/{team}/install"), json!({})).await;
    let meeting =
        world.post("chats", json!({"kind": "meeting", "members": [person["id"]], "apps": [APP]})).await;
    let meeting = format!("v1/meetings/{}", text(&meeting["meeting_id"]));
    let (tenant, id) = (world.sim.tenant_id(), text(&person["id"]));
    let (_, sent) = world.send(text(&person["conversation_id"]), "there").await;
    let chat = format!("v3/conversations/{}", text(&person["conversation_id"]));
    let one = format!("{chat}/activities/{}", text(&sent["id"]));
    let (message, none) = (json!({"type": "message", "text": "x"}), None::<Value>);
    let targeted = json!({"type": "message", "text": "x", "recipient": {"id": person["mri"]}});
    let create = json!({"members": [{"id": id}], "tenantId": tenant});
    let thread = json!({"isGroup": true, "channelData": {"channel": {"id": team}}, "tenantId": tenant, "activity": message});
    let batch = json!({"members": [{"id": id}], "activity": message, "tenantId": tenant});
    let upload = json!({"type": "image/png", "originalBase64": "aGVsbG8="});
    let history = json!({"activities": [message]});
    let some = |body: &Value| Some(body.clone());
    vec![
        (Method::POST, "v3/conversations".to_owned(), some(&create)),
        (Method::POST, "v3/conversations".to_owned(), some(&thread)),
        (Method::GET, "v3/conversations".to_owned(), none.clone()),
        (Method::POST, format!("{chat}/activities"), some(&message)),
        (Method::POST, format!("{chat}/activities?isTargetedActivity=true"), some(&targeted)),
        (Method::POST, format!("{chat}/activities/history"), some(&history)),
        (Method::POST, one.clone(), some(&message)),
        (Method::PUT, one.clone(), some(&message)),
        (Method::PUT, format!("{one}/reactions/like"), none.clone()),
        (Method::DELETE, format!("{one}/reactions/like"), none.clone()),
        (Method::GET, format!("{one}/members"), none.clone()),
        (Method::GET, format!("{chat}/members"), none.clone()),
        (Method::GET, format!("{chat}/pagedMembers?pageSize=50"), none.clone()),
        (Method::GET, format!("{chat}/members/{id}"), none.clone()),
        (Method::POST, format!("{chat}/attachments"), some(&upload)),
        (Method::GET, format!("v3/teams/{team}"), none.clone()),
        (Method::GET, format!("v3/teams/{team}/conversations"), none.clone()),
        (Method::GET, meeting.clone(), none.clone()),
        (Method::GET, format!("{meeting}/participants/{id}?tenantId={tenant}"), none.clone()),
        (
            Method::POST,
            format!("{meeting}/notification"),
            Some(json!({"type": "targetedMeetingNotification",
            "value": {"recipients": [person["mri"]], "surfaces": [{"surface": "meetingTabIcon"}]}})),
        ),
        (Method::POST, "v3/batch/conversation/users/".to_owned(), some(&batch)),
        (Method::POST, "v3/batch/conversation/tenant".to_owned(), some(&batch)),
        (Method::DELETE, one, none),
    ]
}

/// Operations on what another operation made; here it is unknown, and without a token nobody is told that.
fn of_unknown() -> Vec<(Method, String, Option<Value>)> {
    let unknown = "00000000-0000-4000-8000-000000000000";
    [
        (Method::GET, format!("v3/attachments/{unknown}")),
        (Method::GET, format!("v3/attachments/{unknown}/views/original")),
        (Method::GET, format!("v3/batch/conversation/{unknown}")),
        (Method::GET, format!("v3/batch/conversation/failedentries/{unknown}")),
        (Method::DELETE, format!("v3/batch/conversation/{unknown}")),
        (Method::DELETE, format!("v3/conversations/{unknown}/members/{unknown}")),
        (Method::GET, "v3/nothing".to_owned()),
    ]
    .map(|(method, path)| (method, path, None))
    .to_vec()
}

async fn on() -> World {
    let world = World::start().await;
    let switches = json!({"limits": false, "batch": true, "attachments": true, "conversation_list": true,
        "history": true, "member_delete": true, "targeted_in_personal": true});
    world.settings(switches).await;
    world
}

async fn ask(
    world: &World,
    token: Option<&str>,
    (method, path, body): &(Method, String, Option<Value>),
) -> reqwest::Response {
    let mut request = world.http.request(method.clone(), format!("{}/teams/{path}", world.sim.base()));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn with_a_good_token_all_is_done() {
    let world = on().await;
    for operation in operations(&world).await {
        let (status, body) = read(ask(&world, Some(&world.token), &operation).await).await;
        assert!((200..300).contains(&status), "{operation:?}: {status} {body}");
    }
}

#[tokio::test]
async fn no_operation_takes_a_token_that_is_not_good() {
    let world = on().await;
    let mut all = operations(&world).await;
    all.extend(of_unknown());
    let token = world.token.clone();
    let (head, rest) = token.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    // Another bot's claims under this one's signature, and a token for somebody else's service.
    world.post("bots", json!({"app_id": "second", "secret": "s"})).await;
    let (_, other) = world.token(world.sim.tenant_id(), "second", "s", SCOPE).await;
    let others_claims = text(&other["access_token"]).split('.').nth(1).unwrap().to_owned();
    // Single-tenant, but the token comes from Bot Framework's tenant.
    world.post("bots", json!({"app_id": "third", "secret": "s", "kind": "single_tenant"})).await;
    let (_, foreign) = world.token("botframework.com", "third", "s", SCOPE).await;
    world.settings(json!({"token_expires_in": 0})).await;
    let (_, expired) = world.token(world.sim.tenant_id(), APP, SECRET, SCOPE).await;
    let bad = [
        None,
        Some(String::new()),
        Some("x.y.z".to_owned()),
        Some(format!("{head}.{claims}.{}", signature.chars().rev().collect::<String>())),
        Some(format!("{head}.{claims}.")),
        Some(format!("{head}.{others_claims}.{signature}")),
        Some(text(&foreign["access_token"]).to_owned()),
        Some(text(&expired["access_token"]).to_owned()),
    ];
    let before = world.get("counts").await;
    let expected = fixture("refusals/authorization_denied.json");
    for operation in &all {
        for token in &bad {
            let response = ask(&world, token.as_deref(), operation).await;
            assert_headers(&response, &expected, &operation.1);
            assert_eq!(read(response).await, refusal("authorization_denied"), "{operation:?} {token:?}");
        }
    }
    let (status, _) = world.control(Method::DELETE, &format!("bots/{APP}"), None).await;
    assert_eq!(status, 204);
    for operation in &all {
        let answer = read(ask(&world, Some(&token), operation).await).await;
        assert_eq!(answer, refusal("bot_not_registered"), "{operation:?}");
    }
    let after = world.get("counts").await;
    assert_eq!(
        (&after["accepted"], &after["other_activities"]),
        (&before["accepted"], &before["other_activities"])
    );
}
