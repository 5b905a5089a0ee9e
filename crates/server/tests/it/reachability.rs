//! Who can be reached: the list, one recipient with their history, counts, changes and the CSV.

use nuncio_domain::batch::{Batch, ReachChange};
use nuncio_domain::directory::DirectoryPerson;
use nuncio_domain::outcome::Operation;
use nuncio_domain::people::{Learned, PeopleFilter, SeenPerson};
use nuncio_domain::ports::{Ledger, Registry};
use nuncio_domain::{ReachEvidence, ReachState, Role, Scope, Time};
use serde_json::{Value, json};

use crate::harness::{BOT, INES, NOON, Server, TENANT, activity, app, hello};

const SECOND: i64 = 1_000_000;
/// Removed the app, and took a message after that.
const MAX: &str = "c0ffee00-0000-4000-8000-000000000001";
/// Their account is disabled.
const LEA: &str = "c0ffee00-0000-4000-8000-000000000002";

async fn hears(server: &Server, app: &str, person: SeenPerson, at: i64) {
    let learned = Learned {
        app: app.to_owned(),
        tenant: TENANT.to_owned(),
        at: Time(at),
        event: ("a:1".to_owned(), server.number().to_string()),
        people: vec![person],
        ..Learned::default()
    };
    server.store.learn(learned).await.unwrap();
}

fn seen(id: &str, state: ReachState, evidence: ReachEvidence) -> SeenPerson {
    SeenPerson { object_id: id.to_owned(), reach: Some((state, evidence)), ..SeenPerson::default() }
}

async fn call(server: &Server, id: &str, state: ReachState, answer: (u16, Option<&str>), at: i64) {
    let scope = Scope { key_no: 1, role: Role::Admin, app: None, may_install: false };
    let found = server.store.person(&scope, id, &PeopleFilter::default()).await.unwrap();
    let evidence = ReachEvidence::answer(state, Operation::Send, Some(answer.0), answer.1);
    let reach = vec![ReachChange { recipient_no: found[0].recipient_no, state, evidence, at: Time(at) }];
    server.store.commit(Batch { at: Time(at), reach, ..Batch::default() }.into()).await.unwrap();
}

/// Ines has blocked the app, Max removed it, and Lea's account is disabled, as the directory said for a message.
async fn three(server: &Server) -> String {
    for id in [INES, MAX, LEA] {
        let event = ReachEvidence::event("the app was installed");
        hears(server, "dispatch", seen(id, ReachState::Reachable, event), NOON).await;
    }
    let blocked = (403, Some("ConversationBlockedByUser"));
    call(server, INES, ReachState::Blocked, blocked, NOON + SECOND).await;
    let removed = ReachEvidence::event("the app was removed");
    hears(server, "dispatch", seen(MAX, ReachState::Removed, removed), NOON + 2 * SECOND).await;
    call(server, MAX, ReachState::Reachable, (201, None), NOON + 3 * SECOND).await;
    let lane = server.store.lane("dispatch", TENANT).await.unwrap();
    let mut new = nuncio_domain::NewMessage {
        id: nuncio_domain::MessageId(uuid::Uuid::from_u128(77)),
        lane_no: lane.lane_no,
        class: nuncio_domain::Class::Normal,
        content: nuncio_domain::Content {
            body: nuncio_domain::message::Body::Text("x".to_owned()),
            summary: None,
        },
        label: None,
        named: Vec::new(),
        installed: false,
        directory: Vec::new(),
        resolved: Vec::new(),
        include: nuncio_domain::directory::Include::default(),
        retries: None,
        exclude: Vec::new(),
        on_ambiguous: None,
        max_recipients: 10,
        send_at: None,
        expires_at: Time(NOON + 86_400 * SECOND),
        created_at: Time(NOON + 4 * SECOND),
        idempotency: None,
        lists: Vec::new(),
        exclude_groups: Vec::new(),
        purpose: nuncio_domain::own_words::Purpose::Asked,
        install: nuncio_domain::InstallPolicy::Never,
        when_unreachable: nuncio_domain::message::WhenUnreachable::Fail,
    };
    for id in [LEA, MAX] {
        let kind = nuncio_domain::RecipientKind::Person;
        new.named.push(nuncio_domain::message::Named { kind, key: id.to_owned() });
    }
    new.resolved.push(DirectoryPerson {
        object_id: LEA.to_owned(),
        name: Some("=Lea".to_owned()),
        enabled: Some(false),
        ..DirectoryPerson::default()
    });
    let id = new.id.to_string();
    let scope = Scope { key_no: 1, role: Role::Admin, app: None, may_install: false };
    server.store.submit(&scope, new).await.unwrap();
    server.store.expand(1, 10, Time(NOON)).await.unwrap();
    id
}

