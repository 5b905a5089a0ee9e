//! What the server says by itself: welcomes, answers to words, answers to cards.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nuncio_domain::batch::Row;
use nuncio_domain::message::{Body, OpenMessage};
use nuncio_domain::own_words::Purpose;
use nuncio_domain::ports::{Ledger, Registry};
use nuncio_domain::{Class, Clock as _, Content, MessageState};
use nuncio_server::OwnWords;
use nuncio_teams::cloud::Endpoints;
use nuncio_teams::http::HttpClient;
use nuncio_teams::inbound::{AcceptedApp, AllowedTenants, Authenticator};
use serde_json::{Value, json};

use crate::harness::{BOT, INES, Server, TENANT, activity, app};

const INCIDENTS: &str = "19:5be1c0f2a8d94e7f@thread.tacv2";
const HOUR: Duration = Duration::from_hours(1);

fn text(text: &str) -> Content {
    Content { body: Body::Text(text.to_owned()), summary: None }
}

async fn start() -> Server {
    let words = OwnWords {
        welcome: Some(text("Hello!")),
        team_welcome: Some(text("Hello team!")),
        installed_by: Some("{name} did it.".to_owned()),
        ..OwnWords::default()
    };
    let mut app = app("dispatch", BOT, &[TENANT]);
    app.words = Arc::new(words);
    Server::with(vec![app], |_| {}).await
}

