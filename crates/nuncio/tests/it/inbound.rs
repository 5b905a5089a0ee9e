//! The bot endpoint: forged activities are refused, and nothing comes of them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use nuncio_api::Person;
use nuncio_client::{PageOf, PeopleFilter};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::counts;
use crate::world::{Plan, World, to_installed, to_users};

async fn known(world: &World) -> Vec<Person> {
    let page = PageOf { limit: Some(1000), ..PageOf::default() };
    world.client.people(&PeopleFilter::default(), page).await.unwrap().items
}

/// Posts an activity, completed by the simulator, under a token like `token`: status and text of the answer.
async fn forged(world: &World, activity: Value, token: Value) -> (u64, String) {
    let answer = world.sim.post("activities", &json!({"activity": activity, "token": token})).await;
    (answer["status"].as_u64().unwrap_or(0), answer["body"].as_str().unwrap_or_default().to_owned())
}

/// A stranger who writes for the first time: had it been believed, they would be known.
fn stranger(index: usize) -> Value {
    json!({"text": "let me in", "from": {
        "id": format!("29:1stranger{index}"), "aadObjectId": format!("00000000-0000-4000-8000-{index:012}"),
        "name": "A stranger"}})
}

fn with(mut activity: Value, name: &str, value: Value) -> Value {
    activity[name] = value;
    activity
}

#[tokio::test]
async fn tokens_that_are_not_microsofts_are_refused_and_nothing_comes_of_them() {
    let world = Plan::people(4).start().await;
    let before = known(&world).await;
    let journal = world.sim.journal_end().await;
    let cases = [
        ("no header", json!({"omit": ["authorization"]}), "no Authorization header"),
        ("alg none", json!({"alg": "none"}), "algorithm"),
        ("HS256 over the public key", json!({"alg": "HS256"}), "algorithm"),
        ("a key that is published nowhere", json!({"kid": "foreign"}), "key is not known"),
        ("the name of a good key over another's signature", json!({"kid": "mismatch"}), "signature"),
        ("no key named", json!({"omit": ["kid"]}), "token"),
        ("a key that is not endorsed for Teams", json!({"endorsements": []}), "not endorsed"),
        ("another issuer", json!({"iss": "https://sts.windows.net/x/"}), "another issuer"),
        ("no issuer", json!({"omit": ["iss"]}), "another issuer"),
        ("another audience", json!({"aud": "00000000-0000-4000-8000-000000000001"}), "another audience"),
        ("no audience", json!({"omit": ["aud"]}), "another audience"),
        ("expired", json!({"exp_s": -600, "nbf_s": -4200}), "expired"),
        ("without an end", json!({"omit": ["exp"]}), "expired"),
        ("not valid yet", json!({"nbf_s": 900}), "not valid yet"),
        ("no service URL claimed", json!({"omit": ["serviceurl"]}), "names no service URL"),
        (
            "another service URL claimed",
            json!({"serviceurl": "http://127.0.0.1:9/teams/"}),
            "another service URL",
        ),
    ];
    for (index, (case, token, text)) in cases.into_iter().enumerate() {
        let (status, body) = forged(&world, stranger(index), token).await;
        assert_eq!(status, 401, "{case}: {body}");
        assert!(body.contains(text), "{case}: {body}");
    }
    assert_eq!(known(&world).await, before, "nothing was stored");
    let after = world.sim.get(&format!("journal?after={journal}")).await;
    let calls: Vec<&Value> = after["items"].as_array().unwrap().iter().map(|entry| &entry["op"]).collect();
    assert!(calls.iter().all(|op| matches!(op.as_str(), Some("keys" | "metadata"))), "{calls:?}");
    world.end().await;
}

/// Listens where no request must ever come.
async fn trap() -> (String, Arc<Mutex<Vec<HeaderMap>>>) {
    let caught = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&caught);
    let catch = move |headers: HeaderMap| {
        let keep = Arc::clone(&keep);
        async move {
            keep.lock().unwrap().push(headers);
            StatusCode::OK
        }
    };
    let router = Router::new().route("/api/messages", post(catch.clone())).fallback(catch);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, caught)
}

