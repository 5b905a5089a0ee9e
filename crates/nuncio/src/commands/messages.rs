//! `nuncio messages`: what was sent, and what became of it.

mod retry;
mod settle;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nuncio_api::{Delivery, Message};
use nuncio_client::{Client, DeliveryFilter, MessageControl, MessageFilter};

use super::pages::{collect, each_page, show};
use super::{Connection, Failure, download, output};

/// List messages, look into one, stop it or let it go on
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    nuncio messages --state sending\n  \
    nuncio messages show msg_01h455vb4pex5vsknk084sn02q\n  \
    nuncio messages deliveries msg_01h455vb4pex5vsknk084sn02q --state failed\n  \
    nuncio messages settle msg_01h455vb4pex5vsknk084sn02q --as delivered --all\n  \
    nuncio messages retry msg_01h455vb4pex5vsknk084sn02q --reason not_installed --wait\n  \
    nuncio messages report msg_01h455vb4pex5vsknk084sn02q -o report.csv")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List messages, newest first; the same as no subcommand
    List(List),
    /// Show a message and its ledger
    Show(Id),
    /// List a message's deliveries, one for each recipient
    Deliveries {
        #[command(flatten)]
        id: Id,
        /// Only those in this state: pending, in_flight, delivered, failed, skipped, ambiguous, cancelled, expired
        #[arg(long)]
        state: Option<String>,
        /// Only those with this reason: not_installed, blocked_by_user, unreachable, …
        #[arg(long)]
        reason: Option<String>,
    },
    /// Write a message's report as CSV, one row for each recipient
    Report {
        #[command(flatten)]
        id: Id,
        /// Write it to this file instead of stdout
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Stop a message for good; what is in flight comes to its end
    Cancel(Id),
    /// Stop a message for now
    Pause(Id),
    /// Let a paused message go on
    Resume(Id),
    /// Send a message that waits because its audience is larger than its limit
    Confirm(Id),
    /// Settle ambiguous deliveries, which Teams may or may not have taken
    Settle(settle::Args),
    /// Send a message again, as a new one, to those whom it did not reach
    Retry(Box<retry::Args>),
}

#[derive(Debug, clap::Args)]
struct Id {
    /// msg_…
    #[arg(value_name = "MESSAGE")]
    id: String,
}

