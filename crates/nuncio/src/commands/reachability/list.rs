//! `nuncio reachability list`: who is in which state, since when, and how it is known.

use std::io;
use std::path::PathBuf;

use nuncio_api::Person;
use nuncio_client::{Client, PeopleFilter};

use super::how_or_dash;
use crate::commands::pages::{collect, each_page, show};
use crate::commands::{Failure, download, output};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only those in this state: reachable, blocked, removed, blocked_or_removed, never_installed, unknown, …
    #[arg(long)]
    state: Option<String>,
    /// Only those of whom it is known so
    #[arg(long, value_parser = ["event", "refusal", "graph", "person", "call"])]
    how: Option<String>,
    /// Only those in their state since then or later, like 2026-11-22T10:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only these
    #[arg(long, value_parser = ["person", "channel", "chat"])]
    kind: Option<String>,
    /// Only the audience of this message
    #[arg(long, value_name = "MESSAGE")]
    message: Option<String>,
    /// Only those known to this app
    #[arg(long)]
    app: Option<String>,
    /// Only those of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// At most this many; all of them with --csv or --json [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Write all of them as CSV to this file, or to stdout with -
    #[arg(long, value_name = "FILE", conflicts_with = "limit")]
    csv: Option<PathBuf>,
}

pub(super) async fn run(client: &Client, args: Args, as_json: bool) -> anyhow::Result<()> {
    let Args { state, how, since, kind, message, app, tenant, limit, csv } = args;
    let filter = PeopleFilter { kind, state, how, since, message, app, tenant };
    if let Some(file) = csv {
        if as_json {
            return Err(Failure::wrong_use("--csv and --json are two forms")
                .hint("Keep one of them.")
                .into());
        }
        return download::to(Some(&file), async |to| client.reachability_csv(&filter, to).await).await;
    }
    if as_json {
        // As they come: there may be a million of them.
        let mut array = output::JsonArray::begin(io::stdout().lock());
        each_page(
            limit,
            async |page| client.people(&filter, page.of()).await,
            |items| items.iter().try_for_each(|item| array.item(item)),
        )
        .await?;
        return Ok(array.end()?);
    }
    let limit = Some(limit.unwrap_or(100));
    let people = collect(limit, async |page| client.people(&filter, page.of()).await).await?;
    Ok(show(false, &people, table)?)
}

fn table(people: &[Person]) -> String {
    let rows = people.iter().map(|person| {
        let name = person.name.as_deref().or(person.upn.as_deref());
        [
            person.id.clone(),
            person.kind.clone(),
            output::or_dash(name),
            person.state.clone(),
            output::second(&output::or_dash(person.since.as_deref())),
            how_or_dash(person.evidence.as_ref()),
            how_or_dash(person.contradicted_by.as_ref()),
        ]
    });
    output::table(&["id", "kind", "name", "state", "since", "known by", "contradicted by"], rows)
}
