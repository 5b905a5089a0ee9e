//! `nuncio keys`: who may use the API.

use std::process::ExitCode;

use nuncio_api::NewKey;
use serde_json::json;

use super::{Connection, output};

/// Make, list and revoke API keys
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    nuncio keys create --name ci --role send > ci.key\n  \
    nuncio keys revoke key_01h455vb4pex5vsknk084sn02q")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List keys, without their secrets
    List,
    /// Make a key; its secret is printed on stdout, this once
    Create {
        /// What it is for, for people
        #[arg(long)]
        name: String,
        /// What it may do: read looks, send also sends and controls, admin also makes keys
        #[arg(long, value_parser = ["read", "send", "admin"])]
        role: String,
        /// The one app that it may use and see; all without it
        #[arg(long)]
        app: Option<String>,
        /// It may have the app installed for people, in teams and in chats, where the configuration allows that
        #[arg(long)]
        may_install: bool,
    },
    /// End a key, at once
    Revoke {
        /// key_…
        id: String,
    },
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.connection.client()?;
    let as_json = args.connection.json;
    match args.command {
        Command::List => {
            let keys = client.keys().await?.items;
            if as_json {
                output::print_json(&keys)?;
            } else {
                let rows = keys.into_iter().map(|key| {
                    let revoked = output::second(&output::or_dash(key.revoked_at.as_deref()));
                    let app = key.app.unwrap_or_else(|| "all".to_owned());
                    let installs = if key.may_install { "yes" } else { "no" }.to_owned();
                    [key.id, key.name, key.role, app, installs, output::second(&key.created_at), revoked]
                });
                output::print(&output::table(
                    &["id", "name", "role", "app", "installs", "created", "revoked"],
                    rows,
                ))?;
            }
        }
        Command::Create { name, role, app, may_install } => {
            let created = client.create_key(&NewKey { name, role, app, may_install }).await?;
            if as_json {
                output::print_json(&created)?;
            } else {
                let key = &created.key;
                eprintln!(
                    "{} ({}, {}); its secret is shown this once:",
                    key.id,
                    output::clean(&key.name),
                    key.role
                );
                output::print(&created.secret)?;
            }
        }
        Command::Revoke { id } => {
            client.revoke_key(&id).await?;
            if as_json {
                output::print_json(&json!({"id": id, "revoked": true}))?;
            } else {
                eprintln!("{id} is revoked");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
