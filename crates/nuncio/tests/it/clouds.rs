//! The server in each of Microsoft's clouds as it would be configured there: the name of the cloud, and no address. It
//! calls Microsoft's own host names; a proxy (`HTTPS_PROXY`) writes down which, and leads them to the simulator, whose
//! journal says what was asked of each. They are held against section 1 of `docs/protocol.md`, and written into
//! `docs/clouds.md` (`make clouds`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use nuncio_api::{Audience, Message, NewMessage};
use nuncio_client::Client;
use nuncio_testkit::generated::section;
use nuncio_testkit::process::Process;
use nuncio_testkit::wait_until;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::counts;
use crate::sim::Sim;
use crate::world::{APP_ID, LONG, SECRET, address, message, nuncio};

/// What section 1 of the protocol says of a cloud.
struct Sheet {
    cloud: &'static str,
    sign_in: &'static str,
    keys: &'static str,
    graph: &'static str,
    /// The default service URL, without `https://`.
    connector: Option<&'static str>,
    /// The service URL that activities name.
    inbound: &'static str,
    /// The host that the tenant is on, where it is not that of the default.
    tenant_on: Option<&'static str>,
}

const PUBLIC: Sheet = Sheet {
    cloud: "public",
    sign_in: "login.microsoftonline.com",
    keys: "login.botframework.com",
    graph: "graph.microsoft.com",
    connector: Some("smba.trafficmanager.net/teams"),
    inbound: "https://smba.trafficmanager.net/emea/",
    tenant_on: None,
};

const GCC_HOST: &str = "smba.infra.gcc.teams.microsoft.com";

const GCC: Sheet = Sheet {
    cloud: "gcc",
    connector: Some("smba.infra.gcc.teams.microsoft.com/teams"),
    inbound: "https://smba.infra.gcc.teams.microsoft.com/teams",
    tenant_on: Some(GCC_HOST),
    ..PUBLIC
};

const GCC_HIGH: Sheet = Sheet {
    cloud: "gcc_high",
    sign_in: "login.microsoftonline.us",
    keys: "login.botframework.azure.us",
    graph: "graph.microsoft.us",
    connector: Some("smba.infra.gov.teams.microsoft.us/teams"),
    inbound: "https://smba.infra.gov.teams.microsoft.us/teams",
    tenant_on: None,
};

const DOD: Sheet = Sheet {
    cloud: "dod",
    graph: "dod-graph.microsoft.us",
    connector: Some("smba.infra.dod.teams.microsoft.us/teams"),
    inbound: "https://smba.infra.dod.teams.microsoft.us/teams",
    ..GCC_HIGH
};

const CHINA: Sheet = Sheet {
    cloud: "china",
    sign_in: "login.partner.microsoftonline.cn",
    keys: "login.botframework.azure.cn",
    graph: "microsoftgraph.chinacloudapi.cn",
    connector: None,
    inbound: "https://frontend.botapi.msg.infra.teams.microsoftonline.cn/teams/",
    tenant_on: None,
};

