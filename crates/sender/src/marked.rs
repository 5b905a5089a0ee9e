//! The delivery's id in what a card's buttons send (`docs/delivery.md`, Ambiguous). A card is serialised once for all who
//! get it, with a mark where the id of each belongs.

use std::sync::Arc;

use nuncio_domain::message::DELIVERY_MEMBER;
use serde_json::{Map, Value};

/// No id: it has none of their letters.
const MARK: &str = "~";

/// The card with a mark in the data of each `Action.Submit` and `Action.Execute`, wherever it is. Data that is a text can
/// take none, and a member of the caller's own stays.
pub(crate) fn marked(card: &Value) -> Value {
    let mut card = card.clone();
    mark(&mut card);
    card
}

fn mark(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(mark),
        Value::Object(fields) => {
            // What an action sends is not part of the card.
            fields.iter_mut().filter(|(name, _)| *name != "data").for_each(|(_, field)| mark(field));
            if matches!(fields.get("type").and_then(Value::as_str), Some("Action.Submit" | "Action.Execute"))
            {
                let data = fields.entry("data").or_insert(Value::Null);
                if data.is_null() {
                    *data = Value::Object(Map::new());
                }
                add(data);
                // This, and not the data, is what Teams sends of such a button.
                if data.pointer("/msteams/type").is_some_and(|kind| kind == "messageBack")
                    && let Some(value) = data.pointer_mut("/msteams/value")
                {
                    add(value);
                }
            }
        }
        _ => {}
    }
}

fn add(data: &mut Value) {
    if let Value::Object(fields) = data {
        fields.entry(DELIVERY_MEMBER).or_insert_with(|| MARK.into());
    }
}

/// What stands between the marks. Within a text quotes are escaped, so that only a member can look like this.
pub(crate) fn parts(json: &str) -> Vec<Arc<str>> {
    let member = format!("\"{DELIVERY_MEMBER}\":\"{MARK}\"");
    let mut parts: Vec<String> = Vec::new();
    for part in json.split(&member) {
        match parts.last_mut() {
            None => parts.push(part.to_owned()),
            Some(before) => {
                before.push_str(&member[..member.len() - 1 - MARK.len()]);
                parts.push(format!("\"{part}"));
            }
        }
    }
    parts.into_iter().map(Arc::from).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn whole(card: &Value) -> Value {
        let json = marked(card).to_string();
        serde_json::from_str(&parts(&json).join("dlv_1")).unwrap()
    }

    #[test]
    fn every_button_carries_the_id() {
        let card = json!({"type": "AdaptiveCard", "version": "1.4",
        "refresh": {"action": {"type": "Action.Execute", "verb": "renew"}},
        "body": [
            {"type": "TextBlock", "text": "\"nuncio\":\"~\"", "selectAction": {"type": "Action.Submit", "data": {"a": 1}}},
            {"type": "ActionSet", "actions": [{"type": "Action.OpenUrl", "url": "https://example.com"}]},
        ],
        "actions": [
            {"type": "Action.ShowCard", "card": {"type": "AdaptiveCard",
                "actions": [{"type": "Action.Submit", "data": null}]}},
            {"type": "Action.Execute", "data": {"deep": {"type": "Action.Submit"}},
                "fallback": {"type": "Action.Submit", "data": {}}},
            {"type": "Action.Submit", "data": {"msteams": {"type": "messageBack", "value": {"b": 2}}}},
            {"type": "Action.Submit", "data": "a text"},
            {"type": "Action.Submit", "data": {"nuncio": "theirs"}},
        ]});
        let sent = whole(&card);
        assert_eq!(sent["refresh"]["action"]["data"], json!({"nuncio": "dlv_1"}));
        assert_eq!(sent["body"][0]["text"], "\"nuncio\":\"~\"");
        assert_eq!(sent["body"][0]["selectAction"]["data"], json!({"a": 1, "nuncio": "dlv_1"}));
        assert_eq!(sent["body"][1], card["body"][1]);
        let actions = &sent["actions"];
        assert_eq!(actions[0]["card"]["actions"][0]["data"], json!({"nuncio": "dlv_1"}));
        // What a button sends is the caller's, whatever it looks like.
        assert_eq!(actions[1]["data"], json!({"deep": {"type": "Action.Submit"}, "nuncio": "dlv_1"}));
        assert_eq!(actions[1]["fallback"]["data"], json!({"nuncio": "dlv_1"}));
        let back = json!({"msteams": {"type": "messageBack", "value": {"b": 2, "nuncio": "dlv_1"}}, "nuncio": "dlv_1"});
        assert_eq!(actions[2]["data"], back);
        for same in [3, 4] {
            assert_eq!(actions[same], card["actions"][same]);
        }
    }

    #[test]
    fn a_card_without_buttons_is_one_part() {
        let card = json!({"type": "AdaptiveCard", "body": [{"type": "TextBlock", "text": "x"}]});
        assert_eq!(parts(&marked(&card).to_string()), [Arc::from(card.to_string())]);
    }
}
