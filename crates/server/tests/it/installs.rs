//! `/v1/installs` and `/v1/reachability/surveys`: what is refused, who may, and how a run is found, told and cancelled. What
//! comes of one is in the tests of the engine and of the whole.

use std::sync::Arc;

use nuncio_domain::Role;
use serde_json::{Value, json};

use crate::harness::{Answer, BOT, INES, Server, TENANT, app};
use crate::preview::{Book, GROUP, id};

const INSTALLS: &str = "/v1/installs";
const SURVEYS: &str = "/v1/reachability/surveys";
const BOTH: [&str; 2] = [INSTALLS, SURVEYS];
const NONE: &str = "msg_01h455vb4pex5vsknk084sn02q";

/// An app that may be installed, and a key that may do so.
pub(crate) struct Installing {
    pub(crate) server: Server,
    key: String,
}

impl Installing {
    pub(crate) async fn start(book: Book) -> Self {
        let mut dispatch = app("dispatch", BOT, &[TENANT]);
        dispatch.may_install = true;
        let directory = Arc::new(book);
        let server = Server::with(vec![dispatch], |state| state.directory = directory).await;
        let key = server.installing_key(None).await;
        Self { server, key }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_as(&self.key, path, body).await
    }

    async fn post_as(&self, key: &str, path: &str, body: &Value) -> Answer {
        self.server.answer(self.server.request("POST", path).bearer_auth(key).json(body)).await
    }

    async fn repeated(&self, path: &str, body: &Value) -> Answer {
        let request = self.server.request("POST", path).bearer_auth(&self.key);
        self.server.answer(request.header("Idempotency-Key", "monday").json(body)).await
    }

