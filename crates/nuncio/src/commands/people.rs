//! `nuncio people`: who is known.

use std::process::ExitCode;

use nuncio_api::Person;
use nuncio_client::PeopleFilter;

use super::pages::{collect, show};
use super::{Connection, output};

/// List the people, channels and chats that are known, and whether they can be reached
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  nuncio people --state blocked\n  nuncio people --kind channel --json")]
pub struct Args {
    /// Only those in this state: reachable, blocked, removed, blocked_or_removed, never_installed, unknown, …
    #[arg(long)]
    state: Option<String>,
    /// Only these
    #[arg(long, value_parser = ["person", "channel", "chat"])]
    kind: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.connection.client()?;
    let filter = PeopleFilter { kind: args.kind, state: args.state, ..PeopleFilter::default() };
    let people = collect(Some(args.limit), async |page| client.people(&filter, page.of()).await).await?;
    show(args.connection.json, &people, table)?;
    Ok(ExitCode::SUCCESS)
}

fn table(people: &[Person]) -> String {
    let rows = people.iter().map(|person| {
        [
            person.id.clone(),
            person.kind.clone(),
            output::or_dash(person.name.as_deref()),
            person.state.clone(),
            output::second(&output::or_dash(person.since.as_deref())),
            output::or_dash(person.evidence.as_ref().map(|evidence| evidence.text.as_str())),
        ]
    });
    output::table(&["id", "kind", "name", "state", "since", "evidence"], rows)
}
