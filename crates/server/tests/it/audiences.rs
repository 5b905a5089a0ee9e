//! Uploaded lists: what is read of them, what is refused, and messages to them.

use std::fmt::Write as _;

use nuncio_domain::Role;
use nuncio_domain::directory::{DirectoryPerson, Resolved};
use nuncio_domain::lists::{Found, ListedName};
use nuncio_domain::ports::Ledger as _;
use nuncio_domain::{Control, Time, message::ControlRequest};
use serde_json::{Value, json};

use crate::directory::{ALL, OMAR, known, server, to};
use crate::harness::{BOT, INES, NOON, Server, TENANT, app};

const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";

fn id(n: usize) -> String {
    format!("c0ffee00-0000-4000-8000-{n:012}")
}

async fn uploaded(server: &Server, kind: &str, list: &str) -> Value {
    let answer = server.upload("", kind, list.to_owned()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let stored = answer.json();
    assert_eq!(answer.header("location"), format!("/v1/audiences/{}", stored["id"].as_str().unwrap()));
    stored
}

/// The path of a list.
fn path(list: &Value) -> String {
    format!("/v1/audiences/{}", list["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_list_is_counted_listed_shown_and_deleted() {
    let server = server(known()).await;
    let csv = format!(
        "\u{feff}name;id\r\nInes;{INES}\r\n\r\nInes again; {} \r\nOmar;\"{OMAR}\"\r\n",
        INES.to_uppercase()
    );
    let answer = server.upload("?name=All%20staff", "Text/CSV; charset=utf-8", csv).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let list = answer.json();
    assert!(list["id"].as_str().unwrap().starts_with("aud_"));
    let expected = json!({
        "id": list["id"], "state": "ready", "cause_text": null, "name": "All staff", "app": "dispatch",
        "tenant": TENANT, "lines": 4, "people": 2, "duplicates": 1, "blanks": 1, "names": 0, "looked_up": 0,
        "unresolved": 0, "created_at": "2026-11-22T10:00:00Z"
    });
    assert_eq!(list, expected);
    assert_eq!(server.get(&path(&list)).await.json(), expected);
    let lines = format!("\"{INES}\"\n{{\"userPrincipalName\": \"omar@contoso.com\", \"mail\": null}}\n\n");
    let second = uploaded(&server, NDJSON, &lines).await;
    assert_eq!(
        (&second["state"], &second["names"], &second["people"]),
        (&json!("resolving"), &json!(1), &json!(2))
    );
    // Its owner has names to look up now.
    assert_eq!(*server.woken.0.lock().unwrap(), [1]);
    let page = server.get("/v1/audiences?limit=1").await.json();
    assert_eq!(page["items"], json!([expected]));
    let next = format!("/v1/audiences?limit=1&cursor={}", page["next"].as_str().unwrap());
    assert_eq!(server.get(&next).await.json(), json!({"items": [second], "next": null}));
    server.get(&format!("{next}&app=dispatch")).await.refused(400, "bad_cursor");
    assert_eq!(server.get("/v1/audiences?tenant=other").await.json()["items"], json!([]));

    let delete =
        async || server.answer(server.request("DELETE", &path(&list)).bearer_auth(&server.send)).await;
    assert_eq!(delete().await.status, 204);
    delete().await.refused(404, "not_found");
    server.get(&path(&list)).await.refused(404, "not_found");
    server.get("/v1/audiences/aud_1").await.refused(404, "not_found");
    assert_eq!(server.get("/v1/audiences").await.json()["items"], json!([second]));
    let people = server.get("/v1/people").await.json();
    assert_eq!(people["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_hundred_thousand_lines_of_which_two_hundred_are_bad() {
    let server = Server::start().await;
    let (mut csv, mut wrong) = ("\u{feff}Name;E-Mail;Object ID\r\n".to_owned(), Vec::new());
    for n in 2..=100_001_usize {
        let entry = match n % 500 {
            7 => {
                wrong.push(("list_line_invalid".to_owned(), format!("/line/{n}")));
                "0000-0000".to_owned()
            }
            8 => "\"  \"".to_owned(),
            // The one in the line before.
            10 => id(n - 1),
            _ => id(n),
        };
        // A line with nothing in it is empty.
        let name = if n % 500 == 8 { "" } else { "Ann, \"\"the\"\" boss" };
        write!(csv, "\"{name}\";;{entry}\r\n").unwrap();
    }
    let begin = std::time::Instant::now();
    let answer = server.upload("", CSV, csv.clone()).await;
    eprintln!("refusing 100,000 lines took {:?}", begin.elapsed());
    answer.refused(422, "list_line_invalid");
    assert_eq!((wrong.len(), answer.errors()), (200, wrong));
    assert!(answer.problem()["detail"].as_str().unwrap().starts_with("200 things are wrong"));
    assert!(!answer.text.contains("0000-0000"));
    assert_eq!(server.get("/v1/audiences").await.json()["items"], json!([]));
    assert_eq!(server.get("/v1/people").await.json()["items"], json!([]));

    let right: String =
        csv.lines().filter(|line| !line.ends_with(";0000-0000")).flat_map(|line| [line, "\r\n"]).collect();
    let begin = std::time::Instant::now();
    let list = uploaded(&server, CSV, &right).await;
    eprintln!("storing 99,800 lines took {:?}", begin.elapsed());
    let counted = ["lines", "blanks", "duplicates", "people"].map(|field| list[field].as_i64().unwrap());
    assert_eq!(counted, [99_800, 200, 200, 99_400]);
}

#[tokio::test]
async fn what_is_no_list_is_refused_with_what_to_do() {
    let server = Server::start().await;
    let refused = async |kind: &str, list: &[u8], (status, code): (u16, &str), pointers: &str| {
        let answer = server.upload("", kind, list.to_vec()).await;
        answer.refused(status, code);
        let found: Vec<_> = answer.errors().into_iter().map(|(_, pointer)| pointer).collect();
        assert_eq!(found.join(" "), pointers, "{}", answer.text);
        answer.text
    };
    for empty in ["", "\n \n", "id\r\n\r\n", "\u{feff}upn;name\n;\n"] {
        refused(CSV, empty.as_bytes(), (422, "list_empty"), "").await;
    }
    // "Müller" as Excel writes it without being told otherwise.
    let ansi = [INES.as_bytes(), b",a\n", OMAR.as_bytes(), b",M\xfcller\n"].concat();
    let text = refused(CSV, &ansi, (422, "list_not_text"), "/line/2").await;
    assert!(text.contains("CSV UTF-8"), "{text}");
    let text =
        refused(CSV, b"Name,Department\nInes,Sales\n", (422, "list_line_invalid"), "/line/1 /line/2").await;
    assert!(text.contains("call the one with the people"), "{text}");
    let lines = format!("{{\n\"Ines\"\n7\n{{\"name\": \"x\"}}\n{{\"id\": 7}}\n\"{INES}\" 1\n\"{INES}\"\n");
    let wrong = "/line/1 /line/2 /line/3 /line/4 /line/5 /line/6";
    refused(NDJSON, lines.as_bytes(), (422, "list_line_invalid"), wrong).await;
    for kind in ["application/json", "text/plain", "text/csvx"] {
        let text = refused(kind, INES.as_bytes(), (415, "unsupported_media_type"), "content-type:").await;
        assert!(text.contains("text/csv or application/x-ndjson"), "{text}");
    }
    let without = server.request("POST", "/v1/audiences").bearer_auth(&server.send).body(INES);
    server.answer(without).await.refused_at(415, "unsupported_media_type", "content-type:");
    for (query, code, pointer) in [
        ("?name=", "invalid_value", "?name"),
        ("?name=a%0Ab", "invalid_value", "?name"),
        ("?app=nobody", "unknown_app", "?app"),
    ] {
        server.upload(query, CSV, INES).await.refused_at(422, code, pointer);
    }
    server.upload("?nmae=x", CSV, INES).await.refused_at(400, "unknown_field", "?nmae");
    // Nobody can be asked whom a name stands for.
    let csv = format!("{INES}\nines@contoso.com\n");
    server.upload("", CSV, csv).await.refused_at(422, "directory_not_configured", "/line/2");
    assert_eq!(server.get("/v1/audiences").await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_list_has_a_million_lines_and_64_mib_at_most() {
    let server = Server::start().await;
    let long = "\n".repeat(1_000_001);
    let answer = server.upload("", CSV, long).await;
    answer.refused_at(422, "list_too_long", "/line/1000001");
    assert!(answer.text.contains("split it"), "{}", answer.text);
    let answer = server.upload("", CSV, vec![b'\n'; 64 * 1024 * 1024 + 1]).await;
    answer.refused(413, "body_too_large");
    assert!(answer.text.contains("64 MiB and 1,000,000 lines"), "{}", answer.text);
}

#[tokio::test]
async fn what_excel_writes_as_unicode_text() {
    let server = Server::start().await;
    let text = format!("\u{feff}Name\tID\r\nMüller\t{INES}\r\n");
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let answer = server.upload("", CSV, bytes).await;
    assert_eq!((answer.status, &answer.json()["people"]), (201, &json!(1)), "{}", answer.text);
}

#[tokio::test]
async fn messages_to_lists() {
    let server = server(known()).await;
    let mut lists = Vec::new();
    for part in [0..6, 4..9] {
        let csv = part.map(|n| format!("{}\n", id(n))).collect::<Vec<_>>().concat();
        lists.push(uploaded(&server, CSV, &csv).await["id"].as_str().unwrap().to_owned());
    }
    let audience = json!({"users": [id(0)], "lists": [lists[0], lists[1], lists[0]]});
    let message = server.sent(&to(&audience)).await;
    let view = server.store.message(&ALL, message.parse().unwrap()).await.unwrap().unwrap();
    assert!(server.store.expand(view.message_no, 100, Time(NOON)).await.unwrap().done);
    let view = server.get(&format!("/v1/messages/{message}")).await.json();
    assert_eq!((&view["counts"]["audience"], &view["duplicates_removed"]), (&json!(9), &json!(3)));

    let mut urgent = to(&json!({"lists": [lists[0]]}));
    urgent["priority"] = "urgent".into();
    server.post("/v1/messages", &urgent).await.refused_at(422, "urgent_audience", "/audience/lists");
    for (list, pointer) in
        [("aud_1", "/audience/lists/1"), ("aud_01h455vb4pex5vsknk084sn02q", "/audience/lists/1")]
    {
        let answer = server.post("/v1/messages", &to(&json!({"lists": [lists[0], list]}))).await;
        answer.refused_at(422, "unknown_list", pointer);
    }
    let many = json!({"lists": vec![lists[0].as_str(); 101]});
    server.post("/v1/messages", &to(&many)).await.refused_at(422, "audience_too_long", "/audience/lists");
}

#[tokio::test]
async fn a_list_that_a_message_still_needs_is_not_deleted() {
    let server = Server::start().await;
    let list = uploaded(&server, CSV, INES).await;
    let message = server.sent(&to(&json!({"lists": [list["id"]]}))).await;
    let delete =
        async || server.answer(server.request("DELETE", &path(&list)).bearer_auth(&server.send)).await;
    delete().await.refused(409, "list_in_use");
    let request = ControlRequest { scope: &ALL, id: message.parse().unwrap(), control: Control::Cancel };
    server.store.control(request, Time(NOON)).await.unwrap();
    delete().await.refused(409, "list_in_use");
    let message_no = server.store.message(&ALL, message.parse().unwrap()).await.unwrap().unwrap().message_no;
    server.store.expand(message_no, 9, Time(NOON)).await.unwrap();
    assert_eq!(delete().await.status, 204);
    let again = server.post("/v1/messages", &to(&json!({"lists": [list["id"]]}))).await;
    again.refused_at(422, "unknown_list", "/audience/lists/0");
}

#[tokio::test]
async fn names_that_are_not_one_person_are_shown_with_their_lines() {
    let server = server(known()).await;
    let csv = "upn\nines@contoso.com\nGone@contoso.com\n\ndesk@contoso.com\n";
    let list = uploaded(&server, CSV, csv).await;
    let list_no = server.store.open(1, 0).await.unwrap().names_of[0];
    let next = server.store.names(list_no, 100).await.unwrap().unwrap();
    let found = |listed: &ListedName| match listed.line {
        2 => Resolved::One(Box::new(DirectoryPerson {
            object_id: INES.to_owned(),
            ..DirectoryPerson::default()
        })),
        3 => Resolved::None,
        _ => Resolved::Several,
    };
    let refused = Found { list_no, after: None, names: Err("grant User.Read.All".to_owned()) };
    server.store.found(refused, Time(NOON)).await.unwrap();
    let waits = server.get(&path(&list)).await.json();
    assert_eq!((&waits["state"], &waits["cause_text"]), (&json!("resolving"), &json!("grant User.Read.All")));
    let names = next.names.into_iter().map(|listed| (listed.clone(), found(&listed))).collect();
    let found = Found { list_no, after: next.after, names: Ok(names) };
    assert!(server.store.found(found, Time(NOON)).await.unwrap());
    let ready = server.get(&path(&list)).await.json();
    assert_eq!((&ready["state"], &ready["cause_text"]), (&json!("ready"), &Value::Null));
    assert_eq!((&ready["people"], &ready["unresolved"]), (&json!(3), &json!(2)));
    let names = json!([{"line": 3, "name": "Gone@contoso.com", "knows": "nobody"},
                       {"line": 5, "name": "desk@contoso.com", "knows": "several"}]);
    assert_eq!(ready["unresolved_names"], names);
    assert_eq!(server.get("/v1/audiences").await.json()["items"][0].get("unresolved_names"), None);
    // They are nobody in the list of people.
    let people = server.get("/v1/people").await.json();
    assert_eq!(people["items"].as_array().unwrap().iter().map(|one| &one["id"]).collect::<Vec<_>>(), [INES]);
    assert_eq!(server.get("/v1/reachability").await.json()["total"], 1);
}

#[tokio::test]
async fn lists_belong_to_one_app_in_one_tenant() {
    let other = "11111111-2222-4333-8444-555555555555";
    let apps = vec![app("dispatch", BOT, &[TENANT, other]), app("second", BOT, &[TENANT])];
    let server = Server::with(apps, |_| {}).await;
    server.upload("", CSV, INES).await.refused_at(422, "one_lane", "?app");
    server.upload("?app=third", CSV, INES).await.refused_at(422, "unknown_app", "?app");
    server.upload("?app=second&tenant=x", CSV, INES).await.refused_at(422, "unknown_tenant", "?tenant");
    let list = server.upload(&format!("?app=dispatch&tenant={other}"), CSV, INES).await.json();
    let own = server.key(Role::Send, Some("dispatch")).await;
    let foreign = server.key(Role::Send, Some("second")).await;
    let with = |key: &str, method: &str, path: &str| server.request(method, path).bearer_auth(key);
    assert_eq!(server.answer(with(&own, "GET", &path(&list))).await.status, 200);
    server.answer(with(&foreign, "GET", &path(&list))).await.refused(404, "not_found");
    server.answer(with(&foreign, "DELETE", &path(&list))).await.refused(404, "not_found");
    assert_eq!(server.answer(with(&foreign, "GET", "/v1/audiences")).await.json()["items"], json!([]));
    let mut message = to(&json!({"lists": [list["id"]]}));
    let request = with(&foreign, "POST", "/v1/messages").json(&message);
    server.answer(request).await.refused_at(422, "unknown_list", "/audience/lists/0");
    message["app"] = "dispatch".into();
    message["tenant"] = TENANT.into();
    let answer = server.post("/v1/messages", &message).await;
    answer.refused_at(422, "unknown_list", "/audience/lists/0");
    assert!(answer.text.contains("another app or tenant"));
    message["tenant"] = other.into();
    assert_eq!(server.post("/v1/messages", &message).await.status, 202);
    // Looking is not uploading.
    let request = server.request("POST", "/v1/audiences").bearer_auth(&server.read);
    server.answer(request.header("content-type", CSV).body(INES)).await.refused(403, "forbidden");
}

#[tokio::test]
async fn an_upload_can_be_repeated() {
    let server = server(known()).await;
    let upload = async |query: &str, kind: &str, key: &str, list: &str| {
        let request = server.request("POST", &format!("/v1/audiences{query}")).bearer_auth(&server.send);
        let request = request.header("content-type", kind).header("idempotency-key", key);
        server.answer(request.body(list.to_owned())).await
    };
    let first = upload("?name=Staff", CSV, "k", INES).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let again = upload("?name=Staff", CSV, "k", INES).await;
    assert_eq!((again.status, again.json()), (201, first.json()));
    assert_eq!(again.header("location"), first.header("location"));
    for (query, kind, list) in [
        ("?name=Staff", CSV, OMAR),
        ("?name=Staff", NDJSON, INES),
        ("?name=Staf", CSV, INES),
        ("?name=Staff&app=dispatch", CSV, INES),
    ] {
        let refused = upload(query, kind, "k", list).await;
        refused.refused_at(422, "idempotency_key_reused", "idempotency-key:");
    }
    upload("", CSV, "two words", INES).await.refused_at(400, "invalid_request", "idempotency-key:");
    // Of messages it is another key, and what was refused was not used.
    upload("", CSV, "two", "nobody").await.refused(422, "list_line_invalid");
    assert_eq!(upload("", CSV, "two", INES).await.status, 201);
    let message = to(&json!({"lists": [first.json()["id"]]}));
    let request =
        server.request("POST", "/v1/messages").bearer_auth(&server.send).header("idempotency-key", "k");
    assert_eq!(server.answer(request.json(&message)).await.status, 202);
    assert_eq!(server.get("/v1/audiences").await.json()["items"].as_array().unwrap().len(), 2);
}
