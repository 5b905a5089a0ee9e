//! Adaptive Cards as far as clicking needs them: the actions and inputs of a card, and whether a card can be shown.

use serde_json::{Map, Value};

pub(crate) const ADAPTIVE: &str = "application/vnd.microsoft.card.adaptive";
/// Cards from bots may have this version at most (protocol section 9).
const NEWEST: (u32, u32) = (1, 5);

/// The cards among a message's attachments.
pub(crate) fn cards(message: &Value) -> impl Iterator<Item = &Value> {
    let attachments = message["attachments"].as_array();
    attachments.into_iter().flatten().filter(|one| one["contentType"] == ADAPTIVE).map(|one| &one["content"])
}

/// Everything in a card whose `type` passes, wherever it is: in the body, behind `Action.ShowCard`, a `selectAction`, the
/// `refresh`.
fn find<'a>(value: &'a Value, wanted: &dyn Fn(&str) -> bool, found: &mut Vec<&'a Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| find(item, wanted, found)),
        Value::Object(fields) => {
            if fields.get("type").and_then(Value::as_str).is_some_and(wanted) {
                found.push(value);
            }
            // What an action sends is not part of the card.
            fields
                .iter()
                .filter(|(name, _)| *name != "data")
                .for_each(|(_, field)| find(field, wanted, found));
        }
        _ => {}
    }
}

fn elements<'a>(card: &'a Value, prefix: &'static str) -> Vec<&'a Value> {
    let mut found = Vec::new();
    find(card, &|kind| kind.starts_with(prefix), &mut found);
    found
}

/// The card's action that has the type of the wanted one and whichever of `id`, `verb`, `title` and `data` it names.
pub(crate) fn action<'a>(card: &'a Value, wanted: &Value) -> Option<&'a Value> {
    let same = |action: &&Value, name: &str| wanted[name].is_null() || action[name] == wanted[name];
    elements(card, "Action.")
        .into_iter()
        .find(|action| ["type", "id", "verb", "title", "data"].iter().all(|name| same(action, name)))
}

