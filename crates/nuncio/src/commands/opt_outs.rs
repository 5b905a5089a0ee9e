//! `nuncio opt-outs`: who wants no messages.

use std::process::ExitCode;

use nuncio_api::{NewOptOuts, OptOut};
use nuncio_client::PeopleFilter;
use serde_json::json;

use super::pages::{collect, show};
use super::{Connection, output};

/// List who wants no messages, note it of somebody, or take it back
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  nuncio opt-outs list\n  \
    nuncio opt-outs add b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b\n  \
    nuncio opt-outs remove b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b --app main")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List them
    List {
        #[command(flatten)]
        lane: LaneOf,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Note that people want no messages
    Add {
        /// Entra object ids
        #[arg(value_name = "USER", required = true)]
        users: Vec<String>,
        #[command(flatten)]
        lane: LaneOf,
    },
    /// Take it back, also what they wrote themselves; for administrators
    Remove {
        /// Entra object id
        #[arg(value_name = "USER")]
        user: String,
        #[command(flatten)]
        lane: LaneOf,
    },
}

#[derive(Debug, clap::Args)]
struct LaneOf {
    /// App that they do not want to hear, where there are several
    #[arg(long)]
    app: Option<String>,
    /// Their tenant, where there are several
    #[arg(long)]
    tenant: Option<String>,
}

impl LaneOf {
    fn filter(self) -> PeopleFilter {
        PeopleFilter { app: self.app, tenant: self.tenant, ..PeopleFilter::default() }
    }
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.connection.client()?;
    let as_json = args.connection.json;
    match args.command {
        Command::List { lane, limit } => {
            let filter = lane.filter();
            let known = collect(Some(limit), async |page| client.opt_outs(&filter, page.of()).await).await?;
            show(as_json, &known, table)?;
        }
        Command::Add { users, lane } => {
            let LaneOf { app, tenant } = lane;
            let noted = client.add_opt_outs(&NewOptOuts { app, tenant, users }).await?;
            if as_json {
                output::print_json(&noted)?;
            } else {
                eprintln!("{} noted", output::grouped(noted.noted));
            }
        }
        Command::Remove { user, lane } => {
            client.remove_opt_out(&user, &lane.filter()).await?;
            if as_json {
                output::print_json(&json!({"user": user, "removed": true}))?;
            } else {
                eprintln!("{user} gets messages again");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn table(known: &[OptOut]) -> String {
    let rows = known.iter().map(|one| {
        [
            one.user.clone(),
            output::or_dash(one.name.as_deref()),
            one.app.clone(),
            output::second(&one.since),
            one.how.clone(),
        ]
    });
    output::table(&["user", "name", "app", "since", "how"], rows)
}
