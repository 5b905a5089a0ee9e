//! `nuncio reachability show`: one recipient with everything that was known of them.

use nuncio_api::{Past, PersonWithHistory};
use nuncio_client::{Client, PeopleFilter};

use super::{how, words};
use crate::commands::output;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Entra object id, or the conversation id of a channel or chat
    #[arg(value_name = "PERSON")]
    id: String,
    /// As this app knows them, where several do
    #[arg(long)]
    app: Option<String>,
    /// In this tenant, where several know them
    #[arg(long)]
    tenant: Option<String>,
}

pub(super) async fn run(client: &Client, args: Args, as_json: bool) -> anyhow::Result<()> {
    let filter = PeopleFilter { app: args.app, tenant: args.tenant, ..PeopleFilter::default() };
    let person = client.person(&args.id, &filter).await?;
    if as_json {
        output::print_json(&person)?;
    } else {
        output::print(&shown(&person))?;
    }
    Ok(())
}

fn shown(PersonWithHistory { person, history, muted }: &PersonWithHistory) -> String {
    let mut lines = vec![
        ("id", person.id.clone()),
        ("kind", person.kind.clone()),
        ("app", format!("{} in tenant {}", person.app, person.tenant)),
        ("state", person.state.clone()),
        ("means", words::of(&person.state).to_owned()),
    ];
    let mut also = |name, value: Option<String>| lines.extend(value.map(|value| (name, value)));
    also("name", person.name.clone());
    also("sign-in name", person.upn.clone());
    also("since", person.since.as_deref().map(output::second));
    let evidence = |evidence: &nuncio_api::Evidence| {
        format!("{} ({}), {}", evidence.text, how(evidence), output::second(&evidence.at))
    };
    also("known by", person.evidence.as_ref().map(evidence));
    also("contradicted by", person.contradicted_by.as_ref().map(evidence));
    also("seen before", person.seen.as_ref().map(|seen| seen.state.clone()));
    also("wants no messages since", person.opted_out_since.as_deref().map(output::second));
    also("muted", Some(muted.clone()));
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> =
        lines.iter().map(|(name, value)| format!("{name:width$}  {}", output::clean(value))).collect();
    format!("{}\n\n{}", lines.join("\n"), table(history))
}

fn table(history: &[Past]) -> String {
    let rows = history.iter().map(|past| {
        let state = if past.contradicts { format!("({})", past.state) } else { past.state.clone() };
        let text = match &past.sent_at {
            None => past.evidence.text.clone(),
            Some(sent_at) => {
                format!("{}; it was sent {} and came late", past.evidence.text, output::second(sent_at))
            }
        };
        [output::second(&past.evidence.at), state, how(&past.evidence), text]
    });
    output::table(&["at", "state (in brackets: only beside it)", "known by", "evidence"], rows)
}
