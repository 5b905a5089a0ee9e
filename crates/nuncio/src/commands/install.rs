//! `nuncio install`: have the app installed for people, in teams and in group chats.

mod dry_run;

use std::path::PathBuf;
use std::process::ExitCode;

use nuncio_api::{Audience, Exclude, Install, NewInstall};
use nuncio_client::{Client, MessageFilter};
use uuid::Uuid;

use super::pages::{collect, show};
use super::send::{NO_LIMIT, Words, followed_to, ids, read, time};
use super::{Connection, Failure, output};

/// Have the app installed for people, in teams and in group chats, through Microsoft Graph
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    group = clap::ArgGroup::new("whom").args(["user", "users_file", "group", "members", "everyone", "team", "chat"])
        .multiple(true),
    after_help = "\
Examples:
  nuncio install --everyone --dry-run
  nuncio install --everyone --yes --wait
  nuncio install --group 0b7f2c15-4f0e-4b2f-9c1d-6a1a0c9b7e52 --wait
  nuncio install --team 4f1c2d3e-5a6b-4c7d-8e9f-0a1b2c3d4e5f --chat 19:abc@thread.v2
  nuncio install list

The app needs may_install = true in the server's configuration and roles in Microsoft Graph (docs/installing.md), the key \
--may-install. Pause, resume, cancel and retry a run with `nuncio messages`.

Exit codes: 0 everyone who can have it has it (without --wait: it is accepted; with --dry-run: somebody would have it); 1 some \
do not have it, or it waits for a confirmation; 2 wrong use; 3 it could not be asked for or followed."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// A person, by Entra object id, sign-in name or mail address; may be repeated
    #[arg(long, value_name = "WHO", help_heading = "For whom")]
    user: Vec<String>,
    /// People, one a line, named as with --user; - reads stdin
    #[arg(long, value_name = "FILE", help_heading = "For whom")]
    users_file: Option<PathBuf>,
    /// The people of an Entra group and of all groups in it, by its object id; may be repeated
    #[arg(long, value_name = "ID", help_heading = "For whom")]
    group: Vec<String>,
    /// The members of a team, each for themselves, by its id or that of its Entra group; may be repeated
    #[arg(long, value_name = "ID", help_heading = "For whom")]
    members: Vec<String>,
    /// Everyone in the directory with an enabled account and a Teams plan
    #[arg(long, help_heading = "For whom")]
    everyone: bool,
    /// Also people who are left out by default
    #[arg(long, value_name = "KIND", value_parser = ["guests", "disabled"], value_delimiter = ',', help_heading = "For whom")]
    include: Vec<String>,
    /// A team as a whole, by the object id of its Entra group, or by its id where the app has met it; may be repeated
    #[arg(long, value_name = "ID", help_heading = "For whom")]
    team: Vec<String>,
    /// A group chat, by conversation id (19:…@thread.v2); may be repeated
    #[arg(long, value_name = "ID", help_heading = "For whom")]
    chat: Vec<String>,
    /// Not this person, named as with --user; may be repeated
    #[arg(long, value_name = "WHO", help_heading = "For whom")]
    exclude: Vec<String>,
    /// Also for who removed it by hand
    #[arg(long, help_heading = "For whom")]
    also_if_removed: bool,
    /// More than this need a confirmation before anything is installed [server's default: 1000]
    #[arg(long, value_name = "N", help_heading = "For whom", value_parser = clap::value_parser!(i64).range(1..=NO_LIMIT))]
    max_recipients: Option<i64>,
    /// Install without asking, however many there are
    #[arg(long, help_heading = "For whom")]
    yes: bool,

    /// Your word for this run, to find it by
    #[arg(long, help_heading = "How")]
    label: Option<String>,
    /// Not before this time (2026-11-23T08:00:00Z, or with an offset like +01:00)
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "How")]
    send_at: Option<String>,
    /// Not after this time [default: 24 hours later]
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "How")]
    expires_at: Option<String>,
    /// App that is installed, where there are several
    #[arg(long, help_heading = "How")]
    app: Option<String>,
    /// Tenant to install it in, where there are several
    #[arg(long, help_heading = "How")]
    tenant: Option<String>,
    /// Running the same command again with the same key makes no second run [default: a new one]
    #[arg(long, value_name = "KEY", help_heading = "How")]
    idempotency_key: Option<String>,

    /// Install nothing: say who has it, who would get it, for whom it cannot be installed and why, and how long it would take
    #[arg(long, help_heading = "How", conflicts_with_all = ["wait", "idempotency_key"])]
    dry_run: bool,
    /// Stay until it is done, and print who has it
    #[arg(long, help_heading = "Waiting")]
    wait: bool,

    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List install runs, newest first
    List {
        /// Only those in this state: scheduled, expanding, waiting, installing, paused, completed, cancelled
        #[arg(long)]
        state: Option<String>,
        /// Only those with this label
        #[arg(long)]
        label: Option<String>,
        /// At most this many [default: 20]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show a run and who has the app by it
    Show {
        /// msg_…
        #[arg(value_name = "RUN")]
        id: String,
        #[command(flatten)]
        connection: Connection,
    },
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Some(Command::List { state, label, limit, connection }) => {
            list(&connection.client()?, MessageFilter { state, label }, limit, connection.json).await?;
        }
        Some(Command::Show { id, connection }) => {
            print(&connection.client()?.install_run(&id).await?, connection.json)?;
        }
        None => return install(args).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn install(args: Args) -> anyhow::Result<ExitCode> {
    let asked = request(&args)?;
    let client = args.connection.client()?;
    if args.dry_run {
        return dry_run::run(&client, &asked, args.connection.json).await;
    }
    // Made here if not given, so that running it again after a lost answer is possible.
    let key = args.idempotency_key.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
    let accepted = client.install(&asked, Some(&key)).await?;
    if !args.connection.json {
        output::print(&accepted.id)?;
    }
    let code = followed_to(&client, &accepted, Words::INSTALL, (args.wait, args.yes)).await?;
    if args.wait || args.connection.json {
        print(&client.install_run(&accepted.id).await?, args.connection.json)?;
    }
    Ok(code)
}

fn request(args: &Args) -> anyhow::Result<NewInstall> {
    let mut users = args.user.clone();
    if let Some(file) = &args.users_file {
        users.extend(ids(&read(file, &mut std::io::stdin())?));
    }
    let named = [&users, &args.group, &args.members, &args.team, &args.chat];
    if !args.everyone && named.iter().all(|named| named.is_empty()) {
        return Err(Failure::wrong_use("nobody is named")
            .hint("Give --everyone, --group, --user, --users-file, --members, --team or --chat.")
            .into());
    }
    Ok(NewInstall {
        app: args.app.clone(),
        tenant: args.tenant.clone(),
        audience: Audience {
            users,
            everyone: args.everyone,
            groups: args.group.clone(),
            teams: args.members.clone(),
            include: args.include.clone(),
            exclude: Exclude { users: args.exclude.clone(), ..Exclude::default() },
            ..Audience::default()
        },
        teams: args.team.clone(),
        chats: args.chat.clone(),
        install: args.also_if_removed.then(|| "also_if_removed".to_owned()),
        label: args.label.clone(),
        max_recipients: args.max_recipients.or(args.yes.then_some(NO_LIMIT)),
        send_at: args.send_at.clone(),
        expires_at: args.expires_at.clone(),
    })
}

async fn list(
    client: &Client,
    filter: MessageFilter,
    limit: Option<u32>,
    as_json: bool,
) -> anyhow::Result<()> {
    let limit = Some(limit.unwrap_or(20));
    let runs = collect(limit, async |page| client.installs(&filter, page.of()).await).await?;
    show(as_json, &runs, |runs| {
        let header =
            ["id", "state", "label", "audience", "installed", "failed", "skipped", "pending", "created"];
        output::table(&header, runs.iter().map(row))
    })?;
    Ok(())
}

fn row(run: &Install) -> [String; 9] {
    let counts = run.counts;
    let [audience, installed, failed, skipped, pending] =
        [counts.audience, counts.installed, counts.failed, counts.skipped, counts.pending]
            .map(output::grouped);
    let label = output::or_dash(run.label.as_deref());
    let created = output::second(&run.created_at);
    [run.id.clone(), run.state.clone(), label, audience, installed, failed, skipped, pending, created]
}

fn print(run: &Install, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        output::print_json(run)?;
    } else {
        output::print(&shown(run))?;
    }
    Ok(())
}

