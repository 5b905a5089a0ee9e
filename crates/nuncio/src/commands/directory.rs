//! `nuncio directory`: the synchronised copy of each lane's directory; a round now, and the answer when one would take
//! away too much.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use nuncio_api::{DirectoryCopy, DirectoryLoss};
use nuncio_client::Client;

use super::{Connection, Failure, output, pause};

/// How often it is looked at while somebody waits.
const EVERY: Duration = Duration::from_millis(500);
/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Show the synchronised copies of directories, bring one up to date, answer one that asks
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  nuncio directory\n  nuncio directory sync --wait\n  nuncio directory sync --full --app main\n  \
    nuncio directory confirm lane_00000000000000000000000001\n\n\
    A copy is kept for each app with `directory = \"synchronised\"` in its configuration: audiences are then read from it \
    and Microsoft Graph is not waited for."
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show each copy, its state and how much is in it; the same as no subcommand
    Status,
    /// Bring a copy up to date now
    Sync {
        #[command(flatten)]
        which: Which,
        /// Read everything anew, and not only what changed
        #[arg(long)]
        full: bool,
        /// Until it is whole again
        #[arg(long)]
        wait: bool,
    },
    /// Let go what a copy in the state `asks` would lose
    Confirm {
        #[command(flatten)]
        which: Which,
        /// Until it is whole again
        #[arg(long)]
        wait: bool,
    },
    /// Do not believe it: throw away what was read, and read everything anew
    Reject {
        #[command(flatten)]
        which: Which,
        /// Until it is whole again
        #[arg(long)]
        wait: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// lane_…; not needed where there is one copy only
    #[arg(value_name = "LANE", conflicts_with_all = ["app", "tenant"])]
    id: Option<String>,
    /// The copy of this app
    #[arg(long)]
    app: Option<String>,
    /// The copy of this tenant
    #[arg(long)]
    tenant: Option<String>,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.connection.client()?;
    let as_json = args.connection.json;
    let (which, wait) = match &args.command {
        None | Some(Command::Status) => {
            let copies = client.directory().await?.items;
            if as_json {
                output::print_json(&copies)?;
            } else {
                output::print(&table(&copies))?;
                copies.iter().filter_map(explained).for_each(|text| eprintln!("{text}"));
            }
            return Ok(ExitCode::SUCCESS);
        }
        Some(
            Command::Sync { which, wait, .. }
            | Command::Confirm { which, wait }
            | Command::Reject { which, wait },
        ) => (which, *wait),
    };
    let before = find(&client, which).await?;
    let told = match &args.command {
        Some(Command::Confirm { .. }) => client.confirm_directory(&before.lane).await?,
        Some(Command::Reject { .. }) => client.reject_directory(&before.lane).await?,
        Some(Command::Sync { full, .. }) => client.sync_directory(&before.lane, *full).await?,
        None | Some(Command::Status) => before.clone(),
    };
    let copy = if wait { follow(&client, &before).await? } else { told };
    if as_json {
        output::print_json(&copy)?;
    } else if wait {
        eprintln!("{}: {}", copy.lane, contents(&copy));
    } else {
        eprintln!("{}: it is done in the background; nuncio directory shows how far it is", copy.lane);
    }
    Ok(ExitCode::SUCCESS)
}

/// The copy that is meant.
async fn find(client: &Client, which: &Which) -> anyhow::Result<DirectoryCopy> {
    let is = |wanted: &Option<String>, value: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let mut copies = client.directory().await?.items;
    copies.retain(|copy| {
        is(&which.id, &copy.lane) && is(&which.app, &copy.app) && is(&which.tenant, &copy.tenant)
    });
    let kept: Vec<&DirectoryCopy> = copies.iter().filter(|copy| copy.directory == "synchronised").collect();
    match (kept.as_slice(), copies.as_slice()) {
        ([copy], _) => Ok((*copy).clone()),
        // The server says what to do.
        ([], [copy]) => Ok(copy.clone()),
        ([], []) => Err(Failure::wrong_use("there is no such lane").hint("nuncio directory lists them").into()),
        ([], _) => Err(Failure::wrong_use("no app keeps a copy of the directory")
            .hint("Set directory = \"synchronised\" in the app's table of the configuration, and restart the server.")
            .into()),
        _ => Err(Failure::wrong_use("several copies are meant")
            .hint("Give --app and --tenant, or the lane that `nuncio directory` shows.")
            .into()),
    }
}

