//! `docs/own-bot.md` says what the judges run with, and the versions that they run.

use std::path::Path;

use serde_json::Value;

use super::judge::folder;

fn own_bot() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/own-bot.md")).unwrap()
}

#[test]
fn the_settings_are_those_of_the_judges() {
    let doc = own_bot();
    let blocks: Vec<&str> = doc.split("```").skip(1).step_by(2).map(str::trim).collect();
    let mut files = 0;
    for file in std::fs::read_dir(folder().join("settings")).unwrap() {
        let path = file.unwrap().path();
        let settings = std::fs::read_to_string(&path).unwrap();
        assert!(blocks.contains(&settings.trim()), "{} is not in docs/own-bot.md", path.display());
        files += 1;
    }
    assert_eq!(blocks.len(), files + 2, "a block of settings that no judge has");
}

#[test]
fn the_versions_are_those_of_the_judges() {
    let doc = own_bot();
    let (_, table) = doc.split_once("## Judged by").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let package = std::fs::read(folder().join("node/package.json")).unwrap();
    let package: Value = serde_json::from_slice(&package).unwrap();
    // Not SDKs.
    let others = ["express", "@microsoft/app-manifest"];
    let node = package["dependencies"].as_object().unwrap().iter();
    let node = node.filter(|(name, _)| !others.contains(&name.as_str()));
    let node = node.map(|(name, version)| {
        let version = version.as_str().unwrap();
        // Another name for a package: `npm:@azure/msal-node@2.16.3`.
        version.strip_prefix("npm:").and_then(|alias| alias.rsplit_once('@')).map_or_else(
            || (name.clone(), version.to_owned()),
            |(name, version)| (name.into(), version.into()),
        )
    });
    let python = std::fs::read_to_string(folder().join("python/requirements.in")).unwrap();
    let python = python.lines().filter(|line| !line.starts_with("aiohttp"));
    let python = python
        .map(|line| line.split_once("==").map(|(name, version)| (name.into(), version.into())).unwrap());
    for (name, version) in node.chain(python) {
        let told = table.lines().any(|line| line.contains(&name) && line.contains(&version));
        assert!(told, "{name} {version} is not in the table of docs/own-bot.md");
    }
}
