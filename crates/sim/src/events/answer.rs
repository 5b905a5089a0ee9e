//! What a bot's answer to an invoke makes a person see, checked as Teams does (protocol section 4.7).

use serde_json::Value;

use super::{
    card::{self, ADAPTIVE},
    post::BotAnswer,
};

/// What the person is shown.
#[derive(Debug, PartialEq)]
pub(crate) struct Shown {
    /// `card`, `message`, `error`, `login`, `retry`, `nothing` or `invalid`
    pub(crate) what: &'static str,
    /// The toast, the error's text or the seconds to wait
    pub(crate) text: Option<String>,
    /// What is wrong with the answer
    pub(crate) problem: Option<String>,
    /// The card that is shown instead
    pub(crate) card: Option<Value>,
}

impl Shown {
    fn new(what: &'static str) -> Self {
        Self { what, text: None, problem: None, card: None }
    }

    fn text(what: &'static str, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::new(what) }
    }

    fn problem(what: &'static str, problem: impl Into<String>) -> Self {
        Self { problem: Some(problem.into()), ..Self::new(what) }
    }

    fn card(card: &Value) -> Self {
        match card::check(card) {
            Ok(()) => Self { card: Some(card.clone()), ..Self::new("card") },
            Err(problem) => Self::problem("invalid", problem),
        }
    }
}

/// After a message, such as `Action.Submit` sends, nothing is shown; the client notices only that it was not taken.
pub(crate) fn of_message(answer: &BotAnswer) -> Shown {
    match (answer.status, &answer.problem) {
        (Some(200..=299), _) => Shown::new("nothing"),
        (Some(status), _) => Shown::problem("error", format!("HTTP {status}")),
        (None, problem) => Shown::problem("error", problem.clone().unwrap_or_default()),
    }
}

/// `name`: of the invoke.
pub(crate) fn of_invoke(name: &str, answer: &BotAnswer) -> Shown {
    let Some(status) = answer.status else {
        return Shown::problem("error", answer.problem.clone().unwrap_or_default());
    };
    if let Some(problem) = &answer.problem {
        return Shown::problem("error", problem.clone());
    }
    match status {
        200 => {}
        // Single sign-on has a refusal of its own: the client falls back to the sign-in card.
        412 if name.starts_with("signin/") => return Shown::new("login"),
        501 => return Shown::problem("error", "HTTP 501: the bot does not know this invoke"),
        // Not that of an invoke: what was wanted had to be in the answer.
        201..=299 => return Shown::problem("invalid", format!("HTTP {status} instead of 200")),
        status => return Shown::problem("error", format!("HTTP {status}")),
    }
    let empty = answer.body.trim().is_empty();
    let body = if empty { Ok(Value::Null) } else { serde_json::from_str::<Value>(&answer.body) };
    let Ok(body) = body else {
        let kind = if answer.content_type.is_empty() { "no content type" } else { &answer.content_type };
        return Shown::problem("invalid", format!("the body is not JSON ({kind})"));
    };
    match name {
        "adaptiveCard/action" if empty => Shown::problem("invalid", "the body is empty"),
        "adaptiveCard/action" => card_action(&body),
        "task/submit" if empty => Shown::new("nothing"),
        "task/fetch" | "task/submit" | "message/fetchTask" => task(&body),
        "message/submitAction" if !body.is_object() => Shown::problem("invalid", "the body is not {}"),
        _ => Shown::new("nothing"),
    }
}

fn card_action(body: &Value) -> Shown {
    let Some(status) = body["statusCode"].as_u64() else {
        return Shown::problem("invalid", "statusCode is not a number");
    };
    let Some(kind) = body["type"].as_str() else {
        return Shown::problem("invalid", "type is not a text");
    };
    let value = &body["value"];
    match (status, kind) {
        (200, ADAPTIVE) => Shown::card(value),
        (200, "application/vnd.microsoft.activity.message") => match value.as_str() {
            Some(text) if !text.is_empty() => Shown::text("message", text),
            _ => Shown::problem("invalid", "value of a message is not a text"),
        },
        (400..=599, "application/vnd.microsoft.error") => {
            match (value["code"].as_str(), value["message"].as_str()) {
                (Some(_), Some(text)) => Shown::text("error", text),
                _ => Shown::problem("invalid", "value of an error has no code and message"),
            }
        }
        (401, "application/vnd.microsoft.activity.loginRequest") => {
            if value.is_object() {
                Shown::new("login")
            } else {
                Shown::problem("invalid", "value of a login request is not a card")
            }
        }
        (401, "application/vnd.microsoft.error.incorrectAuthCode")
        | (412, "application/vnd.microsoft.error.preconditionFailed") => Shown::text("error", kind),
        (429, "application/vnd.microsoft.activity.retryAfter") => match value.as_f64() {
            Some(seconds) => Shown::text("retry", seconds.to_string()),
            None => Shown::problem("invalid", "value of retryAfter is not a number"),
        },
        _ => Shown::problem("invalid", format!("statusCode {status} with type {kind}")),
    }
}