#[tokio::test]
async fn a_good_token_does_not_carry_another_activity() {
    let world = Plan::people(4).start().await;
    let before = known(&world).await;
    let other = "11111111-2222-4333-8444-555555555555";
    let evil = "https://smba.trafficmanager.net.evil.example/teams/";
    let deep = (0..80).fold(json!(1), |inner, _| json!([inner]));
    let cases = [
        ("another channel", with(stranger(0), "channelId", json!("webchat")), json!({}), 403),
        ("no channel", with(stranger(1), "channelId", Value::Null), json!({}), 403),
        ("another bot", with(stranger(2), "recipient", json!({"id": format!("28:{other}")})), json!({}), 403),
        ("nobody", with(stranger(3), "recipient", Value::Null), json!({}), 403),
        (
            "another tenant",
            with(
                with(stranger(4), "channelData", json!({"tenant": {"id": other}})),
                "conversation",
                json!({"conversationType": "personal", "id": "a:1x", "tenantId": other}),
            ),
            json!({}),
            403,
        ),
        ("two tenants", with(stranger(5), "channelData", json!({"tenant": {"id": other}})), json!({}), 403),
        (
            "a service URL outside the cloud",
            with(stranger(6), "serviceUrl", json!(evil)),
            json!({"serviceurl": evil}),
            403,
        ),
        ("no service URL", with(stranger(7), "serviceUrl", Value::Null), json!({}), 403),
        (
            "another than the token's",
            with(stranger(8), "serviceUrl", json!("http://127.0.0.1:9/")),
            json!({}),
            401,
        ),
        ("too deep", with(stranger(9), "value", deep), json!({}), 400),
    ];
    for (case, activity, token, expected) in cases {
        let (status, body) = forged(&world, activity, token).await;
        assert_eq!(status, expected, "{case}: {body}");
    }
    assert_eq!(known(&world).await, before, "nothing was stored");
    assert_eq!(world.sim.calls("token").await, 0, "no token was asked for");
    // What is learned from good ones goes on to work, and only to the simulator.
    assert_eq!(forged(&world, json!({"text": "hello"}), json!({})).await.0, 200);
    assert_eq!(world.sent(&to_installed("hello")).await.counts, counts! { audience: 4, delivered: 4 });
    world.end().await;
}

#[tokio::test]
async fn a_service_url_of_this_computer_is_taken_only_when_it_is_signed() {
    let world = Plan::people(2).start().await;
    let (url, caught) = trap().await;
    let service_url = format!("{url}/teams/");
    // The simulated cloud knows loopback hosts only, so this one is of the cloud; the claim must still agree.
    let (status, body) = forged(&world, with(stranger(1), "serviceUrl", json!(service_url)), json!({})).await;
    assert_eq!(status, 401, "{body}");
    assert_eq!(world.sent(&to_installed("hello")).await.counts, counts! { audience: 2, delivered: 2 });
    assert_eq!(caught.lock().unwrap().len(), 0, "nobody else was called");
    world.end().await;
}

/// A header that the simulator signs for the bot's endpoint.
async fn good_header(world: &World) -> String {
    let (url, caught) = trap().await;
    world.sim.register(&url).await;
    assert_eq!(forged(world, json!({"text": "hello"}), json!({})).await.0, 200);
    world.sim.register(&world.url).await;
    let header = caught.lock().unwrap()[0].get(AUTHORIZATION).unwrap().to_str().unwrap().to_owned();
    assert!(header.starts_with("Bearer "));
    header
}

#[tokio::test]
async fn bodies_that_are_no_activities() {
    let world = Plan::people(2).start().await;
    let before = known(&world).await;
    let header = good_header(&world).await;
    let raw = async |authorization: Option<&str>, kind: &str, body: Vec<u8>| {
        let mut request =
            world.sim.http.post(format!("{}/api/messages", world.url)).header("content-type", kind);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.body(body).send().await.unwrap().status().as_u16()
    };
    let json_kind = "application/json; charset=utf-8";
    for body in ["", "not json", "[]", "null", "{\"type\":", "{\"type\":5}"] {
        assert_eq!(raw(Some(&header), json_kind, body.into()).await, 400, "{body}");
        assert_eq!(
            raw(None, json_kind, body.into()).await,
            401,
            "without a token nothing is looked at: {body}"
        );
    }
    assert_eq!(raw(Some(&header), "text/plain", b"{}".to_vec()).await, 415);
    // Size goes first, so that nobody makes us check signatures of megabytes.
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(256 * 1024));
    assert_eq!(raw(None, json_kind, large.clone().into()).await, 413);
    assert_eq!(raw(Some(&header), json_kind, large.into()).await, 413);
    let mut long = stranger(1);
    long["text"] = "x".repeat(200 * 1024).into();
    assert_eq!(
        forged(&world, long, json!({"alg": "none"})).await.0,
        401,
        "what is not too large is looked at"
    );
    assert_eq!(known(&world).await, before, "nothing was stored");
    world.end().await;
}

