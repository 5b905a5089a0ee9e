//! `[app.NAME.welcome]` and `[app.NAME.replies]`: what an app says by itself.

use nuncio_domain::Content;
use nuncio_domain::message::Body;
use nuncio_server::OwnWords;

use super::read::Reader;

/// Where a card's file is larger, the card is too.
const LARGEST_CARD: u64 = 1024 * 1024;

pub(super) fn read(reader: &mut Reader, name: &str) -> OwnWords {
    let reply = |key| ["app", name, "replies", key];
    let default = OwnWords::default();
    let mut words = OwnWords {
        welcome: content(reader, name, "personal", "personal_card_file"),
        team_welcome: content(reader, name, "team", "team_card_file"),
        installed_by: installed_by(reader, name),
        ..default
    };
    for (key, line) in [
        ("stop", &mut words.lines.stop),
        ("start", &mut words.lines.start),
        ("received", &mut words.received),
    ] {
        if let Some(text) = line_of(reader, &reply(key)) {
            *line = text;
        }
    }
    if reader.says(&reply("other"), "off") {
        words.lines.other = None;
    } else if let Some(text) = line_of(reader, &reply("other")) {
        words.lines.other = Some(text);
    }
    if words.installed_by.is_some()
        && !matches!(&words.team_welcome, Some(Content { body: Body::Text(_), .. }))
    {
        reader.complain(&["app", name, "welcome", "installed_by"], "goes with a text in welcome.team only");
    }
    words
}

fn line_of(reader: &mut Reader, path: &[&str]) -> Option<String> {
    let text = reader.text(path)?;
    checked(reader, path, Some(text), None).and_then(|content| match content.body {
        Body::Text(text) => Some(text),
        Body::Card(_) => None,
    })
}

fn checked(
    reader: &mut Reader,
    path: &[&str],
    text: Option<String>,
    card: Option<serde_json::Value>,
) -> Option<Content> {
    nuncio_server::content_of(text, card)
        .map_err(|wrong| reader.complain(path, &format!("cannot be sent: {wrong}")))
        .ok()
}

/// A text, or a card from a file.
fn content(reader: &mut Reader, name: &str, text_key: &str, card_key: &str) -> Option<Content> {
    let (text_path, card_path) = (["app", name, "welcome", text_key], ["app", name, "welcome", card_key]);
    if reader.is_said(&text_path) && reader.is_said(&card_path) {
        let text = format!("and {} are both given: keep one", text_path.join("."));
        reader.complain(&card_path, &text);
        return None;
    }
    if reader.is_said(&card_path) {
        let file = reader.path(&card_path)?;
        let shown = file.display();
        let size = std::fs::metadata(&file).map(|file| file.len());
        let read = match size {
            Ok(size) if size > LARGEST_CARD => Err("is no card: it is larger than 1 MB".to_owned()),
            _ => std::fs::read(&file).map_err(|error| format!("cannot be read: {error}")),
        };
        let card = read
            .and_then(|raw| serde_json::from_slice(&raw).map_err(|error| format!("is not JSON: {error}")));
        return match card {
            Ok(card) => checked(reader, &card_path, None, Some(card)),
            Err(wrong) => {
                reader.complain(&card_path, &format!("{shown} {wrong}"));
                None
            }
        };
    }
    let text = reader.text(&text_path)?;
    checked(reader, &text_path, Some(text), None)
}

fn installed_by(reader: &mut Reader, name: &str) -> Option<String> {
    let path = ["app", name, "welcome", "installed_by"];
    reader.parsed(&path, "a sentence with {name} in it", |text| {
        text.contains("{name}").then(|| text.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, ConfigError};

    use super::*;

    /// An app with these lines behind it, in a folder with two cards.
    fn load(lines: &str) -> Result<OwnWords, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nuncio.toml");
        let id = "6f2d1c84-3b0e-4c57-9a61-8e40c7f2b913";
        let app =
            format!("[app.main]\napp_id = \"{id}\"\ntenant_id = \"{id}\"\nclient_secret = \"x\"\n{lines}");
        std::fs::write(&file, app).unwrap();
        std::fs::write(folder.path().join("card.json"), r#"{"type": "AdaptiveCard", "version": "1.4"}"#)
            .unwrap();
        std::fs::write(folder.path().join("none.json"), "{}").unwrap();
        Config::load(Some(&file), &[]).map(|config| (*config.apps[0].words).clone()).map_err(|error| {
            let ConfigError::Problems(problems) = error else { panic!("{error}") };
            let place = format!("{}/", folder.path().display());
            problems.iter().map(|problem| problem.to_string().replace(&place, "")).collect()
        })
    }

    #[test]
    fn nothing_is_said_but_answers() {
        let words = load("").unwrap();
        assert_eq!(words, OwnWords::default());
        assert!(words.welcome.is_none() && words.team_welcome.is_none() && words.lines.other.is_some());
    }

    #[test]
    fn welcomes_and_replies() {
        let words = load(
            "[app.main.welcome]\npersonal_card_file = \"card.json\"\nteam = \"Hello team.\"\n\
             installed_by = \"{name} added me.\"\n[app.main.replies]\nstop = \"Bye\"\nother = \"off\"\nreceived = \"ok\"",
        )
        .unwrap();
        assert!(matches!(words.welcome.unwrap().body, Body::Card(card) if card["version"] == "1.4"));
        assert_eq!(words.team_welcome.unwrap().body, Body::Text("Hello team.".to_owned()));
        assert_eq!(words.installed_by.as_deref(), Some("{name} added me."));
        assert_eq!(
            (words.lines.stop.as_str(), words.lines.other, words.received.as_str()),
            ("Bye", None, "ok")
        );
        assert_eq!(words.lines.start, OwnWords::default().lines.start);
    }

    #[test]
    fn what_cannot_be_said() {
        for (lines, beginning) in [
            (
                "welcome.personal = \"a\"\nwelcome.personal_card_file = \"card.json\"",
                "nuncio.toml:6: app.main.welcome.personal_card_file and app.main.welcome.personal are both given",
            ),
            (
                "welcome.team_card_file = \"no.json\"",
                "nuncio.toml:5: app.main.welcome.team_card_file no.json cannot be read",
            ),
            (
                "welcome.team_card_file = \"nuncio.toml\"",
                "nuncio.toml:5: app.main.welcome.team_card_file nuncio.toml is not JSON",
            ),
            (
                "welcome.team_card_file = \"none.json\"",
                "nuncio.toml:5: app.main.welcome.team_card_file cannot be sent: this must be an object",
            ),
            ("welcome.personal = 5", "nuncio.toml:5: app.main.welcome.personal must be a text in quotes"),
            (
                "welcome.team = \"a\"\nwelcome.installed_by = \"someone\"",
                "nuncio.toml:6: app.main.welcome.installed_by must be a sentence with {name} in it",
            ),
            (
                "welcome.installed_by = \"{name}\"",
                "nuncio.toml:5: app.main.welcome.installed_by goes with a text",
            ),
            ("replies.stop = \"\"", "nuncio.toml:5: app.main.replies.stop is empty"),
        ] {
            let complaints = load(lines).unwrap_err();
            assert!(complaints.len() == 1 && complaints[0].starts_with(beginning), "{complaints:#?}");
        }
    }
}
