//! `nuncio send`: asks for a message and, with `--wait`, follows it to its end.

mod dry_run;
mod follow;
mod outcome;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use nuncio_api::{Accepted, Audience, ContentRequest, Exclude, NewMessage};
use nuncio_client::{Client, ClientError, ListOf};
use uuid::Uuid;

use super::{Connection, Failure, audiences, output, someone_there};
use crate::cli::NOT_ALL;

pub(super) use follow::Words;
pub use outcome::exit_code;

/// What `--yes` asks for where no other limit is given: the API's largest.
pub(super) const NO_LIMIT: i64 = 1_000_000;

/// Send a message to people, groups and teams, to channels, or to everyone
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("content").args(["text", "card", "dry_run"]).required(true).multiple(true),
    group = clap::ArgGroup::new("audience").args(["user", "users_file", "group", "team", "everyone", "installed", "list", "channel", "picked_channel"])
        .required(true).multiple(true),
    after_help = "\
Examples:
  nuncio send \"Deploy **finished**\" --channel 19:abc@thread.tacv2
  nuncio send \"Rolled back\" --channel \"19:abc@thread.tacv2;messageid=1795356400456\"
  nuncio send --card outage.json --summary \"Outage\" --users-file on-call.txt --priority urgent --wait
  echo \"The canteen opens at eight\" | nuncio send - --installed --wait
  nuncio send \"New canteen\" --list staff.csv --exclude-group 0b7f2c15-4f0e-4b2f-9c1d-6a1a0c9b7e52 --yes --wait
  nuncio send --dry-run --everyone
  nuncio send \"Welcome back\" --user ines@contoso.com --group 0b7f2c15-4f0e-4b2f-9c1d-6a1a0c9b7e52 --include guests

The message id goes to stdout, with --wait the ledger as well, with --dry-run the count alone.

