//! `nuncio reachability`: how many can be reached, and why the others cannot.

mod survey;

use std::process::ExitCode;

use super::{Connection, output};

/// Count the people in each state of reachability
#[derive(Debug, clap::Args)]
#[command(after_help = "Who they are: nuncio people --state STATE")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only those known to this app
    #[arg(long)]
    app: Option<String>,
    /// Only those of this tenant
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Survey(Box<survey::Args>),
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(Command::Survey(args)) = args.command {
        return survey::run(*args).await;
    }
    let client = args.connection.client()?;
    let reachability = client.reachability(args.app.as_deref(), args.tenant.as_deref()).await?;
    if args.connection.json {
        output::print_json(&reachability)?;
        return Ok(ExitCode::SUCCESS);
    }
    let states = reachability.states.iter().map(|(state, n)| [state.clone(), output::grouped(*n)]);
    let whole = [
        ["total".to_owned(), output::grouped(reachability.total)],
        ["muted".to_owned(), reachability.muted.clone()],
    ];
    output::print(&output::table(&["state", "people"], states.chain(whole)))?;
    Ok(ExitCode::SUCCESS)
}
