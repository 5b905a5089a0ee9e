//! `nuncio sim`: Microsoft's side of Teams on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::ValueEnum;
use nuncio_sim::{Latency, OrgFile, Sim, SimConfig, SimError, Time, settings_hint};
use serde_json::json;

use crate::cli::{NOT_DONE, WRONG_USE};
use crate::commands::StopSignals;

/// Simulate Microsoft's side of Teams: sign-in, Connector, people who install, block and uninstall.
#[derive(Debug, clap::Args)]
#[command(after_help = "Drive it over /sim/…, for example:\n  \
    curl -X POST http://127.0.0.1:4100/sim/policy-install -d '{\"seconds\": 10}'\n  \
    curl http://127.0.0.1:4100/sim/counts\n\n\
    With --listen-tls a bot that heeds these uses Microsoft's own addresses unchanged:\n  \
    HTTPS_PROXY=http://127.0.0.1:4100 NODE_EXTRA_CA_CERTS=nuncio-sim-ca/ca.pem SSL_CERT_FILE=nuncio-sim-ca/ca.pem\n\n\
    A five-hour broadcast in five minutes: --time 60x. Step by step:\n  \
    nuncio sim --time explicit\n  \
    curl -X POST http://127.0.0.1:4100/sim/time/advance -d '{\"by_s\": 10}'\n\n\
    What it enforces and what it guesses: docs/simulator.md")]
