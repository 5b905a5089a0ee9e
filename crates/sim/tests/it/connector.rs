use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    fixtures::refusal,
    harness::{APP, World, read, text},
};

#[tokio::test]
async fn create_is_idempotent_and_send_is_stored() {
    let world = World::start().await;
    let person = world.person("installed").await;
    let (status, by_mri) = world.create(text(&person["mri"])).await;
    assert_eq!(status, 201);
    let (_, by_object) = world.create(text(&person["id"])).await;
    assert_eq!(by_mri, by_object);
    let chat = text(&by_mri["id"]);
    assert_eq!(json!(chat), person["conversation_id"]);
    assert!(chat.starts_with("a:1"));

    let (status, first) = world.send(chat, "hello").await;
    let (_, second) = world.send(chat, "hello again").await;
    assert_eq!(status, 201);
    assert!(text(&first["id"]).parse::<u64>().unwrap() < text(&second["id"]).parse::<u64>().unwrap());
    let kept = world.get(&format!("conversations/{chat}/messages")).await;
    assert_eq!(kept["items"][0]["id"], first["id"]);
    assert_eq!(kept["items"][1]["activity"]["text"], "hello again");
    assert_eq!(kept["person"], person["id"]);
}

/// A state and how it refuses: create by `29:`, create by object id, send. `None`: created or sent.
type Row = (&'static str, Option<&'static str>, Option<&'static str>, Option<&'static str>);

#[tokio::test]
async fn every_state_answers_by_the_table() {
    let world = World::start().await;
    let created = |person: &Value| (201, json!({"id": person["conversation_id"]}));
    let table: [Row; 6] = [
        ("installed", None, None, None),
        ("never_installed", Some("bad_pairwise_id"), Some("forbidden_operation"), None),
        ("uninstalled", None, Some("forbidden_operation"), Some("bot_not_in_conversation_roster")),
        ("blocked", None, None, Some("conversation_blocked_by_user")),
        (
            "admin_disabled",
            Some("bot_disabled_by_admin"),
            Some("bot_disabled_by_admin"),
            Some("bot_disabled_by_admin"),
        ),
        ("team_only", None, Some("forbidden_operation"), None),
    ];
    let spare = world.get("people?state=installed&limit=2").await;
    world.change(&spare["items"][0], "admin_disabled").await;
    world.change(&spare["items"][1], "team_only").await;
    for (state, by_mri, by_object, send) in table {
        let person = world.person(state).await;
        let mut expected = created(&person);
        let made = world.create(text(&person["mri"])).await;
        if state == "team_only" {
            expected.1 = made.1.clone();
        }
        assert_eq!(made, by_mri.map_or(expected.clone(), refusal), "{state} by 29:");
        assert_eq!(
            world.create(text(&person["id"])).await,
            by_object.map_or(expected, refusal),
            "{state} by id"
        );
        if let Some(chat) = made.1["id"].as_str().or(person["conversation_id"].as_str()) {
            let sent = world.send(chat, "hi").await;
            match send {
                Some(name) => assert_eq!(sent, refusal(name), "{state} send"),
                None => assert_eq!(sent.0, 201, "{state} send"),
            }
        }
    }
}

#[tokio::test]
async fn switches_of_the_table() {
    let world = World::start().await;
    let blocked = world.person("blocked").await;
    let uninstalled = world.person("uninstalled").await;
    world
        .settings(json!({"blocked_as": "209", "uninstalled_as": "209", "uninstalled_create": "forbidden"}))
        .await;
    for person in [&blocked, &uninstalled] {
        let sent = world.send(text(&person["conversation_id"]), "x").await;
        assert_eq!(sent, refusal("message_writes_blocked"));
    }
    assert_eq!(world.create(text(&uninstalled["mri"])).await, refusal("forbidden_operation"));
    world.settings(json!({"uninstalled_as": "accepted"})).await;
    assert_eq!(world.send(text(&uninstalled["conversation_id"]), "x").await.0, 201);
}

#[tokio::test]
async fn a_deleted_chat_is_followed_by_another() {
    let world = World::start().await;
    let person = world.person("chat_deleted").await;
    let old = text(&person["conversation_id"]);
    assert_eq!(world.send(old, "x").await, refusal("conversation_not_found"));
    let (status, made) = world.create(text(&person["id"])).await;
    assert_eq!(status, 201);
    assert_ne!(text(&made["id"]), old);
    assert_eq!(world.create(text(&person["mri"])).await.1, made);
    assert_eq!(world.send(text(&made["id"]), "x").await.0, 201);
    assert_eq!(world.send(old, "x").await, refusal("conversation_not_found"));
}

