use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    fixtures::fixture,
    harness::{World, text},
};

fn names(value: &Value) -> Vec<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn paged_members_of_a_team() {
    let world = World::with(260, None).await;
    let team = world.get("teams").await["items"][1].clone();
    let id = text(&team["id"]);
    let first = format!("v3/conversations/{id}/pagedMembers?pageSize=10");
    assert_eq!(world.call(Method::GET, &first, None).await.0, 403);
    world.post(&format!("teams/{id}/install"), json!({})).await;

    let mut seen = Vec::new();
    let mut path = first.clone();
    let sizes = loop {
        let (status, page) = world.call(Method::GET, &path, None).await;
        assert_eq!(status, 200, "{page}");
        let members = page["members"].as_array().unwrap();
        seen.push(members.len());
        assert_eq!(names(&members[0]), names(&fixture("answers/member.json")["body"]));
        match page["continuationToken"].as_str() {
            Some(token) => path = format!("{first}&continuationToken={token}"),
            None => break seen,
        }
    };
    assert_eq!(sizes, [50, 50, 30], "a page size below 50 acts as 50");
    let bad = format!("v3/conversations/{id}/pagedmembers?continuationToken=x");
    assert_eq!(world.call(Method::GET, &bad, None).await.0, 400);
}

#[tokio::test]
async fn one_member_by_any_name() {
    let world = World::start().await;
    let person = world.person("installed").await;
    let chat = text(&person["conversation_id"]);
    for id in [&person["id"], &person["mri"], &person["upn"]] {
        let path = format!("v3/conversations/{chat}/members/{}", text(id));
        let (status, member) = world.call(Method::GET, &path, None).await;
        assert_eq!((status, &member["aadObjectId"], &member["id"]), (200, &person["id"], &person["mri"]));
    }
    let stranger = world.person("blocked").await;
    let path = format!("v3/conversations/{chat}/members/{}", text(&stranger["id"]));
    assert_eq!(
        world.call(Method::GET, &path, None).await.1,
        fixture("refusals/member_not_found.json")["body"]
    );
    let (status, all) = world.call(Method::GET, &format!("v3/conversations/{chat}/members"), None).await;
    assert_eq!((status, all.as_array().unwrap().len()), (200, 1));
}

#[tokio::test]
async fn the_whole_roster_is_throttled_to_five_a_minute() {
    let world = World::start().await;
    let team = world.get("teams").await["items"][0].clone();
    let id = text(&team["id"]);
    world.post(&format!("teams/{id}/install"), json!({})).await;
    // Windows of an hour: the test does not race against a minute.
    world.settings(json!({"scale": 60})).await;
    let path = format!("v3/conversations/{id}/members");
    for _ in 0..5 {
        assert_eq!(world.call(Method::GET, &path, None).await.0, 200);
    }
    assert_eq!(world.call(Method::GET, &path, None).await.0, 429);
}

#[tokio::test]
async fn team_details_and_channels() {
    let world = World::start().await;
    let team = world.get("teams").await["items"][0].clone();
    let id = text(&team["id"]);
    world.post(&format!("teams/{id}/install"), json!({})).await;
    let (status, details) = world.call(Method::GET, &format!("v3/teams/{id}"), None).await;
    assert_eq!(status, 200);
    assert_eq!(names(&details), names(&fixture("answers/team.json")["body"]));
    assert_eq!((&details["aadGroupId"], &details["memberCount"]), (&team["aadGroupId"], &json!(50)));
    let (_, channels) = world.call(Method::GET, &format!("v3/teams/{id}/conversations"), None).await;
    assert_eq!(channels["conversations"][0], json!({"id": id, "name": null}));
    assert_eq!(channels["conversations"][1]["name"], team["channels"][1]["name"]);
    let by_group = format!("v3/teams/{}", text(&team["aadGroupId"]));
    assert_eq!(world.call(Method::GET, &by_group, None).await.0, 404);
}
