//! What a person wrote or submitted (protocol section 4.5).

use serde_json::Value;

use super::{Activity, Entity};

impl Activity {
    /// The text as a command to the bot: without mentions of the bot, other people's mentions as their bare names,
    /// without white space around it. Empty where nothing was written.
    pub fn text_to_bot(&self) -> String {
        // Teams puts a non-breaking space behind a mention, now and then as an HTML entity in plain text.
        let mut text = self.text.as_deref().unwrap_or_default().replace("&nbsp;", " ").replace('\u{a0}', " ");
        let bot = self.recipient.as_ref().and_then(|recipient| recipient.id.as_deref());
        for entity in self.entities.as_deref().unwrap_or_default() {
            let Some((mentioned, tag)) = mention(entity) else { continue };
            let instead = if bot.is_some_and(|bot| bot == mentioned) { "" } else { inside(tag) };
            text = text.replace(tag, instead);
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Ids of everyone that the text mentions, the bot too.
    pub fn mentions(&self) -> impl Iterator<Item = &str> {
        self.entities.iter().flatten().filter_map(|entity| mention(entity).map(|(id, _)| id))
    }

    /// The data of a card that was submitted (`Action.Submit`); the card's message is `reply_to_id`.
    pub fn submitted(&self) -> Option<&Value> {
        let message = self.activity_type.as_deref() == Some("message");
        self.value.as_ref().filter(|value| message && !value.is_null())
    }
}

/// Who is mentioned, and the text that does it.
fn mention(entity: &Entity) -> Option<(&str, &str)> {
    if entity.entity_type.as_deref() != Some("mention") {
        return None;
    }
    let id = entity.extra.get("mentioned")?.get("id")?.as_str()?;
    let text = entity.extra.get("text").and_then(Value::as_str).unwrap_or_default();
    // An empty text is everywhere in another one.
    (!text.is_empty()).then_some((id, text))
}

/// `Ines` of `<at>Ines</at>` and of `<at id="0">Ines</at>`.
fn inside(tag: &str) -> &str {
    let Some(tag) = tag.strip_suffix("</at>") else { return tag };
    tag.split_once('>').map_or(tag, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn activity(json: Value) -> Activity {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn mentions_of_the_bot_go_and_names_stay() {
        let to_bot = |text: &str| {
            activity(json!({
                "type": "message", "text": text, "recipient": {"id": "28:b"},
                "entities": [
                    {"type": "clientInfo"},
                    {"type": "mention", "mentioned": {"id": "28:b"}, "text": "<at>Dispatch Bot</at>"},
                    {"type": "mention", "mentioned": {"id": "29:x"}, "text": "<at id=\"1\">Ines</at>"},
                    {"type": "mention", "mentioned": {"id": "28:b"}, "text": ""},
                    {"type": "mention", "mentioned": "28:b"},
                ],
            }))
            .text_to_bot()
        };
        assert_eq!(to_bot("<at>Dispatch Bot</at>&nbsp;stop\n"), "stop");
        assert_eq!(to_bot("tell <at id=\"1\">Ines</at>\u{a0}<at>Dispatch Bot</at> twice"), "tell Ines twice");
        assert_eq!(to_bot("<at>Someone</at> else"), "<at>Someone</at> else");
        assert_eq!(Activity::default().text_to_bot(), "");
    }

    #[test]
    fn what_was_submitted() {
        let card = activity(json!({"type": "message", "value": {"a": 1}}));
        assert_eq!(card.submitted(), Some(&json!({"a": 1})));
        assert_eq!(activity(json!({"type": "message", "value": null})).submitted(), None);
        assert_eq!(activity(json!({"type": "invoke", "value": {"a": 1}})).submitted(), None);
    }
}
