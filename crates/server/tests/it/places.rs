//! `/v1/conversations` and `/v1/teams`, learned from activities over the wire.

use nuncio_domain::Role;
use serde_json::{Value, json};

use crate::harness::{BOT, INES, Server, TENANT, activity, app, hello};

const GENERAL: &str = "19:qT7wZc2General@thread.tacv2";
const INCIDENTS: &str = "19:5be1c0f2a8d94e7f@thread.tacv2";
const POSTMORTEMS: &str = "19:aa02f4c9d1e84b3a@thread.tacv2";
const GROUP: &str = "e1a4c2b0-0b76-4e0e-9a4b-3f3f2f1d7a55";

async fn hear(server: &Server, body: &Value) {
    let answer = server.activity(body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// An event of the team: `channelRenamed`, `teamDeleted` … about a channel, if one is named.
async fn event(server: &Server, what: &str, channel: Option<(&str, &str)>, team: &str) {
    let mut body = activity("channel_created");
    body["id"] = format!("f:{what} {channel:?} {team} {}", server.number()).into();
    body["channelData"]["eventType"] = what.into();
    body["channelData"]["team"]["name"] = team.into();
    match channel {
        Some((id, name)) => body["channelData"]["channel"] = json!({"id": id, "name": name}),
        None => drop(body["channelData"].as_object_mut().unwrap().remove("channel")),
    }
    hear(server, &body).await;
}

async fn team(server: &Server) -> Value {
    let answer = server.get(&format!("/v1/teams/{GENERAL}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// Name and state of each channel.
fn channels(team: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let channels = team["channels"].as_array().unwrap();
    channels.iter().map(|channel| (text(&channel["name"]), text(&channel["state"]))).collect()
}

fn states<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected.map(|(name, state)| (name.to_owned(), state.to_owned())).to_vec()
}

#[tokio::test]
async fn a_team_from_its_install() {
    let server = Server::start().await;
    for name in ["install_team_members_added", "install_team", "message_channel", "channel_created"] {
        hear(&server, &activity(name)).await;
    }
    let known = team(&server).await;
    assert_eq!(known["name"], "Network Operations");
    assert_eq!((known["state"].as_str(), known["group_id"].as_str()), (Some("active"), Some(GROUP)));
    assert_eq!(known["installed_by"]["id"], INES);
    assert_eq!(known["installed_by"]["name"], "Ines Moreau", "her name came later");
    assert_eq!(known["picked_channel"], INCIDENTS);
    assert_eq!(known["service_url"], "http://127.0.0.1:4100/teams/");
    assert!(known["installed_at"].is_string());
    assert_eq!(
        channels(&known),
        states([("General", "reachable"), ("Incidents", "reachable"), ("Postmortems", "reachable")])
    );
    assert_eq!(server.get(&format!("/v1/teams/{}", GROUP.to_uppercase())).await.json(), known);
    let list = server.get("/v1/teams?state=active").await.json();
    assert_eq!(list, json!({"items": [known], "next": null}));
    assert_eq!(server.get("/v1/teams?state=archived").await.json()["items"], json!([]));
    server.get("/v1/teams/19:other@thread.tacv2").await.refused(404, "not_found");
    server.get("/v1/teams?state=away").await.refused_at(400, "invalid_request", "?state");
    server.get("/v1/teams?kind=x").await.refused_at(400, "unknown_field", "?kind");
}

#[tokio::test]
async fn the_life_of_a_team_and_its_channels() {
    let server = Server::start().await;
    hear(&server, &activity("install_team")).await;
    hear(&server, &activity("channel_created")).await;
    let old = "Network Operations";
    event(&server, "channelRenamed", Some((POSTMORTEMS, "Reviews")), old).await;
    event(&server, "channelCreated", Some(("19:drills@thread.tacv2", "Drills")), old).await;
    event(&server, "channelDeleted", Some(("19:drills@thread.tacv2", "Drills")), old).await;
    event(&server, "teamRenamed", None, "Platform").await;
    let known = team(&server).await;
    assert_eq!((known["name"].as_str(), known["state"].as_str()), (Some("Platform"), Some("active")));
    let alive = states([
        ("General", "reachable"),
        ("Incidents", "reachable"),
        ("Reviews", "reachable"),
        ("Drills", "chat_gone"),
    ]);
    assert_eq!(channels(&known), alive);

    event(&server, "teamArchived", None, "Platform").await;
    let known = team(&server).await;
    assert_eq!(known["state"], "archived");
    assert_eq!(known["evidence"], "Teams said teamArchived");
    assert_eq!(channels(&known), alive);
    event(&server, "teamUnarchived", None, "Platform").await;
    assert_eq!(team(&server).await["state"], "active");

    event(&server, "teamDeleted", None, "Platform").await;
    let known = team(&server).await;
    assert_eq!(known["state"], "deleted");
    assert!(channels(&known).iter().all(|(_, state)| state == "chat_gone"), "{known}");
    // What was deleted by itself does not come back with the team.
    event(&server, "teamrestored", None, "Platform").await;
    let known = team(&server).await;
    assert_eq!((known["state"].as_str(), channels(&known)), (Some("active"), alive.clone()));
    event(&server, "channelRestored", Some(("19:drills@thread.tacv2", "Drills")), "Platform").await;
    let all_well = alive.iter().map(|(name, _)| (name.clone(), "reachable".to_owned())).collect::<Vec<_>>();
    assert_eq!(channels(&team(&server).await), all_well);

    event(&server, "channelDeleted", Some((POSTMORTEMS, "Reviews")), "Platform").await;
    hear(&server, &activity("uninstall_team")).await;
    let known = team(&server).await;
    assert_eq!(known["state"], "removed");
    let removed = channels(&known);
    assert_eq!(removed[0].1, "removed");
    assert_eq!(removed[2].1, "chat_gone");
    assert_eq!(removed[3].1, "removed", "channels that the event did not name as well");
    let mut again = activity("install_team");
    again["id"] = "f:again".into();
    again["from"] = json!({"id": "29:bo", "aadObjectId": "c0ffee00-0000-4000-8000-000000000002"});
    hear(&server, &again).await;
    let known = team(&server).await;
    assert_eq!(known["state"], "active");
    assert_eq!(known["installed_by"]["id"], "c0ffee00-0000-4000-8000-000000000002");
    assert_eq!(channels(&known).iter().filter(|(_, state)| state == "reachable").count(), 3, "{known}");
    event(&server, "teamHardDeleted", None, "Platform").await;
    assert_eq!(team(&server).await["state"], "deleted");
}

#[tokio::test]
async fn conversations_of_every_kind() {
    let server = Server::start().await;
    hear(&server, &activity("install_personal")).await;
    hear(&server, &activity("message_personal")).await;
    hear(&server, &activity("install_team")).await;
    for (id, name) in [("19:crew@thread.v2", "Crew"), ("19:meeting_MjQ@thread.v2", "Standup")] {
        let mut body = activity("install_personal");
        body["id"] = format!("f:{id}").into();
        body["conversation"] = json!({"conversationType": "groupChat", "isGroup": true, "id": id, "name": name, "tenantId": TENANT});
        hear(&server, &body).await;
    }
    let list = async |query: &str| {
        let answer = server.get(&format!("/v1/conversations{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    };
    let short = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap();
        items.iter().map(|item| format!("{} {}", item["kind"], item["name"]).replace('"', "")).collect()
    };
    let all = list("").await;
    assert_eq!(
        short(&all),
        [
            "personal Ines Moreau",
            "channel Incidents",
            "channel null",
            "group_chat Crew",
            "meeting_chat Standup"
        ]
    );
    let personal = &all["items"][0];
    assert_eq!(personal["person"], INES);
    assert_eq!((&personal["installed"], &personal["state"]), (&json!(true), &json!("reachable")));
    assert_eq!((&personal["known_from"], &personal["team"]), (&json!("inbound"), &json!(null)));
    let channel = &all["items"][1];
    assert_eq!(channel["team"], json!({"id": GENERAL, "name": "Network Operations"}));
    assert_eq!(channel["evidence"]["text"], "the app was installed");
    let page = list("?limit=4").await;
    let rest = list(&format!("?limit=4&cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!(short(&rest), ["meeting_chat Standup"]);
    assert_eq!(short(&list("?kind=group_chat").await), ["group_chat Crew"]);
    assert_eq!(short(&list("?state=removed").await), Vec::<String>::new());

    let mut gone = activity("uninstall_personal");
    gone["conversation"] =
        json!({"conversationType": "groupChat", "id": "19:crew@thread.v2", "tenantId": TENANT});
    hear(&server, &gone).await;
    let crew = server.get("/v1/conversations/19:crew@thread.v2").await.json();
    assert_eq!((&crew["state"], &crew["installed"]), (&json!("removed"), &json!(false)));
    let mut crew = crew;
    assert_eq!(crew.as_object_mut().unwrap().remove("history").unwrap().as_array().unwrap().len(), 2);
    assert_eq!(list("?state=removed").await["items"], json!([crew]));
    server.get("/v1/conversations/19:nobody@thread.v2").await.refused(404, "not_found");
    server.get("/v1/conversations?kind=chat").await.refused_at(400, "invalid_request", "?kind");

    // What is known can be sent to.
    let mut body = hello();
    body["audience"] = json!({"chats": ["19:crew@thread.v2", "19:meeting_MjQ@thread.v2"]});
    server.sent(&body).await;
    body["audience"] = json!({"chats": [GENERAL]});
    server.post("/v1/messages", &body).await.refused_at(422, "recipient_invalid", "/audience/chats/0");
}

#[tokio::test]
async fn keys_see_the_conversations_of_their_app() {
    let other = "11111111-2222-4333-8444-555555555555";
    let server =
        Server::with(vec![app("dispatch", BOT, &[TENANT]), app("other", other, &[TENANT])], |_| {}).await;
    hear(&server, &activity("install_team")).await;
    hear(&server, &activity("install_personal")).await;
    let (own, foreign) =
        (server.key(Role::Read, Some("dispatch")).await, server.key(Role::Read, Some("other")).await);
    let ask = async |key: &str, path: &str| server.answer(server.request("GET", path).bearer_auth(key)).await;
    for path in ["/v1/conversations", "/v1/teams"] {
        assert!(!ask(&own, path).await.json()["items"].as_array().unwrap().is_empty(), "{path}");
        assert_eq!(ask(&foreign, path).await.json()["items"], json!([]), "{path}");
    }
    for path in [format!("/v1/conversations/{INCIDENTS}"), format!("/v1/teams/{GENERAL}")] {
        assert_eq!(ask(&own, &path).await.status, 200);
        ask(&foreign, &path).await.refused(404, "not_found");
        ask(&own, &format!("{path}?app=other")).await.refused(404, "not_found");
        assert_eq!(
            ask(&own, &format!("{path}?app=dispatch&tenant={}", TENANT.to_uppercase())).await.status,
            200
        );
    }
}

#[tokio::test]
async fn a_private_channel_lets_the_app_go_by_itself() {
    let server = Server::start().await;
    hear(&server, &activity("install_team")).await;
    let suppliers = "19:c41be07d52f94a60@thread.tacv2";
    let state = async || {
        let known = server.get(&format!("/v1/conversations/{suppliers}")).await.json();
        (known["state"].as_str().unwrap().to_owned(), known["channel_kind"].as_str().unwrap().to_owned())
    };
    for (name, members, state_then) in [
        ("channel_member_added", "membersAdded", "reachable"),
        ("channel_member_removed", "membersRemoved", "removed"),
    ] {
        let mut body = activity(name);
        body["conversation"]["id"] = suppliers.into();
        body["channelData"]["channel"] = json!({"id": suppliers, "name": "Suppliers", "type": "shared"});
        body["channelData"]["team"] =
            json!({"id": GENERAL, "name": "Network Operations", "aadGroupId": GROUP});
        body[members] = json!([{"id": format!("28:{BOT}")}]);
        hear(&server, &body).await;
        assert_eq!(state().await, (state_then.to_owned(), "shared".to_owned()));
    }
    let known = team(&server).await;
    assert_eq!((&known["state"], &known["installed_by"]["id"]), (&json!("active"), &json!(INES)));
    assert_eq!(
        channels(&known),
        states([("General", "reachable"), ("Incidents", "reachable"), ("Suppliers", "removed")])
    );
}

#[tokio::test]
async fn every_activity_of_the_fixtures_is_taken() {
    let server = Server::start().await;
    let folder = format!("{}/../../fixtures/microsoft/activities", env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() > 50, "{names:?}");
    for name in names {
        let body = activity(&name);
        let answer = server.activity(&body).await;
        let invoke = body["type"] == "invoke";
        assert!(
            answer.status == 200 || (invoke && answer.status == 501),
            "{name}: {} {}",
            answer.status,
            answer.text
        );
        assert!(invoke || answer.text.is_empty(), "{name}: {}", answer.text);
    }
    let kinds = server.get("/v1/conversations").await.json();
    for kind in ["personal", "channel", "group_chat", "meeting_chat"] {
        assert!(
            kinds["items"].as_array().unwrap().iter().any(|known| known["kind"] == kind),
            "{kind}: {kinds}"
        );
    }
}
