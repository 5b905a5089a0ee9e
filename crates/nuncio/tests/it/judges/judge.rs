//! One judge: a simulator with TLS, a script of `judges/` beside it, and what the script and the simulator tell.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nuncio_testkit::process::{Process, Stream};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::world::{APP_ID, LONG, SECRET, Sim, nuncio};

/// Where a judge's bot listens; every judge has a network of its own.
const PORT: &str = "3978";

/// `judges/` of this repository.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../judges").canonicalize().unwrap()
}

/// The simulator after a judge is through with it.
pub(super) struct Judged {
    pub(super) sim: Sim,
    /// Every request that the judge made, in order.
    pub(super) journal: Vec<Value>,
    _folder: TempDir,
}

/// Starts a simulator with a small organisation, limits and all, and a judge beside it. The bot has all credentials.
pub(super) async fn judge(script: &str, settings: &str) -> Judged {
    let folder = TempDir::with_prefix("nuncio-judge-").unwrap();
    let endpoint = format!("http://127.0.0.1:{PORT}/api/messages");
    let mut args =
        vec!["sim", "--listen", "127.0.0.1:4100", "--listen-tls", "127.0.0.1:443", "--people", "12"];
    args.extend(["--ca-dir", "ca", "--app-id", APP_ID, "--secret", SECRET, "--endpoint", &endpoint]);
    let sim = Sim::of(nuncio(folder.path(), &args)).await;
    let bot = json!({
        "app_id": APP_ID, "secret": SECRET, "endpoint": endpoint, "managed_identity": APP_ID,
        "federated": [{}], "certificates": [certificate(folder.path())],
    });
    sim.post("bots", &bot).await;

    let info = sim.get("info").await;
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let text = |name: &str| info[name].as_str().unwrap().to_owned();
    let values = [
        ("{app_id}", APP_ID.to_owned()),
        ("{secret}", SECRET.to_owned()),
        ("{tenant}", sim.tenant.clone()),
        ("{ca}", path("ca/ca.pem")),
        ("{cert}", path("cert.pem")),
        ("{key}", path("key.pem")),
        ("{identity_endpoint}", text("identity_endpoint")),
        ("{identity_header}", text("identity_header")),
    ];
    let settings = read_settings(&self::folder().join("settings").join(settings), &values);
    let mut process = Process::start(command(&sim, folder.path(), script, settings));
    let status = process.ended(LONG).await;
    let steps: Vec<Value> = process
        .lines(Stream::Stdout)
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line.get("step").is_some())
        .collect();
    let all_held = steps.iter().all(|step| step["ok"] == true);
    let finished = steps.last().is_some_and(|step| step["step"] == "finished");
    assert!(status.success() && all_held && finished, "{script}: {status}\n{}", process.output());
    for step in &steps {
        println!("{script}: {}", step["step"].as_str().unwrap());
    }
    let journal = sim.get("journal?limit=10000").await["items"].as_array().unwrap().clone();
    Judged { sim, journal, _folder: folder }
}

/// Writes a certificate and its key, as files that any SDK reads; the certificate.
fn certificate(folder: &Path) -> String {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
    std::fs::write(folder.join("cert.pem"), &certificate).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    certificate
}

/// The folder of a script's language, whose packages are those of its lock file.
pub(super) fn language(python: bool) -> PathBuf {
    let name = if python { "python" } else { "node" };
    let language = folder().join(name);
    let (installed, lock) = if python {
        ("venv/.installed", "requirements.txt")
    } else {
        ("node_modules/.installed", "package-lock.json")
    };
    let installed = std::fs::read(language.join(installed)).unwrap_or_default();
    assert!(
        installed == std::fs::read(language.join(lock)).unwrap(),
        "the packages of judges/{name} are missing or old: run `judges/prepare.sh`"
    );
    language
}

fn command(sim: &Sim, cwd: &Path, script: &str, settings: BTreeMap<String, String>) -> Command {
    let python = Path::new(script).extension().is_some_and(|extension| extension == "py");
    let language = language(python);
    let program = if python { language.join("venv/bin/python") } else { PathBuf::from("node") };
    let mut command = Command::new(program);
    // Nothing of our own environment may configure an SDK.
    command.arg(language.join(script)).current_dir(cwd).env_clear().stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", cwd);
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("SIM", &sim.base).env("PORT", PORT);
    command.envs(settings);
    command
}

/// `NAME=value` lines, with the simulator's values for what is in braces.
fn read_settings(path: &Path, values: &[(&str, String)]) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.split_once('=').expect("a setting is NAME=value");
            let value = values.iter().fold(value.to_owned(), |value, (name, is)| value.replace(name, is));
            assert!(!value.contains('{'), "{}: nothing is known for {value}", path.display());
            (name.to_owned(), value)
        })
        .collect()
}

impl Judged {
    /// How many requests of an operation were answered with a status below 300.
    pub(super) fn done(&self, op: &str) -> usize {
        self.journal.iter().filter(|entry| entry["op"] == op && entry["status"].as_u64() < Some(300)).count()
    }

    /// The requests that were refused: operation, status and Microsoft's code.
    pub(super) fn refused(&self) -> Vec<(&str, u64, &str)> {
        self.journal
            .iter()
            .filter(|entry| entry["status"].as_u64() >= Some(300))
            .map(|entry| {
                let text = |name: &str| entry[name].as_str().unwrap_or_default();
                (text("op"), entry["status"].as_u64().unwrap(), text("code"))
            })
            .collect()
    }

    /// Every text that the app said to anybody in a 1:1 chat.
    pub(super) async fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for person in self.sim.people("installed").await.iter().chain(&self.sim.people("blocked").await) {
            for activity in self.sim.said(person).await {
                texts.extend(activity["text"].as_str().map(str::to_owned));
            }
        }
        texts
    }
}
