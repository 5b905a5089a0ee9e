//! `nuncio reachability survey`: ask Microsoft Graph who has the app.

use std::path::PathBuf;
use std::process::ExitCode;

use nuncio_api::{Audience, Exclude, NewSurvey, Survey};
use uuid::Uuid;

use crate::commands::send::{NO_LIMIT, Words, followed_to, ids, read, time};
use crate::commands::{Connection, output};

/// Ask Microsoft Graph who has the app; nobody is disturbed
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("whom").args(["user", "users_file", "group", "team", "everyone"])
        .required(true).multiple(true),
    after_help = "\
Examples:
  nuncio reachability survey --everyone --yes --wait
  nuncio reachability survey --group 0b7f2c15-4f0e-4b2f-9c1d-6a1a0c9b7e52

It takes the application permissions AppCatalog.Read.All and TeamsAppInstallation.ReadForUser.All, or the …ReadWrite… ones of \
docs/installing.md. Pause, resume and cancel a survey with `nuncio messages`; what it found is in `nuncio people`.

Exit codes: 0 all were asked about (without --wait: it is accepted); 1 some were not, or it waits for a confirmation; 2 wrong \
use; 3 it could not be begun or followed."
)]
pub(super) struct Args {
    /// A person, by Entra object id, sign-in name or mail address; may be repeated
    #[arg(long, value_name = "WHO")]
    user: Vec<String>,
    /// People, one a line, named as with --user; - reads stdin
    #[arg(long, value_name = "FILE")]
    users_file: Option<PathBuf>,
    /// The people of an Entra group and of all groups in it, by its object id; may be repeated
    #[arg(long, value_name = "ID")]
    group: Vec<String>,
    /// The members of a team, by its id or that of its Entra group; may be repeated
    #[arg(long, value_name = "ID")]
    team: Vec<String>,
    /// Everyone in the directory with an enabled account and a Teams plan
    #[arg(long)]
    everyone: bool,
    /// Also people who are left out by default
    #[arg(long, value_name = "KIND", value_parser = ["guests", "disabled"], value_delimiter = ',')]
    include: Vec<String>,
    /// Not this person, named as with --user; may be repeated
    #[arg(long, value_name = "WHO")]
    exclude: Vec<String>,
    /// More than this need a confirmation before anybody is asked about [server's default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=NO_LIMIT))]
    max_recipients: Option<i64>,
    /// Ask without a question, however many there are
    #[arg(long)]
    yes: bool,
    /// Your word for this survey, to find it by
    #[arg(long)]
    label: Option<String>,
    /// Not after this time [default: 24 hours later]
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires_at: Option<String>,
    /// App that is meant, where there are several
    #[arg(long)]
    app: Option<String>,
    /// Tenant that is meant, where there are several
    #[arg(long)]
    tenant: Option<String>,
    /// Stay until it is done
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.connection.client()?;
    let mut users = args.user.clone();
    if let Some(file) = &args.users_file {
        users.extend(ids(&read(file, &mut std::io::stdin())?));
    }
    let survey = NewSurvey {
        app: args.app,
        tenant: args.tenant,
        audience: Audience {
            users,
            everyone: args.everyone,
            groups: args.group,
            teams: args.team,
            include: args.include,
            exclude: Exclude { users: args.exclude, ..Exclude::default() },
            ..Audience::default()
        },
        label: args.label,
        max_recipients: args.max_recipients.or(args.yes.then_some(NO_LIMIT)),
        expires_at: args.expires_at,
    };
    let accepted = client.begin_survey(&survey, Some(&Uuid::new_v4().to_string())).await?;
    if !args.connection.json {
        output::print(&accepted.id)?;
    }
    let code = followed_to(&client, &accepted, Words::SURVEY, (args.wait, args.yes)).await?;
    if args.wait || args.connection.json {
        print(&client.survey(&accepted.id).await?, args.connection.json)?;
    }
    Ok(code)
}

fn print(survey: &Survey, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return Ok(output::print_json(survey)?);
    }
    let counts = survey.counts;
    let rows = [
        ("audience", counts.audience),
        ("asked", counts.asked),
        ("failed", counts.failed),
        ("skipped", counts.skipped),
        ("pending", counts.pending),
    ];
    let rows = rows.map(|(name, n)| [name.to_owned(), output::grouped(n)]);
    output::print(&output::table(&["survey", "people"], rows))?;
    eprintln!("What is known now: nuncio reachability");
    Ok(())
}
