//! The TLS port with clients that check what they are shown, and what sign-in libraries ask there.

use std::{fs, path::Path};

use nuncio_sim::{Sim, SimConfig, SimError};
use reqwest::{Certificate, Client};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{APP, SCOPE, SECRET, client, read, text};

pub(crate) async fn start(folder: &Path) -> Sim {
    let config = SimConfig {
        people: 10,
        listen_tls: Some("127.0.0.1:0".parse().unwrap()),
        ca_dir: folder.to_owned(),
        ..SimConfig::default()
    };
    let sim = Sim::start(config).await.unwrap();
    let bot = json!({"app_id": APP, "secret": SECRET});
    let request = client().post(format!("{}/sim/bots", sim.base())).json(&bot);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 201);
    sim
}

/// A client that trusts the authority and finds Microsoft's hosts at the TLS port.
fn trusting(sim: &Sim, ca: &str) -> Client {
    let ca = Certificate::from_pem(ca.as_bytes()).unwrap();
    let mut builder = Client::builder().no_proxy().tls_certs_only([ca]);
    for host in MICROSOFT {
        builder = builder.resolve(host, sim.tls_addr().unwrap());
    }
    builder.build().unwrap()
}

const MICROSOFT: [&str; 6] = [
    "graph.microsoft.com",
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.botframework.com",
    "smba.trafficmanager.net",
    "contoso.example",
];

fn authority(sim: &Sim) -> String {
    fs::read_to_string(sim.ca_path().unwrap()).unwrap()
}

async fn get(http: &Client, url: &str) -> Value {
    let (status, body) = read(http.get(url).send().await.unwrap()).await;
    assert_eq!(status, 200, "{url}: {body}");
    body
}

#[tokio::test]
async fn both_ports_are_one_simulator() {
    let folder = tempfile::tempdir().unwrap();
    let sim = start(folder.path()).await;
    let http = trusting(&sim, &authority(&sim));
    let base = sim.tls_base().unwrap();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_secret", SECRET),
        ("scope", SCOPE),
    ];
    let url = format!("{base}/{}/oauth2/v2.0/token?client-request-id=1", sim.tenant_id());
    let (status, token) = read(http.post(url).form(&form).send().await.unwrap()).await;
    assert_eq!(status, 200, "{token}");
    // A token from here is good there, and what is done there is seen here.
    let people = get(&client(), &format!("{}/sim/people?state=installed&limit=1", sim.base())).await;
    let chat = text(&people["items"][0]["conversation_id"]);
    let send = |base: &str| {
        let url = format!("{base}/teams/v3/conversations/{chat}/activities");
        http.post(url)
            .bearer_auth(text(&token["access_token"]))
            .json(&json!({"type": "message", "text": "x"}))
    };
    assert_eq!(read(send(base).send().await.unwrap()).await.0, 201);
    assert_eq!(read(send(sim.base()).send().await.unwrap()).await.0, 201);
    let counts = get(&http, &format!("{base}/sim/counts")).await;
    assert_eq!(counts["accepted"], 2);
    let info = get(&http, &format!("{base}/sim/info")).await;
    assert_eq!(info["tls"], json!({"base": base, "ca_certificate": sim.ca_path().unwrap()}));

    // Faults close a connection in the middle here too.
    for cut in ["before_status", "mid_body"] {
        let fault = json!({"match": {"op": "send"}, "do": {"cut": cut}, "times": 1});
        client().post(format!("{}/sim/faults", sim.base())).json(&fault).send().await.unwrap();
        let answer = send(base).send().await;
        match answer {
            Err(_) => assert_eq!(cut, "before_status"),
            Ok(answer) => assert!(answer.text().await.is_err() && cut == "mid_body"),
        }
    }
    sim.stop().await;
}

#[tokio::test]
async fn graph_under_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let sim = start(folder.path()).await;
    let http = trusting(&sim, &authority(&sim));
    let port = sim.tls_addr().unwrap().port();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_secret", SECRET),
        ("scope", crate::graph::SCOPE),
    ];
    let url = format!("https://login.microsoftonline.com:{port}/{}/oauth2/v2.0/token", sim.tenant_id());
    let (status, token) = read(http.post(url).form(&form).send().await.unwrap()).await;
    assert_eq!(status, 200, "{token}");
    let graph = format!("https://graph.microsoft.com:{port}/v1.0");
    let mut next = format!("{graph}/users?$top=6");
    let mut seen = 0;
    loop {
        let request = http.get(&next).bearer_auth(text(&token["access_token"]));
        let (status, page) = read(request.send().await.unwrap()).await;
        assert_eq!(status, 200, "{page}");
        seen += page["value"].as_array().unwrap().len();
        let Some(link) = page["@odata.nextLink"].as_str() else { break };
        assert!(link.starts_with(&graph), "{link}");
        link.clone_into(&mut next);
    }
    assert_eq!(seen, 10);
    sim.stop().await;
}