/// What an action sends: its `data` with the inputs laid over it, as texts. Inputs that were not given send their first
/// value. `Err`: why the client would not send it.
pub(crate) fn gathered(
    card: &Value,
    action: &Value,
    given: &Map<String, Value>,
    strict: bool,
) -> Result<Value, String> {
    let data = &action["data"];
    let inputs = elements(card, "Input.");
    let of = |name: &str| inputs.iter().find(|input| input["id"] == name);
    if let Some(unknown) = given.keys().find(|name| of(name).is_none()).filter(|_| strict) {
        return Err(format!("inputs.{unknown}: the card has no such input"));
    }
    // Inputs are not looked at for such an action, nor can a text take them.
    if action["associatedInputs"] == "none" || !(data.is_object() || data.is_null()) {
        return Ok(data.clone());
    }
    let mut all = data.as_object().cloned().unwrap_or_default();
    for input in &inputs {
        let Some(name) = input["id"].as_str() else { continue };
        let first = if input["type"] == "Input.Toggle" && input["value"].is_null() {
            let off = &input["valueOff"];
            if off.is_null() { Value::from("false") } else { off.clone() }
        } else {
            input["value"].clone()
        };
        match as_text(given.get(name).unwrap_or(&first)) {
            Some(text) if !text.is_empty() => {
                all.insert(name.to_owned(), text.into());
            }
            _ if strict && input["isRequired"] == true => {
                return Err(format!("inputs.{name}: the card requires it"));
            }
            _ => {}
        }
    }
    if !strict {
        for (name, value) in given.iter().filter(|(name, _)| of(name).is_none()) {
            all.insert(name.clone(), as_text(value).into());
        }
    }
    Ok(if all.is_empty() { data.clone() } else { all.into() })
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Why a client would not show this card.
pub(crate) fn check(card: &Value) -> Result<(), String> {
    if card["type"] != "AdaptiveCard" {
        return Err("the card's type is not AdaptiveCard".into());
    }
    let version = card["version"].as_str().ok_or("the card has no version")?;
    let numbers = version.split_once('.').and_then(|(major, minor)| {
        Some((major.parse::<u32>().ok()?, minor.split('.').next()?.parse::<u32>().ok()?))
    });
    match numbers {
        None => return Err(format!("the card's version is `{version}`")),
        Some(numbers) if numbers > NEWEST => {
            return Err(format!("the card's version is {version}; from bots 1.5 at most"));
        }
        Some(_) => {}
    }
    for (name, prefix) in [("body", ""), ("actions", "Action.")] {
        let list = match &card[name] {
            Value::Null => continue,
            Value::Array(list) => list,
            _ => return Err(format!("the card's {name} is not a list")),
        };
        let typed = |item: &Value| item["type"].as_str().is_some_and(|kind| kind.starts_with(prefix));
        if let Some(at) = list.iter().position(|item| !typed(item)) {
            return Err(format!("{name}[{at}] of the card has no type that fits"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn card() -> Value {
        json!({"type": "AdaptiveCard", "version": "1.4",
        "body": [
            {"type": "Input.Text", "id": "why", "isRequired": true},
            {"type": "Input.Toggle", "id": "all"},
            {"type": "Input.Number", "id": "count", "value": 3},
            {"type": "ActionSet", "actions": [{"type": "Action.Execute", "verb": "ack", "data": {"d": 1}}]},
        ],
        "actions": [
            {"type": "Action.ShowCard", "card": {"type": "AdaptiveCard", "actions": [
                {"type": "Action.Submit", "id": "deep", "data": "text"}]}},
            {"type": "Action.Execute", "verb": "ack", "id": "second", "data": {"type": "Action.Execute", "id": "x"}},
        ]})
    }

    #[test]
    fn an_action_is_found_wherever_it_is() {
        let card = card();
        let found = |wanted: Value| action(&card, &wanted).map(|action| action["data"].clone());
        assert_eq!(found(json!({"type": "Action.Execute", "data": {"d": 1}})), Some(json!({"d": 1})));
        assert_eq!(
            found(json!({"type": "Action.Execute", "verb": "ack", "id": "second"})).unwrap()["id"],
            "x"
        );
        assert_eq!(found(json!({"type": "Action.Submit", "id": "deep"})), Some(json!("text")));
        assert_eq!(found(json!({"type": "Action.Submit", "verb": "ack"})), None);
        assert_eq!(found(json!({"type": "Action.Execute", "data": {"d": 2}})), None);
        assert_eq!(found(json!({"id": "x"})), None, "data is not part of the card");
    }

    #[test]
    fn inputs_are_sent_as_texts() {
        let card = card();
        let ack = action(&card, &json!({"verb": "ack", "data": {"d": 1}})).unwrap();
        let given = |value: Value| gathered(&card, ack, value.as_object().unwrap(), true);
        let all = json!({"d": 1, "why": "late", "all": "false", "count": "3"});
        assert_eq!(given(json!({"why": "late"})), Ok(all));
        assert!(given(json!({})).unwrap_err().contains("why"));
        assert!(given(json!({"why": "late", "other": 1})).unwrap_err().contains("other"));
        let deep = action(&card, &json!({"id": "deep"})).unwrap();
        assert_eq!(gathered(&card, deep, &Map::new(), true), Ok(json!("text")));
    }

    #[test]
    fn cards_that_cannot_be_shown() {
        assert_eq!(check(&card()), Ok(()));
        for (change, problem) in [
            (json!({"type": "card"}), "type"),
            (json!({"version": null}), "version"),
            (json!({"version": "1.6"}), "1.5"),
            (json!({"body": {}}), "body"),
            (json!({"body": [{"text": "x"}]}), "body[0]"),
            (json!({"actions": [{"type": "TextBlock"}]}), "actions[0]"),
        ] {
            let mut wrong = card();
            wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            assert!(check(&wrong).unwrap_err().contains(problem), "{change}");
        }
    }
}