#[tokio::test]
async fn ids_that_mean_nobody() {
    let world = World::start().await;
    let person = world.person("installed").await;
    assert_eq!(world.create(&format!("29:{}", text(&person["id"]))).await, refusal("bad_pairwise_id"));
    assert_eq!(world.create("00000000-0000-4000-8000-000000000000").await, refusal("conversation_not_found"));
    assert_eq!(world.create(text(&person["upn"])).await, refusal("conversation_id_format"));
    assert_eq!(world.send("abcd", "x").await, refusal("conversation_id_format"));
    assert_eq!(world.send("a:1nothing", "x").await, refusal("conversation_not_found"));
    // Another bot's id is no id here.
    world.post("bots", json!({"app_id": "second", "secret": "s"})).await;
    let theirs = world.get("people?state=installed&limit=1&bot=second").await["items"][0].clone();
    assert_ne!(theirs["mri"], person["mri"]);
    assert_eq!(world.create(text(&theirs["mri"])).await, refusal("bad_pairwise_id"));
    assert_eq!(world.send(text(&theirs["conversation_id"]), "x").await, refusal("conversation_not_found"));
}

#[tokio::test]
async fn malformed_creates() {
    let world = World::start().await;
    let person = world.person("installed").await;
    let (id, tenant) = (&person["id"], world.sim.tenant_id());
    let other = "00000000-0000-4000-8000-000000000000";
    for (body, expected) in [
        (json!({}), "bad_syntax"),
        (json!({"members": [{"id": id}]}), "bad_syntax"),
        (json!({"members": [{"aadObjectId": id}], "tenantId": tenant}), "bad_syntax"),
        (json!({"members": [{"id": id}, {"id": id}], "tenantId": tenant}), "creation_parameters"),
        (json!({"members": [], "tenantId": tenant}), "bad_syntax"),
        (json!({"members": [{"id": id}], "tenantId": other}), "tenant_no_permission"),
        (json!({"members": [{"id": id}], "isGroup": true, "tenantId": tenant}), "creation_parameters"),
    ] {
        let answer = world.call(Method::POST, "v3/conversations", Some(body.clone())).await;
        assert_eq!(answer, refusal(expected), "{body}");
    }
    let spelt = json!({"members": [{"id": id}], "tenantID": tenant});
    assert_eq!(world.call(Method::POST, "v3/conversations", Some(spelt)).await.0, 201, "as in Python's SDK");
    let alien = json!({"members": [{"id": id}], "tenantId": tenant, "bot": {"id": "28:other"}});
    assert_eq!(world.call(Method::POST, "v3/conversations", Some(alien)).await.0, 400);
    for bot in [APP.to_owned(), format!("28:{APP}")] {
        let body =
            json!({"members": [{"id": id}], "bot": {"id": bot}, "channelData": {"tenant": {"id": tenant}}});
        assert_eq!(world.call(Method::POST, "v3/conversations", Some(body)).await.0, 201);
    }
}

#[tokio::test]
async fn malformed_messages() {
    let world = World::start().await;
    let path = format!("v3/conversations/{}/activities", world.chat().await);
    assert_eq!(world.call(Method::POST, &path, None).await, refusal("bad_syntax"));
    for body in [json!(null), json!({}), json!({"type": "message"}), json!({"text": "x"})] {
        assert_eq!(
            world.call(Method::POST, &path, Some(body.clone())).await,
            refusal("bad_syntax"),
            "{body}"
        );
    }
    let unknown = json!({"type": "message", "attachments": [{"contentType": "x/y"}]});
    assert_eq!(world.call(Method::POST, &path, Some(unknown)).await, refusal("bad_argument"));
    assert_eq!(world.get("counts").await["accepted"], 0);
    let big = json!({"type": "message", "text": "x".repeat(60_000)});
    assert_eq!(world.call(Method::POST, &path, Some(big)).await, refusal("message_size_too_big"));
    assert_eq!(world.call(Method::PUT, &path, None).await.0, 405);
    assert_eq!(world.call(Method::GET, "v3/nothing", None).await.0, 404);
}

#[tokio::test]
async fn tokens_are_looked_at() {
    let world = World::start().await;
    let url = format!("{}/teams/v3/conversations", world.sim.base());
    for token in ["", "Basic eA==", "Bearer x.y.z", &format!("Bearer {}x", world.token)] {
        let answer = read(world.http.post(&url).header("authorization", token).send().await.unwrap()).await;
        assert_eq!(answer, refusal("authorization_denied"), "{token}");
    }
    assert_eq!(read(world.http.post(&url).send().await.unwrap()).await, refusal("authorization_denied"));
}

