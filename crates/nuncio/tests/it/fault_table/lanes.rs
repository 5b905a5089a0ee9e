//! The rows for what troubles an app in its tenant as a whole. Each has an app, and so a lane, of its own; all share a
//! server, a simulator and twelve people.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use nuncio_api::{Message, NewMessage};
use nuncio_client::MessageControl;
use nuncio_testkit::free_port;
use nuncio_testkit::generated::section;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::row::refusal;
use crate::counts;
use crate::world::{Plan, World, now, to_installed, to_users};

const PEOPLE: i64 = 12;
/// Calls that may have begun before the first answer was known, at most.
const BEGUN: usize = 10;

/// Calls that all have to fail before they are the app's trouble, and those that had begun by then.
const FAILING: usize = 20 + BEGUN;

/// What ends the trouble.
enum Mend {
    /// The fault is over.
    Fault(&'static str, Value),
    /// The bot is registered at the simulator with its secret again; meanwhile with these fields.
    Bot(Value),
    /// Nothing; the message is cancelled. Meanwhile the bot has this service URL.
    Never(Option<String>),
}

struct Lane {
    fault: String,
    /// More endpoints of the app.
    endpoints: &'static str,
    mend: Mend,
    /// What the message says: a cause, and words of its text.
    says: (&'static str, &'static str),
}

fn lane(fault: impl Into<String>, says: (&'static str, &'static str), mend: Mend) -> Lane {
    Lane { fault: fault.into(), endpoints: "", mend, says }
}

/// Refusals of the app.
const REFUSED: [(&str, &str); 5] = [
    ("bot_not_registered", "no bot is registered for this app id"),
    ("authorization_denied", "a fresh token was refused"),
    ("authorization_error", "a fresh token was refused"),
    ("tenant_no_permission", "the tenant does not let this app in"),
    ("invalid_bot_api_host", "this tenant is on another host"),
];

/// The words of the fixtures that are proved here.
pub(super) fn named() -> impl Iterator<Item = String> {
    REFUSED.iter().map(|(fixture, _)| *fixture).chain(["throttled"]).map(|fixture| refusal(fixture).0)
}

fn rows(silent: u16, plain: u16) -> Vec<Lane> {
    let mut rows: Vec<Lane> = REFUSED
        .iter()
        .map(|(fixture, words)| {
            let (fault, action) = refusal(fixture);
            lane(fault, ("not_authorized", words), Mend::Fault("send", action))
        })
        .collect();
    rows.push(lane(
        "503 for everyone",
        ("failing", "call after call has failed"),
        Mend::Fault("send", json!({"status": 503})),
    ));
    let credential = |fault: &str, words, bot| lane(fault, ("credential", words), Mend::Bot(bot));
    rows.push(credential("token refused: wrong secret", "AADSTS7000215", json!({"secret": "another"})));
    rows.push(credential("token refused: secret expired", "AADSTS7000222", json!({"secret_expired": true})));
    let token =
        |fault: &str, words, action| lane(fault, ("token_unavailable", words), Mend::Fault("token", action));
    rows.push(token("token endpoint: 503", "answered 503", json!({"status": 503})));
    rows.push(token("token endpoint: closed before the status", "", json!({"cut": "before_status"})));
    rows.push(token(
        "token endpoint: 429 with Retry-After 2",
        "answered 429",
        json!({"status": 429, "retry_after": 2}),
    ));
    rows.push(token(
        "token endpoint: 200, garbage",
        "what is no token",
        json!({"status": 200, "body": "<html>"}),
    ));
    let never = |fault: &str, says, url: Option<String>| lane(fault, says, Mend::Never(url));
    let nowhere = never("token endpoint: its name is not in DNS", ("token_unavailable", ""), None);
    rows.push(Lane { endpoints: ", authority = \"https://nuncio.invalid\"", ..nowhere });
    let unreachable = ("unreachable", "the service cannot be reached");
    let at = |scheme: &str, port: u16| Some(format!("{scheme}://127.0.0.1:{port}/teams/"));
    rows.push(never("Connector: connection refused", unreachable, at("http", free_port())));
    rows.push(never("Connector: TLS fails", unreachable, at("https", plain)));
    rows.push(never("Connector: connecting takes more than 5 s", unreachable, at("https", silent)));
    rows
}

/// How a 429 says how long, and how many seconds that means.
fn throttles() -> Vec<(&'static str, Value, u64)> {
    vec![
        ("Retry-After 2", json!(2), 2),
        ("Retry-After 0", json!(0), 0),
        ("Retry-After -7", json!(-7), 1),
        ("Retry-After as a date", Value::Null, 4),
        ("Retry-After `soon`", json!("soon"), 1),
        ("no Retry-After", Value::Null, 1),
    ]
}

fn app_id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn by(number: usize) -> NewMessage {
    NewMessage { app: Some(format!("row{number}")), ..to_installed("whenever it can be") }
}

async fn register(world: &World, number: usize, more: &Value) {
    let mut bot = json!({"app_id": app_id(number), "secret": format!("Secret~{number}"),
        "endpoint": format!("{}/api/messages", world.url)});
    for (name, value) in more.as_object().into_iter().flatten() {
        bot[name] = value.clone();
    }
    world.sim.post("bots", &bot).await;
}

/// The sends of an app so far.
async fn sends(world: &World, number: usize) -> Vec<Value> {
    let mut sends = world.sim.journal("send", 0).await;
    sends.retain(|entry| entry["app_id"] == app_id(number).as_str());
    sends
}

/// When the entry of the journal came in, and when it was answered.
fn times(entry: &Value) -> (Timestamp, Timestamp) {
    let at: Timestamp = entry["at"].as_str().unwrap().parse().unwrap();
    (at, at + Duration::from_millis(entry["ms"].as_u64().unwrap()))
}

/// How many of these calls came before the lane's first rest, which is half a second at least: what comes after it is a
/// probe, however long a busy machine takes to look.
fn before_rest(sends: &[Value]) -> usize {
    let gap = |pair: &[Value]| times(&pair[0]).0 + Duration::from_millis(500) <= times(&pair[1]).0;
    sends.windows(2).position(gap).map_or(sends.len(), |last| last + 1)
}

/// All rows: those that wait, and those that are throttled.
pub(super) async fn waiting() {
    // Connections to it are made by the kernel, and nobody ever says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // Speaks HTTP without TLS; which server does not matter.
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain_port = plain.local_addr().unwrap().port();
    let plain = tokio::spawn(hang_up(plain));
    let rows = rows(silent.local_addr().unwrap().port(), plain_port);
    let throttles = throttles();
    let endpoints = rows.iter().map(|row| row.endpoints).chain(throttles.iter().map(|_| "")).chain(["", ""]);
    let mut tables = String::new();
    for (number, endpoints) in endpoints.enumerate() {
        let _ = write!(
            tables,
            "[app.row{number}]\napp_id = \"{}\"\ntenant_id = \"{{tenant}}\"\nclient_secret = \"Secret~{number}\"\n\
             cloud = \"simulator\"\nendpoints = {{ base = \"{{base}}\"{endpoints} }}\n",
            app_id(number)
        );
    }
    let world = Plan::people(PEOPLE as u32).app(&tables).start_unmet().await;
    for (number, row) in rows.iter().enumerate() {
        let url = match &row.mend {
            Mend::Never(Some(url)) => json!({ "service_url": url }),
            _ => Value::Null,
        };
        register(&world, number, &url).await;
    }
    for number in rows.len()..rows.len() + throttles.len() + 2 {
        register(&world, number, &Value::Null).await;
    }
    world.everyone_installs().await;
    let (waits, rests) = tokio::join!(wait(&world, &rows), rest(&world, &throttles, rows.len()));
    section(super::DOCUMENT, "lanes that wait", &waits);
    section(super::DOCUMENT, "429", &rests);
    plain.abort();
    world.end().await;
}

/// Answers a TLS handshake as a server without TLS does: by hanging up.
async fn hang_up(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        drop(stream);
    }
}

