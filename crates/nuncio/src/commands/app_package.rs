//! `nuncio app-package`: the Teams app package of each app in the configuration, to be uploaded in the Teams admin
//! centre. Without it nobody can install the app, and nothing can be sent.

mod details;
mod icon;
mod manifest;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::Failure;
use crate::config::{App, Config};
use details::Details;
use icon::Icon;
use manifest::Version;

/// Write the Teams app package (manifest and icons) of each app in the configuration
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Upload the package in the Teams admin center under Teams apps, Manage apps. An app registration \
    belongs to one cloud, so each app has a package of its own.\n\n\
    Example:\n  nuncio app-package --developer \"Contoso IT\" --website https://contoso.com/it"
)]
pub struct Args {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "NUNCIO_CONFIG")]
    config: Option<PathBuf>,
    /// Only the app of this name in the configuration
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Folder to write to; one NAME-CLOUD.zip for each app
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
    /// Replace a package that is there
    #[arg(long)]
    force: bool,
    /// Print one JSON value instead of text
    #[arg(long)]
    json: bool,
    /// Ask each chat for the permission to see which messages were read (a resource-specific consent)
    #[arg(long)]
    read_receipts: bool,
    /// Version of Microsoft's manifest schema; the older one for a cloud whose Teams does not take the newer yet
    #[arg(long, value_enum, default_value_t)]
    manifest_version: Version,
    /// PNG of 192 by 192 pixels, instead of ours
    #[arg(long, value_name = "FILE")]
    color_icon: Option<PathBuf>,
    /// PNG of 32 by 32 pixels, white on transparent, instead of ours
    #[arg(long, value_name = "FILE")]
    outline_icon: Option<PathBuf>,
    #[command(flatten)]
    details: Details,
}

#[expect(clippy::unused_async, reason = "as all commands")]
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    args.details.check()?;
    let color = Icon::Color.read(args.color_icon.as_deref())?;
    let outline = Icon::Outline.read(args.outline_icon.as_deref())?;
    // What is not Unicode cannot be one of ours.
    let env: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let config = Config::load(args.config.as_deref(), &env)?;
    let apps = chosen(&config, args.app.as_deref())?;
    let mut written = Vec::new();
    for app in apps {
        let manifest = manifest::of(&app.app_id, &args.details, args.manifest_version, args.read_receipts);
        let package = zip(&manifest, &color, &outline).context("the package cannot be put together")?;
        let path = args.out.join(format!("{}-{}.zip", app.name, app.cloud.as_str()));
        write(&path, &package, args.force)?;
        written.push(json!({
            "app": app.name, "app_id": app.app_id, "cloud": app.cloud.as_str(), "manifest_id": app.app_id,
            "version": args.details.package_version, "file": path,
        }));
    }
    if args.json {
        println!("{}", serde_json::Value::Array(written));
    } else {
        for package in &written {
            println!("{}", package["file"].as_str().unwrap_or_default());
        }
        eprintln!(
            "Next: upload it in the Teams admin center (Teams apps, Manage apps, Upload new app) of the app's tenant, and let \
             people have it through a setup policy or by themselves. A changed package needs a higher --package-version."
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen<'c>(config: &'c Config, name: Option<&str>) -> Result<Vec<&'c App>, Failure> {
    let apps: Vec<&App> = config.apps.iter().filter(|app| name.is_none_or(|name| app.name == name)).collect();
    if apps.is_empty() {
        let names: Vec<&str> = config.apps.iter().map(|app| app.name.as_str()).collect();
        return Err(Failure::wrong_use(format!(
            "there is no app of this name: {}",
            name.unwrap_or_default()
        ))
        .hint(format!("The configuration has: {}", names.join(", "))));
    }
    Ok(apps)
}

/// All three files lie at the top of the package; Teams looks nowhere else.
fn zip(manifest: &str, color: &[u8], outline: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    // The same input makes the same package.
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    let files =
        [("manifest.json", manifest.as_bytes()), (manifest::COLOR, color), (manifest::OUTLINE, outline)];
    for (name, bytes) in files {
        archive.start_file(name, options)?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

fn write(path: &Path, package: &[u8], force: bool) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).create_new(!force);
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Failure::wrong_use(format!("{} is there already", path.display()))
                .hint("Use --force to replace it, or another --out.")
                .into());
        }
        Err(error) => {
            return Err(Failure::not_done(format!("{}: {error}", path.display()))
                .hint("Use --out to name a folder that is there and can be written to.")
                .into());
        }
    };
    file.write_all(package).with_context(|| path.display().to_string())
}