pub struct Args {
    /// Where to listen; beyond this machine only with --control-key
    #[arg(long, default_value = "127.0.0.1:4100")]
    listen: SocketAddr,
    /// Where to listen with TLS, beside the plain port: MSAL takes nothing else. 127.0.0.1:4143 is as good as any
    #[arg(long, value_name = "ADDR")]
    listen_tls: Option<SocketAddr>,
    /// Folder of the TLS port's certificate authority; made at the first start, its certificate is ca.pem in there
    #[arg(long, default_value = "nuncio-sim-ca", value_name = "DIR", requires = "listen_tls")]
    ca_dir: PathBuf,
    /// The organisation, described in TOML: people, teams, chats, bots (docs/examples/org.toml)
    #[arg(long, value_name = "FILE")]
    org: Option<PathBuf>,
    /// How many people are made up [default: 1000, or what the file of --org says]
    #[arg(long, value_name = "N")]
    people: Option<u32>,
    /// How many teams are made up
    #[arg(long, default_value_t = 2, conflicts_with = "org")]
    teams: u32,
    /// The same seed makes the same organisation
    #[arg(long, default_value_t = 1, conflicts_with = "org")]
    seed: u64,
    /// Whether Microsoft's rate limits are enforced
    #[arg(long, value_enum, default_value_t = Switch::On)]
    limits: Switch,
    /// How many milliseconds the Connector takes for an answer
    #[arg(long, default_value_t = 5.0, value_name = "MS")]
    latency: f64,
    /// How simulated time moves: real, explicit (only by POST /sim/time/advance), or so many times as fast, such as 60x
    #[arg(long, default_value = "real", value_parser = time, value_name = "MODE")]
    time: Time,
    /// What /sim/… wants in the header x-control-key
    #[arg(long, env = "NUNCIO_SIM_CONTROL_KEY", hide_env_values = true)]
    control_key: Option<String>,
    /// App id of the bot that is registered at start
    #[arg(long, default_value = "3c9e7a52-41d8-4f0b-8b6d-1f5a2e90c7d4")]
    app_id: String,
    /// Its client secret
    #[arg(long, default_value = "simulated-secret")]
    secret: String,
    /// Where its activities are posted
    #[arg(long, default_value = "http://127.0.0.1:3978/api/messages")]
    endpoint: String,
    /// Its cloud: which audience and issuers its tokens have
    #[arg(long, value_enum, default_value_t = Cloud::Public, conflicts_with = "org")]
    cloud: Cloud,
    /// The service URL that it is told, such as https://smba.trafficmanager.net/teams/ behind the proxy [default: ours]
    #[arg(long, value_name = "URL", conflicts_with = "org")]
    service_url: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Debug, Clone, Copy, ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
enum Cloud {
    Public,
    Gcc,
    GccHigh,
    Dod,
    China,
}

/// What to do about a start that failed, and the exit code where it is wrong use.
pub fn hint(error: &SimError) -> Option<(u8, &'static str)> {
    Some(match error {
        SimError::ControlKeyNeeded(_) => (
            WRONG_USE,
            "whoever reaches /sim/… can do everything there: give a --control-key, or listen on 127.0.0.1",
        ),
        SimError::Org(_) => {
            (WRONG_USE, "docs/examples/org.toml has every key; before [[team.channel]] comes its [[team]]")
        }
        SimError::Setting(_) => (WRONG_USE, "nuncio sim --help has what can be given"),
        SimError::Listen { .. } => {
            (NOT_DONE, "is it running already? Port 0 takes a free one, such as --listen 127.0.0.1:0")
        }
        SimError::Tls(_) => (NOT_DONE, "--ca-dir names a folder that can be written to"),
        _ => return None,
    })
}

fn time(text: &str) -> Result<Time, String> {
    match text {
        "real" => Ok(Time::Real),
        "explicit" => Ok(Time::Explicit),
        _ => match text.strip_suffix('x').map(str::parse) {
            Some(Ok(scale)) if (0.01..=10_000.0).contains(&scale) => Ok(Time::Scaled { scale }),
            _ => Err("it is real, explicit, or a factor from 0.01x to 10000x, such as 60x".to_owned()),
        },
    }
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut org = args.org.as_deref().map(OrgFile::read).transpose().map_err(SimError::Org)?;
    if let Some(people) = args.people {
        org = org.map(|org| org.with_people(people));
    }
    // Of the file, if it has bots; else the one that the arguments tell.
    let described = org.as_ref().and_then(OrgFile::first_bot);
    let (app_id, secret) = match described {
        Some((app_id, secret)) => (app_id.to_owned(), secret.unwrap_or_default().to_owned()),
        None => (args.app_id.clone(), args.secret.clone()),
    };
    let described = described.is_some();
    let sim = Sim::start(SimConfig {
        listen: args.listen,
        listen_tls: args.listen_tls,
        ca_dir: args.ca_dir.clone(),
        org,
        people: args.people.unwrap_or(1000),
        teams: args.teams,
        seed: args.seed,
        limits: matches!(args.limits, Switch::On),
        latency: Latency::Fixed { ms: args.latency, share_before: 0.5 },
        time: args.time,
        control_key: args.control_key.clone(),
    })
    .await
    .with_context(|| match args.listen_tls {
        Some(tls) => format!("the simulator does not start on {} and {tls}", args.listen),
        None => format!("the simulator does not start on {}", args.listen),
    })?;
    if !described {
        register(&sim, &args).await?;
    }
    println!("nuncio sim: listening on {}", sim.base());
    if let (Some(base), Some(ca)) = (sim.tls_base(), sim.ca_path()) {
        println!("with TLS on {base}, its authority is {}", ca.display());
    }
    println!();
    print!("{}", settings_hint(&sim.places(), &app_id, &secret));
    let (people, teams) = sim.size();
    eprintln!("\n{people} people in {teams} teams: look at {}/sim; stop with Ctrl-C", sim.base());
    StopSignals::listen()?.next().await;
    sim.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Over its own control API: there is one way to register a bot.
async fn register(sim: &Sim, args: &Args) -> anyhow::Result<()> {
    let bot = json!({
        "app_id": args.app_id, "secret": args.secret, "endpoint": args.endpoint, "cloud": args.cloud,
        "service_url": args.service_url,
    });
    let mut request = crate::commands::http()?.post(format!("{}/sim/bots", sim.base())).json(&bot);
    if let Some(key) = &args.control_key {
        request = request.header("x-control-key", key);
    }
    let answer = request.send().await.context("the simulator does not answer")?;
    if !answer.status().is_success() {
        bail!("the bot cannot be registered: {}", answer.text().await.unwrap_or_default());
    }
    Ok(())
}
