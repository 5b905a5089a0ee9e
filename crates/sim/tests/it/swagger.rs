//! What only Microsoft's swagger has: uploads, the list of conversations, history, removing members.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    fixtures::refusal,
    harness::{APP, World, text},
};

#[tokio::test]
async fn refused_as_long_as_they_are_off() {
    let world = World::start().await;
    let chat = world.chat().await;
    let person = world.person("installed").await;
    for (method, path, status) in [
        (Method::GET, "v3/conversations".to_owned(), 405),
        (Method::POST, format!("v3/conversations/{chat}/activities/history"), 404),
        (Method::DELETE, format!("v3/conversations/{chat}/members/{}", text(&person["mri"])), 405),
        (Method::POST, format!("v3/conversations/{chat}/attachments"), 404),
        (Method::GET, "v3/attachments/1".to_owned(), 404),
        (Method::GET, "v3/attachments/1/views/original".to_owned(), 404),
    ] {
        let body = (method == Method::POST).then(|| json!({}));
        let (is, answer) = world.call(method, &path, body).await;
        assert_eq!((is, answer["message"].is_string()), (status, true), "{path}: {answer}");
    }
}

#[tokio::test]
async fn uploads() {
    let world = World::start().await;
    world.settings(json!({"attachments": true, "limits": false})).await;
    let path = format!("v3/conversations/{}/attachments", world.chat().await);
    let body = json!({"type": "image/png", "name": "a.png", "originalBase64": "aGVsbG8=", "thumbnailBase64": "aGk="});
    let (status, made) = world.call(Method::POST, &path, Some(body.clone())).await;
    assert_eq!(status, 201, "{made}");
    let at = format!("v3/attachments/{}", text(&made["id"]));
    let expected = json!({"name": "a.png", "type": "image/png",
        "views": [{"viewId": "original", "size": 5}, {"viewId": "thumbnail", "size": 2}]});
    assert_eq!(world.call(Method::GET, &at, None).await, (200, expected));
    for (view, bytes) in [("original", "hello"), ("thumbnail", "hi")] {
        let request = world.request(Method::GET, &format!("{at}/views/{view}"));
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "image/png");
        assert_eq!(response.text().await.unwrap(), bytes);
    }
    assert_eq!(world.call(Method::GET, &format!("{at}/views/other"), None).await.0, 404);
    assert_eq!(world.call(Method::GET, "v3/attachments/none", None).await.0, 404);
    for (field, value) in [
        ("type", json!("png")),
        ("type", Value::Null),
        ("originalBase64", json!("%")),
        ("originalBase64", Value::Null),
        ("thumbnailBase64", json!(1)),
    ] {
        let mut bad = body.clone();
        bad[field] = value.clone();
        assert_eq!(world.call(Method::POST, &path, Some(bad)).await.0, 400, "{field}: {value}");
    }
    let nowhere = "v3/conversations/a:1nothing/attachments";
    assert_eq!(world.call(Method::POST, nowhere, Some(body)).await, refusal("conversation_not_found"));
}

#[tokio::test]
async fn the_list_of_conversations() {
    let world = World::with(150, None).await;
    world.settings(json!({"conversation_list": true, "limits": false})).await;
    let person = world.person("installed").await;
    let chat = world.post("chats", json!({"members": [person["id"]], "apps": [APP]})).await;
    let (status, first) = world.call(Method::GET, "v3/conversations", None).await;
    assert_eq!((status, first["conversations"].as_array().unwrap().len()), (200, 100));
    let next = format!("v3/conversations?continuationToken={}", text(&first["continuationToken"]));
    let (_, second) = world.call(Method::GET, &next, None).await;
    assert!(second.get("continuationToken").is_none(), "{second}");
    let last = second["conversations"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["id"], &last["members"][0]["id"]), (&chat["id"], &person["mri"]));
    let all: Vec<&Value> =
        [&first, &second].into_iter().flat_map(|page| page["conversations"].as_array().unwrap()).collect();
    assert!(all.iter().any(|item| item["id"] == person["conversation_id"]));
    assert_eq!(world.call(Method::GET, "v3/conversations?continuationToken=x", None).await.0, 400);
}

#[tokio::test]
async fn history() {
    let world = World::start().await;
    world.settings(json!({"history": true, "limits": false})).await;
    let chat = world.chat().await;
    let path = format!("v3/conversations/{chat}/activities/history");
    let said = |words: &str| json!({"type": "message", "text": words});
    let (status, answer) =
        world.call(Method::POST, &path, Some(json!({"activities": [said("one"), said("two")]}))).await;
    assert_eq!(status, 201);
    let kept = world.get(&format!("conversations/{chat}/messages")).await;
    assert_eq!(kept["items"][1]["id"], answer["id"]);
    for bad in [json!({}), json!({"activities": []}), json!({"activities": [said("x"), {}]})] {
        assert_eq!(world.call(Method::POST, &path, Some(bad)).await, refusal("bad_syntax"));
    }
}

#[tokio::test]
async fn members_are_removed() {
    let world = World::start().await;
    world.settings(json!({"member_delete": true, "limits": false})).await;
    let people = world.get("people?state=installed&limit=2").await["items"].clone();
    let order = json!({"members": [people[0]["id"], people[1]["id"]], "apps": [APP]});
    let chat = world.post("chats", order).await;
    let one = |conversation: &Value| {
        format!("v3/conversations/{}/members/{}", text(conversation), text(&people[0]["mri"]))
    };
    let remove = |conversation: Value| {
        let path = one(&conversation);
        let world = &world;
        async move { world.call(Method::DELETE, &path, None).await }
    };
    assert_eq!(remove(chat["id"].clone()).await, (200, Value::Null));
    assert_eq!(remove(chat["id"].clone()).await, refusal("member_not_found"));
    let alone = remove(people[0]["conversation_id"].clone()).await;
    assert_eq!(alone, refusal("not_enough_permissions"));
    let teams = world.get("teams").await["items"].clone();
    for team in teams.as_array().unwrap() {
        world.post(&format!("teams/{}/install", text(&team["id"])), json!({})).await;
    }
    let mut removed = 0;
    for team in teams.as_array().unwrap() {
        removed += usize::from(remove(team["id"].clone()).await.0 == 200);
        assert_eq!(world.call(Method::GET, &one(&team["id"]), None).await, refusal("member_not_found"));
    }
    assert_eq!(removed, 1, "everybody is in one team");
}
