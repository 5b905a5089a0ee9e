//! `nuncio teams`: the teams that the apps are in.

use std::process::ExitCode;

use nuncio_api::Team;
use nuncio_client::{PageOf, TeamFilter};

use super::pages::{collect, show};
use super::{Connection, output};

/// The largest page that the server gives of teams.
const LARGEST: u32 = 200;

/// List the teams that the app is or was in, with their channels
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  nuncio teams --state archived\n  nuncio teams --json")]
pub struct Args {
    /// Only those in this state
    #[arg(long, value_parser = ["active", "archived", "deleted", "removed"])]
    state: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.connection.client()?;
    let filter = TeamFilter { state: args.state, ..TeamFilter::default() };
    let teams = collect(Some(args.limit), async |page| {
        let page = page.of();
        client.teams(&filter, PageOf { limit: page.limit.map(|limit| limit.min(LARGEST)), ..page }).await
    })
    .await?;
    show(args.connection.json, &teams, table)?;
    Ok(ExitCode::SUCCESS)
}

/// A channel, and whether the app was to speak there.
fn named(name: Option<&str>, picked: bool) -> String {
    format!("# {}{}", output::or_dash(name), if picked { " (picked)" } else { "" })
}

/// A line for each team, and one below it for each of its channels.
fn table(teams: &[Team]) -> String {
    let rows = teams.iter().flat_map(|team| {
        let by = team.installed_by.as_ref().map(|by| by.name.as_deref().unwrap_or(&by.id));
        let first = [
            team.id.clone(),
            output::or_dash(team.name.as_deref()),
            team.state.clone(),
            output::second(&output::or_dash(team.since.as_deref())),
            output::or_dash(by),
        ];
        let channels = team.channels.iter().map(|channel| {
            [
                channel.id.clone(),
                named(channel.name.as_deref(), team.picked_channel.as_ref() == Some(&channel.id)),
                channel.state.clone(),
                output::second(&output::or_dash(channel.since.as_deref())),
                output::or_dash(None),
            ]
        });
        std::iter::once(first).chain(channels).collect::<Vec<_>>()
    });
    output::table(&["id", "team, # channel", "state", "since", "installed by"], rows)
}
