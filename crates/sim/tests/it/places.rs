//! Every operation in group chats, private and shared channels, archived and deleted teams.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    fixtures::refusal,
    harness::{APP, World, text},
};

/// A team with all kinds of channels, one that is archived, one that is deleted; four people, one of them from outside.
async fn world() -> World {
    let world = World::start().await;
    let person = |name: &str, state: &str| json!({"name": name, "upn": format!("{name}@contoso.example"), "state": state});
    let channel = |name: &str, kind: &str, members: Value, installed: bool| json!({"name": name, "kind": kind, "members": members, "installed": installed});
    let mut suppliers =
        channel("Suppliers", "shared", json!(["ines@contoso.example", "gast@contoso.example"]), true);
    suppliers["shared_with"] = json!(["Legal"]);
    let order = json!({
        "person": [person("ines", "installed"), person("jonas", "installed"), person("gast", "external"),
            person("klaus", "guest")],
        "team": [
            {"name": "Plant", "members": ["ines@contoso.example", "klaus@contoso.example"], "installed": true, "channel": [
                channel("Payroll", "private", json!(["ines@contoso.example"]), false),
                channel("Board", "private", json!(["ines@contoso.example"]), true), suppliers]},
            {"name": "Legal", "members": ["jonas@contoso.example"]},
            {"name": "Attic", "members": ["ines@contoso.example"], "installed": true, "state": "archived"},
            {"name": "Void", "members": ["ines@contoso.example"], "installed": true, "state": "deleted"},
        ],
    });
    world.post("reset", order).await;
    world.settings(json!({"limits": false})).await;
    world
}

/// The channel of that name, or the team's General.
async fn channel(world: &World, name: &str) -> String {
    let teams = world.get("teams").await["items"].clone();
    let found = teams.as_array().unwrap().iter().find_map(|team| {
        let mut channels = team["channels"].as_array().unwrap().iter();
        if team["name"] == name {
            return Some(team["id"].clone());
        }
        channels.find(|channel| channel["name"] == name).map(|channel| channel["id"].clone())
    });
    text(&found.unwrap_or_else(|| panic!("no channel {name}"))).to_owned()
}

fn message() -> Value {
    json!({"type": "message", "text": "x"})
}

/// What every operation that posts or looks answers there.
async fn all_refused(world: &World, conversation: &str, posts: &str, looks: Option<&str>) {
    let at = format!("v3/conversations/{conversation}");
    let thread = json!({"isGroup": true, "tenantId": world.sim.tenant_id(),
        "channelData": {"channel": {"id": conversation}}, "activity": message()});
    for (method, path, body) in [
        (Method::POST, format!("{at}/activities"), Some(message())),
        (Method::POST, format!("{at};messageid=1/activities"), Some(message())),
        (Method::POST, format!("{at}/activities/1"), Some(message())),
        (Method::PUT, format!("{at}/activities/1"), Some(message())),
        (Method::DELETE, format!("{at}/activities/1"), None),
        (Method::PUT, format!("{at}/activities/1/reactions/like"), None),
        (Method::POST, "v3/conversations".to_owned(), Some(thread)),
    ] {
        assert_eq!(world.call(method, &path, body).await, refusal(posts), "{path}");
    }
    for path in
        [format!("{at}/members"), format!("{at}/pagedmembers"), format!("{at}/members/ines@contoso.example")]
    {
        let answer = world.call(Method::GET, &path, None).await;
        match looks {
            Some(looks) => assert_eq!(answer, refusal(looks), "{path}"),
            None => assert_eq!(answer.0, 200, "{path}: {}", answer.1),
        }
    }
}

#[tokio::test]
async fn a_private_channel_wants_the_app_in_itself() {
    let world = world().await;
    let roster = "bot_not_in_conversation_roster";
    all_refused(&world, &channel(&world, "Payroll").await, roster, Some(roster)).await;
    let board = channel(&world, "Board").await;
    assert_eq!(world.send(&board, "x").await.0, 201);
    let (_, members) = world.call(Method::GET, &format!("v3/conversations/{board}/members"), None).await;
    assert_eq!(members.as_array().unwrap().len(), 1, "its own members, not the team's");
    let plant = channel(&world, "Plant").await;
    let (_, listed) = world.call(Method::GET, &format!("v3/teams/{plant}/conversations"), None).await;
    let names: Vec<&Value> =
        listed["conversations"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, [&Value::Null, &json!("Board"), &json!("Suppliers")]);
}

#[tokio::test]
async fn a_shared_channel_has_people_of_other_teams_and_tenants() {
    let world = world().await;
    let suppliers = channel(&world, "Suppliers").await;
    assert_eq!(world.send(&suppliers, "x").await.0, 201);
    let (_, members) =
        world.call(Method::GET, &format!("v3/conversations/{suppliers}/pagedmembers"), None).await;
    let members = members["members"].as_array().unwrap();
    let one = |name: &str| members.iter().find(|member| text(&member["name"]).starts_with(name)).unwrap();
    assert_eq!(members.len(), 3);
    assert_eq!(one("jonas")["tenantId"], json!(world.sim.tenant_id()));
    let outside = one("gast");
    assert_ne!(outside["tenantId"], json!(world.sim.tenant_id()));
    assert!(outside.get("userPrincipalName").is_none() && outside["aadObjectId"].is_string());
    // Such a person has no 1:1 chat here.
    let created = world.create(text(&outside["id"])).await;
    assert_eq!(created, refusal("conversation_not_found"));
}

