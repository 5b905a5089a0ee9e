//! `nuncio conversations`: where the apps can speak.

use std::process::ExitCode;

use nuncio_api::Conversation;
use nuncio_client::ConversationFilter;

use super::pages::{collect, show};
use super::{Connection, output};

/// List the conversations that are known: with people, in group and meeting chats, in channels
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  nuncio conversations --kind group_chat\n  nuncio conversations --state chat_gone --json"
)]
pub struct Args {
    /// Only these
    #[arg(long, value_parser = ["personal", "group_chat", "meeting_chat", "channel"])]
    kind: Option<String>,
    /// Only those in this state: reachable, removed, chat_gone, …
    #[arg(long)]
    state: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.connection.client()?;
    let filter = ConversationFilter { kind: args.kind, state: args.state, ..ConversationFilter::default() };
    let conversations =
        collect(Some(args.limit), async |page| client.conversations(&filter, page.of()).await).await?;
    show(args.connection.json, &conversations, table)?;
    Ok(ExitCode::SUCCESS)
}

fn table(conversations: &[Conversation]) -> String {
    let rows = conversations.iter().map(|known| {
        let team = known.team.as_ref().map(|team| team.name.as_deref().unwrap_or(&team.id));
        [
            known.id.clone(),
            known.kind.clone(),
            output::or_dash(known.name.as_deref()),
            output::or_dash(team),
            known.state.clone(),
            output::second(&output::or_dash(known.since.as_deref())),
            output::or_dash(known.evidence.as_ref().map(|evidence| evidence.text.as_str())),
        ]
    });
    output::table(&["id", "kind", "name", "team", "state", "since", "evidence"], rows)
}
