//! Lanes and opt-outs.

use nuncio_domain::batch::Batch;
use nuncio_domain::ports::{Ledger, Registry};
use nuncio_domain::{LaneId, Role, Time};
use nuncio_server::{AppInfo, CredentialEnd, CredentialKind};
use serde_json::{Value, json};

use crate::harness::{BOT, INES, NOON, Server, TENANT, app, hello};

const OTHER_BOT: &str = "d1a6c0e4-7b29-4c53-8f10-6e2b94a7d385";

async fn two_apps() -> Server {
    let apps = vec![app("dispatch", BOT, &[TENANT]), app("alerts", OTHER_BOT, &[TENANT])];
    Server::with(apps, |_| {}).await
}

#[tokio::test]
async fn lanes_are_shown_with_their_pace_and_held() {
    let server = two_apps().await;
    let lane_no = server.store.lane("dispatch", TENANT).await.unwrap().lane_no;
    server.store.lane("alerts", TENANT).await.unwrap();
    let mut body = hello();
    body["app"] = "dispatch".into();
    server.sent(&body).await;
    let status = json!({"rate_per_s": 12.5, "allowed_per_s": 40.0, "limit_per_s": 50.0, "cause": "throttled",
                        "cause_text": "asked to wait", "cooling_until": NOON + 5_000_000});
    let batch = Batch { lane_status: vec![(lane_no, status.to_string())], ..Batch::default() };
    server.store.commit(batch.into()).await.unwrap();

    let lanes = server.get("/v1/lanes").await.json();
    assert_eq!((lanes["items"].as_array().unwrap().len(), &lanes["next"]), (2, &Value::Null));
    let id = LaneId(lane_no).to_string();
    let path = format!("/v1/lanes/{id}");
    let lane = server.get(&path).await.json();
    assert_eq!(lane, lanes["items"][0]);
    let expected = json!({
        "id": id, "app": "dispatch", "tenant": TENANT, "service_url": null, "paused_since": null,
        "open_messages": 1, "rate_per_s": 12.5, "allowed_per_s": 40.0, "limit_per_s": 50.0,
        "cause": "throttled", "cause_text": "asked to wait", "cooling_until": "2026-11-22T10:00:05Z",
        "credential": null
    });
    assert_eq!(lane, expected);
    assert_eq!(server.get("/v1/lanes?app=alerts").await.status, 400);

    let tell = async |word: &str, key: &str| {
        server.answer(server.request("POST", &format!("{path}/{word}")).bearer_auth(key)).await
    };
    tell("pause", &server.send).await.refused(403, "forbidden");
    let woken = || server.woken.0.lock().unwrap().len();
    let before = woken();
    let paused = tell("pause", &server.admin).await;
    assert_eq!(paused.status, 202, "{}", paused.text);
    // At once, though the owner has not said so yet.
    assert_eq!(paused.json()["paused_since"], "2026-11-22T10:00:00Z");
    assert_eq!(paused.json()["cause"], "paused");
    assert!(server.store.open(lane_no, 0).await.unwrap().paused);
    let resumed = tell("resume", &server.admin).await;
    assert_eq!((resumed.status, &resumed.json()["paused_since"]), (202, &Value::Null));
    assert_eq!(server.store.open(lane_no, 0).await.unwrap().resumed_at.map(|at| at.0), Some(NOON));
    assert_eq!(woken(), before + 2);
    // Of another app nothing is there.
    let alerts = server.key(Role::Admin, Some("alerts")).await;
    tell("pause", &alerts).await.refused(404, "not_found");
    let own = server.answer(server.request("GET", "/v1/lanes").bearer_auth(&alerts)).await.json();
    assert_eq!((own["items"].as_array().unwrap().len(), &own["items"][0]["app"]), (1, &json!("alerts")));
    for missing in ["/v1/lanes/lane_x", "/v1/lanes/dlv_00000000000000000000000001"] {
        server.get(missing).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn opt_outs_are_noted_listed_and_taken_back() {
    let server = two_apps().await;
    let other = "c0ffee00-0000-4000-8000-000000000001";
    let body = json!({"app": "dispatch", "users": [INES.to_uppercase(), other, INES]});
    let noted = server.post("/v1/opt-outs", &body).await;
    assert_eq!((noted.status, noted.json()), (200, json!({"noted": 2})), "{}", noted.text);
    assert_eq!(server.post("/v1/opt-outs", &body).await.json(), json!({"noted": 0}));
    let elsewhere = json!({"app": "alerts", "users": [INES]});
    assert_eq!(server.post("/v1/opt-outs", &elsewhere).await.json(), json!({"noted": 1}));

    let page = server.get("/v1/opt-outs?limit=2").await.json();
    let first = &page["items"][0];
    assert_eq!(
        (&first["user"], &first["app"], &first["since"]),
        (&json!(INES), &json!("dispatch"), &json!("2026-11-22T10:00:00Z"))
    );
    assert_eq!(first["how"], "the API key `key 2` noted it");
    let next = page["next"].as_str().unwrap();
    let rest = server.get(&format!("/v1/opt-outs?limit=2&cursor={next}")).await.json();
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["items"][0]["app"]), (1, &json!("alerts")));
    let of = async |query: &str| {
        server.get(&format!("/v1/opt-outs?{query}")).await.json()["items"].as_array().unwrap().len()
    };
    assert_eq!(
        (of("app=dispatch").await, of("app=none").await, of(&format!("tenant={TENANT}")).await),
        (2, 0, 3)
    );
    let people = server.get("/v1/people?app=dispatch").await.json();
    assert_eq!(people["items"][0]["opted_out_since"], "2026-11-22T10:00:00Z");

    let remove = async |key: &str, query: &str| {
        let path = format!("/v1/opt-outs/{INES}{query}");
        server.answer(server.request("DELETE", &path).bearer_auth(key)).await
    };
    // A person's own word is not for every sender to take back.
    remove(&server.send, "?app=dispatch").await.refused(403, "forbidden");
    remove(&server.admin, "").await.refused_at(422, "one_lane", "?app");
    for _ in 0..2 {
        assert_eq!(remove(&server.admin, "?app=dispatch").await.status, 204);
    }
    assert_eq!((of("app=dispatch").await, of("app=alerts").await), (1, 1));
}