Exit codes: 0 everyone who can be reached has it (without --wait: it is accepted); 1 some do not have it, \
or it waits for a confirmation (with --dry-run: nobody would get it); 2 wrong use; 3 it could not be sent, followed or counted."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    /// What to say, in Markdown as far as Teams shows it; - reads it from stdin
    text: Option<String>,
    /// Say an Adaptive Card (JSON file) instead of a text
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    card: Option<PathBuf>,
    /// Line of the toast and the activity feed
    #[arg(long)]
    summary: Option<String>,

    /// A person, by Entra object id, sign-in name or mail address; may be repeated
    #[arg(long, value_name = "WHO", help_heading = "Audience")]
    user: Vec<String>,
    /// People, one a line, named as with --user; empty lines and those that begin with # do not count; - reads stdin
    #[arg(long, value_name = "FILE", help_heading = "Audience")]
    users_file: Option<PathBuf>,
    /// A long list: a file to upload (see `nuncio audiences`) or one that is uploaded, aud_…; may be repeated
    #[arg(long, value_name = "FILE|ID", help_heading = "Audience")]
    list: Vec<PathBuf>,
    /// The people of an Entra group and of all groups in it, by its object id; may be repeated
    #[arg(long, value_name = "ID", help_heading = "Audience")]
    group: Vec<String>,
    /// The members of a team, one to one, by its id (19:…@thread.tacv2) or that of its Entra group; may be repeated
    #[arg(long, value_name = "ID", help_heading = "Audience")]
    team: Vec<String>,
    /// Everyone in the directory with an enabled account and a Teams plan
    #[arg(long, help_heading = "Audience")]
    everyone: bool,
    /// Also people who are left out by default
    #[arg(long, value_name = "KIND", value_parser = ["guests", "disabled"], value_delimiter = ',', help_heading = "Audience")]
    include: Vec<String>,
    /// Everyone who has the app installed
    #[arg(long, help_heading = "Audience")]
    installed: bool,
    /// A new thread in a channel, by conversation id (19:…@thread.tacv2), or a reply in one of its threads
    /// (19:…@thread.tacv2;messageid=…); may be repeated
    #[arg(long, value_name = "ID", help_heading = "Audience")]
    channel: Vec<String>,
    /// A new thread in the channel that was picked when the app was installed in a team, by the team's id or that of its
    /// Entra group; General where none was picked; may be repeated
    #[arg(long, value_name = "TEAM", help_heading = "Audience")]
    picked_channel: Vec<String>,
    /// Not this person, named as with --user; may be repeated
    #[arg(long, value_name = "WHO", help_heading = "Audience")]
    exclude: Vec<String>,
    /// Not the people of this Entra group and of all groups in it, by its object id; may be repeated
    #[arg(long, value_name = "ID", help_heading = "Audience")]
    exclude_group: Vec<String>,
    /// More recipients than this need a confirmation before anything is sent [server's default: 1000]
    #[arg(long, value_name = "N", help_heading = "Audience", value_parser = clap::value_parser!(i64).range(1..=NO_LIMIT))]
    max_recipients: Option<i64>,
    /// Send without asking, however many recipients there are
    #[arg(long, help_heading = "Audience")]
    yes: bool,

    /// Your word for this kind of message, to find it by
    #[arg(long, help_heading = "How")]
    label: Option<String>,
    /// urgent goes before everything else, bulk behind [default: normal]
    #[arg(long, value_parser = ["urgent", "normal", "bulk"], help_heading = "How")]
    priority: Option<String>,
    /// When nobody can know whether Teams took it: hold it back, or send it once more [default: by recipient]
    #[arg(long, value_parser = ["hold", "resend"], help_heading = "How")]
    on_ambiguous: Option<String>,
    /// Have the app installed first for who never had it, or also for who removed it; the server and the API key must
    /// allow that [default: never]
    #[arg(long, value_parser = ["never", "if-never-installed", "also-if-removed"], help_heading = "How")]
    install: Option<String>,
    /// Who cannot be reached now: leave them out, or wait until they can be [default: fail]
    #[arg(long, value_parser = ["fail", "wait"], help_heading = "How")]
    when_unreachable: Option<String>,
    /// Not before this time (2026-11-23T08:00:00Z, or with an offset like +01:00)
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "How")]
    send_at: Option<String>,
    /// Not after this time [default: 24 hours later, urgent 1 hour]
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "How")]
    expires_at: Option<String>,
    /// App that sends, where there are several
    #[arg(long, help_heading = "How")]
    app: Option<String>,
    /// Tenant to send in, where there are several
    #[arg(long, help_heading = "How")]
    tenant: Option<String>,
    /// Running the same command again with the same key makes no second message [default: a new one]
    #[arg(long, value_name = "KEY", help_heading = "How")]
    idempotency_key: Option<String>,

    /// Send nothing: print who would get it, who not and why, and when it would be done
    #[arg(long, conflicts_with_all = ["wait", "idempotency_key"], help_heading = "Waiting")]
    dry_run: bool,
    /// Stay until it is done, and print the ledger
    #[arg(long, help_heading = "Waiting")]
    wait: bool,
    /// With --wait: exit code 1 if anyone does not have it, for whatever reason (save --exclude)
    #[arg(long, requires = "wait", help_heading = "Waiting")]
    strict: bool,

    #[command(flatten)]
    connection: Connection,
}