#[tokio::test]
async fn who_does_not_trust_the_authority_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let sim = start(folder.path()).await;
    let port = sim.tls_addr().unwrap().port();
    let stranger =
        Client::builder().no_proxy().resolve("contoso.example", sim.tls_addr().unwrap()).build().unwrap();
    assert!(stranger.get(sim.tls_base().unwrap()).send().await.is_err());
    let http = trusting(&sim, &authority(&sim));
    // Not one of its names.
    assert!(http.get(format!("https://contoso.example:{port}/")).send().await.is_err());
    for host in ["localhost", "127.0.0.1", "login.microsoftonline.us", "smba.trafficmanager.net"] {
        let about = http.get(format!("https://{host}:{port}/")).send().await.unwrap().text().await.unwrap();
        // It names itself as it was asked.
        assert!(about.contains(&format!("https://{host}:{port}/v1/.well-known/")), "{about}");
    }
    // Plain text on the TLS port gets no page.
    let mut plain = tokio::net::TcpStream::connect(sim.tls_addr().unwrap()).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
}

#[tokio::test]
async fn microsofts_own_addresses_through_the_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let sim = start(folder.path()).await;
    let ca = Certificate::from_pem(authority(&sim).as_bytes()).unwrap();
    let proxy = reqwest::Proxy::all(sim.base()).unwrap();
    let http = Client::builder().proxy(proxy).tls_certs_only([ca]).build().unwrap();
    let authority = format!("https://login.microsoftonline.com/{}", sim.tenant_id());
    let metadata = get(&http, &format!("{authority}/v2.0/.well-known/openid-configuration")).await;
    assert_eq!(metadata["token_endpoint"], format!("{authority}/oauth2/v2.0/token"));
    let metadata = get(&http, "https://login.botframework.com/v1/.well-known/openidconfiguration").await;
    assert_eq!(metadata["jwks_uri"], "https://login.botframework.com/v1/.well-known/keys");
    // Cutting goes through it.
    let fault = json!({"match": {"op": "keys"}, "do": {"cut": "before_status"}, "times": 1});
    client().post(format!("{}/sim/faults", sim.base())).json(&fault).send().await.unwrap();
    assert!(http.get(text(&metadata["jwks_uri"])).send().await.is_err());
    get(&http, text(&metadata["jwks_uri"])).await;

    // It is no way to anywhere else: not with a tunnel, not without.
    assert!(http.get("https://contoso.example/").send().await.is_err());
    let (status, refused) = read(http.get("http://contoso.example/").send().await.unwrap()).await;
    assert_eq!(status, 403);
    assert!(text(&refused).contains("contoso.example is not a host"), "{refused}");
    // Its own address in full is an ordinary request.
    let info = get(&http, &format!("{}/sim/info", sim.base())).await;
    assert_eq!(info["tenant_id"], sim.tenant_id());
    // As axios asks a proxy.
    let mut plain = tokio::net::TcpStream::connect(sim.addr()).await.unwrap();
    let request = "GET https://login.botframework.com/v1/.well-known/openidconfiguration HTTP/1.1\r\n\
        Host: login.botframework.com\r\nConnection: close\r\n\r\n";
    plain.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("\"https://login.botframework.com/v1/.well-known/keys\""), "{answer}");
}