#[tokio::test]
async fn opt_outs_of_nobody_are_refused() {
    let server = two_apps().await;
    for (body, code, pointer) in [
        (json!({"users": [INES]}), "one_lane", "/app"),
        (json!({"app": "dispatch", "users": []}), "invalid_value", "/users"),
        (json!({"app": "dispatch", "users": ["ines"]}), "recipient_invalid", "/users/0"),
        (json!({"app": "dispatch", "users": ["ines@contoso.com"]}), "upn_not_resolvable", "/users/0"),
        (json!({"app": "gone", "users": [INES]}), "unknown_app", "/app"),
        (json!({"app": "dispatch", "tenant": INES, "users": [INES]}), "unknown_tenant", "/tenant"),
    ] {
        server.post("/v1/opt-outs", &body).await.refused_at(422, code, pointer);
    }
    let body = json!({"app": "dispatch", "users": [INES]});
    let reader = server.request("POST", "/v1/opt-outs").bearer_auth(&server.read).json(&body);
    server.answer(reader).await.refused(403, "forbidden");
    assert!(server.store.lanes().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_credential_that_ends_is_told_with_its_lanes() {
    let day = 86_400_000_000;
    let ends = |days: i64| {
        let at = Time(NOON + days * day);
        Some(CredentialEnd { kind: CredentialKind::ClientSecret, at })
    };
    let dispatch = AppInfo { credential: ends(12), ..app("dispatch", BOT, &[TENANT]) };
    let later = AppInfo { credential: ends(300), ..app("later", OTHER_BOT, &[TENANT]) };
    let server = Server::with(vec![dispatch, later], |_| {}).await;
    for name in ["dispatch", "later"] {
        server.store.lane(name, TENANT).await.unwrap();
    }
    let lanes = server.get("/v1/lanes").await.json();
    let credential = |n: usize| lanes["items"][n]["credential"].clone();
    assert_eq!(
        credential(1),
        json!({"kind": "client_secret", "ends_at": "2027-09-18T10:00:00Z", "warning": null})
    );
    let warning = credential(0)["warning"].as_str().unwrap().to_owned();
    assert!(warning.starts_with("the client secret ends in 12 days, at 2026-12-04T10:00:00Z: "), "{warning}");
    server.clock.pass(std::time::Duration::from_hours(13 * 24));
    let lane = lanes["items"][0]["id"].as_str().unwrap();
    let over = server.get(&format!("/v1/lanes/{lane}")).await.json();
    assert!(over["credential"]["warning"].as_str().unwrap().contains("ended at 2026-12-04"), "{over}");
    assert_eq!(server.get("/readyz").await.status, 200);
}
