//! `POST /v1/audiences/preview`: whom a message would reach, whom not and why, and when it would be done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use nuncio_domain::batch::Batch;
use nuncio_domain::directory::{
    Asker, Directory, DirectoryError, DirectoryPage, DirectoryPerson, DirectorySource, Resolved,
};
use nuncio_domain::people::{Learned, SeenPerson};
use nuncio_domain::ports::{Ledger as _, Registry as _};
use nuncio_domain::{LaneId, ReachState, Role, Scope, Time};
use nuncio_server::ServerState;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::{Answer, BOT, INES, NOON, Server, TENANT, app};

const OMAR: &str = "0c5f7d21-6e48-4b93-a1d0-9f27c38be654";
pub(crate) const GROUP: &str = "4d0ef681-e88f-42a3-a2db-e6bf1e249e10";
const TEAM: &str = "ee0f5ae2-8bc6-4ae5-8466-7daeebbfa062";
const OPERATOR: Scope = Scope { key_no: 1, role: Role::Admin, app: None, may_install: true };

/// Pages of each source, and how it goes on after them.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) sources: BTreeMap<DirectorySource, Vec<Vec<DirectoryPerson>>>,
    pub(crate) fails: BTreeMap<DirectorySource, DirectoryError>,
    /// The first link is not taken any more, once.
    pub(crate) forgets: AtomicBool,
    /// It never answers after its first page.
    pub(crate) hangs: bool,
    /// It answers nobody before this has permits.
    pub(crate) gate: Option<Arc<Semaphore>>,
    /// How many are asking now, and the most that ever did.
    pub(crate) asking: AtomicUsize,
    pub(crate) most: Arc<AtomicUsize>,
}

#[async_trait]
impl Directory for Book {
    fn ready(&self, _: Asker<'_>) -> Result<(), DirectoryError> {
        Ok(())
    }

    async fn resolve(&self, _: Asker<'_>, names: &[String]) -> Result<Vec<Resolved>, DirectoryError> {
        let resolve = |name: &String| match name.strip_suffix("@contoso.com") {
            Some(id) => Resolved::One(Box::new(DirectoryPerson {
                guest: Some(true),
                upn: Some(name.clone()),
                ..someone(id)
            })),
            None => Resolved::None,
        };
        Ok(names.iter().map(resolve).collect())
    }

    async fn page(
        &self,
        _: Asker<'_>,
        source: &DirectorySource,
        cursor: Option<&str>,
    ) -> Result<DirectoryPage, DirectoryError> {
        let n: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        if n == 1 && self.forgets.swap(false, Ordering::SeqCst) {
            return Err(DirectoryError::Anew("too old".to_owned()));
        }
        if n > 0 && self.hangs {
            std::future::pending::<()>().await;
        }
        if let Some(gate) = &self.gate {
            let asking = self.asking.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(asking, Ordering::SeqCst);
            gate.acquire().await.unwrap().forget();
            self.asking.fetch_sub(1, Ordering::SeqCst);
        }
        let pages = self.sources.get(source).map_or(&[][..], Vec::as_slice);
        match (pages.get(n), self.fails.get(source)) {
            (None, Some(error)) => Err(error.clone()),
            (page, fails) => Ok(DirectoryPage {
                people: page.cloned().unwrap_or_default(),
                next: (n + 1 < pages.len() || fails.is_some()).then(|| (n + 1).to_string()),
            }),
        }
    }
}

pub(crate) fn someone(id: &str) -> DirectoryPerson {
    DirectoryPerson {
        object_id: id.to_owned(),
        name: Some(format!("Directory {id}")),
        guest: Some(false),
        external: Some(false),
        enabled: Some(true),
        licensed: Some(true),
        ..DirectoryPerson::default()
    }
}

pub(crate) fn id(n: usize) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

async fn server(book: Book) -> Server {
    let book = Arc::new(book);
    Server::with(vec![app("dispatch", BOT, &[TENANT])], |state| state.directory = book).await
}

/// Teams tells of somebody.
pub(crate) async fn meet(server: &Server, person: &str, conversation: bool, reach: ReachState) {
    let person = SeenPerson {
        object_id: person.to_owned(),
        name: Some(format!("Met {person}")),
        conversation_id: conversation.then(|| format!("a:{person}")),
        reach: Some((reach, nuncio_domain::ReachEvidence::event("seen"))),
        ..SeenPerson::default()
    };
    let learned = Learned {
        app: "dispatch".to_owned(),
        tenant: TENANT.to_owned(),
        service_url: "https://smba.example/teams/".to_owned(),
        at: Time(NOON),
        event: ("c".to_owned(), server.number().to_string()),
        people: vec![person],
        ..Learned::default()
    };
    server.store.learn(learned).await.unwrap();
}