async fn wait(world: &World, rows: &[Lane]) -> String {
    let mut sent = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let fault = match &row.mend {
            Mend::Fault(op, action) => {
                let matching = json!({"op": op, "app_id": app_id(number)});
                Some(world.sim.fault(json!({"match": matching, "do": action})).await)
            }
            Mend::Bot(bot) => {
                register(world, number, bot).await;
                None
            }
            Mend::Never(_) => None,
        };
        sent.push((world.send(&by(number)).await, fault));
    }
    let mut lines =
        "| fault | the message says | ledger meanwhile | afterwards |\n| --- | --- | --- | --- |\n"
            .to_owned();
    for (number, (row, (id, fault))) in rows.iter().zip(&sent).enumerate() {
        let waiting = world.until(id, &row.fault, |message| message.state == "waiting").await;
        let text = waiting.cause_text.clone().unwrap_or_default();
        assert_eq!(waiting.cause.as_deref(), Some(row.says.0), "{}: {waiting:#?}", row.fault);
        assert!(!text.is_empty() && text.contains(row.says.1), "{}: {text}", row.fault);
        let begun = before_rest(&sends(world, number).await);
        let most = if row.says.0 == "failing" { FAILING } else { BEGUN };
        assert!(begun <= most, "{}: {begun} calls before it waited", row.fault);
        let Message { counts, .. } = world.message(id).await;
        assert_eq!(counts.pending + counts.in_flight, PEOPLE, "{}: {counts:?}", row.fault);
        assert_eq!(counts.audience, PEOPLE);
        match (&row.mend, fault) {
            (Mend::Fault(..), Some(fault)) => world.sim.no_fault(*fault).await,
            (Mend::Bot(_), _) => register(world, number, &json!({"secret_expired": false})).await,
            _ => world.client.control(id, MessageControl::Cancel).await.map(drop).unwrap(),
        }
    }
    for (row, (id, _)) in rows.iter().zip(&sent) {
        let over = world.over(id).await;
        let (expected, words) = match row.mend {
            Mend::Never(_) => {
                (counts! { audience: PEOPLE, cancelled: PEOPLE }, "waits until it is over, or for a cancel")
            }
            _ => (counts! { audience: PEOPLE, delivered: PEOPLE }, "goes on by itself, delivered"),
        };
        assert_eq!(over.counts, expected, "{}", row.fault);
        let said = if row.says.1.is_empty() { String::new() } else { format!(": … {} …", row.says.1) };
        let _ =
            writeln!(lines, "| {} | waiting, `{}`{said} | all pending | {words} |", row.fault, row.says.0);
    }
    lines
}