fn task(body: &Value) -> Shown {
    let task = &body["task"];
    match (task["type"].as_str(), &task["value"]) {
        (Some("message"), Value::String(text)) => Shown::text("message", text.as_str()),
        (Some("continue"), value) if value["card"]["contentType"] == ADAPTIVE => {
            Shown::card(&value["card"]["content"])
        }
        // A page in a frame, which is not looked at.
        (Some("continue"), value) if value["url"].is_string() => Shown::new("card"),
        (Some("continue"), _) => Shown::problem("invalid", "task.value has neither a card nor a url"),
        _ => Shown::problem("invalid", "task.type is neither continue nor message with a text"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(name: &str, status: u16, body: &str) -> (&'static str, String) {
        let answer = BotAnswer { status: Some(status), body: body.into(), ..BotAnswer::default() };
        let shown = of_invoke(name, &answer);
        (shown.what, shown.text.or(shown.problem).unwrap_or_default())
    }

    #[test]
    fn every_answer_to_a_card_action() {
        let card = json!({"type": "AdaptiveCard", "version": "1.5", "body": []});
        for (status, kind, value, what) in [
            (json!(200), ADAPTIVE, card.clone(), "card"),
            (json!(200), ADAPTIVE, json!({"type": "AdaptiveCard"}), "invalid"),
            (json!(200), "application/vnd.microsoft.activity.message", json!("Done"), "message"),
            (json!(200), "application/vnd.microsoft.activity.message", json!({"text": "Done"}), "invalid"),
            (
                json!(400),
                "application/vnd.microsoft.error",
                json!({"code": "BadRequest", "message": "x"}),
                "error",
            ),
            (json!(500), "application/vnd.microsoft.error", json!("x"), "invalid"),
            (json!(401), "application/vnd.microsoft.activity.loginRequest", json!({}), "login"),
            (json!(401), "application/vnd.microsoft.error.incorrectAuthCode", Value::Null, "error"),
            (json!(412), "application/vnd.microsoft.error.preconditionFailed", json!({}), "error"),
            (json!(429), "application/vnd.microsoft.activity.retryAfter", json!(7), "retry"),
            (json!(429), "application/vnd.microsoft.activity.retryAfter", json!("7"), "invalid"),
            (json!(400), ADAPTIVE, card.clone(), "invalid"),
            (json!("200"), ADAPTIVE, card, "invalid"),
        ] {
            let body = json!({"statusCode": status, "type": kind, "value": value}).to_string();
            assert_eq!(shown("adaptiveCard/action", 200, &body).0, what, "{body}");
            assert_ne!(shown("adaptiveCard/action", 500, &body).0, "card", "{body}");
            assert_ne!(shown("adaptiveCard/action", 202, &body).0, "card", "{body}");
        }
        assert_eq!(shown("adaptiveCard/action", 200, ""), ("invalid", "the body is empty".into()));
        assert_eq!(shown("adaptiveCard/action", 200, "<html>").0, "invalid");
        assert_eq!(shown("adaptiveCard/action", 200, "[]").0, "invalid");
    }

    #[test]
    fn other_invokes() {
        let task = json!({"task": {"type": "message", "value": "Saved"}}).to_string();
        assert_eq!(shown("task/submit", 200, &task), ("message", "Saved".into()));
        assert_eq!(shown("task/submit", 200, "").0, "nothing");
        assert_eq!(shown("task/fetch", 200, "").0, "invalid");
        let card = json!({"type": "AdaptiveCard", "version": "1.4"});
        let attachment = json!({"contentType": ADAPTIVE, "content": card});
        let body =
            json!({"task": {"type": "continue", "value": {"title": "x", "card": attachment}}}).to_string();
        assert_eq!(shown("task/fetch", 200, &body).0, "card");
        assert_eq!(shown("message/submitAction", 200, "{}").0, "nothing");
        assert_eq!(shown("message/submitAction", 200, "").0, "invalid");
        assert_eq!(shown("fileConsent/invoke", 200, "").0, "nothing");
        assert_eq!(shown("signin/tokenExchange", 412, "").0, "login");
        assert_eq!(
            shown("config/fetch", 501, ""),
            ("error", "HTTP 501: the bot does not know this invoke".into())
        );
    }
}
