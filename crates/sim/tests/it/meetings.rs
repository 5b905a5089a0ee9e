use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    fixtures::refusal,
    harness::{APP, World, text},
};

/// A meeting with the first two people who have the app.
async fn meeting(world: &World, apps: Value) -> (String, Value, Value) {
    let people = world.get("people?state=installed&limit=2").await["items"].clone();
    let order = json!({"kind": "meeting", "name": "Weekly", "members": [people[0]["id"], people[1]["id"]], "apps": apps});
    let chat = world.post("chats", order).await;
    (format!("v1/meetings/{}", text(&chat["meeting_id"])), chat, people)
}

#[tokio::test]
async fn details_and_participants() {
    let world = World::start().await;
    let (path, chat, people) = meeting(&world, json!([APP])).await;
    let (status, body) = world.call(Method::GET, &path, None).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!((&body["details"]["id"], &body["details"]["title"]), (&chat["meeting_id"], &json!("Weekly")));
    assert_eq!(body["conversation"]["id"], chat["id"]);
    assert!(text(&body["details"]["scheduledStartTime"]) < text(&body["details"]["scheduledEndTime"]));
    let organizer = &body["organizer"]["aadObjectId"];
    assert!([&people[0]["id"], &people[1]["id"]].contains(&organizer));

    let of =
        |person: &Value| format!("{path}/participants/{}?tenantId={}", text(person), world.sim.tenant_id());
    for person in [&people[0], &people[1]] {
        let (status, body) = world.call(Method::GET, &of(&person["id"]), None).await;
        assert_eq!((status, &body["user"]["id"]), (200, &person["mri"]));
        let role = if *organizer == person["id"] { "Organizer" } else { "Presenter" };
        assert_eq!(body["meeting"], json!({"role": role, "inMeeting": true}));
    }
    let stranger = world.person("blocked").await;
    assert_eq!(world.call(Method::GET, &of(&stranger["id"]), None).await, refusal("member_not_found"));
    let nowhere = format!("{path}/participants/{}", text(&people[0]["id"]));
    assert_eq!(world.call(Method::GET, &nowhere, None).await, refusal("bad_syntax"));
    let foreign = format!("{nowhere}?tenantId=00000000-0000-4000-8000-000000000000");
    assert_eq!(world.call(Method::GET, &foreign, None).await, refusal("tenant_no_permission"));
    world.settings(json!({"meetings_running": false})).await;
    let (_, body) = world.call(Method::GET, &of(&people[0]["id"]), None).await;
    assert_eq!(body["meeting"]["inMeeting"], false);
}

#[tokio::test]
async fn notifications() {
    let world = World::start().await;
    let (path, chat, people) = meeting(&world, json!([APP])).await;
    let path = format!("{path}/notification");
    let body = |recipients: Value| {
        json!({"type": "targetedMeetingNotification", "value": {"recipients": recipients, "surfaces": [
            {"surface": "meetingStage", "contentType": "task", "content": {"value": {"title": "Poll"}}},
            {"surface": "meetingTabIcon", "tabEntityId": "poll"}]}})
    };
    let all = json!([people[0]["mri"], people[1]["mri"]]);
    assert_eq!(world.call(Method::POST, &path, Some(body(all.clone()))).await, (202, Value::Null));
    let stranger = world.person("blocked").await;
    let (status, partly) =
        world.call(Method::POST, &path, Some(body(json!([people[0]["mri"], stranger["mri"]])))).await;
    let failed = partly["recipientsFailureInfo"].as_array().unwrap();
    assert_eq!((status, failed.len(), &failed[0]["recipientMri"]), (207, 1, &stranger["mri"]));
    assert!(failed[0]["errorCode"].is_string() && failed[0]["failureReason"].is_string());
    let kept = world.get(&format!("conversations/{}/messages", text(&chat["id"]))).await;
    assert_eq!(kept["items"].as_array().unwrap().len(), 2);
    assert_eq!(world.get("counts").await["other_activities"], 2);

    world.settings(json!({"meetings_running": false})).await;
    let (status, none) = world.call(Method::POST, &path, Some(body(all.clone()))).await;
    assert_eq!((status, none["recipientsFailureInfo"].as_array().unwrap().len()), (207, 2));
    for (field, value) in [
        ("/type", json!("other")),
        ("/value/recipients", json!([])),
        ("/value/recipients", json!([1])),
        ("/value/surfaces", json!([])),
        ("/value/surfaces/0/surface", json!("wall")),
        ("/value/surfaces/0/contentType", json!("card")),
    ] {
        let mut bad = body(all.clone());
        *bad.pointer_mut(field).unwrap() = value;
        assert_eq!(world.call(Method::POST, &path, Some(bad)).await, refusal("bad_syntax"), "{field}");
    }
}

#[tokio::test]
async fn meetings_of_others() {
    let world = World::start().await;
    let (path, _, people) = meeting(&world, json!([])).await;
    let person = format!("{path}/participants/{}?tenantId={}", text(&people[0]["id"]), world.sim.tenant_id());
    let roster = refusal("bot_not_in_conversation_roster");
    assert_eq!(world.call(Method::GET, &path, None).await, roster);
    assert_eq!(world.call(Method::GET, &person, None).await, roster);
    let note = world.call(Method::POST, &format!("{path}/notification"), Some(json!({}))).await;
    assert_eq!(note, roster);
    for unknown in ["v1/meetings/none", "v1/meetings/MCMxOTpub3doZXJlQHRocmVhZC52MiMw"] {
        assert_eq!(world.call(Method::GET, unknown, None).await.0, 404);
    }
}