fn state_and_how(items: &Value) -> Vec<(&str, &str, &str)> {
    let items = items["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| {
            let how = item["evidence"]["how"].as_str().unwrap_or("-");
            (item["id"].as_str().unwrap(), item["state"].as_str().unwrap(), how)
        })
        .collect()
}

#[tokio::test]
async fn the_list_says_how_it_is_known() {
    let server = Server::start().await;
    let message = three(&server).await;
    let all = server.get("/v1/people").await.json();
    assert_eq!(
        state_and_how(&all),
        [(INES, "blocked", "refusal"), (MAX, "removed", "event"), (LEA, "account_disabled", "graph")]
    );
    assert_eq!(
        all["items"][0]["evidence"],
        json!({
            "how": "refusal", "status": 403, "code": "ConversationBlockedByUser",
            "text": "send answered 403 ConversationBlockedByUser", "at": "2026-11-22T10:00:01Z"
        })
    );
    let max = &all["items"][1];
    assert_eq!(
        (&max["contradicted_by"]["how"], &max["contradicted_by"]["status"]),
        (&json!("call"), &json!(201))
    );
    assert_eq!((&max["seen"], &max["directory"]), (&json!(null), &json!(null)));
    let lea = &all["items"][2];
    assert_eq!(
        (&lea["seen"]["state"], &lea["seen"]["evidence"]["how"]),
        (&json!("reachable"), &json!("event"))
    );
    assert_eq!(lea["directory"]["enabled"], json!(false));
    assert_eq!(lea["since"], "2026-11-22T10:00:04Z");

    for (query, ids) in [
        ("state=blocked", vec![INES]),
        ("how=graph", vec![LEA]),
        ("since=2026-11-22T10:00:02Z", vec![MAX, LEA]),
        ("since=2026-11-22T11:00:02%2B01:00&how=event", vec![MAX]),
        ("kind=chat", vec![]),
        (&format!("message={message}"), vec![MAX, LEA]),
        (
            &format!("message={message}&state=removed&app=dispatch&tenant={}", TENANT.to_uppercase()),
            vec![MAX],
        ),
    ] {
        let listed = server.get(&format!("/v1/people?{query}")).await.json();
        let listed: Vec<&str> = state_and_how(&listed).iter().map(|(id, ..)| *id).collect();
        assert_eq!(listed, ids, "{query}");
    }
    for (query, pointer) in [("how=rumour", "?how"), ("since=yesterday", "?since"), ("state=muted", "?state")]
    {
        server.get(&format!("/v1/people?{query}")).await.refused_at(400, "invalid_request", pointer);
    }
    for id in ["msg_01h455vb4pex5vsknk084sn02q", "x"] {
        server.get(&format!("/v1/people?message={id}")).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn counts_are_split_by_how_they_are_known() {
    let server = Server::start().await;
    let message = three(&server).await;
    let counts = server.get("/v1/reachability").await.json();
    assert_eq!(
        counts,
        json!({
            "total": 3,
            "states": {"account_disabled": 1, "blocked": 1, "removed": 1},
            "how": {"account_disabled": {"graph": 1}, "blocked": {"refusal": 1}, "removed": {"event": 1}},
            "muted": "not detectable"
        })
    );
    let of = server.get(&format!("/v1/reachability?message={message}")).await.json();
    assert_eq!((&of["total"], &of["states"]["blocked"]), (&json!(2), &json!(null)));
    assert_eq!(server.get("/v1/reachability?kind=channel").await.json()["total"], 0);
    assert_eq!(server.get("/v1/reachability?app=other").await.json()["total"], 0);
}

#[tokio::test]
async fn one_recipient_with_their_history() {
    let server = Server::start().await;
    three(&server).await;
    let max = server.get(&format!("/v1/people/{}", MAX.to_uppercase())).await.json();
    assert_eq!(
        (&max["id"], &max["state"], &max["muted"]),
        (&json!(MAX), &json!("removed"), &json!("not detectable"))
    );
    let history: Vec<(&str, &str, bool)> = max["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|past| {
            let how = past["evidence"]["how"].as_str().unwrap();
            (past["state"].as_str().unwrap(), how, past["contradicts"].as_bool().unwrap())
        })
        .collect();
    assert_eq!(
        history,
        [("reachable", "call", true), ("removed", "event", false), ("reachable", "event", false)]
    );

    for id in ["c0ffee00-0000-4000-8000-00000000000f", "nobody", "19:x@thread.v2"] {
        server.get(&format!("/v1/people/{id}")).await.refused(404, "not_found");
    }
    server.get(&format!("/v1/people/{MAX}?state=removed")).await.refused_at(400, "unknown_field", "?state");
}

#[tokio::test]
async fn who_is_known_to_several_apps_is_asked_about_in_one() {
    let server = Server::with(vec![app("dispatch", BOT, &[TENANT])], |_| {}).await;
    three(&server).await;
    let event = ReachEvidence::event("the app was installed");
    hears(&server, "other", seen(MAX, ReachState::Reachable, event), NOON).await;
    server.get(&format!("/v1/people/{MAX}")).await.refused_at(422, "one_lane", "?app");
    let other = server.get(&format!("/v1/people/{MAX}?app=other")).await.json();
    assert_eq!((&other["state"], other["history"].as_array().unwrap().len()), (&json!("reachable"), 1));
    // A key of one app sees no other.
    let key = server.key(Role::Read, Some("other")).await;
    let get = async |path: &str| server.answer(server.request("GET", path).bearer_auth(&key)).await;
    assert_eq!(get(&format!("/v1/people/{MAX}")).await.json()["app"], "other");
    get(&format!("/v1/people/{LEA}")).await.refused(404, "not_found");
    assert_eq!(get("/v1/reachability").await.json()["total"], 1);
    assert_eq!(get("/v1/reachability.csv").await.text.lines().count(), 2);
    let changes = get("/v1/reachability/changes").await.json();
    assert_eq!(changes["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_conversation_has_a_history_too() {
    let server = Server::start().await;
    assert_eq!(server.activity(&activity("install_team")).await.status, 200);
    let listed = server.get("/v1/conversations?kind=channel").await.json();
    let id = listed["items"][0]["id"].as_str().unwrap();
    let channel = server.get(&format!("/v1/conversations/{id}")).await.json();
    assert_eq!(channel["id"], id);
    let past = &channel["history"][0];
    assert_eq!((&past["state"], &past["evidence"]["how"]), (&json!("reachable"), &json!("event")));
    let same = server.get(&format!("/v1/people/{id}")).await.json();
    assert_eq!((&same["kind"], &same["history"]), (&json!("channel"), &channel["history"]));
}

#[tokio::test]
async fn changes_are_listed_and_come_back_to() {
    let server = Server::start().await;
    three(&server).await;
    let (mut seen_changes, mut query, mut pages) = (Vec::new(), String::new(), 0);
    let resume = loop {
        let page = server.get(&format!("/v1/reachability/changes?limit=2{query}")).await.json();
        seen_changes.extend(page["items"].as_array().unwrap().iter().map(|change| {
            format!("{} {}", change["was"].as_str().unwrap_or("-"), change["state"].as_str().unwrap())
        }));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => query = format!("&cursor={next}"),
            None => break page["resume"].as_str().unwrap().to_owned(),
        }
    };
    assert_eq!(
        seen_changes,
        [
            "- reachable",
            "- reachable",
            "- reachable",
            "reachable blocked",
            "reachable removed",
            "reachable account_disabled"
        ]
    );
    assert!(pages >= 3, "{pages}");
    let later = format!("/v1/reachability/changes?cursor={resume}");
    assert_eq!(server.get(&later).await.json()["items"], json!([]));
    let word = ReachEvidence::person("they wrote to the app");
    hears(&server, "dispatch", seen(INES, ReachState::Reachable, word), NOON + 9 * SECOND).await;
    let page = server.get(&later).await.json();
    let change = &page["items"][0];
    assert_eq!(
        (&change["id"], &change["was"], &change["state"]),
        (&json!(INES), &json!("blocked"), &json!("reachable"))
    );
    assert_eq!(change["evidence"]["how"], "person");

    let since = server.get("/v1/reachability/changes?since=2026-11-22T10:00:02Z&state=removed").await.json();
    assert_eq!(since["items"].as_array().unwrap().len(), 1);
    // A cursor is that of its filter.
    server.get(&format!("{later}&state=removed")).await.refused_at(400, "bad_cursor", "?cursor");
    let people = server.get("/v1/people?limit=1").await.json();
    let foreign = people["next"].as_str().unwrap();
    server.get(&format!("/v1/reachability/changes?cursor={foreign}")).await.refused(400, "bad_cursor");
}

#[tokio::test]
async fn the_csv_is_the_list() {
    let server = Server::start().await;
    let message = three(&server).await;
    let csv = server.get("/v1/reachability.csv").await;
    assert_eq!((csv.status, csv.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"reachability.csv\"");
    let lines: Vec<&str> = csv.text.lines().collect();
    assert_eq!(
        lines,
        [
            "id,kind,upn,name,app,tenant,state,since,how,status,code,text,heard_at,seen,contradicted_at,\
             opted_out_since,has_reference",
            &format!(
                "{INES},person,,,dispatch,{TENANT},blocked,2026-11-22T10:00:01Z,refusal,403,ConversationBlockedByUser,\
                 send answered 403 ConversationBlockedByUser,2026-11-22T10:00:01Z,,,,false"
            ),
            &format!(
                "{MAX},person,,,dispatch,{TENANT},removed,2026-11-22T10:00:02Z,event,,,the app was removed,\
                 2026-11-22T10:00:02Z,,2026-11-22T10:00:03Z,,false"
            ),
            &format!(
                "{LEA},person,,'=Lea,dispatch,{TENANT},account_disabled,2026-11-22T10:00:04Z,graph,,,\
                 the directory says that the account is disabled,2026-11-22T10:00:04Z,reachable,,,false"
            ),
        ]
    );
    let of = server.get(&format!("/v1/reachability.csv?message={message}&how=event")).await;
    assert_eq!(of.text.lines().collect::<Vec<_>>(), [lines[0], lines[2]]);
    assert_eq!(server.get("/v1/reachability.csv?state=deleted").await.text.trim_end(), lines[0]);
    server.get("/v1/reachability.csv?limit=5").await.refused_at(400, "unknown_field", "?limit");
}

/// Over the pages of the store, and the looks of a list at few.
#[tokio::test]
async fn twelve_thousand_are_each_in_it_once() {
    let server = Server::start().await;
    let mut ids: Vec<String> = (0..12_000).map(|n| format!("c0ffee00-0000-4000-8000-{n:012}")).collect();
    for ids in ids.chunks(6_000) {
        let mut body = hello();
        body["audience"]["users"] = json!(ids);
        body["max_recipients"] = 10_000.into();
        server.sent(&body).await;
    }
    let csv = server.get("/v1/reachability.csv").await.text;
    let mut named: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    named.sort_unstable();
    ids.sort_unstable();
    assert_eq!(named, ids);
    let word = ReachEvidence::person("they wrote to the app");
    hears(&server, "dispatch", seen(&ids[11_999], ReachState::Reachable, word), NOON).await;
    let found = server.get("/v1/people?how=person&limit=5").await.json();
    assert_eq!(state_and_how(&found), [(&*ids[11_999], "reachable", "person")]);
    assert_eq!(found["next"], json!(null));
}