/// The same event again, as Teams sends it: under another id, and of now.
async fn hear_again(server: &Server, body: &Value) {
    let mut body = body.clone();
    body["id"] = format!("f:{}", server.number()).into();
    body["timestamp"] = server.now().into();
    let answer = server.activity(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// A text of Ines in her chat with the app.
async fn say(server: &Server, text: &str) {
    let mut body = activity("message_personal");
    body["text"] = text.into();
    hear_again(server, &body).await;
}

/// Messages with nothing done yet, oldest first.
async fn open(server: &Server) -> Vec<OpenMessage> {
    let lane_no = server.store.lanes().await.unwrap()[0].lane_no;
    server.store.open(lane_no, 0).await.unwrap().messages
}

fn words_of(message: &OpenMessage) -> String {
    match &message.content.body {
        Body::Text(text) => text.clone(),
        Body::Card(card) => card.to_string(),
    }
}

/// Who a message goes to, once it is expanded.
async fn rows(server: &Server, message: &OpenMessage) -> Vec<Row> {
    while !server.store.expand(message.message_no, 50, server.clock.now()).await.unwrap().done {}
    server.store.page(message.message_no, 0, 1_000).await.unwrap()
}

#[tokio::test]
async fn one_welcome_for_two_events_that_come_twice() {
    let server = start().await;
    let pair = ["install_personal_members_added", "install_personal"];
    for name in pair {
        assert_eq!(server.activity(&activity(name)).await.status, 200);
    }
    server.clock.pass(Duration::from_secs(30));
    for name in pair {
        hear_again(&server, &activity(name)).await;
    }
    let open = open(&server).await;
    assert_eq!(open.len(), 1);
    let welcome = &open[0];
    assert_eq!((welcome.class, welcome.purpose, welcome.gathers), (Class::Bulk, Purpose::Welcome, true));
    assert_eq!((welcome.state, words_of(welcome).as_str()), (MessageState::Scheduled, "Hello!"));
    assert_eq!(server.woken.0.lock().unwrap().len(), 1, "the owner is told once");
    let listed = server.get("/v1/messages?label=welcome").await.json()["items"][0].clone();
    assert_eq!((&listed["priority"], &listed["state"]), (&json!("bulk"), &json!("scheduled")));
    let rows = rows(&server, welcome).await;
    assert_eq!((rows.len(), rows[0].address.as_str()), (1, INES));
    assert_eq!(rows[0].reference.as_ref().unwrap().conversation_id, "a:1Xv9QnB3pLr");
}

#[tokio::test]
async fn again_only_a_day_after_a_removal() {
    let server = start().await;
    let (install, remove) = (activity("install_personal"), activity("uninstall_personal"));
    hear_again(&server, &install).await;
    server.clock.pass(48 * HOUR);
    hear_again(&server, &install).await;
    assert_eq!(open(&server).await.len(), 1, "nothing was removed");
    hear_again(&server, &remove).await;
    server.clock.pass(23 * HOUR);
    hear_again(&server, &install).await;
    server.clock.pass(2 * HOUR);
    hear_again(&server, &install).await;
    assert_eq!(open(&server).await.len(), 1, "that was the same install, too soon after the removal");
    hear_again(&server, &remove).await;
    server.clock.pass(24 * HOUR);
    hear_again(&server, &install).await;
    hear_again(&server, &install).await;
    assert_eq!(open(&server).await.len(), 2);
}

#[tokio::test]
async fn a_team_is_welcomed_in_the_channel_of_the_install() {
    let server = start().await;
    for name in ["install_team_members_added", "install_team"] {
        hear_again(&server, &activity(name)).await;
        hear_again(&server, &activity(name)).await;
    }
    let known = open(&server).await;
    // Nobody has told the name of who did it.
    assert_eq!(known.iter().map(words_of).collect::<Vec<_>>(), ["Hello team!"]);
    let sent = rows(&server, &known[0]).await;
    assert_eq!((sent.len(), sent[0].address.as_str()), (1, INCIDENTS));

    say(&server, "stop").await;
    let mut other = activity("install_team");
    other["conversation"]["id"] = "19:other@thread.tacv2".into();
    other["channelData"]["settings"]["selectedChannel"]["id"] = "19:other@thread.tacv2".into();
    other["channelData"]["team"] = json!({"id": "19:team2@thread.tacv2", "name": "Second"});
    hear_again(&server, &other).await;
    let last = open(&server).await.pop().unwrap();
    assert_eq!(words_of(&last), "Hello team! Ines Moreau did it.");
    assert_eq!(rows(&server, &last).await[0].address, "19:other@thread.tacv2");
}

#[tokio::test]
async fn nothing_is_said_where_nothing_is_configured() {
    let server = Server::start().await;
    for name in ["install_personal", "install_team", "install_personal_upgrade"] {
        assert_eq!(server.activity(&activity(name)).await.status, 200);
    }
    assert!(open(&server).await.is_empty());
    assert!(server.woken.0.lock().unwrap().is_empty());
    let server = start().await;
    for name in ["install_personal_upgrade", "install_group_chat", "install_group_chat_members_added"] {
        assert_eq!(server.activity(&activity(name)).await.status, 200);
    }
    assert!(open(&server).await.is_empty(), "an upgrade is no install, and a chat has no welcome");
}

#[tokio::test]
async fn a_wave_of_installs_makes_welcomes_wait_and_the_api_says_so() {
    let server = start().await;
    let install = async |number: u32| {
        let mut body = activity("install_personal");
        let id = format!("00000000-0000-4000-8000-{number:012}");
        body["id"] = format!("f:{number}").into();
        body["from"] = json!({"id": format!("29:{number}"), "aadObjectId": id});
        body["conversation"]["id"] = format!("a:{number}").into();
        assert_eq!(server.activity(&body).await.status, 200);
    };
    for number in 0..100 {
        install(number).await;
    }
    let before = open(&server).await;
    assert_eq!((before.len(), before[0].state), (1, MessageState::Scheduled));
    for number in 100..150 {
        server.clock.pass(Duration::from_millis(100));
        install(number).await;
    }
    let waiting = open(&server).await;
    assert_eq!((waiting.len(), waiting[0].state), (1, MessageState::Waiting));
    let listed = server.get("/v1/messages?state=waiting").await.json()["items"][0].clone();
    assert_eq!(listed["cause"], "install_wave", "{listed}");
    assert!(listed["cause_text"].as_str().unwrap().contains("more than 100 installs within a minute"));
    assert_eq!(waiting[0].send_at.unwrap(), server.clock.now() + Duration::from_mins(1));
    assert_eq!(rows(&server, &waiting[0]).await.len(), 150);
    // What has begun is not joined any more; the wave goes on for the next message.
    server.clock.pass(Duration::from_secs(30));
    install(150).await;
    let next = open(&server).await.pop().unwrap();
    assert_eq!((next.state, next.message_no), (MessageState::Waiting, waiting[0].message_no + 1));
    server.clock.pass(Duration::from_mins(2));
    install(151).await;
    let calm = open(&server).await.pop().unwrap();
    assert_eq!((calm.state, rows(&server, &calm).await.len()), (MessageState::Scheduled, 1));
}

#[tokio::test]
async fn stop_and_start_are_confirmed_and_kept() {
    let server = start().await;
    let opted_out = async || {
        let people = server.get("/v1/people").await.json();
        people["items"][0]["opted_out_since"].is_string()
    };
    say(&server, "hello?").await;
    say(&server, " Stop! ").await;
    assert!(opted_out().await);
    let open_now = open(&server).await;
    let said: Vec<String> = open_now.iter().map(words_of).collect();
    let lines = OwnWords::default().lines;
    assert_eq!(said, [lines.other.clone().unwrap(), lines.stop.clone()]);
    assert!(
        open_now.iter().all(|message| message.purpose == Purpose::Reply && message.class == Class::Normal)
    );
    let row = &rows(&server, &open_now[1]).await[0];
    assert!(row.opted_out);

    // What changes nothing is answered once an hour, whatever it is.
    for word in ["stop", "hello", "unsubscribe"] {
        say(&server, word).await;
    }
    assert_eq!(open(&server).await.len(), 2);
    say(&server, "START").await;
    assert!(!opted_out().await);
    assert_eq!(words_of(open(&server).await.last().unwrap()), lines.start);
    say(&server, "start").await;
    assert_eq!(open(&server).await.len(), 3);
    server.clock.pass(HOUR);
    say(&server, "thanks").await;
    assert_eq!(words_of(open(&server).await.last().unwrap()), lines.other.unwrap());
}

#[tokio::test]
async fn words_in_channels_and_cards_are_not_answered() {
    let server = start().await;
    for name in ["message_channel", "message_group_chat", "card_submit", "message_update", "message_reaction"]
    {
        let mut body = activity(name);
        if name.starts_with("message_") {
            body["text"] = "stop".into();
        }
        assert_eq!(server.activity(&body).await.status, 200, "{name}");
    }
    let mut own = activity("message_personal");
    own["from"] = json!({"id": format!("28:{BOT}"), "name": "Dispatch Bot"});
    assert_eq!(server.activity(&own).await.status, 200);
    assert!(open(&server).await.is_empty());
}

#[tokio::test]
async fn the_same_words_to_several_people_are_one_message() {
    let server = start().await;
    for number in 0..3 {
        let mut body = activity("message_personal");
        body["from"] = json!({"id": format!("29:{number}"), "aadObjectId": format!("00000000-0000-4000-8000-{number:012}")});
        body["conversation"]["id"] = format!("a:{number}").into();
        hear_again(&server, &body).await;
    }
    let before = open(&server).await;
    assert_eq!(before.len(), 1);
    assert_eq!(rows(&server, &before[0]).await.len(), 3);
    server.clock.pass(Duration::from_secs(1));
    say(&server, "me too").await;
    assert_eq!(open(&server).await.len(), 2, "the first one has begun");
}

#[tokio::test]
async fn invokes_are_answered_as_their_names_ask() {
    let server = Server::start().await;
    let message = json!({"statusCode": 200, "type": "application/vnd.microsoft.activity.message",
                         "value": "Received, thank you."});
    for (name, status, body) in [
        ("card_action", 200, Some(message)),
        ("message_submit_action", 200, Some(json!({}))),
        ("task_fetch", 501, None),
        ("task_submit", 501, None),
        ("config_fetch", 501, None),
        ("sign_in_token_exchange", 501, None),
        ("file_consent_accept", 501, None),
    ] {
        let answer = server.activity(&activity(name)).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text);
        match body {
            Some(body) => assert_eq!(answer.json(), body, "{name}"),
            None => assert_eq!(answer.text, "", "{name}"),
        }
    }
    let mut broken = activity("card_action");
    broken["value"] = json!({"action": "ack"});
    let answer = server.activity(&broken).await;
    assert_eq!((answer.status, &answer.json()["statusCode"]), (200, &json!(400)));
    let automatic = server.activity(&activity("card_action_automatic")).await.json();
    assert_eq!(automatic["type"], "application/vnd.microsoft.error");
}

#[tokio::test]
async fn a_button_is_answered_even_if_nothing_can_be_stored() {
    let server = Server::start().await;
    server.store.close().await;
    let answer = server.activity(&activity("card_action")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!((&body["statusCode"], &body["value"]["code"]), (&json!(500), &json!("InternalError")));
    assert_eq!(server.activity(&activity("message_submit_action")).await.status, 503);
    assert_eq!(server.activity(&activity("install_personal")).await.status, 503);
}

#[tokio::test]
async fn a_button_is_answered_in_time_even_if_microsofts_keys_are_not() {
    // Takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoints = Endpoints::simulator(&format!("http://{}", silent.local_addr().unwrap()));
    let issuer = endpoints.issuer().to_owned();
    let accepted = AcceptedApp { app_id: BOT.to_owned(), tenants: AllowedTenants::Any };
    let http = HttpClient::builder().build().unwrap();
    let inbound = Authenticator::new(endpoints, vec![accepted], http, nuncio_teams::clock::Clock::system());
    let server =
        Server::with(vec![app("dispatch", BOT, &["*"])], |state| state.inbound = Arc::new(inbound)).await;
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    // Right in all that can be said without its key.
    let claims = json!({"iss": issuer, "aud": BOT, "nbf": 0, "exp": 10_000_000_000_u64, "serviceurl": "http://127.0.0.1:4100/teams/"});
    let token = [part(json!({"alg": "RS256", "typ": "JWT", "kid": "x"})), part(claims), part(json!(1))];
    let post = |name: &str| {
        let request = server.request("POST", "/api/messages").bearer_auth(token.join("."));
        server.answer(request.json(&activity(name)))
    };
    let (button, install) = tokio::join!(post("card_action"), post("install_personal"));
    assert_eq!((button.status, &button.json()["statusCode"]), (200, &json!(500)), "{}", button.text);
    assert_eq!(install.status, 503, "{}", install.text);
}
