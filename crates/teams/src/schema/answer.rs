//! What a bot answers to an invoke (protocol section 4.7).

use serde_json::{Value, json};

const CARD: &str = "application/vnd.microsoft.card.adaptive";
const MESSAGE: &str = "application/vnd.microsoft.activity.message";
const ERROR: &str = "application/vnd.microsoft.error";
const RETRY_AFTER: &str = "application/vnd.microsoft.activity.retryAfter";

/// The status and body of the HTTP answer to an invoke.
#[derive(Debug, Clone, PartialEq)]
pub struct InvokeAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body as JSON; `None` is an empty one.
    pub body: Option<Value>,
}

/// How large a dialog is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskSize {
    /// Teams' small one.
    Small,
    /// Teams' medium one.
    Medium,
    /// Teams' large one.
    Large,
}

impl InvokeAnswer {
    /// 200 without a body. To `task/submit` it closes the dialog.
    pub fn empty() -> Self {
        Self { status: 200, body: None }
    }

    /// 501: this bot does not know such a question.
    pub fn not_implemented() -> Self {
        Self { status: 501, body: None }
    }

    /// 400: the question cannot be read.
    pub fn bad_request() -> Self {
        Self { status: 400, body: None }
    }

    /// To `adaptiveCard/action`: this card takes the place of the one that was used, for that person.
    pub fn card(card: &Value) -> Self {
        Self::inner(200, CARD, card)
    }

    /// To `adaptiveCard/action`: a line above the card.
    pub fn message(text: &str) -> Self {
        Self::inner(200, MESSAGE, &text.into())
    }

    /// To `adaptiveCard/action`: it went wrong. `status` is the inner one, 400 for what was asked and 500 for us.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::inner(status, ERROR, &json!({ "code": code, "message": message }))
    }

    /// To `adaptiveCard/action`: ask again after so many seconds.
    pub fn retry_after(seconds: u32) -> Self {
        Self::inner(429, RETRY_AFTER, &seconds.into())
    }

    /// To `task/fetch`, `task/submit` and `message/fetchTask`: a dialog with a card.
    pub fn task_card(title: &str, size: TaskSize, card: &Value) -> Self {
        let size = match size {
            TaskSize::Small => "small",
            TaskSize::Medium => "medium",
            TaskSize::Large => "large",
        };
        let value = json!({
            "title": title, "height": size, "width": size,
            "card": { "contentType": CARD, "content": card },
        });
        Self { status: 200, body: Some(json!({ "task": { "type": "continue", "value": value } })) }
    }

    /// To the same: a line of text.
    pub fn task_message(text: &str) -> Self {
        Self { status: 200, body: Some(json!({ "task": { "type": "message", "value": text } })) }
    }

    fn inner(status: u16, kind: &str, value: &Value) -> Self {
        Self { status: 200, body: Some(json!({ "statusCode": status, "type": kind, "value": value })) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_as_the_table_has_them() {
        let card = json!({"type": "AdaptiveCard", "version": "1.4"});
        for (answer, body) in [
            (
                InvokeAnswer::card(&card),
                json!({"statusCode": 200, "type": "application/vnd.microsoft.card.adaptive", "value": card}),
            ),
            (
                InvokeAnswer::message("Acknowledged"),
                json!({"statusCode": 200, "type": "application/vnd.microsoft.activity.message", "value": "Acknowledged"}),
            ),
            (
                InvokeAnswer::error(400, "BadRequest", "no such button"),
                json!({"statusCode": 400, "type": "application/vnd.microsoft.error",
                       "value": {"code": "BadRequest", "message": "no such button"}}),
            ),
            (
                InvokeAnswer::retry_after(3),
                json!({"statusCode": 429, "type": "application/vnd.microsoft.activity.retryAfter", "value": 3}),
            ),
            (
                InvokeAnswer::task_card("Details", TaskSize::Small, &card),
                json!({"task": {"type": "continue", "value": {"title": "Details", "height": "small", "width": "small",
                       "card": {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}}}}),
            ),
            (InvokeAnswer::task_message("Saved"), json!({"task": {"type": "message", "value": "Saved"}})),
        ] {
            assert_eq!((answer.status, answer.body), (200, Some(body)));
        }
        assert_eq!(InvokeAnswer::not_implemented().status, 501);
        assert_eq!(InvokeAnswer::bad_request().status, 400);
        assert_eq!(InvokeAnswer::empty(), InvokeAnswer { status: 200, body: None });
    }
}