#[tokio::test]
async fn the_same_event_twice_is_one() {
    let world = Plan::people(3).start_unmet().await;
    let one = world.sim.people("installed").await[0].clone();
    let person = world.sim.get(&format!("people/{one}")).await;
    let account = json!({"id": person["mri"], "aadObjectId": one});
    let conversation = json!({"conversationType": "personal", "id": person["conversation_id"]});
    let install = |id: &str, action: &str| json!({"type": "installationUpdate", "action": action, "id": id, "from": account, "conversation": conversation});
    for _ in 0..3 {
        assert_eq!(forged(&world, install("f:1", "add"), json!({})).await.0, 200);
    }
    assert_eq!(known(&world).await.len(), 1);
    assert_eq!(known(&world).await[0].state, "reachable");
    // An install that comes again after the remove does not undo it.
    assert_eq!(forged(&world, install("f:2", "remove"), json!({})).await.0, 200);
    assert_eq!(forged(&world, install("f:1", "add"), json!({})).await.0, 200);
    assert_eq!(known(&world).await[0].state, "removed");
    assert_eq!(forged(&world, install("f:3", "add"), json!({"kid": "second"})).await.0, 200);
    assert_eq!(known(&world).await[0].state, "reachable");
    let log = world.log();
    let learned = |duplicate: bool| log.matches(&format!("duplicate={duplicate}")).count();
    assert_eq!((learned(false), learned(true)), (3, 3), "{log}");
    world.end().await;
}

#[tokio::test]
async fn a_word_from_somebody_who_blocked_it_makes_them_reachable_again() {
    let world = Plan::people(3).start().await;
    let one = world.sim.people("installed").await[0].clone();
    world.sim.turn(&one, "blocked").await;
    assert_eq!(
        world.sent(&to_installed("first")).await.counts,
        counts! { audience: 3, delivered: 2, failed: 1 }
    );
    let state = async || known(&world).await.into_iter().find(|person| person.id == one).unwrap().state;
    assert_eq!(state().await, "blocked");
    assert_eq!(
        world.sent(&to_installed("second")).await.counts,
        counts! { audience: 3, delivered: 2, skipped: 1 }
    );

    world.sim.turn(&one, "installed").await;
    let said = world.sim.post(&format!("people/{one}/says"), &json!({"text": "I am back"})).await;
    assert_eq!(said["bots"][0]["status"], 200);
    assert_eq!(state().await, "reachable");
    assert_eq!(
        world.sent(&to_users(std::slice::from_ref(&one), "third")).await.counts,
        counts! { audience: 1, delivered: 1 }
    );
    let texts: Vec<String> =
        world.sim.said(&one).await.iter().map(|said| said["text"].as_str().unwrap().to_owned()).collect();
    assert!(texts.contains(&"third".to_owned()) && !texts.contains(&"second".to_owned()), "{texts:?}");
    world.end().await;
}

#[tokio::test]
async fn unknown_events_are_taken_and_unknown_invokes_are_not() {
    let world = Plan::people(2).start().await;
    for (activity, status) in [
        (json!({"type": "somethingNew"}), 200),
        (json!({"type": "typing"}), 200),
        (
            json!({"type": "event", "name": "application/vnd.microsoft.readReceipt", "value": {"lastReadMessageId": "1"}}),
            200,
        ),
        (json!({"type": "messageReaction", "reactionsAdded": [{"type": "like"}], "replyToId": "1"}), 200),
        (json!({"type": "invoke", "name": "composeExtension/query", "value": {}}), 501),
        (json!({"type": "invoke", "name": "task/fetch", "value": {"data": {}}}), 501),
        (json!({"type": "installationUpdate", "action": "somethingNew"}), 200),
    ] {
        assert_eq!(forged(&world, activity.clone(), json!({})).await.0, status, "{activity}");
    }
    world.end().await;
}
