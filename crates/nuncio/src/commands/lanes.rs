//! `nuncio lanes`: one app in one tenant each; how fast it sends, and the kill switch.

use std::collections::BTreeSet;
use std::process::ExitCode;

use nuncio_api::Lane;
use nuncio_client::Client;

use super::{Connection, Failure, output};

/// List lanes (one app in one tenant each) with their pace, hold one or let it go on
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  nuncio lanes\n  nuncio lanes pause --app main\n  \
    nuncio lanes resume lane_00000000000000000000000001")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List lanes; the same as no subcommand
    List,
    /// Let nothing new start in a lane; what is in flight comes to its end
    Pause(Which),
    /// Let a lane go on, also before the time that Microsoft asked it to wait is over
    Resume(Which),
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").args(["id", "app", "tenant"]).required(true).multiple(true))]
struct Which {
    /// lane_…
    #[arg(value_name = "LANE", conflicts_with_all = ["app", "tenant"])]
    id: Option<String>,
    /// The lane of this app, where it has one only
    #[arg(long)]
    app: Option<String>,
    /// The lane in this tenant
    #[arg(long)]
    tenant: Option<String>,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.connection.client()?;
    let as_json = args.connection.json;
    let lane = match args.command {
        None | Some(Command::List) => {
            let lanes = client.lanes().await?.items;
            if as_json {
                output::print_json(&lanes)?;
            } else {
                output::print(&table(&lanes))?;
                for warning in warnings(&lanes) {
                    eprintln!("warning: {warning}");
                }
            }
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Pause(which)) => client.pause_lane(&find(&client, which).await?).await?,
        Some(Command::Resume(which)) => client.resume_lane(&find(&client, which).await?).await?,
    };
    if as_json {
        output::print_json(&lane)?;
    } else {
        let held = if lane.paused_since.is_some() { "is held" } else { "goes on" };
        eprintln!("{}: {} in tenant {} {held}", lane.id, lane.app, lane.tenant);
    }
    Ok(ExitCode::SUCCESS)
}

/// The id of the lane that is meant.
async fn find(client: &Client, which: Which) -> anyhow::Result<String> {
    if let Some(id) = which.id {
        return Ok(id);
    }
    let is = |wanted: &Option<String>, value: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let mut lanes = client.lanes().await?.items;
    lanes.retain(|lane| is(&which.app, &lane.app) && is(&which.tenant, &lane.tenant));
    match lanes.as_slice() {
        [lane] => Ok(lane.id.clone()),
        [] => Err(Failure::wrong_use("there is no such lane").hint("nuncio lanes lists them").into()),
        _ => Err(Failure::wrong_use("several lanes are meant")
            .hint("Give --app and --tenant, or the id that `nuncio lanes` shows.")
            .into()),
    }
}

/// What is to be said of credentials, once for each app.
fn warnings(lanes: &[Lane]) -> BTreeSet<String> {
    let of = |lane: &Lane| {
        let warning = lane.credential.as_ref()?.warning.as_ref()?;
        Some(output::clean(&format!("app {}: {warning}", lane.app)))
    };
    lanes.iter().filter_map(of).collect()
}

fn table(lanes: &[Lane]) -> String {
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
    let rows = lanes.iter().map(|lane| {
        [
            lane.id.clone(),
            lane.app.clone(),
            lane.tenant.clone(),
            output::grouped(lane.open_messages),
            rate(lane.rate_per_s),
            rate(lane.allowed_per_s),
            rate(lane.limit_per_s),
            output::or_dash(lane.cause_text.as_deref().or(lane.cause.as_deref())),
            output::second(&output::or_dash(lane.cooling_until.as_deref())),
        ]
    });
    let header = ["id", "app", "tenant", "open", "rate/s", "allowed/s", "limit/s", "waits because", "until"];
    output::table(&header, rows)
}
