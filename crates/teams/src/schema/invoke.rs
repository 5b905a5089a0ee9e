//! Questions that must be answered in the same exchange (protocol section 4.7).

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Activity;

/// An invoke, with its value where a bot of ours can answer it.
#[derive(Debug, Clone, PartialEq)]
pub enum Invoke<'a> {
    /// `adaptiveCard/action`: a button on a card (`Action.Execute`), or its automatic refresh.
    CardAction(CardAction),
    /// `task/fetch`: what is to be in the dialog?
    TaskFetch(Task),
    /// `task/submit`: a dialog was sent off.
    TaskSubmit(Task),
    /// `message/fetchTask`: what is to be in the form for feedback?
    FeedbackForm(Feedback),
    /// `message/submitAction`: feedback on a message of the bot.
    Feedback(Feedback),
    /// `fileConsent/invoke`: may the bot upload its file?
    FileConsent(FileConsent),
    /// `actionableMessage/executeAction`: a button on an old connector card.
    ConnectorCard,
    /// `signin/tokenExchange`, `signin/verifyState`, `signin/failure`.
    SignIn,
    /// A known name with a value of another shape; the name. To be answered 400.
    Malformed(&'a str),
    /// Any other; its name. To be answered 501.
    Other(&'a str),
}

/// A card's button that was pressed, or its refresh.
#[derive(Debug, Clone, PartialEq)]
pub struct CardAction {
    /// The action's own `id`, if the card gives one.
    pub id: Option<String>,
    /// What is to be done, as the card says it.
    pub verb: Option<String>,
    /// The card's data with what was filled in; an empty object where there is none.
    pub data: Map<String, Value>,
    /// Teams asks by itself (`refresh`), nobody pressed anything.
    pub automatic: bool,
    /// The code of a sign-in that was asked for before.
    pub state: Option<String>,
}

/// A dialog.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Task {
    /// What the button or the form carried.
    pub data: Value,
    /// Where it was used: `theme` and more.
    pub context: Map<String, Value>,
}

/// What someone thinks of a message of the bot, which the activity's `reply_to_id` names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feedback {
    /// `like` or `dislike`.
    pub reaction: Option<String>,
    /// What they filled in: JSON as text, as the form has it.
    pub text: Option<String>,
}

/// The answer to a file that the bot offered.
#[derive(Debug, Clone, PartialEq)]
pub struct FileConsent {
    /// Whether it may be uploaded.
    pub accepted: bool,
    /// What the bot said when it offered the file.
    pub context: Value,
    /// Where to upload it to: `uploadUrl` and more. Nowhere when it was declined.
    pub upload_info: Option<Value>,
}

impl Activity {
    pub(super) fn invoke(&self) -> Invoke<'_> {
        let name = self.name.as_deref().unwrap_or_default();
        let none = Value::Null;
        let value = self.value.as_ref().unwrap_or(&none);
        let task = || Task::deserialize(value).ok();
        let read = match name {
            "adaptiveCard/action" => card_action(value).map(Invoke::CardAction),
            "task/fetch" => task().map(Invoke::TaskFetch),
            "task/submit" => task().map(Invoke::TaskSubmit),
            // Microsoft's page shows it without `data`, its SDK with it.
            "message/fetchTask" => feedback(value.get("data").unwrap_or(value)).map(Invoke::FeedbackForm),
            "message/submitAction" => feedback(value).map(Invoke::Feedback),
            "fileConsent/invoke" => file_consent(value).map(Invoke::FileConsent),
            "actionableMessage/executeAction" => Some(Invoke::ConnectorCard),
            "signin/tokenExchange" | "signin/verifyState" | "signin/failure" => Some(Invoke::SignIn),
            other => Some(Invoke::Other(other)),
        };
        read.unwrap_or(Invoke::Malformed(name))
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

fn card_action(value: &Value) -> Option<CardAction> {
    let action = value.get("action").filter(|action| action.is_object())?;
    // An Action.Submit comes as a message. What is not said is taken for what it always is.
    let known = |word: &Value, all: &[&str]| {
        word.as_str().is_none_or(|word| all.iter().any(|known| known.eq_ignore_ascii_case(word)))
    };
    if !known(&action["type"], &["Action.Execute"]) || !known(&value["trigger"], &["manual", "automatic"]) {
        return None;
    }
    let data = match &action["data"] {
        Value::Null => Map::new(),
        Value::Object(data) => data.clone(),
        _ => return None,
    };
    let automatic = value["trigger"].as_str().is_some_and(|word| word.eq_ignore_ascii_case("automatic"));
    Some(CardAction {
        id: text(action, "id"),
        verb: text(action, "verb"),
        data,
        automatic,
        state: text(value, "state"),
    })
}

fn feedback(value: &Value) -> Option<Feedback> {
    if value["actionName"] != "feedback" {
        return None;
    }
    let said = &value["actionValue"];
    Some(Feedback { reaction: text(said, "reaction"), text: text(said, "feedback") })
}

fn file_consent(value: &Value) -> Option<FileConsent> {
    let accepted = match value["action"].as_str()? {
        "accept" => true,
        "decline" => false,
        _ => return None,
    };
    let upload_info = value.get("uploadInfo").filter(|info| info.is_object()).cloned();
    Some(FileConsent { accepted, context: value["context"].clone(), upload_info })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn malformed(name: &str, value: &Value) -> bool {
        let activity: Activity =
            serde_json::from_value(json!({"type": "invoke", "name": name, "value": value})).unwrap();
        activity.invoke() == Invoke::Malformed(name)
    }

    #[test]
    fn values_of_another_shape() {
        for (name, value) in [
            ("adaptiveCard/action", json!(null)),
            ("adaptiveCard/action", json!({"action": "ack"})),
            ("adaptiveCard/action", json!({"action": {"type": "Action.Submit"}})),
            ("adaptiveCard/action", json!({"action": {"data": "ack"}})),
            ("adaptiveCard/action", json!({"action": {}, "trigger": "perhaps"})),
            ("task/fetch", json!("x")),
            ("task/submit", json!({"context": 5})),
            ("message/submitAction", json!({"actionName": "other"})),
            ("fileConsent/invoke", json!({"action": "perhaps"})),
        ] {
            assert!(malformed(name, &value), "{name} {value}");
        }
        assert!(!malformed("adaptiveCard/action", &json!({"action": {}})));
        assert!(!malformed("anything/else", &json!(7)));
    }
}