#[tokio::test]
async fn without_a_tls_port_there_is_no_proxy() {
    let world = crate::harness::World::start().await;
    let mut plain = tokio::net::TcpStream::connect(world.sim.addr()).await.unwrap();
    plain
        .write_all(b"CONNECT login.microsoftonline.com:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.unwrap();
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
}

#[tokio::test]
async fn the_authority_is_kept_while_it_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("deeper/ca");
    let sim = start(&place).await;
    let first = authority(&sim);
    assert_eq!(sim.ca_path().unwrap(), fs::canonicalize(place.join("ca.pem")).unwrap());
    let again = start(&place).await;
    assert_eq!(authority(&again), first);
    // Trusted once, trusted after a restart.
    let http = trusting(&again, &first);
    assert_eq!(http.get(again.tls_base().unwrap()).send().await.unwrap().status().as_u16(), 200);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(place.join("ca-key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(!first.contains("PRIVATE"));
    assert_eq!(fs::read_to_string(place.join(".gitignore")).unwrap(), "*\n");

    // A file that is spoiled is made anew, and the certificate with it.
    fs::write(place.join("ca-key.pem"), "x").unwrap();
    let third = start(&place).await;
    assert_ne!(authority(&third), first);
    let http = trusting(&third, &authority(&third));
    assert_eq!(http.get(third.tls_base().unwrap()).send().await.unwrap().status().as_u16(), 200);
    assert!(trusting(&third, &first).get(third.tls_base().unwrap()).send().await.is_err());

    // A place that cannot be written to is named.
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let listen_tls = Some("127.0.0.1:0".parse().unwrap());
    let error =
        Sim::start(SimConfig { people: 1, listen_tls, ca_dir: file.clone(), ..SimConfig::default() }).await;
    let Err(SimError::Tls(error)) = error else { panic!("{error:?}") };
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    let beyond = Some("0.0.0.0:0".parse().unwrap());
    let error = Sim::start(SimConfig { listen_tls: beyond, people: 1, ..SimConfig::default() }).await;
    assert!(matches!(error, Err(SimError::ControlKeyNeeded(_))));
}

#[tokio::test]
async fn what_sign_in_libraries_ask_first() {
    let folder = tempfile::tempdir().unwrap();
    let sim = start(folder.path()).await;
    let http = trusting(&sim, &authority(&sim));
    let (tenant, port) = (sim.tenant_id(), sim.tls_addr().unwrap().port());
    for host in [
        format!("localhost:{port}"),
        format!("login.microsoftonline.com:{port}"),
        format!("login.microsoftonline.us:{port}"),
    ] {
        let asked = format!("https://{host}/{tenant}/oauth2/v2.0/authorize");
        let url = format!(
            "https://{host}/common/discovery/instance?api-version=1.1&authorization_endpoint={asked}"
        );
        let instance = get(&http, &url).await;
        assert_eq!(instance["api-version"], "1.1");
        let aliases: Vec<&str> = instance["metadata"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|entry| entry["aliases"].as_array().unwrap())
            .map(text)
            .collect();
        assert!(aliases.contains(&"login.microsoftonline.us"));
        assert_eq!(aliases.contains(&host.as_str()), host.starts_with("localhost"));
        let next = text(&instance["tenant_discovery_endpoint"]);
        assert_eq!(next, format!("https://{host}/{tenant}/v2.0/.well-known/openid-configuration"));
        let metadata = get(&http, next).await;
        assert_eq!(metadata["token_endpoint"], format!("https://{host}/{tenant}/oauth2/v2.0/token"));
        let us = if host.contains(".us") { "us" } else { "com" };
        assert_eq!(metadata["issuer"], format!("https://login.microsoftonline.{us}/{tenant}/v2.0"));
        // The government signs in its own bots only.
        let (cloud, scope) =
            if us == "us" { ("gcc_high", "https://api.botframework.us/.default") } else { ("public", SCOPE) };
        let bot = json!({"app_id": APP, "secret": SECRET, "cloud": cloud});
        client().post(format!("{}/sim/bots", sim.base())).json(&bot).send().await.unwrap();
        // The key is that of the tokens.
        let keys = get(&http, text(&metadata["jwks_uri"])).await;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", APP),
            ("client_secret", SECRET),
            ("scope", scope),
            ("x-client-SKU", "msal.js.node"),
            ("client_info", "1"),
        ];
        let (status, body) =
            read(http.post(text(&metadata["token_endpoint"])).form(&form).send().await.unwrap()).await;
        assert_eq!(status, 200, "{body}");
        let header = text(&body["access_token"]).split('.').next().unwrap();
        assert_eq!(crate::credentials::unpack(header)["kid"], keys["keys"][0]["kid"]);
    }
    let base = sim.tls_base().unwrap();
    let v1 = get(&http, &format!("{base}/{tenant}/.well-known/openid-configuration")).await;
    assert_eq!(v1["issuer"], format!("https://sts.windows.net/{tenant}/"));
    assert_eq!(v1["token_endpoint"], format!("{base}/{tenant}/oauth2/token"));
    let common = get(&http, &format!("{base}/common/v2.0/.well-known/openid-configuration")).await;
    assert_eq!(common["issuer"], "https://login.microsoftonline.com/{tenantid}/v2.0");
    get(&http, text(&common["jwks_uri"])).await;
    let channel = get(&http, &format!("{base}/v1/.well-known/openidconfiguration")).await;
    assert_eq!(channel["jwks_uri"], format!("{base}/v1/.well-known/keys"));

    for (path, code) in [
        (
            "common/discovery/instance?authorization_endpoint=https://evil.example/common/oauth2/v2.0/authorize",
            50_049,
        ),
        (
            "common/discovery/instance?authorization_endpoint=http://login.microsoftonline.com/common/oauth2/authorize",
            50_049,
        ),
        ("common/discovery/instance", 900_144),
        ("nobody/v2.0/.well-known/openid-configuration", 90_002),
    ] {
        let (status, body) = read(http.get(format!("{base}/{path}")).send().await.unwrap()).await;
        assert_eq!((status, &body["error_codes"]), (400, &json!([code])), "{path}");
    }
}
