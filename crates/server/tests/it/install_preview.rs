//! `POST /v1/installs/preview`: who has the app, for whom it would be installed, for whom not and why, and when it is done.

use std::collections::BTreeMap;
use std::time::Duration;

use nuncio_domain::directory::{DirectoryError, DirectorySource};
use nuncio_domain::ports::{Ledger as _, Registry as _};
use nuncio_domain::{LaneId, ReachState};
use serde_json::{Value, json};

use crate::harness::{Answer, NOON, TENANT};
use crate::installs::Installing;
use crate::preview::{Book, GROUP, id, meet, someone};

const PATH: &str = "/v1/installs/preview";

#[track_caller]
fn answered(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn the_run_comes_to_what_was_counted() {
    let mut people: Vec<_> = (0..8).map(|n| someone(&id(n))).collect();
    people[7].guest = Some(true);
    let group = DirectorySource::Group(GROUP.to_owned());
    let sources = BTreeMap::from([(group, vec![people[..4].to_vec(), people[4..].to_vec()])]);
    let world = Installing::start(Book { sources, ..Book::default() }).await;
    let server = &world.server;
    meet(server, &id(0), true, ReachState::Reachable).await;
    meet(server, &id(1), true, ReachState::Blocked).await;
    meet(server, &id(2), true, ReachState::Removed).await;
    meet(server, &id(3), false, ReachState::PolicyBlocked).await;
    meet(server, &id(4), false, ReachState::NeverInstalled).await;
    let note = server.request("POST", "/v1/opt-outs").bearer_auth(&server.admin);
    assert!(server.answer(note.json(&json!({"users": [id(5)]}))).await.status < 300);
    // A team and a chat are asked for whatever is known of them; who is named twice counts once.
    let mut run = json!({
        "audience": {"groups": [GROUP], "users": [id(0)], "exclude": {"users": [id(6)]}},
        "teams": [GROUP], "chats": ["19:a@thread.v2"], "max_recipients": 9
    });
    let told = answered(&world.post(PATH, &run).await);
    let expected = json!({
        "app": "dispatch", "tenant": TENANT, "complete": true, "incomplete": [],
        "audience": 10, "duplicates_removed": 1, "have_it": 1, "would_install": 3, "would_fail": {},
        // Who removed it is not given it again, and who refused or was refused lately is left alone.
        "would_skip": {"excluded": 1, "guest": 1, "opted_out": 1, "unreachable": 3},
        "by_state": {"blocked": 1, "never_installed": 1, "policy_blocked": 1, "reachable": 1, "removed": 1, "unknown": 5},
        "calls": {"install": 3, "graph_pages": 2}, "max_recipients": 9, "needs_confirmation": true,
        "rate_per_s": 30.0, "begins_at": "2026-11-22T10:00:00Z", "duration_s": 0.1,
        "estimated_end": "2026-11-22T10:00:00.1Z", "expires_at": "2026-11-23T10:00:00Z", "expires_before_end": false,
        "paused_since": null, "cause": null, "cause_text": null, "sample": told["sample"]
    });
    assert_eq!(told, expected, "{told:#}");
    let of = |group: &str| -> Vec<&str> {
        told["sample"][group].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
    };
    assert_eq!((of("have_it"), of("guest")), (vec![id(0).as_str()], vec![id(7).as_str()]));
    assert_eq!(of("would_install"), [id(4).as_str(), "19:a@thread.v2", GROUP]);
    // Nothing came of it.
    assert_eq!(server.get("/v1/installs").await.json()["items"], json!([]));
    assert!(server.woken.0.lock().unwrap().is_empty());

    // Those who removed it too, and in a week who was refused.
    run["install"] = "also_if_removed".into();
    assert_eq!(answered(&world.post(PATH, &run).await)["would_install"], 4);
    server.clock.pass(Duration::from_hours(8 * 24));
    let later = answered(&world.post(PATH, &run).await);
    assert_eq!((&later["have_it"], &later["would_install"]), (&json!(2), &json!(5)));
    assert_eq!(later["would_skip"]["unreachable"], Value::Null);
}

#[tokio::test]
async fn an_end_is_told_where_it_is_known() {
    let group = DirectorySource::Group(GROUP.to_owned());
    let fails = BTreeMap::from([(group, DirectoryError::Throttled { retry_after: None })]);
    let world = Installing::start(Book { fails, ..Book::default() }).await;
    let server = &world.server;
    let users: Vec<String> = (0..600).map(id).collect();
    let mut run = json!({"audience": {"users": users}, "send_at": "2026-11-22T12:00:00Z"});
    let told = answered(&world.post(PATH, &run).await);
    assert_eq!(
        (&told["begins_at"], &told["duration_s"], &told["estimated_end"]),
        (&json!("2026-11-22T12:00:00Z"), &json!(20.0), &json!("2026-11-22T12:00:20Z"))
    );
    run["expires_at"] = "2026-11-22T12:00:19Z".into();
    assert_eq!(answered(&world.post(PATH, &run).await)["expires_before_end"], true);

    // What goes out of the lane is none of its business; that an operator holds it is.
    let lane_no = server.store.lane("dispatch", TENANT).await.unwrap().lane_no;
    let status = json!({"rate_per_s": 1.0, "cause": "throttled", "cause_text": "why", "cooling_until": NOON + 60_000_000});
    let batch =
        nuncio_domain::Batch { lane_status: vec![(lane_no, status.to_string())], ..Default::default() };
    server.store.commit(batch.into()).await.unwrap();
    let told = answered(&world.post(PATH, &run).await);
    assert_eq!((&told["cause"], &told["estimated_end"]), (&Value::Null, &json!("2026-11-22T12:00:20Z")));
    let pause = format!("/v1/lanes/{}/pause", LaneId(lane_no));
    assert_eq!(server.answer(server.request("POST", &pause).bearer_auth(&server.admin)).await.status, 202);
    let told = answered(&world.post(PATH, &run).await);
    assert_eq!((&told["cause"], &told["paused_since"]), (&json!("paused"), &json!("2026-11-22T10:00:00Z")));
    assert_eq!(
        (&told["begins_at"], &told["estimated_end"], &told["duration_s"]),
        (&Value::Null, &Value::Null, &json!(20.0))
    );

    // And of a part that the directory does not tell nobody knows.
    run["audience"]["groups"] = json!([GROUP]);
    let told = answered(&world.post(PATH, &run).await);
    assert_eq!(
        (&told["complete"], &told["would_install"], &told["duration_s"]),
        (&json!(false), &json!(600), &Value::Null)
    );
    assert_eq!(told["incomplete"][0]["source"], "group");
}