/// A proxy that writes down where it is asked to connect, and passes everything on to the simulator's.
struct Proxy {
    port: u16,
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl Proxy {
    async fn before(sim: &Sim) -> Self {
        let to = sim.base.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let written = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((from, _)) = listener.accept().await {
                connections.spawn(pass_on(from, to.clone(), Arc::clone(&written)));
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One connection. Either side may hang up at any time.
async fn pass_on(mut from: TcpStream, to: String, asked: Arc<Mutex<BTreeSet<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = from.read_u8().await else { return };
        head.push(byte);
    }
    let line = String::from_utf8_lossy(&head);
    let target = line.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or(&line);
    asked.lock().unwrap_or_else(PoisonError::into_inner).insert(target.to_owned());
    let mut to = TcpStream::connect(to).await.unwrap();
    if to.write_all(&head).await.is_ok() {
        let _ = copy_bidirectional(&mut from, &mut to).await;
    }
}

/// A server that is told its cloud and nothing else, before the simulator.
struct Cloud {
    sheet: Sheet,
    sim: Sim,
    proxy: Proxy,
    client: Client,
    server: Process,
    _folder: TempDir,
}

impl Cloud {
    async fn start(sheet: Sheet) -> Self {
        let folder = TempDir::with_prefix("nuncio-clouds-").unwrap();
        let free = "127.0.0.1:0";
        let args = ["sim", "--listen", free, "--listen-tls", free, "--ca-dir", "ca", "--people", "0"];
        let sim = Sim::of(nuncio(folder.path(), &args)).await;
        sim.post("reset", &json!({"seed": 1, "people": 3, "teams": 1})).await;
        if let Some(host) = sheet.tenant_on {
            sim.patch("settings", &json!({ "gcc_host": host })).await;
        }
        let proxy = Proxy::before(&sim).await;
        let config = format!(
            "[server]\nlisten = \"{free}\"\n\n[http]\nextra_ca_file = \"ca/ca.pem\"\n\n[app.main]\n\
             app_id = \"{APP_ID}\"\ntenant_id = \"{}\"\nclient_secret = \"{SECRET}\"\ncloud = \"{}\"\n\n\
             [app.main.replies]\nother = \"off\"\n",
            sim.tenant, sheet.cloud
        );
        std::fs::write(folder.path().join("nuncio.toml"), config).unwrap();
        let (server, url) = serve(folder.path(), proxy.port).await;
        let bot = json!({
            "app_id": APP_ID, "secret": SECRET, "cloud": sheet.cloud, "service_url": sheet.inbound,
            "endpoint": format!("{url}/api/messages"),
        });
        sim.post("bots", &bot).await;
        let key = std::fs::read_to_string(folder.path().join("key")).unwrap();
        let client = Client::new(&url, key.trim()).unwrap();
        Self { sheet, sim, proxy, client, server, _folder: folder }
    }

    async fn until(&self, id: &str, mut is: impl FnMut(&Message) -> bool) -> Message {
        let mut last = None;
        let came = async || {
            let message = self.client.message(id).await.unwrap();
            let came = is(&message);
            last = Some(message);
            came
        };
        let came = wait_until(came, LONG).await;
        let last = last.unwrap();
        assert!(came, "{}: {last:#?}\n{}", self.sheet.cloud, self.server.output());
        last
    }

    /// Somebody of whom nothing is known but their sign-in name: Graph is asked who that is, the conversation is created,
    /// the message sent. Then they write, and are sent another.
    async fn run(&self) {
        let people = self.sim.get("people?limit=2").await;
        let text = |n: usize, field: &str| people["items"][n][field].as_str().unwrap().to_owned();
        let (person, upn, other) = (text(0, "id"), text(0, "upn"), text(1, "id"));
        let id = self.client.send(&to(&upn, "a first word"), None).await.unwrap().id;
        let first = if self.sheet.connector.is_some() {
            self.until(&id, Message::is_final).await
        } else {
            // No default: it waits, says for what, and goes on by itself when there is one.
            let waiting = self.until(&id, |message| message.state == "waiting").await;
            let text = waiting.cause_text.unwrap();
            assert!(text.contains("no service URL is known for this tenant"), "{text}");
            assert_eq!(self.sim.calls("create").await + self.sim.calls("send").await, 0);
            self.says_hello(&other).await;
            self.until(&id, Message::is_final).await
        };
        assert_eq!(first.counts, counts! { audience: 1, delivered: 1 }, "{first:#?}");
        self.says_hello(&person).await;
        let id = self.client.send(&to(&person, "an answer"), None).await.unwrap().id;
        let second = self.until(&id, Message::is_final).await;
        assert_eq!(second.counts, counts! { audience: 1, delivered: 1 }, "{second:#?}");
        assert_eq!(self.sim.times(&person).await, 2);
    }

    async fn says_hello(&self, person: &str) {
        let said = self.sim.post(&format!("people/{person}/says"), &json!({"text": "hello"})).await;
        assert_eq!(said["bots"][0]["status"], 200, "{}: {said}\n{}", self.sheet.cloud, self.server.output());
    }

    /// By what was asked: the hosts, and of calls to the Connector the service URL.
    async fn called(&self) -> BTreeMap<&'static str, BTreeSet<String>> {
        let journal = self.sim.get("journal?limit=10000").await;
        let mut called: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
        for entry in journal["items"].as_array().unwrap() {
            let (host, path) = (entry["host"].as_str().unwrap(), entry["path"].as_str().unwrap());
            let host = host.trim_end_matches(":443");
            let (what, called_at) = match entry["op"].as_str().unwrap() {
                "token" => ("token", host.to_owned()),
                "metadata" | "keys" => ("keys", host.to_owned()),
                op @ ("create" | "send") => {
                    let base = path.split("/v3/").next().unwrap();
                    let what = match (entry["status"].as_u64(), op) {
                        (Some(201), "create") => "create",
                        (Some(201), _) => "send",
                        _ => "refused",
                    };
                    (what, format!("{host}{base}"))
                }
                op if op.starts_with("graph.") => ("graph", host.to_owned()),
                op => panic!("{op} was not expected: {entry}"),
            };
            called.entry(what).or_default().insert(called_at);
        }
        called
    }

    /// Holds what was called against the protocol; the line of the document.
    async fn line(&self, name: &str) -> String {
        let (called, sheet) = (self.called().await, &self.sheet);
        let of = |what: &str| called.get(what).cloned().unwrap_or_default();
        let inbound = sheet.inbound.trim_start_matches("https://").trim_end_matches('/');
        for (what, expected) in [("token", sheet.sign_in), ("keys", sheet.keys), ("graph", sheet.graph)] {
            assert_eq!(of(what), [expected.to_owned()].into(), "{name}: {what}");
        }
        let mut connector = BTreeSet::from([inbound.to_owned()]);
        let first = match (sheet.connector, sheet.tenant_on) {
            (Some(default), Some(host)) if !default.starts_with(host) => {
                // The refusal names the tenant's host, and its default is called at once.
                assert_eq!(of("refused"), [default.to_owned()].into(), "{name}");
                connector.insert(format!("{host}/teams"));
                format!("`{default}`, refused; `{host}/teams`")
            }
            (Some(default), _) => {
                assert_eq!(of("create"), [default.to_owned()].into(), "{name}");
                connector.insert(default.to_owned());
                format!("`{default}`")
            }
            (None, _) => {
                assert_eq!(of("create"), [inbound.to_owned()].into(), "{name}");
                format!("none: waits for anybody's activity, then `{inbound}`")
            }
        };
        let sent: BTreeSet<String> = of("create").union(&of("send")).cloned().collect();
        assert_eq!(sent, connector, "{name}");
        // Nothing else was connected to, not even in vain.
        let hosts = called.values().flatten().map(|at| at.split('/').next().unwrap().to_owned() + ":443");
        assert_eq!(self.proxy.asked(), hosts.collect(), "{name}");
        format!(
            "| {name} | `{}` | `{}` | `{}` | {first} | `{inbound}` |\n",
            sheet.sign_in, sheet.graph, sheet.keys
        )
    }
}

/// Starts the server behind the proxy, with nothing else of it in its environment.
async fn serve(folder: &Path, proxy: u16) -> (Process, String) {
    let mut command = nuncio(folder, &["serve", "--key-file", "key"]);
    for name in ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    command.env("HTTPS_PROXY", format!("http://127.0.0.1:{proxy}"));
    let mut server = Process::start(command);
    let url = address(&mut server).await;
    (server, url)
}

fn to(user: &str, text: &str) -> NewMessage {
    message(Audience { users: vec![user.to_owned()], ..Audience::default() }, text)
}

#[tokio::test]
async fn each_cloud_is_called_by_its_own_names_and_by_no_other() {
    let mut lines =
        "| `cloud =` | tokens | Graph | keys of activities | first word | after an activity |\n".to_owned();
    lines.push_str("| --- | --- | --- | --- | --- | --- |\n");
    let moved = Sheet {
        inbound: "https://smba.infra.gcc.teams.microsoft.com/teams",
        tenant_on: Some(GCC_HOST),
        ..PUBLIC
    };
    for (name, sheet) in [
        ("`public`", PUBLIC),
        ("`public`, the tenant is one of GCC", moved),
        ("`gcc`", GCC),
        ("`gcc_high`", GCC_HIGH),
        ("`dod`", DOD),
        ("`china`", CHINA),
    ] {
        let cloud = Cloud::start(sheet).await;
        cloud.run().await;
        let _ = write!(lines, "{}", cloud.line(name).await);
        let log = cloud.server.output();
        assert!(!log.contains(SECRET) && !log.contains("eyJ"), "{log}");
    }
    section("docs/clouds.md", "hosts called", &lines);
}

/// Whoever is in another cloud than was configured is refused by its own sign-in, and nobody else is asked.
#[tokio::test]
async fn an_app_of_another_cloud_is_refused_by_the_sign_in_of_the_configured_one() {
    let cloud = Cloud::start(GCC_HIGH).await;
    let bot: Value = json!({"app_id": APP_ID, "secret": SECRET, "cloud": "public"});
    cloud.sim.post("bots", &bot).await;
    let person = cloud.sim.people("installed").await.remove(0);
    let id = cloud.client.send(&to(&person, "hello"), None).await.unwrap().id;
    let waiting = cloud.until(&id, |message| message.state == "waiting").await;
    assert_eq!(waiting.cause.as_deref(), Some("credential"), "{waiting:#?}");
    assert!(waiting.cause_text.unwrap().contains("AADSTS90002"));
    // The keys of activities are fetched at the start.
    let keys = format!("{}:443", cloud.sheet.keys);
    let asked: Vec<String> = cloud.proxy.asked().into_iter().filter(|host| *host != keys).collect();
    assert_eq!(asked, [format!("{}:443", cloud.sheet.sign_in)]);
}
