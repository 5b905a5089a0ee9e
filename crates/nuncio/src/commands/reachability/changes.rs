//! `nuncio reachability changes`: who came into another state, in the order of time.

use nuncio_api::{Change, Changes};
use nuncio_client::{Client, PageOf, PeopleFilter};

use super::how;
use crate::commands::output;

/// The largest page that the server gives.
const LARGEST: u32 = 1000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only changes since then, like 2026-11-22T10:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only into this state: reachable, blocked, removed, …
    #[arg(long)]
    state: Option<String>,
    /// Only those that are known so
    #[arg(long, value_parser = ["event", "refusal", "graph", "person", "call"])]
    how: Option<String>,
    /// Only of these
    #[arg(long, value_parser = ["person", "channel", "chat"])]
    kind: Option<String>,
    /// Only of those known to this app
    #[arg(long)]
    app: Option<String>,
    /// Only of those of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Go on behind this: what was shown as `resume`, with the same options
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

pub(super) async fn run(client: &Client, args: Args, as_json: bool) -> anyhow::Result<()> {
    let Args { since, state, how, kind, app, tenant, cursor, limit } = args;
    let filter = PeopleFilter { since, state, how, kind, app, tenant, message: None };
    let mut all = Changes { items: Vec::new(), next: cursor, resume: String::new() };
    let mut left = limit;
    loop {
        let page = PageOf { cursor: all.next.as_deref(), limit: Some(left.min(LARGEST)) };
        let page = client.reachability_changes(&filter, page).await?;
        left = left.saturating_sub(u32::try_from(page.items.len()).unwrap_or(u32::MAX));
        all.items.extend(page.items);
        (all.next, all.resume) = (page.next, page.resume);
        if all.next.is_none() || left == 0 {
            break;
        }
    }
    if as_json {
        output::print_json(&all)?;
        return Ok(());
    }
    output::print(&table(&all.items))?;
    let when = if all.next.is_some() { "There are more" } else { "What comes later" };
    eprintln!("{when}: the same with --cursor {}", all.resume);
    Ok(())
}

fn table(changes: &[Change]) -> String {
    let rows = changes.iter().map(|change| {
        [
            output::second(&change.evidence.at),
            change.id.clone(),
            output::or_dash(change.name.as_deref().or(change.upn.as_deref())),
            output::or_dash(change.was.as_deref()),
            change.state.clone(),
            how(&change.evidence),
            change.evidence.text.clone(),
        ]
    });
    output::table(&["at", "id", "name", "was", "became", "known by", "evidence"], rows)
}