#[tokio::test]
async fn forms_of_ids_and_paths() {
    let world = World::start().await;
    let person = world.person("installed").await;
    let chat = text(&person["conversation_id"]);
    let encoded = chat.replace(':', "%3A");
    assert_eq!(world.send(&encoded, "encoded").await.0, 201);
    let body = Some(json!({"type": "message", "text": "x"}));
    let path = format!("V3/Conversations/{chat}/Activities/{}", "57a1b6f0-0000-4000-8000-00000000abcd");
    assert_eq!(
        world.call(Method::POST, &path, body.clone()).await.0,
        201,
        "reply to an id that was never given out"
    );
    let graph = format!("19:{APP}_{}@unq.gbl.spaces", text(&person["id"]));
    assert_eq!(world.send(&graph, "by Graph's name").await.0, 201);
    let path = format!("v3/conversations/{chat}/activities?isTargetedActivity=false");
    assert_eq!(world.call(Method::POST, &path, body).await.0, 201);
    let kept = world.get(&format!("conversations/{}/messages", text(&person["id"]))).await;
    assert_eq!(kept["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn text_and_card_become_two_messages_without_an_id() {
    let world = World::start().await;
    let chat = world.chat().await;
    let path = format!("v3/conversations/{chat}/activities");
    let card = json!({"contentType": "application/vnd.microsoft.card.adaptive", "content": {"type": "AdaptiveCard", "version": "1.5"}});
    let both = json!({"type": "message", "text": "x", "attachments": [card]});
    assert_eq!(world.call(Method::POST, &path, Some(both)).await, (202, Value::Null));
    let counts = world.get("counts").await;
    assert_eq!((&counts["accepted"], &counts["split"]), (&json!(2), &json!(1)));
    let kept = world.get(&format!("conversations/{chat}/messages")).await;
    assert!(kept["items"][0]["activity"].get("attachments").is_none());
    assert!(kept["items"][1]["activity"].get("text").is_none());
}

#[tokio::test]
async fn threads_in_channels() {
    let world = World::start().await;
    let team = world.get("teams").await["items"][0].clone();
    let channel = text(&team["channels"][1]["id"]);
    let body = json!({"isGroup": true, "tenantId": world.sim.tenant_id(),
        "channelData": {"channel": {"id": channel}}, "activity": {"type": "message", "text": "new"}});
    let create = || world.call(Method::POST, "v3/conversations", Some(body.clone()));
    assert_eq!(create().await, refusal("bot_not_in_conversation_roster"));
    assert_eq!(world.send(channel, "x").await, refusal("bot_not_in_conversation_roster"));

    world.post(&format!("teams/{}/install", text(&team["aadGroupId"])), json!({})).await;
    let (status, made) = create().await;
    assert_eq!(status, 201, "{made}");
    let root = text(&made["activityId"]);
    assert_eq!(text(&made["id"]), format!("{channel};messageid={root}"));
    assert_eq!(world.send(text(&made["id"]), "raw").await.0, 201);
    let encoded = text(&made["id"]).replace(':', "%3A").replace('@', "%40").replace(';', "%3B");
    assert_eq!(world.send(&encoded, "encoded").await.0, 201);
    assert_eq!(world.send(text(&team["id"]), "General").await.0, 201);
    let thread = world.get(&format!("conversations/{}/messages", text(&made["id"]))).await;
    assert_eq!(thread["items"].as_array().unwrap().len(), 3);
    // As `sendMessageToTeamsChannel` of Microsoft's SDKs does it: without a tenant. A wrong one is refused all the same.
    let mut other = body.clone();
    let fields = other.as_object_mut().unwrap();
    fields.remove("tenantId");
    assert_eq!(world.call(Method::POST, "v3/conversations", Some(other.clone())).await.0, 201);
    other["tenantId"] = json!("00000000-0000-0000-0000-000000000001");
    let (status, refused) = world.call(Method::POST, "v3/conversations", Some(other)).await;
    assert_eq!((status, &refused), (403, &refusal("tenant_no_permission").1));
    let counts = world.get("counts").await;
    assert_eq!(counts["requests"]["create_thread"], json!({"201": 2, "403": 2}));
}

#[tokio::test]
async fn create_with_a_message_inside() {
    let world = World::start().await;
    let create = |id: &Value| {
        let body = json!({"members": [{"id": id}], "tenantId": world.sim.tenant_id(),
            "activity": {"type": "message", "text": "first"}});
        world.call(Method::POST, "v3/conversations", Some(body))
    };
    let (status, made) = create(&world.person("installed").await["id"]).await;
    assert_eq!(status, 201);
    assert!(made["activityId"].is_string());
    let blocked = world.person("blocked").await;
    assert_eq!(create(&blocked["id"]).await, refusal("conversation_blocked_by_user"));
    assert_eq!(world.get("counts").await["accepted"], 1);
}