fn shown(run: &Install) -> String {
    let mut lines = vec![format!("{}  {}", run.id, run.state)];
    if let Some(why) = run.cause_text.as_deref().or(run.cause.as_deref()) {
        lines.push(format!("waits for  {}", output::clean(why)));
    }
    let counts = run.counts;
    let mut rows = vec![("audience".to_owned(), counts.audience), ("installed".to_owned(), counts.installed)];
    for (name, n, reasons) in [
        ("failed", counts.failed, &run.failed_by_reason),
        ("skipped", counts.skipped, &run.skipped_by_reason),
    ] {
        if n > 0 {
            rows.push((name.to_owned(), n));
            rows.extend(reasons.iter().map(|(reason, n)| (format!("  {}", output::clean(reason)), *n)));
        }
    }
    rows.extend(
        [("pending", counts.pending), ("cancelled", counts.cancelled), ("expired", counts.expired)]
            .into_iter()
            .filter(|(_, n)| *n > 0)
            .map(|(name, n)| (name.to_owned(), n)),
    );
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let numbers: Vec<String> = rows.iter().map(|(_, n)| output::grouped(*n)).collect();
    let digits = numbers.iter().map(String::len).max().unwrap_or(0);
    for ((name, _), number) in rows.iter().zip(&numbers) {
        lines.push(format!("{name:width$}  {number:>digits$}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use nuncio_api::InstallCounts;

    use super::*;

    #[test]
    fn a_run_as_people_read_it() {
        let counts =
            InstallCounts { audience: 1_240, installed: 1_200, failed: 40, ..InstallCounts::default() };
        let run = Install {
            id: "msg_1".to_owned(),
            app: "main".to_owned(),
            tenant: "t".to_owned(),
            state: "completed".to_owned(),
            cause: None,
            cause_text: None,
            requested: None,
            label: None,
            install: "if_never_installed".to_owned(),
            counts,
            audience_final: true,
            duplicates_removed: 0,
            failed_by_reason: BTreeMap::from([("blocked_by_policy".to_owned(), 40)]),
            skipped_by_reason: BTreeMap::new(),
            send_at: None,
            expires_at: String::new(),
            created_at: String::new(),
            completed_at: None,
            retries: None,
        };
        assert_eq!(
            shown(&run),
            "msg_1  completed\naudience             1,240\ninstalled            1,200\nfailed                  40\n  \
             blocked_by_policy     40"
        );
    }
}
