//! The synchronised copies of directories, as operators see them and tell them.

use std::time::Duration;

use nuncio_domain::directory::{DirectoryError, DirectoryPerson};
use nuncio_domain::directory_copy::{CopyCounts, CopyNext, CopyPace, CopyPage, CopyWord};
use nuncio_domain::ports::{DirectoryCopies, Registry};
use nuncio_domain::{LaneId, Role, Time};
use serde_json::{Value, json};

use crate::harness::{BOT, NOON, Server, TENANT, app};

const OTHER_BOT: &str = "d1a6c0e4-7b29-4c53-8f10-6e2b94a7d385";
const PACE: CopyPace = CopyPace { interval: Duration::from_mins(10), max_age: Duration::from_hours(1) };

fn page() -> CopyPage {
    let next = CopyNext::End { changes: "link".to_owned() };
    let people = vec![DirectoryPerson { object_id: "ann".to_owned(), ..DirectoryPerson::default() }];
    CopyPage { people, gone_people: Vec::new(), groups: Vec::new(), gone_groups: Vec::new(), next }
}

#[tokio::test]
async fn copies_are_shown_and_told() {
    let mut kept = app("dispatch", BOT, &[TENANT]);
    kept.synchronised = true;
    let server = Server::with(vec![kept, app("alerts", OTHER_BOT, &[TENANT])], |_| {}).await;
    let lane_no = server.store.lane("dispatch", TENANT).await.unwrap().lane_no;
    let live = server.store.lane("alerts", TENANT).await.unwrap().lane_no;
    let id = LaneId(lane_no).to_string();
    let shown = server.get("/v1/directory").await.json();
    let never = json!({
        "lane": id, "app": "dispatch", "tenant": TENANT, "directory": "synchronised", "state": "never", "since": null,
        "cause": null, "people": 0, "groups": 0, "members": 0, "complete_at": null, "used_until": null, "next_at": null,
        "round": null, "asks": null
    });
    assert_eq!(
        (&shown["items"][0], &shown["items"][1]["directory"], &shown["next"]),
        (&never, &json!("live"), &Value::Null)
    );

    // A round under way, which waits.
    let mut copy = server.store.copy(lane_no).await.unwrap();
    copy.begin(true, Time(NOON));
    copy.read(&page(), Time(NOON)).unwrap();
    assert!(server.store.keep_page(&copy, 1, &page(), Time(NOON)).await.unwrap());
    let mut copy = server.store.copy(lane_no).await.unwrap();
    copy.failed(&DirectoryError::NotPermitted { role: "Group.Read.All".to_owned() }, Time(NOON));
    assert!(server.store.keep_copy(&copy).await.unwrap());
    let shown = &server.get("/v1/directory").await.json()["items"][0];
    let round = json!({"full": true, "step": "groups", "begun_at": "2026-11-22T10:00:00Z", "read": 1});
    assert_eq!((&shown["state"], &shown["round"]), (&json!("failing"), &round));
    assert_eq!(shown["next_at"], "2026-11-22T10:00:01Z");
    assert!(shown["cause"].as_str().unwrap().contains("Group.Read.All"));

    let tell = async |path: &str, key: &str| {
        server.answer(server.request("POST", &format!("/v1/directory/{path}")).bearer_auth(key)).await
    };
    tell(&format!("{id}/sync"), &server.send).await.refused(403, "forbidden");
    tell(&format!("{id}/confirm"), &server.admin).await.refused(409, "nothing_to_confirm");
    tell(&format!("{id}/reject"), &server.admin).await.refused(409, "nothing_to_confirm");
    tell(&format!("{id}/sync?fast=true"), &server.admin).await.refused(400, "unknown_field");
    tell(&format!("{id}/sync?full=1"), &server.admin).await.refused_at(400, "invalid_request", "?full");
    tell("lane_x/sync", &server.admin).await.refused(404, "not_found");
    let other = LaneId(live).to_string();
    tell(&format!("{other}/sync"), &server.admin).await.refused(422, "directory_not_synchronised");
    let alerts = server.key(Role::Admin, Some("alerts")).await;
    tell(&format!("{id}/sync"), &alerts).await.refused(404, "not_found");
    for (query, word) in
        [("", CopyWord::Changes), ("?full=false", CopyWord::Changes), ("?full=true", CopyWord::Everything)]
    {
        let told = tell(&format!("{id}/sync{query}"), &server.admin).await;
        assert_eq!((told.status, &told.json()["lane"]), (202, &json!(id)), "{}", told.text);
        assert_eq!(server.store.copy(lane_no).await.unwrap().word, Some(word));
        assert_eq!(server.woken.0.lock().unwrap().last(), Some(&lane_no));
    }

    // Whole, and then one that would lose too much.
    let mut copy = server.store.copy(lane_no).await.unwrap();
    copy.complete(CopyCounts { people: 50, groups: 3, members: 9 }, Time(NOON), PACE);
    copy.compared(CopyCounts { people: 20, ..CopyCounts::default() }, Time(NOON));
    assert!(server.store.keep_copy(&copy).await.unwrap());
    let shown = &server.get("/v1/directory").await.json()["items"][0];
    assert_eq!((&shown["state"], &shown["people"]), (&json!("asks"), &json!(50)));
    assert_eq!(shown["asks"], json!({"people": 20, "groups": 0, "members": 0}));
    assert_eq!(shown["used_until"], "2026-11-22T11:00:00Z");
    tell(&format!("{id}/sync"), &server.admin).await.refused(409, "directory_asks");
    for (path, word) in [("confirm", CopyWord::Confirm), ("reject", CopyWord::Reject)] {
        assert_eq!(tell(&format!("{id}/{path}"), &server.admin).await.status, 202);
        assert_eq!(server.store.copy(lane_no).await.unwrap().word, Some(word));
    }
    server.clock.pass(Duration::from_hours(1));
    assert_eq!(server.get("/v1/directory").await.json()["items"][0]["used_until"], Value::Null);
}
