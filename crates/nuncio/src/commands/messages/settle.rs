//! `nuncio messages settle`: what nobody could know of a delivery, a person knows.

use std::process::ExitCode;

use nuncio_api::Settle;
use nuncio_client::Client;

use super::Id;
use crate::cli::NOT_ALL;
use crate::commands::{asked, output, someone_there};

#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("which").args(["all", "deliveries"]).required(true),
    after_help = "\
Examples:
  nuncio messages deliveries msg_01h455vb4pex5vsknk084sn02q --state ambiguous
  nuncio messages settle msg_01h455vb4pex5vsknk084sn02q --as delivered --all
  nuncio messages settle msg_01h455vb4pex5vsknk084sn02q --as resend dlv_0000000000001r0000000000g1

Exit codes: 0 it is accepted; 1 you said no, or there was nobody to ask; 2 wrong use; 3 it could not be done."
)]
pub(super) struct Args {
    #[command(flatten)]
    id: Id,
    /// delivered: they have it. resend: send it once more, which who has it already sees twice
    #[arg(long = "as", value_name = "WORD", value_parser = ["delivered", "resend"])]
    verdict: String,
    /// All that are ambiguous now
    #[arg(long)]
    all: bool,
    /// dlv_…
    #[arg(value_name = "DELIVERY")]
    deliveries: Vec<String>,
    /// Do not ask before sending to several once more
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(client: &Client, args: Args, as_json: bool) -> anyhow::Result<ExitCode> {
    let Args { id: Id { id }, verdict, all, deliveries, yes } = args;
    if verdict == "resend" && !yes {
        let many = if all {
            client.message(&id).await?.needs_attention
        } else {
            i64::try_from(deliveries.len()).unwrap_or(i64::MAX)
        };
        if many > 1 && !may(many).await? {
            return Ok(ExitCode::from(NOT_ALL));
        }
    }
    let settled = client.settle(&id, &Settle { verdict: verdict.clone(), deliveries, all }).await?;
    if as_json {
        output::print_json(&settled)?;
    } else {
        eprintln!("{id}: {} ambiguous, settled as {verdict}", output::grouped(settled.settled));
    }
    Ok(ExitCode::SUCCESS)
}

async fn may(many: i64) -> anyhow::Result<bool> {
    if !someone_there() {
        eprintln!("{} may get it twice; nothing is settled", output::grouped(many));
        eprintln!("  hint: --yes does not ask");
        return Ok(false);
    }
    asked(format!("Send it once more to {}, of whom some may have it?", output::grouped(many))).await
}