/// Waits until a round that ended after `before` is whole.
async fn follow(client: &Client, before: &DirectoryCopy) -> anyhow::Result<DirectoryCopy> {
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    let mut said: Option<Instant> = None;
    // An answer is obeyed a moment later; until then the copy asks still.
    let was_asked = before.state == "asks";
    let mut went_on = !was_asked;
    loop {
        let copies = client.directory().await?.items;
        let Some(copy) = copies.into_iter().find(|copy| copy.lane == before.lane) else {
            return Err(Failure::not_done("the lane is not there any more").into());
        };
        went_on |= copy.state != "asks";
        let line = progress(&copy);
        bar.set_message(line.clone());
        bar.tick();
        if bar.is_hidden() && said.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
            eprintln!("{line}");
            said = Some(Instant::now());
        }
        if copy.state == "current" && copy.complete_at != before.complete_at {
            bar.finish_and_clear();
            return Ok(copy);
        }
        if went_on && copy.state == "asks" {
            bar.finish_and_clear();
            return Err(Failure::not_done(explained(&copy).unwrap_or_else(|| "it asks".to_owned()))
                .hint(format!("nuncio directory confirm {0}, or nuncio directory reject {0}", copy.lane))
                .into());
        }
        if copy.state == "failing" && copy.next_at != before.next_at {
            bar.finish_and_clear();
            let cause = copy.cause.unwrap_or_default();
            return Err(Failure::not_done(format!(
                "the directory cannot be read: {}",
                output::clean(&cause)
            ))
            .hint("It is tried again by itself; nuncio directory shows when.")
            .into());
        }
        pause(EVERY).await;
    }
}

fn progress(copy: &DirectoryCopy) -> String {
    let waits =
        copy.cause.as_deref().map_or_else(String::new, |cause| format!(" ({})", output::clean(cause)));
    match &copy.round {
        Some(round) => {
            let what = if round.full { "everything" } else { "changes" };
            format!(
                "{}: reading {what}, {}: {} read{waits}",
                copy.lane,
                round.step,
                output::grouped(round.read)
            )
        }
        None => format!("{}: {}{waits}", copy.lane, copy.state),
    }
}

fn contents(copy: &DirectoryCopy) -> String {
    format!(
        "{} people and {} groups with {} members",
        output::grouped(copy.people),
        output::grouped(copy.groups),
        output::grouped(copy.members)
    )
}

/// What somebody has to do or to know.
fn explained(copy: &DirectoryCopy) -> Option<String> {
    let lane = &copy.lane;
    match (&copy.asks, copy.state.as_str()) {
        (Some(DirectoryLoss { people, groups, members }), _) => Some(format!(
            "{lane}: Microsoft Graph does not name {} of {} people, {} of {} groups and {} of {} members any more. \
             Nothing is taken away before you say so: nuncio directory confirm {lane}; or read everything anew: \
             nuncio directory reject {lane}",
            output::grouped(*people),
            output::grouped(copy.people),
            output::grouped(*groups),
            output::grouped(copy.groups),
            output::grouped(*members),
            output::grouped(copy.members),
        )),
        (None, "failing") => {
            Some(format!("{lane}: {}", output::clean(copy.cause.as_deref().unwrap_or("it is failing"))))
        }
        _ => None,
    }
}

fn table(copies: &[DirectoryCopy]) -> String {
    let time = |time: Option<&str>| output::second(&output::or_dash(time));
    let rows = copies.iter().map(|copy| {
        [
            copy.lane.clone(),
            copy.app.clone(),
            copy.tenant.clone(),
            if copy.directory == "live" { "live".to_owned() } else { copy.state.clone() },
            time(copy.since.as_deref()),
            output::grouped(copy.people),
            output::grouped(copy.groups),
            output::grouped(copy.members),
            time(copy.complete_at.as_deref()),
            time(copy.used_until.as_deref()),
            time(copy.next_at.as_deref()),
        ]
    });
    let header = [
        "lane",
        "app",
        "tenant",
        "state",
        "since",
        "people",
        "groups",
        "members",
        "whole at",
        "used until",
        "next",
    ];
    output::table(&header, rows)
}
