//! `nuncio audiences`: uploaded lists of people.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use nuncio_api::UploadedList;
use nuncio_client::{Client, ClientError, ListFormat, ListOf, PeopleFilter};
use serde_json::json;
use uuid::Uuid;

use super::pages::{collect, show};
use super::{Connection, Failure, output};

/// Upload long lists of people, to be sent to with `nuncio send --list`; list, show and delete them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  nuncio audiences upload staff.csv --name \"All staff\"
  nuncio audiences show aud_01h455vb4pex5vsknk084sn02q
  nuncio send \"Hello\" --list aud_01h455vb4pex5vsknk084sn02q
  jq -c .id people.json | nuncio audiences upload - --format ndjson

A list has one person a line: an Entra object id, a sign-in name or a mail address. CSV may have a header, of which the \
column `id`, `upn` or `mail` counts; without one it is the first column. NDJSON is a JSON string a line, or an object with \
one of those members. Up to 1,000,000 lines and 64 MiB. If a line names nobody, all such lines are told and nothing is \
stored. Names are looked up afterwards: `nuncio audiences show` tells which of them nobody has.")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Upload a list; its id goes to stdout
    Upload {
        /// CSV, or NDJSON if its name ends with .ndjson or .jsonl; - reads stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Your word for it
        #[arg(long)]
        name: Option<String>,
        /// What it is written in [default: by the file's name, else csv]
        #[arg(long, value_name = "FORMAT", value_parser = ["csv", "ndjson"])]
        format: Option<String>,
        #[command(flatten)]
        lane: LaneOf,
        /// Running the same command again with the same key makes no second list [default: a new one]
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// List them
    List {
        #[command(flatten)]
        lane: LaneOf,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Show one, with the names in it that are not exactly one person's
    Show {
        /// The list, aud_…
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Delete one, with all who are in it
    Delete {
        /// The list, aud_…
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct LaneOf {
    /// App whose messages take it, where there are several
    #[arg(long)]
    app: Option<String>,
    /// Tenant whose people it names, where there are several
    #[arg(long)]
    tenant: Option<String>,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.connection.client()?;
    let as_json = args.connection.json;
    match args.command {
        Command::Upload { file, name, format, lane, idempotency_key } => {
            // Made here if not given, so that it can be named when the answer gets lost.
            let key = idempotency_key.unwrap_or_else(|| Uuid::new_v4().to_string());
            let of = ListOf { name, app: lane.app, tenant: lane.tenant, idempotency_key: Some(key.clone()) };
            let uploaded = upload(&client, &file, format.as_deref(), &of).await;
            let list = uploaded.map_err(|error| match error.downcast::<ClientError>() {
                Ok(error) => not_stored(error, &key),
                Err(error) => error,
            })?;
            if as_json {
                output::print_json(&list)?;
            } else {
                output::print(&list.id)?;
                eprintln!("{}", said(&list));
            }
        }
        Command::List { lane, limit } => {
            let filter = PeopleFilter { app: lane.app, tenant: lane.tenant, ..PeopleFilter::default() };
            let lists = collect(Some(limit), async |page| client.lists(&filter, page.of()).await).await?;
            show(as_json, &lists, table)?;
        }
        Command::Show { id } => {
            let list = client.list(&id).await?;
            if as_json {
                output::print_json(&list)?;
            } else {
                output::print(&shown(&list))?;
            }
        }
        Command::Delete { id } => {
            client.delete_list(&id).await?;
            if as_json {
                output::print_json(&json!({"id": id, "deleted": true}))?;
            } else {
                eprintln!("{id} is deleted");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Uploads a file, or stdin, as what it is.
pub(super) async fn upload(
    client: &Client,
    file: &Path,
    format: Option<&str>,
    of: &ListOf,
) -> anyhow::Result<UploadedList> {
    let mut list = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut list).context("stdin cannot be read")?;
    } else {
        list = std::fs::read(file)
            .map_err(|error| Failure::wrong_use(format!("{}: {error}", file.display())))?;
    }
    Ok(client.upload_list(list, format_of(file, format), of).await?)
}

fn not_stored(error: ClientError, key: &str) -> anyhow::Error {
    let lost = matches!(error, ClientError::Unreachable { .. });
    let error = anyhow::Error::new(error);
    if !lost {
        return error;
    }
    let hint = format!(
        "It is not known whether the list was stored. The same command with --idempotency-key {key}\n\
         stores it if it was not, and gives its id if it was."
    );
    error.context(Failure::not_done("the list was not stored, as far as is known").hint(hint))
}

fn format_of(file: &Path, given: Option<&str>) -> ListFormat {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let lines = ["ndjson", "jsonl"];
    if given.map_or(lines.iter().any(|line| extension.eq_ignore_ascii_case(line)), |given| given == "ndjson")
    {
        ListFormat::Ndjson
    } else {
        ListFormat::Csv
    }
}

/// What came of an upload, in a sentence.
pub(super) fn said(list: &UploadedList) -> String {
    let mut said = format!(
        "{} people in {} lines ({} duplicates, {} empty)",
        output::grouped(list.people),
        output::grouped(list.lines),
        output::grouped(list.duplicates),
        output::grouped(list.blanks)
    );
    if list.names > 0 {
        let names = output::grouped(list.names);
        let _ = write!(said, "; {names} of them by name, which are being looked up");
    }
    said
}

fn table(lists: &[UploadedList]) -> String {
    let rows = lists.iter().map(|list| {
        [
            list.id.clone(),
            output::or_dash(list.name.as_deref()),
            list.app.clone(),
            list.state.clone(),
            output::grouped(list.people),
            output::grouped(list.unresolved),
            output::second(&list.created_at),
        ]
    });
    output::table(&["list", "name", "app", "state", "people", "unresolved", "uploaded"], rows)
}

fn shown(list: &UploadedList) -> String {
    let mut rows = vec![
        ["list".to_owned(), list.id.clone()],
        ["name".to_owned(), output::or_dash(list.name.as_deref())],
        ["app".to_owned(), list.app.clone()],
        ["tenant".to_owned(), list.tenant.clone()],
        ["state".to_owned(), list.state.clone()],
        ["uploaded".to_owned(), output::second(&list.created_at)],
    ];
    for (what, count) in [
        ("lines", list.lines),
        ("people", list.people),
        ("duplicates", list.duplicates),
        ("empty", list.blanks),
        ("names", list.names),
        ("looked up", list.looked_up),
        ("unresolved", list.unresolved),
    ] {
        rows.push([what.to_owned(), output::grouped(count)]);
    }
    let mut text = output::table(&["", ""], rows).trim_start().to_owned();
    if let Some(cause) = &list.cause_text {
        let _ = write!(text, "\nNames are not looked up: {cause}");
    }
    if !list.unresolved_names.is_empty() {
        let names = list.unresolved_names.iter().map(|one| {
            [one.line.to_string(), output::clean(&one.name), format!("the directory knows {}", one.knows)]
        });
        text.push_str("\n\n");
        text.push_str(&output::table(&["line", "name", "why"], names));
        let more = list.unresolved - list.unresolved_names.len() as i64;
        if more > 0 {
            let _ = write!(text, "\nand {} more", output::grouped(more));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_by_name() {
        let of = |file: &str, given| format_of(Path::new(file), given);
        assert_eq!(of("staff.csv", None), ListFormat::Csv);
        assert_eq!(of("staff", None), ListFormat::Csv);
        assert_eq!(of("-", None), ListFormat::Csv);
        assert_eq!(of("staff.NDJSON", None), ListFormat::Ndjson);
        assert_eq!(of("staff.jsonl", None), ListFormat::Ndjson);
        assert_eq!(of("staff.jsonl", Some("csv")), ListFormat::Csv);
        assert_eq!(of("-", Some("ndjson")), ListFormat::Ndjson);
    }
}
