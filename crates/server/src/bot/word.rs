//! What people write to the app in their personal conversation, as far as it means something to us.

use nuncio_domain::own_words::Word;
use nuncio_teams::schema::Activity;

/// English, and how Teams' other large languages say it in one word; compared without regard to case.
const STOP: [&str; 14] = [
    "stop",
    "unsubscribe",
    "opt out",
    "opt-out",
    "stopp",
    "abbestellen",
    "abmelden",
    "arrêt",
    "arreter",
    "arrêter",
    "désabonner",
    "parar",
    "baja",
    "停止",
];
const START: [&str; 11] = [
    "start",
    "subscribe",
    "opt in",
    "opt-in",
    "starten",
    "anmelden",
    "démarrer",
    "reprendre",
    "empezar",
    "alta",
    "開始",
];

/// The meaning of a message; nothing where nobody wrote anything, as with a card that was submitted.
pub(super) fn meaning(activity: &Activity) -> Option<Word> {
    if activity.submitted().is_some() {
        return None;
    }
    let text = activity.text_to_bot().to_lowercase();
    let word = text.trim_matches(|c: char| c.is_whitespace() || ".,!?¡¿\"'“”‘’«»。！".contains(c));
    if STOP.contains(&word) {
        Some(Word::Stop)
    } else if START.contains(&word) {
        Some(Word::Start)
    } else if !word.is_empty() || has_file(activity) {
        Some(Word::Other)
    } else {
        None
    }
}

/// Something other than the text once more as HTML.
fn has_file(activity: &Activity) -> bool {
    let kinds =
        activity.attachments.iter().flatten().filter_map(|attachment| attachment.content_type.as_deref());
    kinds.into_iter().any(|kind| kind != "text/html")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(activity: serde_json::Value) -> Option<Word> {
        meaning(&serde_json::from_value(activity).unwrap())
    }

    #[test]
    fn words() {
        for (text, word) in [
            ("stop", Some(Word::Stop)),
            (" STOP! ", Some(Word::Stop)),
            ("“Opt out”.", Some(Word::Stop)),
            ("Désabonner", Some(Word::Stop)),
            ("Start", Some(Word::Start)),
            ("stop alerts", Some(Word::Other)),
            ("don't stop", Some(Word::Other)),
            ("thanks", Some(Word::Other)),
            ("👍", Some(Word::Other)),
            ("?!", None),
            ("  ", None),
        ] {
            assert_eq!(of(json!({"type": "message", "text": text})), word, "{text}");
        }
    }

    #[test]
    fn cards_are_no_words_and_files_are_some() {
        assert_eq!(of(json!({"type": "message", "text": "stop", "value": {"answer": 1}})), None);
        assert_eq!(of(json!({"type": "message"})), None);
        let html = json!({"contentType": "text/html", "content": "<div></div>"});
        assert_eq!(of(json!({"type": "message", "text": "", "attachments": [html]})), None);
        let file = json!({"contentType": "application/vnd.microsoft.teams.file.download.info"});
        assert_eq!(of(json!({"type": "message", "attachments": [html, file]})), Some(Word::Other));
    }
}