    /// Begins a run; its id.
    async fn begun(&self, path: &str, body: &Value) -> String {
        let answer = self.post(path, body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let told = answer.json();
        let id = told["id"].as_str().unwrap().to_owned();
        assert_eq!(told["state"], "expanding");
        assert_eq!(answer.header("location"), format!("/v1/messages/{id}"));
        id
    }

    async fn ids(&self, path: &str) -> Vec<String> {
        let listed = self.server.get(path).await.json();
        let items = listed["items"].as_array().unwrap();
        items.iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
    }
}

fn to_ines() -> Value {
    json!({"audience": {"users": [INES]}})
}

fn with(more: &Value) -> Value {
    let mut body = to_ines();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_leaves_nothing_behind() {
    let world = Installing::start(Book::default()).await;
    for path in [INSTALLS, "/v1/installs/preview", SURVEYS] {
        for (more, status, code, pointer) in [
            (json!({"to": 1}), 400, "unknown_field", "/to"),
            (json!({"content": {"text": "hello"}}), 400, "unknown_field", "/content"),
            (json!({"audience": {}}), 422, "empty_audience", "/audience"),
            (json!({"audience": {"users": ["Ines"]}}), 422, "recipient_invalid", "/audience/users/0"),
            (
                json!({"audience": {"users": ["no@fabrikam.com"]}}),
                422,
                "upn_not_resolvable",
                "/audience/users/0",
            ),
            (
                json!({"audience": {"users": [INES], "installed": true}}),
                422,
                "invalid_value",
                "/audience/installed",
            ),
            (json!({"app": "alerts"}), 422, "unknown_app", "/app"),
            (json!({"tenant": GROUP}), 422, "unknown_tenant", "/tenant"),
            (json!({"label": ""}), 422, "invalid_value", "/label"),
            (json!({"max_recipients": 0}), 422, "invalid_value", "/max_recipients"),
            (json!({"expires_at": "2026-11-22T09:00:00Z"}), 422, "invalid_value", "/expires_at"),
        ] {
            world.post(path, &with(&more)).await.refused_at(status, code, pointer);
        }
        let places = json!({"users": [INES], "channels": ["19:a@thread.tacv2"], "chats": ["19:a@thread.v2"],
                            "picked_channels": ["19:a@thread.tacv2"]});
        let refused = world.post(path, &json!({"audience": places})).await;
        let at = |place: &str| ("invalid_value".to_owned(), format!("/audience/{place}"));
        assert_eq!(refused.errors(), [at("channels"), at("picked_channels"), at("chats")]);
        assert_eq!(world.post(path, &json!([])).await.status, 400);
    }
    // Surveys ask about people alone, and are not for later.
    for more in [
        json!({"teams": [GROUP]}),
        json!({"chats": []}),
        json!({"install": "also_if_removed"}),
        json!({"send_at": "2026-11-23T09:00:00Z"}),
    ] {
        world.post(SURVEYS, &with(&more)).await.refused(400, "unknown_field");
    }
    for (more, code, pointer) in [
        (json!({"install": "never"}), "invalid_value", "/install"),
        (json!({"install": "always"}), "invalid_value", "/install"),
        (json!({"send_at": "tomorrow"}), "invalid_value", "/send_at"),
        (json!({"teams": ["Sales"]}), "recipient_invalid", "/teams/0"),
        (json!({"teams": [GROUP, "19:unknown@thread.tacv2"]}), "recipient_invalid", "/teams/1"),
        (json!({"chats": ["19:a@thread.tacv2"]}), "recipient_invalid", "/chats/0"),
    ] {
        world.post(INSTALLS, &with(&more)).await.refused_at(422, code, pointer);
    }
    for list in ["/v1/lanes", "/v1/people", INSTALLS, SURVEYS] {
        assert_eq!(world.server.get(list).await.json()["items"], json!([]), "{list}");
    }
    assert!(world.server.woken.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn app_and_key_have_to_be_allowed_to_install_but_not_to_ask() {
    let world = Installing::start(Book::default()).await;
    let server = &world.server;
    for path in [INSTALLS, "/v1/installs/preview"] {
        server.post(path, &to_ines()).await.refused_at(422, "install_not_allowed", "/install");
    }
    assert_eq!(server.post(SURVEYS, &to_ines()).await.status, 202);
    for path in [INSTALLS, "/v1/installs/preview", SURVEYS] {
        world.post_as(&server.read, path, &to_ines()).await.refused(403, "forbidden");
        server.answer(server.request("POST", path).json(&to_ines())).await.refused(401, "unauthorized");
    }
    // Whom the configuration does not let install is told so, whatever their key.
    let other = Server::with(vec![app("dispatch", BOT, &[TENANT])], |state| {
        state.directory = Arc::new(Book::default());
    })
    .await;
    let key = other.installing_key(None).await;
    let asked = other.request("POST", INSTALLS).bearer_auth(&key).json(&to_ines());
    other.answer(asked).await.refused_at(422, "install_not_allowed", "/install");
    // And what Graph is asked with has to be there, for both.
    let mut dispatch = app("dispatch", BOT, &[TENANT]);
    dispatch.may_install = true;
    let bare = Server::with(vec![dispatch], |_| {}).await;
    let key = bare.installing_key(None).await;
    for (path, pointer) in [(INSTALLS, "/install"), (SURVEYS, "/audience")] {
        let asked = bare.request("POST", path).bearer_auth(&key).json(&to_ines());
        bare.answer(asked).await.refused_at(422, "directory_not_configured", pointer);
    }
}

#[tokio::test]
async fn the_same_key_begins_one_run() {
    let world = Installing::start(Book::default()).await;
    let first = world.repeated(INSTALLS, &to_ines()).await;
    let again = world.repeated(INSTALLS, &to_ines()).await;
    assert_eq!((first.status, again.status, &first.text), (202, 202, &again.text));
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(world.ids(INSTALLS).await, [id]);
    assert_eq!(world.server.woken.0.lock().unwrap().len(), 1);
    // Neither for another body, nor for something else with the same one.
    let other = with(&json!({"label": "wave 1"}));
    for (path, body) in [(INSTALLS, &other), (SURVEYS, &to_ines())] {
        world.repeated(path, body).await.refused_at(422, "idempotency_key_reused", "idempotency-key:");
    }
    assert!(world.ids(SURVEYS).await.is_empty());
}

#[tokio::test]
async fn runs_are_listed_and_found_as_what_they_are() {
    let world = Installing::start(Book::default()).await;
    let server = &world.server;
    let run = json!({"audience": {"users": [INES, id(1)]}, "teams": [GROUP], "label": "wave 1"});
    let installs = [world.begun(INSTALLS, &run).await, world.begun(INSTALLS, &to_ines()).await];
    let survey = world.begun(SURVEYS, &with(&json!({"label": "wave 1"}))).await;
    assert_eq!(world.ids(INSTALLS).await, [installs[1].clone(), installs[0].clone()]);
    assert_eq!(world.ids("/v1/installs?label=wave%201").await, installs[..1]);
    assert_eq!(world.ids(SURVEYS).await, std::slice::from_ref(&survey));
    assert!(world.ids("/v1/messages").await.is_empty());

    server.expanded(&installs[0]).await;
    server.expanded(&survey).await;
    assert_eq!(world.ids("/v1/installs?state=installing").await, installs[..1]);
    assert_eq!(world.ids("/v1/reachability/surveys?state=asking").await, std::slice::from_ref(&survey));
    // What is sent of a message is not of a run.
    for path in BOTH {
        server.get(&format!("{path}?state=sending")).await.refused_at(400, "invalid_request", "?state");
        server.get(&format!("{path}?sort=1")).await.refused_at(400, "unknown_field", "?sort");
    }
    let page = server.get("/v1/installs?limit=1").await.json();
    let next = page["next"].as_str().unwrap();
    assert_eq!(world.ids(&format!("/v1/installs?limit=1&cursor={next}")).await, installs[..1]);
    server.get(&format!("{SURVEYS}?limit=1&cursor={next}")).await.refused(400, "bad_cursor");

    let shown = server.get(&format!("/v1/installs/{}", installs[0])).await.json();
    assert_eq!((&shown["state"], &shown["install"]), (&json!("installing"), &json!("if_never_installed")));
    assert_eq!((&shown["label"], &shown["cause"]), (&json!("wave 1"), &Value::Null));
    let counts = json!({"audience": 3, "pending": 3, "installed": 0, "failed": 0, "skipped": 0, "cancelled": 0, "expired": 0});
    assert_eq!((&shown["counts"], &shown["audience_final"]), (&counts, &json!(true)));
    let shown = server.get(&format!("{SURVEYS}/{survey}")).await.json();
    assert_eq!((&shown["state"], &shown["counts"]["audience"]), (&json!("asking"), &json!(1)));
    let of_run = server.get(&format!("/v1/installs/{}/recipients", installs[0])).await.json();
    let kinds: Vec<&str> =
        of_run["items"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["person", "person", "team"]);
    let report = server.get(&format!("/v1/installs/{}/report.csv", installs[0])).await;
    assert_eq!((report.status, report.text.lines().count()), (200, 4));
}

#[tokio::test]
async fn what_is_none_of_its_kind_is_not_there() {
    let world = Installing::start(Book::default()).await;
    let server = &world.server;
    let run = world.begun(INSTALLS, &to_ines()).await;
    let survey = world.begun(SURVEYS, &to_ines()).await;
    let message = server.sent(&crate::harness::hello()).await;
    for other in [&survey, &message, NONE, "1", "dlv_01h455vb4pex5vsknk084sn02q"] {
        for rest in ["", "/recipients", "/report.csv"] {
            server.get(&format!("/v1/installs/{other}{rest}")).await.refused(404, "not_found");
        }
    }
    for other in [&run, &message, NONE, "1"] {
        server.get(&format!("{SURVEYS}/{other}")).await.refused(404, "not_found");
    }
    // Who has a key for another app sees none of it.
    let alerts = server.key(Role::Send, Some("alerts")).await;
    for path in [format!("/v1/installs/{run}"), format!("{SURVEYS}/{survey}")] {
        server.answer(server.request("GET", &path).bearer_auth(&alerts)).await.refused(404, "not_found");
    }
    for path in BOTH {
        let listed = server.answer(server.request("GET", path).bearer_auth(&alerts)).await;
        assert_eq!(listed.json()["items"], json!([]));
    }
}

#[tokio::test]
async fn a_run_is_told_things_as_a_message_is() {
    let world = Installing::start(Book::default()).await;
    for path in BOTH {
        let run = world.begun(path, &to_ines()).await;
        let woken = world.server.woken.0.lock().unwrap().len();
        for word in ["pause", "resume", "cancel"] {
            let told = world.post(&format!("/v1/messages/{run}/{word}"), &Value::Null).await;
            assert_eq!(told.status, 202, "{}", told.text);
            let shown = world.server.get(&format!("{path}/{run}")).await.json();
            assert_eq!(shown["requested"], word, "{shown}");
        }
        assert_eq!(world.server.woken.0.lock().unwrap().len(), woken + 3);
        // A cancel is never taken back.
        world.post(&format!("/v1/messages/{run}/resume"), &Value::Null).await.refused(409, "too_late");
    }
}