#[derive(Debug, Default, clap::Args)]
struct List {
    /// Only those in this state: scheduled, expanding, waiting, sending, paused, completed, cancelled
    #[arg(long)]
    state: Option<String>,
    /// Only those with this label
    #[arg(long)]
    label: Option<String>,
    /// At most this many [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let as_json = args.connection.json;
    let command = match args.command {
        None => Command::List(args.list),
        Some(command)
            if args.list.state.is_some() || args.list.label.is_some() || args.list.limit.is_some() =>
        {
            // They would be ignored, and `deliveries` has a `--state` of its own.
            let _ = command;
            return Err(Failure::wrong_use("an option stands before its subcommand")
                .hint("Write it behind: nuncio messages deliveries MESSAGE --state failed")
                .into());
        }
        Some(command) => command,
    };
    let client = args.connection.client()?;
    match command {
        Command::List(filter) => list(&client, filter, as_json).await?,
        Command::Show(Id { id }) => {
            let message = client.message(&id).await?;
            if as_json {
                output::print_json(&message)?;
            } else {
                output::print(&shown(&message))?;
            }
        }
        Command::Deliveries { id: Id { id }, state, reason } => {
            deliveries(&client, &id, DeliveryFilter { state, reason }, as_json).await?;
        }
        Command::Report { id: Id { id }, output } => report(&client, &id, output.as_deref(), as_json).await?,
        Command::Cancel(Id { id }) => control(&client, &id, MessageControl::Cancel, as_json).await?,
        Command::Pause(Id { id }) => control(&client, &id, MessageControl::Pause, as_json).await?,
        Command::Resume(Id { id }) => control(&client, &id, MessageControl::Resume, as_json).await?,
        Command::Confirm(Id { id }) => control(&client, &id, MessageControl::Confirm, as_json).await?,
        Command::Settle(args) => return settle::run(&client, args, as_json).await,
        Command::Retry(args) => return retry::run(&client, *args, as_json).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, list: List, as_json: bool) -> anyhow::Result<()> {
    let filter = MessageFilter { state: list.state, label: list.label };
    let limit = list.limit.unwrap_or(20);
    let messages = collect(Some(limit), async |page| client.messages(&filter, page.of()).await).await?;
    Ok(show(as_json, &messages, table)?)
}

fn table(messages: &[Message]) -> String {
    let rows = messages.iter().map(|message| {
        let counts = message.counts;
        [
            message.id.clone(),
            state(message),
            output::or_dash(message.label.as_deref()),
            output::grouped(counts.audience),
            output::grouped(counts.delivered),
            output::grouped(
                counts.failed + counts.skipped + counts.ambiguous + counts.expired + counts.cancelled,
            ),
            output::second(&message.created_at),
        ]
    });
    let header = ["id", "state", "label", "audience", "delivered", "not delivered", "created"];
    output::table(&header, rows)
}

/// The state, with why it is not going on.
pub(super) fn state(message: &Message) -> String {
    match &message.cause {
        Some(cause) => format!("{}: {}", message.state, output::clean(cause)),
        None => message.state.clone(),
    }
}

fn shown(message: &Message) -> String {
    let mut lines = vec![
        ("id", message.id.clone()),
        ("state", state(message)),
        ("app", format!("{} in tenant {}", message.app, message.tenant)),
        ("priority", message.priority.clone()),
        ("created", output::second(&message.created_at)),
        ("expires", output::second(&message.expires_at)),
    ];
    let mut also = |name, value: Option<String>| lines.extend(value.map(|value| (name, value)));
    also("why", message.cause_text.clone());
    also("asked to", message.requested.clone());
    also("label", message.label.clone());
    also("tries again", message.retries.clone());
    also("send at", message.send_at.as_deref().map(output::second));
    also("completed", message.completed_at.as_deref().map(output::second));
    also("rate", message.rate_per_s.map(|rate| format!("{rate:.1} messages/s")));
    also("done at about", message.eta.as_deref().map(output::second));
    also("Microsoft asks to wait until", message.cooling_until.as_deref().map(output::second));
    also("duplicates removed", Some(message.duplicates_removed).filter(|n| *n > 0).map(output::grouped));
    also("need attention", Some(message.needs_attention).filter(|n| *n > 0).map(output::grouped));
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in lines {
        text.push_str(format!("{name:width$}  {}", output::clean(&value)).trim_end());
        text.push('\n');
    }
    text + "\n" + &output::ledger_table(message)
}

async fn deliveries(client: &Client, id: &str, filter: DeliveryFilter, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        // As it comes: there may be a million of them.
        let mut array = output::JsonArray::begin(io::stdout().lock());
        each_page(
            None,
            async |page| client.deliveries(id, &filter, page.of()).await,
            |items| items.iter().try_for_each(|item| array.item(item)),
        )
        .await?;
        return Ok(array.end()?);
    }
    let (deliveries, _) = collect(None, async |page| client.deliveries(id, &filter, page.of()).await).await?;
    let header = ["id", "recipient", "name", "state", "reason", "answer", "attempts", "last call"];
    output::print(&output::table(&header, deliveries.iter().map(row)))?;
    Ok(())
}

fn row(delivery: &Delivery) -> [String; 8] {
    let answer = match (delivery.status, &delivery.code) {
        (Some(status), Some(code)) => format!("{status} {code}"),
        (Some(status), None) => status.to_string(),
        (None, code) => output::or_dash(code.as_deref()),
    };
    [
        delivery.id.clone(),
        delivery.recipient.clone(),
        output::or_dash(delivery.name.as_deref()),
        delivery.state.clone(),
        output::or_dash(delivery.reason.as_deref()),
        answer,
        delivery.attempts.to_string(),
        output::second(&output::or_dash(delivery.last_at.as_deref())),
    ]
}

async fn report(client: &Client, id: &str, file: Option<&Path>, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return Err(Failure::wrong_use("a report is CSV")
            .hint("The same as JSON: nuncio messages deliveries MESSAGE --json")
            .into());
    }
    download::to(file, async |to| client.report_csv(id, to).await).await
}

async fn control(client: &Client, id: &str, control: MessageControl, as_json: bool) -> anyhow::Result<()> {
    let accepted = client.control(id, control).await?;
    if as_json {
        output::print_json(&accepted)?;
    } else {
        eprintln!("{}: {} is accepted; state {}", accepted.id, control.as_str(), accepted.state);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_words() {
        let mut message = output::tests::message();
        message.state = "waiting".to_owned();
        message.cause = Some("credential".to_owned());
        message.cause_text = Some("the client secret has expired".to_owned());
        let text = shown(&message);
        assert!(text.contains("waiting: credential\n"), "{text}");
        assert!(text.contains("the client secret has expired\n"), "{text}");
        assert!(text.contains("audience"), "{text}");
    }
}
