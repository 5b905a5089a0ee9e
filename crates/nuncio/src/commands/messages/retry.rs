//! `nuncio messages retry`: the same once more, as a new message, to those whom it did not reach.

use std::process::ExitCode;

use nuncio_api::Retry;
use nuncio_client::Client;
use uuid::Uuid;

use super::Id;
use crate::commands::output;
use crate::commands::send::{NO_LIMIT, Waiting, followed, not_sent, time};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  nuncio messages retry msg_01h455vb4pex5vsknk084sn02q --reason not_installed --reason blocked_by_user --wait
  nuncio messages retry msg_01h455vb4pex5vsknk084sn02q --state failed --state expired

The new message's id goes to stdout. Exit codes as of `nuncio send`.")]
pub(super) struct Args {
    #[command(flatten)]
    id: Id,
    /// What they came to; may be repeated [default: failed]
    #[arg(long, value_name = "STATE", value_parser = ["failed", "skipped", "cancelled", "expired"])]
    state: Vec<String>,
    /// Of failed and skipped ones only those with this reason; may be repeated
    #[arg(long)]
    reason: Vec<String>,
    /// Your word for it [default: that of the first one]
    #[arg(long)]
    label: Option<String>,
    /// [default: that of the first one]
    #[arg(long, value_parser = ["urgent", "normal", "bulk"])]
    priority: Option<String>,
    /// More recipients than this need a confirmation before anything is sent [server's default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=NO_LIMIT))]
    max_recipients: Option<i64>,
    /// Not before this time (2026-11-23T08:00:00Z, or with an offset like +01:00)
    #[arg(long, value_name = "TIME", value_parser = time)]
    send_at: Option<String>,
    /// Not after this time [default: 24 hours later, urgent 1 hour]
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires_at: Option<String>,
    /// Running the same command again with the same key makes no second message [default: a new one]
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Send without asking, however many recipients there are
    #[arg(long)]
    yes: bool,
    /// Stay until it is done, and print the ledger
    #[arg(long)]
    wait: bool,
    /// With --wait: exit code 1 if anyone does not have it, for whatever reason
    #[arg(long, requires = "wait")]
    strict: bool,
}

pub(super) async fn run(client: &Client, args: Args, as_json: bool) -> anyhow::Result<ExitCode> {
    let retry = Retry {
        states: args.state,
        reasons: args.reason,
        label: args.label,
        priority: args.priority,
        max_recipients: args.max_recipients.or(args.yes.then_some(NO_LIMIT)),
        send_at: args.send_at,
        expires_at: args.expires_at,
    };
    let key = args.idempotency_key.unwrap_or_else(|| Uuid::new_v4().to_string());
    let accepted =
        client.retry(&args.id.id, &retry, Some(&key)).await.map_err(|error| not_sent(error, &key))?;
    if !as_json {
        output::print(&accepted.id)?;
    }
    let waiting = Waiting { wait: args.wait, yes: args.yes, strict: args.strict, json: as_json };
    followed(client, &accepted, &waiting).await
}
