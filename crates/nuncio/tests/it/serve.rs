//! `nuncio serve`: what it refuses at start and with which words, local mode, and what its log must not have.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::{Json, Router};
use nuncio_client::{Client, PageOf, PeopleFilter};
use nuncio_testkit::process::{Process, Stream};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::counts;
use crate::world::{APP_ID, LONG, Plan, SECRET, Sim, World, address, nuncio, run, to_installed};

fn folder(config: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    if !config.is_empty() {
        std::fs::write(folder.path().join("nuncio.toml"), config).unwrap();
    }
    folder
}

fn app(lines: &str) -> String {
    format!(
        "[app.main]\napp_id = \"{APP_ID}\"\ntenant_id = \"{APP_ID}\"\nclient_secret = \"{SECRET}\"\n{lines}"
    )
}

/// Its words on stderr; it must not have begun to listen.
async fn refused(folder: &Path, args: &[&str], code: i32) -> String {
    let ran = run(nuncio(folder, args), "").await.exits(code);
    assert_eq!(ran.stdout, "");
    assert!(!ran.stderr.contains(SECRET), "{}", ran.stderr);
    ran.stderr
}

#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[tokio::test]
async fn without_a_configuration_it_says_what_to_fill_in_and_where_it_is() {
    let folder = folder("");
    let text = refused(folder.path(), &["serve"], 2).await;
    has(
        &text,
        &["nuncio.toml", "app_id", "tenant_id", "client_secret", "entra.microsoft.com", "/api/messages"],
    );
    has(&text, &["nuncio demo", "nuncio serve --local"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
    let text = refused(folder.path(), &["serve", "--config", "elsewhere.toml"], 2).await;
    has(&text, &["elsewhere.toml"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_configuration_is_said_with_its_line() {
    let folder = folder(&app("colour = \"red\"\n\n[server]\nlisten = \"everywhere\"\n[sever]\n"));
    let text = refused(folder.path(), &["serve"], 2).await;
    has(
        &text,
        &["nuncio.toml:5:", "\"app.main.colour\"", "nuncio.toml:8:", "server.listen", "nuncio.toml:9:"],
    );
    has(&text, &["did you mean \"server\"?"]);

    std::fs::write(folder.path().join("nuncio.toml"), app("")).unwrap();
    let mut command = nuncio(folder.path(), &["serve"]);
    command.env("NUNCIO_APP_MAIN_CLUOD", "simulator");
    let ran = run(command, "").await.exits(2);
    has(&ran.stderr, &["NUNCIO_APP_MAIN_CLUOD", "NUNCIO_APP_MAIN_CLOUD"]);

    std::fs::write(
        folder.path().join("nuncio.toml"),
        app("endpoints = { service_url = \"https://evil.example/\" }\n"),
    )
    .unwrap();
    let text = refused(folder.path(), &["serve"], 2).await;
    has(&text, &["nuncio.toml:5:", "service_url"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no database was made");
}

#[tokio::test]
async fn the_whole_configuration_can_come_from_the_environment() {
    let folder = folder("");
    std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
    let sim = Sim::start(folder.path(), false, 5).await;
    let mut command = nuncio(folder.path(), &["serve", "--key-file", "key"]);
    command
        .env("NUNCIO_SERVER_LISTEN", "127.0.0.1:0")
        .env("NUNCIO_DATABASE_PATH", "sub.db")
        .env("NUNCIO_LOG_FORMAT", "json")
        .env("NUNCIO_APP_MAIN_APP_ID", APP_ID)
        .env("NUNCIO_APP_MAIN_TENANT_ID", &sim.tenant)
        .env("NUNCIO_APP_MAIN_CLIENT_SECRET_FILE", "secret")
        .env("NUNCIO_APP_MAIN_CLOUD", "simulator")
        .env("NUNCIO_APP_MAIN_ENDPOINTS_BASE", &sim.base);
    let mut server = Process::start(command);
    let url = address(&mut server).await;
    sim.post("reset", &json!({"seed": 1, "people": 3, "teams": 1, "states": {}})).await;
    sim.register(&url).await;
    sim.post("policy-install", &json!({"seconds": 0})).await;
    assert_eq!(sim.events_answered().await["given_up"], 0);
    let key = std::fs::read_to_string(folder.path().join("key")).unwrap();
    let client = Client::new(&url, &key).unwrap();
    let id = client.send(&to_installed("hello"), None).await.unwrap().id;
    let over = async || client.message(&id).await.unwrap().is_final();
    assert!(nuncio_testkit::wait_until(over, LONG).await);
    assert_eq!(client.message(&id).await.unwrap().counts, counts! { audience: 3, delivered: 3 });
    assert!(folder.path().join("sub.db").exists());
    for line in server.lines(Stream::Stderr) {
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "not JSON: {line}");
    }
    assert!(server.stop(LONG).await.success());
}

#[cfg(unix)]
#[tokio::test]
async fn files_with_secrets_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = Plan::people(1).start().await;
    for file in ["key", "nuncio.db"] {
        let mode = std::fs::metadata(world.folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}: {mode:o}");
    }
    // The secret of a key is not in the database.
    for file in ["nuncio.db", "nuncio.db-wal"] {
        let bytes = std::fs::read(world.folder.path().join(file)).unwrap_or_default();
        let key = world.key.as_bytes();
        assert!(!bytes.windows(key.len()).any(|window| window == key), "{file}");
    }
    world.end().await;
}

#[tokio::test]
async fn one_database_has_one_server() {
    let mut world = Plan::people(2).start().await;
    let text = refused(world.folder.path(), &["serve"], 3).await;
    has(&text, &["nuncio.db", "another nuncio has it open"]);
    assert_eq!(world.sent(&to_installed("undisturbed")).await.counts, counts! { audience: 2, delivered: 2 });
    // A key is made once, at the first start.
    world.stop().await;
    std::fs::remove_file(world.folder.path().join("key")).unwrap();
    world.start().await;
    assert!(!world.folder.path().join("key").exists());
    assert_eq!(
        world.sent(&to_installed("with the same key")).await.counts,
        counts! { audience: 2, delivered: 2 }
    );
    world.end().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let world = Plan::people(1).start().await;
    let address = world.url.strip_prefix("http://").unwrap().to_owned();
    let other = folder(&world.sim.config(&format!("client_secret = \"{SECRET}\""), ""));
    let text = refused(other.path(), &["serve", "--listen", &address], 3).await;
    has(&text, &[&address, "another server"]);
    world.end().await;
}

#[tokio::test]
async fn a_simulator_that_others_can_reach_wants_a_key() {
    let folder = folder("");
    let text = refused(folder.path(), &["sim", "--listen", "0.0.0.0:0"], 2).await;
    has(&text, &["0.0.0.0:0", "control key"]);
}

#[tokio::test]
async fn local_mode_stays_on_this_machine() {
    let open = folder("");
    let text = refused(open.path(), &["serve", "--local", "--listen", "0.0.0.0:0"], 2).await;
    has(&text, &["--local", "0.0.0.0:0", "127.0.0.1"]);
    let real = folder(&app(""));
    let text = refused(real.path(), &["serve", "--local", "--listen", "127.0.0.1:0"], 2).await;
    has(&text, &["--local", "simulator", "main", "public"]);
}

#[tokio::test]
async fn local_mode_takes_unsigned_activities_and_answers_them() {
    // Stands for Agents Playground: takes what is said, and gives it no id.
    let said = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&said);
    let playground = Router::new().fallback(async move |body: Bytes| {
        keep.lock().unwrap().push(serde_json::from_slice::<Value>(&body).unwrap());
        (StatusCode::CREATED, Json(json!({"id": "1"})))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service_url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, playground).await });

    let folder = folder("");
    let args = ["serve", "--local", "--listen", "127.0.0.1:0", "--key-file", "key"];
    let mut server = Process::start(nuncio(folder.path(), &args));
    let url = address(&mut server).await;
    assert!(
        server.lines(Stream::Stderr).iter().any(|line| line.contains("NOT authenticated")),
        "{}",
        server.output()
    );
    let key = std::fs::read_to_string(folder.path().join("key")).unwrap();
    let client = Client::new(&url, &key).unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |service_url: &str| {
        let activity = json!({
            "type": "message", "id": "1", "channelId": "msteams", "serviceUrl": service_url, "text": "hello",
            "from": {"id": "29:1x", "aadObjectId": "00000000-0000-4000-8000-000000000001", "name": "Ines"},
            "recipient": {"id": "28:bot"}, "conversation": {"id": "a:1", "conversationType": "personal"}});
        let request = http.post(format!("{url}/api/messages")).header("content-type", "application/json");
        request.body(activity.to_string()).send().await.unwrap().status().as_u16()
    };
    assert_eq!(post("https://smba.trafficmanager.net/teams/").await, 403);
    assert_eq!(post(&service_url).await, 200);
    let known = client.people(&PeopleFilter::default(), PageOf::default()).await.unwrap().items;
    assert_eq!(known.iter().map(|person| person.name.as_deref()).collect::<Vec<_>>(), [Some("Ines")]);
    let id = client.send(&to_installed("hello **you**"), None).await.unwrap().id;
    let over = async || client.message(&id).await.unwrap().is_final();
    assert!(
        nuncio_testkit::wait_until(over, LONG).await,
        "{:?}\n{}",
        client.message(&id).await,
        server.output()
    );
    assert_eq!(client.message(&id).await.unwrap().counts, counts! { audience: 1, delivered: 1 });
    // What they wrote is answered too.
    assert!(nuncio_testkit::wait_until(async || said.lock().unwrap().len() == 2, LONG).await);
    let said: Vec<Value> = said.lock().unwrap().clone();
    assert!(said.iter().any(|said| said["text"] == "hello **you**"), "{said:?}");
    assert!(said.iter().any(|said| said["text"].as_str().unwrap().contains("Write “stop”")), "{said:?}");
    assert!(server.stop(LONG).await.success());
}

/// Everything that passes through: secrets (each test looks for those at its end), and what people are told.
#[tokio::test]
async fn what_is_said_and_to_whom_is_not_in_the_log() {
    let world: World = Plan::people(6).start().await;
    let people = world.sim.people("installed").await;
    for (index, action) in [json!({"status": 403}), json!({"status": 504}), json!({"cut": "before_status"})]
        .into_iter()
        .enumerate()
    {
        world.sim.fault(json!({"match": {"op": "send", "person": people[index]}, "do": action})).await;
    }
    world.sim.fault(json!({"match": {"op": "token"}, "do": {"status": 500}, "times": 1})).await;
    let text = "hush-4711 nobody may read this in a log";
    assert_eq!(
        world.sent(&to_installed(text)).await.counts,
        counts! { audience: 6, delivered: 3, failed: 1, ambiguous: 2 }
    );
    let said = "hush-4712 nor this";
    world.sim.post(&format!("people/{}/says", people[0]), &json!({"text": said})).await;
    world.sim.post("activities", &json!({"activity": {"text": said}, "token": {"alg": "none"}})).await;
    let created = world.run(&["keys", "create", "--name", "ci", "--role", "read"]).await.exits(0);
    let log = world.log();
    has(&log, &["activity refused", "answered", "started"]);
    let name = world.sim.get(&format!("people/{}", people[0])).await["name"].as_str().unwrap().to_owned();
    for never in ["hush-4711", "hush-4712", created.stdout.trim(), &name, &people[3]] {
        assert!(!log.contains(never), "{never:?} is in the log:\n{log}");
    }
    world.end().await;
}
