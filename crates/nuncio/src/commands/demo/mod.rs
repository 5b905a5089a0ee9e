//! `nuncio demo`: a simulated organisation, a server, a broadcast to everyone (who never had the app is given it on the
//! way) and a thread in a channel, and the ledger held against the simulator's own counts.

mod account;
mod show;
mod stage;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nuncio_api::{Audience, ContentRequest, Message, NewMessage};
use nuncio_client::Client;

use self::stage::Stage;

/// Rehearse a broadcast: a simulated organisation, real sockets, signed activities, every recipient accounted for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many people the organisation has
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    people: u32,
    /// The same seed makes the same organisation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stay up afterwards, and say what to try next
    #[arg(long)]
    keep: bool,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
}

/// How often a message is asked for.
const POLL: Duration = Duration::from_millis(250);

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    show::title(&args);
    let stage = Stage::set(args.people, args.seed).await?;
    show::stage(&stage);

    let installs = show::bar("People install the app");
    stage.everyone_installs(|done, all| installs.at(done, all, "")).await?;
    installs.finish();

    let never_installed = stage.people_in("never_installed").await?;
    let broadcast = NewMessage {
        audience: Audience { installed: true, users: never_installed.clone(), ..Audience::default() },
        content: ContentRequest {
            text: Some(
                "**The canteen opens at eight from Monday.** You get this because you have the Dispatch Bot."
                    .to_owned(),
            ),
            summary: Some("The canteen opens at eight from Monday".to_owned()),
            ..ContentRequest::default()
        },
        label: Some("demo".to_owned()),
        // Who never had the app is given it through Graph, and this is the first that they see of it.
        install: Some("if_never_installed".to_owned()),
        max_recipients: Some(i64::from(args.people)),
        ..NewMessage::default()
    };
    let sent = stage.client.send(&broadcast, Some("demo-broadcast")).await?;
    let bar = show::bar("Broadcast");
    let broadcast = follow(&stage.client, &sent.id, |message| show::progress(&bar, message)).await?;
    bar.finish();

    let channel = stage.first_channel().await?;
    let thread = NewMessage {
        audience: Audience { channels: vec![channel], ..Audience::default() },
        content: ContentRequest {
            text: Some(
                "The canteen's new hours went out to everyone. Questions go into this thread.".to_owned(),
            ),
            ..ContentRequest::default()
        },
        label: Some("demo".to_owned()),
        ..NewMessage::default()
    };
    let sent = stage.client.send(&thread, Some("demo-thread")).await?;
    let thread = follow(&stage.client, &sent.id, |_| ()).await?;

    let account = account::draw_up(&stage, &broadcast, &thread, &never_installed).await?;
    let memory = stage.memory_mib();
    if args.json {
        println!("{}", account.json(&broadcast, started.elapsed(), memory));
    } else {
        show::account(&broadcast, &thread, &account, started.elapsed(), memory);
    }
    if args.keep {
        show::next_steps(&stage, &broadcast);
        crate::commands::StopSignals::listen()?.next().await;
    }
    stage.strike().await;
    Ok(if account.agrees() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// Asks for a message until it is over.
async fn follow(client: &Client, id: &str, mut each: impl FnMut(&Message)) -> anyhow::Result<Message> {
    loop {
        let message = client.message(id).await.context("the message cannot be followed")?;
        each(&message);
        if message.is_final() {
            return Ok(message);
        }
        if message.state == "waiting" {
            let cause = message.cause.as_deref().unwrap_or("unknown");
            if cause == "confirm" {
                bail!("the message waits for a confirmation, which the demo should not need");
            }
        }
        crate::commands::pause(POLL).await;
    }
}
