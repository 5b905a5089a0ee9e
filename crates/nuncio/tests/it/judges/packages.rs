//! App packages as `nuncio app-package` writes them: what is in them, and what Microsoft's validator says of it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::judge::language;

const PUBLIC: &str = "b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b";
const DOD: &str = "0f6d1f52-6c1e-4a1c-9b1d-2f9a3b7c8d10";

/// A configuration with an app in each of two clouds.
fn configured(folder: &Path) -> PathBuf {
    let app = |name: &str, id: &str, cloud: &str| {
        format!(
            "[app.{name}]\napp_id = \"{id}\"\ntenant_id = \"{PUBLIC}\"\nclient_secret = \"s3cret\"\ncloud = \"{cloud}\"\n"
        )
    };
    let path = folder.join("nuncio.toml");
    std::fs::write(&path, app("news", PUBLIC, "public") + &app("base", DOD, "dod")).unwrap();
    path
}

fn app_package(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nuncio"));
    command.arg("app-package").arg("--config").arg(configured(folder)).arg("--out").arg(folder).args(args);
    command.args(["--developer", "Contoso IT", "--website", "https://contoso.com/it"]).output().unwrap()
}

/// The files of a package.
fn open(package: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(package).unwrap()).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    let read = |name: String| {
        let mut bytes = Vec::new();
        archive.by_name(&name).unwrap().read_to_end(&mut bytes).unwrap();
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}

/// What Microsoft's validator finds wrong with manifests.
fn wrong(folder: &Path, manifests: &[Value]) -> Vec<Value> {
    let mut command = Command::new("node");
    command.arg(language(false).join("manifest.mjs"));
    for (n, manifest) in manifests.iter().enumerate() {
        let path = folder.join(format!("manifest-{n}.json"));
        std::fs::write(&path, manifest.to_string()).unwrap();
        command.arg(path);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["wrong"].clone()).collect()
}

#[test]
fn each_app_gets_a_package_that_teams_takes() {
    let folder = tempfile::tempdir().unwrap();
    let output = app_package(folder.path(), &["--json", "--read-receipts"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((told[0]["cloud"].as_str(), told[1]["cloud"].as_str()), (Some("dod"), Some("public")));
    let mut manifests = Vec::new();
    for (package, id) in [("news-public.zip", PUBLIC), ("base-dod.zip", DOD)] {
        let files = open(&folder.path().join(package));
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(names, ["color.png", "manifest.json", "outline.png"]);
        let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        assert_eq!((manifest["id"].as_str(), manifest["bots"][0]["botId"].as_str()), (Some(id), Some(id)));
        assert_eq!(manifest["supportsChannelFeatures"], "tier1");
        let consent = &manifest["authorization"]["permissions"]["resourceSpecific"][0];
        assert_eq!(consent["name"], "ChatMessageReadReceipt.Read.Chat");
        manifests.push(manifest);
    }
    let older = app_package(folder.path(), &["--app", "news", "--force", "--manifest-version", "1.19"]);
    assert!(older.status.success(), "{}", String::from_utf8_lossy(&older.stderr));
    let older = open(&folder.path().join("news-public.zip"));
    let older: Value = serde_json::from_slice(&older["manifest.json"]).unwrap();
    assert_eq!(older["supportedChannelTypes"][1], "sharedChannels");
    assert_eq!(older["authorization"], Value::Null);
    manifests.push(older);
    // One that it must refuse, or it judges nothing.
    let mut bad = manifests[0].clone();
    bad["bots"][0]["scopes"][0] = "everywhere".into();
    bad["name"]["short"] = "n".repeat(31).into();
    manifests.push(bad);

    let wrong = wrong(folder.path(), &manifests);
    assert_eq!(wrong[..3], [Value::Array(vec![]), Value::Array(vec![]), Value::Array(vec![])]);
    assert_eq!(wrong[3].as_array().unwrap().len(), 2, "{}", wrong[3]);
}

#[test]
fn nothing_is_overwritten_and_what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    assert!(app_package(folder.path(), &["--app", "news"]).status.success());
    let again = app_package(folder.path(), &["--app", "news"]);
    let text = String::from_utf8(again.stderr).unwrap();
    assert_eq!(again.status.code(), Some(2), "{text}");
    assert!(text.contains("news-public.zip is there already") && text.contains("--force"), "{text}");
    let unknown = app_package(folder.path(), &["--app", "sport"]);
    let text = String::from_utf8(unknown.stderr).unwrap();
    assert_eq!(unknown.status.code(), Some(2), "{text}");
    assert!(text.contains("sport") && text.contains("base, news"), "{text}");
    let long = app_package(folder.path(), &["--name", &"n".repeat(31), "--privacy", "http://contoso.com"]);
    let text = String::from_utf8(long.stderr).unwrap();
    assert_eq!(long.status.code(), Some(2), "{text}");
    assert!(text.contains("--name has 31 characters") && text.contains("--privacy"), "{text}");
}