#[tokio::test]
async fn guests_and_deleted_people_in_a_roster() {
    let world = world().await;
    let path = format!("v3/conversations/{}/members", channel(&world, "Plant").await);
    let guest = world.get("people/klaus@contoso.example").await;
    let (_, members) = world.call(Method::GET, &path, None).await;
    let shown = members.as_array().unwrap().iter().find(|member| member["id"] == guest["mri"]).unwrap();
    assert_eq!(shown["userRole"], "anonymous");
    assert!(shown.get("email").is_none() && shown.get("givenName").is_none(), "{shown}");
    world.change(&guest, "deleted").await;
    let (_, members) = world.call(Method::GET, &path, None).await;
    assert_eq!(members.as_array().unwrap().len(), 1);
    let one = format!("{path}/{}", text(&guest["id"]));
    assert_eq!(world.call(Method::GET, &one, None).await, refusal("member_not_found"));
}

#[tokio::test]
async fn archived_and_deleted_teams_take_no_posts() {
    let world = world().await;
    let attic = channel(&world, "Attic").await;
    all_refused(&world, &attic, "message_writes_blocked", None).await;
    world.settings(json!({"archived_as": "not_permitted"})).await;
    all_refused(&world, &attic, "not_enough_permissions", None).await;
    let team = world.call(Method::GET, &format!("v3/teams/{attic}"), None).await;
    assert_eq!(team.0, 200, "it is still there");
    let void = channel(&world, "Void").await;
    all_refused(&world, &void, "conversation_not_found", Some("conversation_not_found")).await;
    let team = world.call(Method::GET, &format!("v3/teams/{void}"), None).await;
    assert_eq!(team, refusal("conversation_not_found"));
    assert_eq!(world.get("counts").await["accepted"], 0);
}

#[tokio::test]
async fn every_operation_in_a_group_chat() {
    let world = world().await;
    let ines = world.get("people/ines@contoso.example").await;
    let jonas = world.get("people/jonas@contoso.example").await;
    let chat = world.post("chats", json!({"members": [ines["id"], jonas["id"]], "apps": [APP]})).await;
    let at = format!("v3/conversations/{}", text(&chat["id"]).replace(':', "%3A"));
    let (status, sent) = world.call(Method::POST, &format!("{at}/activities"), Some(message())).await;
    assert_eq!(status, 201);
    let one = format!("{at}/activities/{}", text(&sent["id"]));
    assert_eq!(world.call(Method::POST, &one, Some(message())).await.0, 201);
    assert_eq!(world.call(Method::PUT, &one, Some(message())).await, (200, sent.clone()));
    assert_eq!(world.call(Method::PUT, &format!("{one}/reactions/like"), None).await.0, 200);
    let (_, members) = world.call(Method::GET, &format!("{one}/members"), None).await;
    assert_eq!(members.as_array().unwrap().len(), 2);
    let to_ines = json!({"type": "message", "text": "for you", "recipient": {"id": ines["mri"]}});
    let targeted = format!("{at}/activities?isTargetedActivity=true");
    assert_eq!(world.call(Method::POST, &targeted, Some(to_ines)).await.0, 201);
    assert_eq!(world.call(Method::DELETE, &one, None).await.0, 200);
    assert_eq!(world.call(Method::DELETE, &one, None).await, refusal("activity_not_found"));
    let shown = world.get(&format!("conversations/{}/messages", text(&chat["id"]))).await;
    let items = shown["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["deleted"], &items[1]["reply_to"]), (3, &json!(true), &sent["id"]));
    assert_eq!(items[2]["targeted"], ines["id"]);
    let closed = world.post("chats", json!({"members": [ines["id"], jonas["id"]]})).await;
    let roster = refusal("bot_not_in_conversation_roster");
    let at = format!("v3/conversations/{}", text(&closed["id"]));
    assert_eq!(world.call(Method::POST, &format!("{at}/activities"), Some(message())).await, roster);
    assert_eq!(world.call(Method::PUT, &format!("{at}/activities/1"), Some(message())).await, roster);
    assert_eq!(world.call(Method::GET, &format!("{at}/members"), None).await, roster);
}

#[tokio::test]
async fn a_thread_needs_its_first_message() {
    let world = world().await;
    let plant = channel(&world, "Plant").await;
    let (_, root) = world.send(&plant, "root").await;
    let thread = format!("{plant};messageid={}", text(&root["id"]));
    assert_eq!(world.send(&thread, "reply").await.0, 201);
    let other = format!("{plant};messageid=1795356400456");
    assert_eq!(world.send(&other, "reply").await, refusal("conversation_not_found"));
    assert_eq!(world.send(&format!("{plant};messageid=x"), "reply").await, refusal("conversation_not_found"));
    // One that is deleted is none.
    let path = format!("v3/conversations/{plant}/activities/{}", text(&root["id"]));
    assert_eq!(world.call(Method::DELETE, &path, None).await.0, 200);
    assert_eq!(world.send(&thread, "reply").await, refusal("conversation_not_found"));
    world.settings(json!({"missing_root_as": "activity_not_found"})).await;
    assert_eq!(world.send(&thread, "reply").await, refusal("activity_not_found"));
    world.settings(json!({"missing_root_as": "accepted"})).await;
    assert_eq!(world.send(&thread, "reply").await.0, 201);
    assert_eq!(world.send(&other, "reply").await.0, 201);
}
