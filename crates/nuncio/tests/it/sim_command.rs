//! `nuncio sim` as a command: its ports, what it prints, and what it says when it does not start.

use nuncio_testkit::process::{Process, Stream};
use serde_json::{Value, json};

use crate::world::{LONG, address, nuncio, run};

#[tokio::test]
async fn both_ports_and_what_to_put_into_a_bot() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "sim",
        "--listen",
        "127.0.0.1:0",
        "--listen-tls",
        "127.0.0.1:0",
        "--ca-dir",
        "ca",
        "--people",
        "10",
        "--time",
        "60x",
        "--cloud",
        "gcc_high",
        "--service-url",
        "https://smba.infra.gov.teams.microsoft.us/teams",
    ];
    let mut process = Process::start(nuncio(folder.path(), &args));
    let base = address(&mut process).await;
    let hint = "endpoints = {";
    process.wait_for("the hint", LONG, |_, line| line.starts_with(hint).then_some(())).await;
    let printed = process.lines(Stream::Stdout).join("\n");
    let ca = std::fs::canonicalize(folder.path().join("ca/ca.pem")).unwrap();
    for part in [
        format!("\nNODE_EXTRA_CA_CERTS={}\n", ca.display()),
        format!("\nHTTPS_PROXY={base}\n"),
        "\nCLIENT_SECRET=simulated-secret\n".to_owned(),
        "\nMicrosoftAppPassword=simulated-secret\n".to_owned(),
        format!("\nendpoints = {{ base = \"{base}\" }}"),
    ] {
        assert!(printed.contains(&part), "{part}\n{printed}");
    }
    let secure = printed.split("with TLS on ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let certificate = reqwest::Certificate::from_pem(&std::fs::read(&ca).unwrap()).unwrap();
    let http =
        reqwest::Client::builder().no_proxy().timeout(LONG).tls_certs_only([certificate]).build().unwrap();
    let get = async |path: &str| {
        let answer = http.get(format!("{secure}{path}")).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    assert_eq!(get("/sim/time").await["scale"], 60.0);
    let bots = get("/sim/bots").await;
    assert_eq!(bots["items"][0]["cloud"], "gcc_high");
    assert_eq!(bots["items"][0]["service_url"], "https://smba.infra.gov.teams.microsoft.us/teams");
    assert_eq!(
        get("/v1/.well-known/openidconfiguration").await["issuer"],
        json!("https://api.botframework.us")
    );
}

#[tokio::test]
async fn what_it_says_when_it_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    std::fs::write(folder.path().join("file"), "").unwrap();
    std::fs::write(folder.path().join("org.toml"), "[[person]]\nnickname = \"Ines\"\n").unwrap();
    let free = "127.0.0.1:0";
    for (args, code, said) in [
        (vec!["--listen", "0.0.0.0:0"], 2, "--control-key"),
        (vec!["--listen", free, "--listen-tls", "0.0.0.0:0"], 2, "--control-key"),
        (vec!["--listen", free, "--time", "fast"], 2, "60x"),
        (vec!["--listen", free, "--time", "0x"], 2, "60x"),
        (vec!["--listen", free, "--ca-dir", "x"], 2, "--listen-tls"),
        (vec!["--listen", free, "--cloud", "germany"], 2, "gcc_high"),
        (vec!["--listen", free, "--org", "org.toml"], 2, "org.toml:2: "),
        (vec!["--listen", free, "--org", "nowhere.toml"], 2, "cannot read nowhere.toml"),
        (vec!["--listen", &taken], 3, "--listen 127.0.0.1:0"),
        (vec!["--listen", free, "--listen-tls", free, "--ca-dir", "file"], 3, "--ca-dir"),
    ] {
        let all: Vec<&str> = ["sim", "--people", "1"].into_iter().chain(args).collect();
        let ran = run(nuncio(folder.path(), &all), "").await.exits(code);
        assert!(ran.stderr.contains(said), "{all:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{all:?}: {}", ran.stdout);
    }
}