/// A time with its offset, in UTC.
pub(super) fn time(text: &str) -> Result<String, String> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(|time| time.to_string())
        .map_err(|_| "not a time like 2026-11-23T08:00:00Z or 2026-11-23T09:00:00+01:00".to_owned())
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.connection.client()?;
    let mut message = request(&args, &mut std::io::stdin())?;
    if args.dry_run {
        lists(&client, &args, None, &mut message.audience.lists).await?;
        return dry_run::run(&client, &message, args.connection.json).await;
    }
    // Made here if not given, so that it can be named when the answer gets lost.
    let key = args.idempotency_key.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
    let uploaded = lists(&client, &args, Some(&key), &mut message.audience.lists).await?;
    let accepted = client.send(&message, Some(&key)).await.map_err(|error| {
        let error = not_sent(error, &key);
        if uploaded.is_empty() {
            return error;
        }
        let lists: Vec<String> = uploaded.iter().map(|id| format!("--list {id}")).collect();
        let hint = format!("What was uploaded is there: say {} in place of the files.", lists.join(" "));
        error.context(Failure::not_done("the lists are uploaded, the message is not sent").hint(hint))
    })?;
    if !args.connection.json {
        output::print(&accepted.id)?;
    }
    let waiting = Waiting { wait: args.wait, yes: args.yes, strict: args.strict, json: args.connection.json };
    followed(&client, &accepted, &waiting).await
}

/// How a message that was handed in is followed.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Waiting {
    pub(super) wait: bool,
    pub(super) yes: bool,
    pub(super) strict: bool,
    pub(super) json: bool,
}