async fn rest(world: &World, throttles: &[(&'static str, Value, u64)], first: usize) -> String {
    let mut lines = "| answer to the first call | ledger | how long |\n| --- | --- | --- |\n".to_owned();
    for (number, (what, retry_after, seconds)) in (first..).zip(throttles) {
        let mut action = json!({"status": 429});
        let mut until = None;
        if what.ends_with("date") {
            let at = Timestamp::from_second(now().as_second() + 1 + *seconds as i64).unwrap();
            let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap();
            action["retry_after"] = date.into();
            until = Some(at);
        } else if !retry_after.is_null() {
            action["retry_after"] = retry_after.clone();
        }
        let matching = json!({"op": "send", "app_id": app_id(number)});
        world.sim.fault(json!({"match": matching, "do": action, "times": 1})).await;
        let sent = world.sent(&by(number)).await;
        assert_eq!(sent.counts, counts! { audience: PEOPLE, delivered: PEOPLE }, "{what}");
        let sends = sends(world, number).await;
        let refused = sends.iter().find(|entry| entry["status"] == 429).unwrap();
        let answered = times(refused).1;
        let until = until.unwrap_or(answered + Duration::from_secs(*seconds));
        let between: Vec<Timestamp> =
            sends.iter().map(|entry| times(entry).0).filter(|at| *at > answered && *at < until).collect();
        let begun = answered + Duration::from_millis(500);
        assert!(between.len() < BEGUN && between.iter().all(|at| *at < begun), "{what}: {between:?}");
        let last = times(sends.last().unwrap()).0;
        assert!(last < until + Duration::from_secs(8), "{what}: {last} is long after {until}");
        let rests = match (*seconds, what.ends_with("date")) {
            (_, true) => "the app rests until then".to_owned(),
            (0, _) => "goes on at once".to_owned(),
            (seconds, _) => format!("the app rests for {seconds} s"),
        };
        let _ = writeln!(lines, "| 429 with {what} | delivered | {rests} |");
    }
    let day = first + throttles.len();
    lines.push_str(&a_day(world, day).await);
    lines.push_str(&one_chat(world, day + 1).await);
    lines
}

/// Beyond an hour it is obeyed as well, and shown.
async fn a_day(world: &World, number: usize) -> String {
    let matching = json!({"op": "send", "app_id": app_id(number)});
    let action = json!({"status": 429, "retry_after": 86_400});
    world.sim.fault(json!({"match": matching, "do": action, "times": 1})).await;
    let id = world.send(&by(number)).await;
    let rests = world.until(&id, "it rests", |message| message.state == "waiting").await;
    assert_eq!(rests.cause.as_deref(), Some("throttled"), "{rests:#?}");
    assert!(rests.cause_text.unwrap().contains("named a time to wait"));
    let until: Timestamp = rests.cooling_until.unwrap().parse().unwrap();
    let answered = times(&sends(world, number).await[0]).1;
    let told = until.duration_since(answered).as_secs();
    assert!((86_398..86_405).contains(&told), "{told}");
    world.client.control(&id, MessageControl::Cancel).await.unwrap();
    let counts = world.over(&id).await.counts;
    assert!(counts.delivered < BEGUN as i64 && counts.delivered + counts.cancelled == PEOPLE, "{counts:?}");
    "| 429 with Retry-After 86400 | all pending | the app rests for a day; waiting, `throttled`, until when is shown |\n"
        .to_owned()
}

/// A chat that was written to a moment ago has met its own limit, not the app's.
async fn one_chat(world: &World, number: usize) -> String {
    let people = world.sim.people("installed").await;
    let to = || NewMessage { app: Some(format!("row{number}")), ..to_users(&people, "and again") };
    world.sent(&to()).await;
    let matching = json!({"op": "send", "app_id": app_id(number), "person": people[0]});
    world.sim.fault(json!({"match": matching, "do": {"status": 429, "retry_after": 3}, "times": 1})).await;
    let sent = world.sent(&to()).await;
    assert_eq!(sent.counts, counts! { audience: PEOPLE, delivered: PEOPLE });
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let calls = world.delivery(&sent.id, &people[0]).await.calls;
    assert_eq!(calls.iter().map(|call| call.status.unwrap()).collect::<Vec<_>>(), [429, 201]);
    let until = at(&calls[0].ended_at) + Duration::from_secs(3);
    assert!(at(&calls[1].started_at) >= until, "{calls:?}");
    for person in &people[1..] {
        let calls = world.delivery(&sent.id, person).await.calls;
        assert!(calls.len() == 1 && at(&calls[0].started_at) < until, "{calls:?}");
    }
    "| 429 with Retry-After 3, in a chat that was written to within 30 s | delivered | this chat alone rests for 3 s |\n"
        .to_owned()
}