async fn preview(server: &Server, audience: &Value) -> Value {
    answered(&server.post("/v1/audiences/preview", &json!({"audience": audience})).await)
}

#[track_caller]
fn answered(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn ids(preview: &Value, group: &str) -> Vec<String> {
    let sample = preview["sample"][group].as_array().unwrap();
    sample.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn who_would_get_it_who_not_and_why() {
    let server = server(Book::default()).await;
    for (n, conversation, reach) in [
        (1, true, ReachState::Reachable),
        (2, true, ReachState::Removed),
        (3, true, ReachState::Blocked),
        (4, false, ReachState::NeverInstalled),
        (5, true, ReachState::Reachable),
        (6, true, ReachState::Reachable),
    ] {
        meet(&server, &id(n), conversation, reach).await;
    }
    server.post("/v1/opt-outs", &json!({"users": [id(5)]})).await;
    let guest = format!("{}@contoso.com", id(8));
    let users: Vec<String> = [2, 4, 7, 7, 6].map(id).into_iter().chain([guest]).collect();
    let audience = json!({"installed": true, "users": users, "channels": ["19:c@thread.tacv2"],
                          "exclude": {"users": [id(6)]}});
    let told = preview(&server, &audience).await;
    let expected = json!({
        "app": "dispatch", "tenant": TENANT, "complete": true, "incomplete": [],
        // 7 twice in the request, and 6 has the app as well.
        "audience": 9, "duplicates_removed": 2,
        "would_send": {"total": 3, "known": 2, "first_contact": 1},
        "would_wait": 0, "would_fail": {}, "would_skip": {"opted_out": 1, "excluded": 1, "guest": 1, "unreachable": 3},
        "needs_install": 2, "removed": 1,
        "by_state": {"unknown": 3, "reachable": 3, "blocked": 1, "removed": 1, "never_installed": 1},
        "calls": {"create": 1, "send": 3, "install": 0, "graph_pages": 0},
        "max_recipients": 1000, "needs_confirmation": false,
        "rate_per_s": 49.2, "ahead": {"urgent": 0, "normal": 0, "bulk": 0},
        "begins_at": "2026-11-22T10:00:00Z", "duration_s": told["duration_s"],
        "estimated_end": "2026-11-22T10:00:00.0813Z", "expires_at": "2026-11-23T10:00:00Z", "expires_before_end": false,
        "paused_since": null, "cause": null, "cause_text": null, "cooling_until": null,
        "sample": told["sample"]
    });
    assert_eq!(told, expected, "{told:#}");
    assert!((told["duration_s"].as_f64().unwrap() - 4.0 / 49.2).abs() < 1e-5);
    let groups: Vec<&String> = told["sample"].as_object().unwrap().keys().collect();
    assert_eq!(
        groups,
        ["excluded", "first_contact", "guest", "needs_install", "opted_out", "removed", "unreachable"]
    );
    assert_eq!((ids(&told, "needs_install"), ids(&told, "removed")), (vec![id(4), id(7)], vec![id(2)]));
    let name = format!("Met {}", id(2));
    assert_eq!(
        told["sample"]["removed"][0],
        json!({"id": id(2), "kind": "person", "name": name, "upn": null})
    );
    let guest = &told["sample"]["guest"][0];
    assert_eq!(guest["upn"], format!("{}@contoso.com", id(8)));

    // The message that is handed in then comes to the same: here as far as its owner is not needed.
    let mut message = json!({"audience": audience, "content": {"text": "hello"}});
    let sent = server.sent(&message).await;
    let message_no =
        server.store.message(&OPERATOR, sent.parse().unwrap()).await.unwrap().unwrap().message_no;
    while !server.store.expand(message_no, 100, Time(NOON)).await.unwrap().done {}
    let shown = server.get(&format!("/v1/messages/{sent}")).await.json();
    assert_eq!((&shown["counts"]["audience"], &shown["duplicates_removed"]), (&json!(9), &json!(2)));

    // What goes to everyone who is named is told as well.
    message["priority"] = "urgent".into();
    message["audience"] = json!({"users": [id(3), id(4)]});
    let urgent = answered(&server.post("/v1/audiences/preview", &message).await);
    assert_eq!(urgent["would_send"], json!({"total": 2, "known": 1, "first_contact": 1}));
    assert_eq!(urgent["expires_at"], "2026-11-22T11:00:00Z");
    message["priority"] = "normal".into();
    message["when_unreachable"] = "wait".into();
    let waits = answered(&server.post("/v1/audiences/preview", &message).await);
    assert_eq!(
        (&waits["audience"], &waits["would_wait"], &waits["would_skip"]),
        (&json!(2), &json!(2), &json!({}))
    );
    assert_eq!(ids(&waits, "would_wait"), [id(3), id(4)]);
    server.clock.pass(Duration::from_hours(8 * 24));
    let old = answered(&server.post("/v1/audiences/preview", &message).await);
    assert_eq!((&old["would_send"]["total"], &old["would_skip"]), (&json!(2), &json!({})));
}

#[tokio::test]
async fn it_is_checked_like_a_message_and_nothing_is_stored() {
    let server = server(Book::default()).await;
    let path = "/v1/audiences/preview";
    let users = json!([INES, "gone@fabrikam.com", "left@fabrikam.com", "Ines Moreau"]);
    let answer = server.post(path, &json!({"audience": {"users": users}})).await;
    answer.refused(422, "recipient_invalid");
    let at = |code: &str, n: usize| (code.to_owned(), format!("/audience/users/{n}"));
    let names = [at("upn_not_resolvable", 1), at("upn_not_resolvable", 2)];
    assert_eq!(answer.errors(), [&[at("recipient_invalid", 3)][..], &names].concat());
    let to_ines = |more: &Value| {
        let mut body = json!({"audience": {"users": [INES]}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (more, status, code, pointer) in [
        (json!({"to": 1}), 400, "unknown_field", "/to"),
        (json!({"audience": {}}), 422, "empty_audience", "/audience"),
        (json!({"app": "alerts"}), 422, "unknown_app", "/app"),
        (json!({"tenant": GROUP}), 422, "unknown_tenant", "/tenant"),
        (json!({"content": {"text": " "}}), 422, "empty_content", "/content/text"),
        (json!({"content": {"summary": "Look"}}), 422, "empty_content", "/content"),
        (json!({"install": "always"}), 422, "invalid_value", "/install"),
        (json!({"when_unreachable": "hope"}), 422, "invalid_value", "/when_unreachable"),
        (json!({"max_recipients": 0}), 422, "invalid_value", "/max_recipients"),
        (json!({"expires_at": "2026-11-22T09:00:00Z"}), 422, "invalid_value", "/expires_at"),
    ] {
        server.post(path, &to_ines(&more)).await.refused_at(status, code, pointer);
    }
    let read = server.request("POST", path).bearer_auth(&server.read).json(&to_ines(&json!({})));
    server.answer(read).await.refused(403, "forbidden");
    let alerts = server.key(Role::Send, Some("alerts")).await;
    let other = server.request("POST", path).bearer_auth(&alerts).json(&to_ines(&json!({})));
    server.answer(other).await.refused_at(422, "unknown_app", "/app");

    // Nobody has been met, nor has anything been asked for: nobody is known, and that stays so.
    let told = answered(&server.post(path, &to_ines(&json!({"content": {"text": "hello"}}))).await);
    assert_eq!((&told["audience"], &told["would_send"]["first_contact"]), (&json!(1), &json!(1)));
    assert_eq!(preview(&server, &json!({"installed": true})).await["audience"], 0);
    for list in ["/v1/lanes", "/v1/messages", "/v1/people"] {
        assert_eq!(server.get(list).await.json()["items"], json!([]), "{list}");
    }
    assert!(server.woken.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn parts_of_the_directory_are_read_as_a_message_would() {
    let group = DirectorySource::Group(GROUP.to_owned());
    let mut people: Vec<DirectoryPerson> = (0..30).map(|n| someone(&id(n))).collect();
    people[0].guest = Some(true);
    people[1].external = Some(true);
    people[2].enabled = Some(false);
    people[3].licensed = Some(false);
    let pages = vec![people[..12].to_vec(), people[12..25].to_vec(), people[25..].to_vec()];
    let team = vec![vec![people[4].clone(), someone(&id(99))]];
    let sources = BTreeMap::from([(group, pages), (DirectorySource::Team(TEAM.to_owned()), team)]);
    // The group is begun twice, and nobody of its first page is counted twice for that.
    let server = server(Book { sources, forgets: AtomicBool::new(true), ..Book::default() }).await;
    // Met before, and named by id as well: what the directory says now decides all the same.
    meet(&server, &id(0), true, ReachState::Reachable).await;
    let mut audience = json!({"groups": [GROUP], "teams": [TEAM], "users": [id(0)], "installed": true});
    let told = preview(&server, &audience).await;
    assert_eq!((&told["audience"], &told["duplicates_removed"]), (&json!(31), &json!(3)), "{told:#}");
    let skipped = json!({"guest": 1, "external": 1, "account_disabled": 1, "unlicensed": 1});
    assert_eq!((&told["would_skip"], &told["would_send"]["first_contact"]), (&skipped, &json!(27)));
    // One of the first round, three of the second, one of the team.
    assert_eq!(told["calls"], json!({"create": 27, "send": 27, "install": 0, "graph_pages": 5}));
    let sample = told["sample"]["first_contact"].as_array().unwrap();
    assert_eq!((sample.len(), &sample[0]["name"]), (10, &json!(format!("Directory {}", id(4)))));

    audience["include"] = json!(["guests", "disabled"]);
    let wider = preview(&server, &audience).await;
    assert_eq!((&wider["would_skip"], &wider["would_send"]["known"]), (&json!({"unlicensed": 1}), &json!(1)));
    assert_eq!(server.get("/v1/people").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_the_directory_does_not_tell_is_told() {
    let (group, team) = (DirectorySource::Group(GROUP.to_owned()), DirectorySource::Team(TEAM.to_owned()));
    let role = "GroupMember.Read.All".to_owned();
    let fails = BTreeMap::from([
        (group.clone(), DirectoryError::NotPermitted { role }),
        (team, DirectoryError::Throttled { retry_after: None }),
    ]);
    let sources = BTreeMap::from([(group, vec![vec![someone(INES)]])]);
    let server = server(Book { sources, fails, ..Book::default() }).await;
    let told = preview(&server, &json!({"groups": [GROUP], "teams": [TEAM], "users": [OMAR]})).await;
    assert_eq!((&told["complete"], &told["audience"]), (&json!(false), &json!(2)));
    let unread = told["incomplete"].as_array().unwrap();
    assert_eq!((&unread[0]["source"], &unread[0]["id"]), (&json!("group"), &json!(GROUP)));
    assert!(unread[0]["text"].as_str().unwrap().contains("GroupMember.Read.All"), "{told}");
    assert_eq!((unread.len(), &unread[1]["source"]), (2, &json!("team")));
    for unknown in ["begins_at", "duration_s", "estimated_end", "expires_before_end"] {
        assert_eq!(told[unknown], Value::Null, "{unknown}");
    }
}

#[tokio::test]
async fn a_directory_that_hangs_does_not_keep_the_answer() {
    let everyone = DirectorySource::Everyone;
    let sources = BTreeMap::from([(everyone, vec![vec![someone(INES)], vec![someone(OMAR)]])]);
    let book = Book { sources, hangs: true, ..Book::default() };
    let change = |state: &mut ServerState| {
        state.directory = Arc::new(book);
        state.preview_within = Duration::from_millis(500);
    };
    let server = Server::with(vec![app("dispatch", BOT, &[TENANT])], change).await;
    let told = preview(&server, &json!({"everyone": true})).await;
    assert_eq!((&told["complete"], &told["audience"]), (&json!(false), &json!(1)));
    assert!(told["incomplete"][0]["text"].as_str().unwrap().contains("within 500ms"), "{told}");
}

#[tokio::test]
async fn few_are_counted_at_a_time() {
    let (gate, most) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let sources = BTreeMap::from([(DirectorySource::Everyone, vec![vec![someone(INES)]])]);
    let book = Book { sources, gate: Some(Arc::clone(&gate)), most: Arc::clone(&most), ..Book::default() };
    let server = server(book).await;
    let body = json!({"audience": {"everyone": true}});
    let ask = |_| server.post("/v1/audiences/preview", &body);
    let mut answers = stream::iter(0..19).map(ask).buffer_unordered(19);
    // Two are at work and sixteen wait: nobody else can be the first to be answered.
    let refused = answers.next().await.unwrap();
    assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("busy")), "{}", refused.text);
    assert_eq!(refused.header("retry-after"), "5");
    let both = async {
        while most.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), both).await.expect("two are at work");
    gate.add_permits(18);
    let counted: Vec<_> = answers.collect().await;
    assert_eq!(counted.len(), 18);
    for answer in &counted {
        assert_eq!(answered(answer)["audience"], 1);
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
    // And then there is room again.
    gate.add_permits(1);
    assert_eq!(preview(&server, &json!({"everyone": true})).await["complete"], true);
}

#[tokio::test]
async fn when_it_would_be_done() {
    let server = server(Book::default()).await;
    let lane_no = server.store.lane("dispatch", TENANT).await.unwrap().lane_no;
    let status = async |cause: Option<&str>, cooling_until: Option<i64>| {
        let status = json!({"rate_per_s": 1.0, "allowed_per_s": 10.0, "limit_per_s": 50.0, "cause": cause,
                            "cause_text": cause.map(|_| "why"), "cooling_until": cooling_until});
        let batch = Batch { lane_status: vec![(lane_no, status.to_string())], ..Batch::default() };
        server.store.commit(batch.into()).await.unwrap();
    };
    status(None, None).await;
    let users = |from: usize, n: usize| (from..from + n).map(id).collect::<Vec<_>>();
    for (priority, n) in [("urgent", 30), ("normal", 200), ("bulk", 500)] {
        let body =
            json!({"audience": {"users": users(0, n)}, "content": {"text": "x"}, "priority": priority});
        let sent = server.sent(&body).await;
        let view = server.store.message(&OPERATOR, sent.parse().unwrap()).await.unwrap().unwrap();
        assert!(server.store.expand(view.message_no, 1_000, Time(NOON)).await.unwrap().done);
    }
    let ask = async |more: Value| {
        let mut body = json!({"audience": {"users": users(0, 50)}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answered(&server.post("/v1/audiences/preview", &body).await)
    };
    // 50 creates and 50 sends of its own, at 10 a second.
    for (priority, calls) in [("urgent", 100 + 30), ("normal", 30 + 200 + 50), ("bulk", 30 + 200 + 200)] {
        let told = ask(json!({"priority": priority, "max_recipients": 49})).await;
        assert_eq!(told["ahead"], json!({"urgent": 30, "normal": 200, "bulk": 500}));
        assert_eq!(told["duration_s"], f64::from(calls) / 10.0, "{priority}");
        assert_eq!((&told["rate_per_s"], &told["needs_confirmation"]), (&json!(10.0), &json!(true)));
    }
    let told = ask(json!({"send_at": "2026-11-22T12:00:00+01:00"})).await;
    assert_eq!(
        (&told["begins_at"], &told["estimated_end"], &told["expires_at"]),
        (&json!("2026-11-22T11:00:00Z"), &json!("2026-11-22T11:00:28Z"), &json!("2026-11-23T11:00:00Z"))
    );
    let told = ask(json!({"expires_at": "2026-11-22T10:00:27Z"})).await;
    assert_eq!(told["expires_before_end"], true);
    assert_eq!(ask(json!({"expires_at": "2026-11-22T10:00:29Z"})).await["expires_before_end"], false);

    status(Some("throttled"), Some(NOON + 60_000_000)).await;
    let told = ask(json!({})).await;
    assert_eq!(
        (&told["cause"], &told["cooling_until"]),
        (&json!("throttled"), &json!("2026-11-22T10:01:00Z"))
    );
    assert_eq!(
        (&told["begins_at"], &told["estimated_end"]),
        (&json!("2026-11-22T10:01:00Z"), &json!("2026-11-22T10:01:28Z"))
    );
    // Of these nobody knows when they are over.
    status(Some("credential"), Some(NOON + 60_000_000)).await;
    let told = ask(json!({})).await;
    assert_eq!((&told["cause"], &told["begins_at"]), (&json!("credential"), &Value::Null));
    assert_eq!((&told["estimated_end"], &told["duration_s"]), (&Value::Null, &json!(28.0)));
    status(None, None).await;
    let pause = format!("/v1/lanes/{}/pause", LaneId(lane_no));
    let paused = server.answer(server.request("POST", &pause).bearer_auth(&server.admin)).await;
    assert_eq!(paused.status, 202);
    let told = ask(json!({})).await;
    assert_eq!((&told["cause"], &told["paused_since"]), (&json!("paused"), &json!("2026-11-22T10:00:00Z")));
    assert_eq!(told["estimated_end"], Value::Null);
}
