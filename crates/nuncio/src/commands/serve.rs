//! `nuncio serve`: the bot endpoint, the engine and the API.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Failure, StopSignals};
use crate::cli::NOT_DONE;
use crate::config::Config;
use crate::telemetry;
use crate::wiring::{DRAIN, Parts, write_private};

/// How long running requests may take to finish after a stop.
const FINISH: Duration = Duration::from_secs(5);

/// Run the server: bot endpoint, delivery engine and API.
#[derive(Debug, clap::Args)]
#[command(after_help = "The configuration file is described in docs/configuration.md. Without one, \
    `nuncio serve` says what to fill in and where to get it.")]
pub struct Args {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "NUNCIO_CONFIG")]
    config: Option<PathBuf>,
    /// Take unsigned activities, only from this machine: for Microsoft's Agents Playground and the Emulator
    #[arg(long)]
    local: bool,
    /// Where to listen, instead of server.listen
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Write the first API key here (mode 0600) instead of showing it
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut config = load(&args)?;
    if let Some(listen) = args.listen {
        config.server.listen = listen;
    }
    if args.local {
        make_local(&config)?;
    }
    telemetry::init(&config.log)?;
    let parts = Parts::prepare(&config, args.local).await?;
    let listener = TcpListener::bind(config.server.listen)
        .await
        .with_context(|| format!("cannot listen on {}: is another server running?", config.server.listen))?;
    let address = listener.local_addr()?;
    if let Some(secret) = parts.first_key().await? {
        hand_over(&secret, args.key_file.as_deref())?;
    }
    let engine = parts.engine(&config, args.local).await?;
    let synchroniser = parts.synchroniser(&config);

    // A runtime of its own: calls under way in the engine must not slow the API down, nor requests the engine
    // (docs/engine.md, One owner per lane).
    let router = nuncio_server::router(parts.server(&engine, &synchroniser));
    let (stop, stopped) = oneshot::channel::<()>();
    let listener = listener.into_std()?;
    let http = std::thread::Builder::new()
        .name("http".to_owned())
        .spawn(move || serve_http(listener, router, stopped))
        .context("the HTTP thread cannot be started")?;
    if !args.local
        && let Err(error) = parts.inbound.warm_up().await
    {
        tracing::warn!(%error, "Microsoft's signing keys cannot be read yet; it is tried again with the first activity");
    }
    tokio::spawn(parts.watch_credentials());
    let tidying = tokio::spawn(parts.tidy_up());
    let mut signals = StopSignals::listen()?;
    println!("nuncio serve: listening on http://{address}");
    tracing::info!(%address, apps = config.apps.len(), "started");

    let lost = tokio::select! {
        () = signals.next() => false,
        () = engine.lost() => true,
    };
    tracing::info!(
        "stopping: no new calls; those under way are brought to their end, within {} s. Once more stops at once",
        DRAIN.as_secs()
    );
    let _ = stop.send(());
    let ending = async {
        tidying.abort();
        synchroniser.stop().await;
        let drained = engine.stop().await;
        // Requests that still run have their own bound.
        let served = tokio::task::spawn_blocking(move || http.join()).await?;
        parts.store.close().await;
        anyhow::Ok((drained, served))
    };
    let (drained, served) = tokio::select! {
        ended = ending => ended?,
        () = signals.next() => {
            tracing::warn!(
                "stopped at once, asked a second time; what calls under way came to is not known, and the next start \
                 takes them up"
            );
            // Nothing is waited for, tasks that still run included; what was told to anybody is in the database.
            std::process::exit(i32::from(NOT_DONE));
        }
    };
    if drained {
        tracing::info!("stopped; nothing was left under way");
    } else {
        tracing::warn!("stopped; some calls did not end in time, and the next start takes them up");
    }
    if lost {
        bail!(
            "another nuncio has taken over the database: this one stood still for longer than it may. Only one runs \
             at a time; see which one is meant to, and start it again if none does"
        );
    }
    match served {
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Ok(Err(error)) => Err(error).context("the HTTP server failed"),
        Err(_) => bail!("the HTTP thread panicked"),
    }
}

fn load(args: &Args) -> anyhow::Result<Config> {
    // What is not Unicode cannot be one of ours.
    let env: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    if args.local && args.config.is_none() && !std::path::Path::new("nuncio.toml").exists() {
        return Ok(Config::local());
    }
    Ok(Config::load(args.config.as_deref(), &env)?)
}

/// Nothing that is unsigned may come from, or lead, anywhere else.
fn make_local(config: &Config) -> anyhow::Result<()> {
    if !config.server.listen.ip().is_loopback() {
        let listen = config.server.listen;
        return Err(Failure::wrong_use(format!(
            "--local takes unsigned activities and so listens on this machine only, not on {listen}"
        ))
        .hint("Use an address like 127.0.0.1:3978.")
        .into());
    }
    if let Some(app) = config.apps.iter().find(|app| !app.is_loopback()) {
        return Err(Failure::wrong_use(format!(
            "--local takes unsigned activities and so works with cloud = \"simulator\" only; app {} is in cloud {}",
            app.name, app.cloud
        ))
        .hint("Without --config and nuncio.toml, --local needs no configuration.")
        .into());
    }
    eprintln!("┌──────────────────────────────────────────────────────────────────────────┐");
    eprintln!("│  LOCAL MODE: activities are NOT authenticated. For work on this machine  │");
    eprintln!("│  only, with Agents Playground or the Emulator. Never for production.     │");
    eprintln!("└──────────────────────────────────────────────────────────────────────────┘");
    Ok(())
}

fn hand_over(secret: &str, file: Option<&std::path::Path>) -> anyhow::Result<()> {
    if let Some(file) = file {
        return write_private(file, secret)
            .with_context(|| format!("the first API key cannot be written to {}", file.display()));
    }
    eprintln!("\nThe first API key, shown this once (role admin):\n\n    {secret}\n");
    eprintln!("Use it as NUNCIO_KEY, or as `Authorization: Bearer …`. More keys: nuncio keys create\n");
    Ok(())
}

fn serve_http(
    listener: std::net::TcpListener,
    router: nuncio_server::Router,
    stopped: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        let (told, tell) = oneshot::channel::<()>();
        let serving = nuncio_server::serve(listener, router, async move {
            // A dropped sender means the same as a sent word: the end.
            let _ = stopped.await;
            let _ = told.send(());
        });
        let bounded = async move {
            let _ = tell.await;
            crate::commands::pause(FINISH).await;
        };
        tokio::select! {
            served = serving => served,
            () = bounded => Ok(()),
        }
    });
    runtime.shutdown_background();
    result
}
