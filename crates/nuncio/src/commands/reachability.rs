//! `nuncio reachability`: how many can be reached, why the others cannot, and what changed.

mod changes;
mod list;
mod show;
mod survey;
mod words;

use std::process::ExitCode;

use nuncio_api::{Evidence, Reachability};
use nuncio_client::PeopleFilter;

use super::{Connection, Failure, output};

/// Count the people in each state of reachability, list them, see what changed
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    nuncio reachability\n  \
    nuncio reachability --message msg_01h455vb4pex5vsknk084sn02q\n  \
    nuncio reachability list --state blocked\n  \
    nuncio reachability list --csv reachability.csv\n  \
    nuncio reachability changes --since 2026-11-22T00:00:00Z\n  \
    nuncio reachability show b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b\n\n\
    Who muted the chat is not detectable: Teams delivers to them and tells nobody.")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    counts: Counts,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List people, channels and chats with their state, since when, and how it is known
    List(list::Args),
    /// List who came into another state, in the order of time
    Changes(changes::Args),
    /// Show one recipient with everything that was known of them
    Show(show::Args),
    Survey(Box<survey::Args>),
}

#[derive(Debug, clap::Args)]
struct Counts {
    /// Only those known to this app
    #[arg(long)]
    app: Option<String>,
    /// Only those of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Count channels or chats instead of people
    #[arg(long, value_parser = ["person", "channel", "chat"])]
    kind: Option<String>,
    /// Only the audience of this message
    #[arg(long, value_name = "MESSAGE")]
    message: Option<String>,
}

impl Counts {
    fn is_given(&self) -> bool {
        self.app.is_some() || self.tenant.is_some() || self.kind.is_some() || self.message.is_some()
    }
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let as_json = args.connection.json;
    if args.command.is_some() && args.counts.is_given() {
        return Err(Failure::wrong_use("an option stands before its subcommand")
            .hint("Write it behind: nuncio reachability list --app NAME")
            .into());
    }
    let client = args.connection.client()?;
    match args.command {
        Some(Command::List(args)) => list::run(&client, args, as_json).await?,
        Some(Command::Changes(args)) => changes::run(&client, args, as_json).await?,
        Some(Command::Show(args)) => show::run(&client, args, as_json).await?,
        Some(Command::Survey(args)) => return survey::run(*args).await,
        None => {
            let Counts { app, tenant, kind, message } = args.counts;
            let filter = PeopleFilter { app, tenant, kind, message, ..PeopleFilter::default() };
            let reachability = client.reachability(&filter).await?;
            if as_json {
                output::print_json(&reachability)?;
            } else {
                output::print(&table(&reachability))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn table(reachability: &Reachability) -> String {
    let states = reachability.states.iter().map(|(state, count)| {
        let how = reachability.how.get(state).into_iter().flatten();
        let how: Vec<String> = how.map(|(how, n)| format!("{how} {}", output::grouped(*n))).collect();
        let how = output::or_dash(Some(&how.join(", ")));
        [state.clone(), output::grouped(*count), how, words::of(state).to_owned()]
    });
    let whole = [
        ["total".to_owned(), output::grouped(reachability.total), "-".to_owned(), String::new()],
        ["muted".to_owned(), reachability.muted.clone(), "-".to_owned(), words::MUTED.to_owned()],
    ];
    output::table(&["state", "count", "known by", "what it means, and what to do"], states.chain(whole))
}

/// How it is known, in a cell: `refusal 403 ConversationBlockedByUser`.
fn how(evidence: &Evidence) -> String {
    let status = evidence.status.map(|status| status.to_string());
    let parts = [Some(evidence.how.as_str()), status.as_deref(), evidence.code.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn how_or_dash(evidence: Option<&Evidence>) -> String {
    output::or_dash(evidence.map(how).as_deref())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn counts_with_how_they_are_known() {
        let counts = |pairs: &[(&str, i64)]| -> BTreeMap<String, i64> {
            pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
        };
        let reachability = Reachability {
            total: 1_234,
            states: counts(&[("blocked", 4), ("unknown", 1_230)]),
            how: BTreeMap::from([("blocked".to_owned(), counts(&[("graph", 1), ("refusal", 3)]))]),
            muted: "not detectable".to_owned(),
        };
        let text = table(&reachability);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("blocked  4               graph 1, refusal 3  They blocked"), "{text}");
        assert!(lines[2].starts_with("unknown  1,230           -"), "{text}");
        assert!(lines[4].starts_with("muted    not detectable"), "{text}");
    }
}