/// Follows a message as far as was asked, and says what it came to.
pub(super) async fn followed(
    client: &Client,
    accepted: &Accepted,
    waiting: &Waiting,
) -> anyhow::Result<ExitCode> {
    let Waiting { wait, yes, strict, json } = *waiting;
    let policy = follow::Policy { wait, yes, asks: someone_there(), words: Words::SEND };
    let message = match follow::follow(client, &accepted.id, &policy).await? {
        follow::End::Over(message) => message,
        follow::End::Accepted => {
            if json {
                output::print_json(accepted)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        follow::End::Unconfirmed(message) => {
            if json {
                output::print_json(&message)?;
            }
            return Ok(ExitCode::from(NOT_ALL));
        }
    };
    if json {
        output::print_json(&message)?;
    } else {
        output::print(&output::ledger_table(&message))?;
        if message.needs_attention > 0 {
            eprintln!(
                "{} may or may not have it: Teams did not say. See `nuncio messages deliveries {} --state ambiguous`, \
                 and `nuncio messages settle`.",
                output::grouped(message.needs_attention),
                message.id
            );
        }
    }
    Ok(ExitCode::from(exit_code(&message, strict)))
}

/// The same of a run that says nothing; the exit code that goes with it. What is done is called by `words`.
pub(super) async fn followed_to(
    client: &Client,
    accepted: &Accepted,
    words: Words,
    (wait, yes): (bool, bool),
) -> anyhow::Result<ExitCode> {
    let policy = follow::Policy { wait, yes, asks: someone_there(), words };
    Ok(match follow::follow(client, &accepted.id, &policy).await? {
        follow::End::Over(message) => ExitCode::from(exit_code(&message, false)),
        follow::End::Accepted => ExitCode::SUCCESS,
        follow::End::Unconfirmed(_) => ExitCode::from(NOT_ALL),
    })
}

/// Ids of all lists, in `ids`; which of them were uploaded just now.
async fn lists(
    client: &Client,
    args: &Args,
    key: Option<&str>,
    ids: &mut Vec<String>,
) -> anyhow::Result<Vec<String>> {
    let mut uploaded = Vec::new();
    for (n, list) in args.list.iter().enumerate() {
        let id = list.to_str().filter(|text| text.starts_with("aud_") && !list.exists());
        if let Some(id) = id {
            ids.push(id.to_owned());
            continue;
        }
        // With the key of the message, so that the same command again has the same lists in it.
        let idempotency_key = key.map(|key| format!("{key}/list-{}", n + 1));
        let of = ListOf { name: None, app: args.app.clone(), tenant: args.tenant.clone(), idempotency_key };
        let stored = audiences::upload(client, list, None, &of).await?;
        eprintln!("{} is uploaded as {}: {}", list.display(), stored.id, audiences::said(&stored));
        ids.push(stored.id.clone());
        uploaded.push(stored.id);
    }
    Ok(uploaded)
}

/// The request, with what files and stdin say.
fn request(args: &Args, stdin: &mut impl Read) -> anyhow::Result<NewMessage> {
    let is_stdin = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
    let from_stdin = [args.text.as_deref() == Some("-"), is_stdin(&args.card), is_stdin(&args.users_file)];
    let lists = args.list.iter().filter(|list| *list == Path::new("-"));
    if from_stdin.iter().filter(|from_stdin| **from_stdin).count() + lists.count() > 1 {
        return Err(Failure::wrong_use("only one thing can be read from stdin").into());
    }
    let text = match args.text.as_deref() {
        Some("-") => Some(read(Path::new("-"), stdin)?.trim_end().to_owned()),
        text => text.map(str::to_owned),
    };
    let card = args.card.as_deref().map(|file| card(file, stdin)).transpose()?;
    let mut users = args.user.clone();
    if let Some(file) = &args.users_file {
        users.extend(ids(&read(file, stdin)?));
    }
    let others = args.installed || args.everyone || !args.list.is_empty();
    let named = [&args.channel, &args.picked_channel, &args.group, &args.team];
    let others = others || named.iter().any(|named| !named.is_empty());
    if users.is_empty() && args.users_file.is_some() && !others {
        return Err(Failure::wrong_use("the users file names nobody").into());
    }
    Ok(NewMessage {
        app: args.app.clone(),
        tenant: args.tenant.clone(),
        audience: Audience {
            users,
            installed: args.installed,
            everyone: args.everyone,
            groups: args.group.clone(),
            teams: args.team.clone(),
            include: args.include.clone(),
            channels: args.channel.clone(),
            picked_channels: args.picked_channel.clone(),
            exclude: Exclude { users: args.exclude.clone(), groups: args.exclude_group.clone() },
            ..Audience::default()
        },
        content: ContentRequest { text, card, summary: args.summary.clone() },
        label: args.label.clone(),
        priority: args.priority.clone(),
        install: args.install.as_ref().map(|install| install.replace('-', "_")),
        on_ambiguous: args.on_ambiguous.clone(),
        when_unreachable: args.when_unreachable.clone(),
        // A message for later expands when nobody is here to say yes.
        max_recipients: args.max_recipients.or(args.yes.then_some(NO_LIMIT)),
        send_at: args.send_at.clone(),
        expires_at: args.expires_at.clone(),
        ..NewMessage::default()
    })
}

fn card(file: &Path, stdin: &mut impl Read) -> anyhow::Result<serde_json::Value> {
    let text = read(file, stdin)?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::wrong_use(format!("{} is not JSON: {error}", file.display()))
            .hint("An Adaptive Card, as the designer at adaptivecards.io exports it.")
            .into()
    })
}

/// One id a line; spreadsheets like to put a byte order mark in front.
pub(super) fn ids(text: &str) -> impl Iterator<Item = String> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned)
}

pub(super) fn read(file: &Path, stdin: &mut impl Read) -> anyhow::Result<String> {
    if file != Path::new("-") {
        return std::fs::read_to_string(file)
            .map_err(|error| Failure::wrong_use(format!("{}: {error}", file.display())).into());
    }
    let mut text = String::new();
    stdin.read_to_string(&mut text).context("stdin cannot be read")?;
    Ok(text)
}

/// Where it is not known whether the server took it, the way to find out is the same command with the same key.
pub(super) fn not_sent(error: ClientError, key: &str) -> anyhow::Error {
    let hint = match &error {
        ClientError::Unreachable { .. } => Some(format!(
            "It is not known whether the message was taken. The same command with --idempotency-key {key}\n\
             sends it if it was not, and gives its id if it was."
        )),
        _ => None,
    };
    let error = anyhow::Error::new(error);
    match hint {
        Some(hint) => {
            error.context(Failure::not_done("the message was not sent, as far as is known").hint(hint))
        }
        None => error,
    }
}

#[cfg(test)]
mod tests;
