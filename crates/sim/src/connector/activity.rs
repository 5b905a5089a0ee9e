//! What an activity must be to be posted (protocol sections 5.3, 6 and 9).

use serde_json::Value;

use super::content;
use crate::{refusal::Refusal, settings::Settings};

/// Checks an activity; true when text and attachments make it two messages without a usable id. `known`: whether an id
/// of a mention is somebody's whom the bot can know.
pub(crate) fn check(
    activity: &Value,
    raw_length: usize,
    settings: &Settings,
    known: &dyn Fn(&str) -> bool,
) -> Result<bool, Refusal> {
    if !activity.is_object() {
        return Err(Refusal::BadSyntax);
    }
    match activity["type"].as_str() {
        Some("message") => {}
        Some("typing" | "trace" | "event") => return Ok(false),
        Some(_) => return Err(Refusal::BadArgument("Unsupported activity type")),
        None => return Err(Refusal::BadSyntax),
    }
    let text = match &activity["text"] {
        Value::Null => "",
        Value::String(text) => text,
        _ => return Err(Refusal::BadSyntax),
    };
    let attachments: &[Value] = match &activity["attachments"] {
        Value::Null => &[],
        Value::Array(attachments) => attachments,
        _ => return Err(Refusal::BadSyntax),
    };
    if text.is_empty() && attachments.is_empty() {
        return Err(Refusal::BadSyntax);
    }
    content::check(activity, settings, known)?;
    // Two bytes for each UTF-16 unit; no text has more units than its JSON has bytes, so most need no second look.
    let limit = settings.message_limit_bytes;
    if raw_length as u64 * 2 > limit && utf16_size(activity) > limit {
        return Err(Refusal::MessageSizeTooBig);
    }
    Ok(!text.is_empty() && !attachments.is_empty())
}

/// How many bytes a base64 text stands for; `None` for no base64.
pub(super) fn decoded_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let good = digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    (good && padding <= 2 && digits.len() % 4 != 1).then_some(digits.len() as u64 * 3 / 4)
}

/// The size of a message as Microsoft's page counts it: UTF-16, without images embedded as base64.
fn utf16_size(activity: &Value) -> u64 {
    let whole: u64 = activity.to_string().encode_utf16().count() as u64;
    (whole - embedded(activity)) * 2
}

fn embedded(value: &Value) -> u64 {
    match value {
        Value::String(text) if text.starts_with("data:") && text.contains(";base64,") => text.len() as u64,
        Value::Array(items) => items.iter().map(embedded).sum(),
        Value::Object(fields) => fields.values().map(embedded).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::Latency;

    fn checked(activity: &Value) -> Result<bool, Refusal> {
        let settings = Settings::new(true, Latency::default());
        check(activity, activity.to_string().len(), &settings, &|_| true)
    }

    #[test]
    fn what_may_be_posted() {
        let card = json!({"contentType": "application/vnd.microsoft.card.adaptive",
            "content": {"type": "AdaptiveCard", "version": "1.5"}});
        assert_eq!(checked(&json!({"type": "message", "text": "x"})), Ok(false));
        assert_eq!(checked(&json!({"type": "message", "attachments": [card]})), Ok(false));
        assert_eq!(checked(&json!({"type": "message", "text": "x", "attachments": [card]})), Ok(true));
        assert_eq!(checked(&json!({"type": "typing"})), Ok(false));
        assert_eq!(checked(&json!({"type": "message"})), Err(Refusal::BadSyntax));
        assert_eq!(checked(&json!({"text": "x"})), Err(Refusal::BadSyntax));
        assert_eq!(checked(&json!([])), Err(Refusal::BadSyntax));
        assert_eq!(
            checked(&json!({"type": "message", "attachments": [{"contentType": "application/x-foo"}]})),
            Err(Refusal::BadArgument("Unknown attachment type"))
        );
    }

    #[test]
    fn size_is_counted_in_utf16_without_embedded_images() {
        // 51,200 units are the limit; the fields around the text take 28.
        let with = |text: String| checked(&json!({"type": "message", "text": text}));
        assert_eq!(with("x".repeat(51_200 - 28)), Ok(false));
        assert_eq!(with("x".repeat(51_200 - 27)), Err(Refusal::MessageSizeTooBig));
        assert_eq!(with("é".repeat(51_200 - 28)), Ok(false));
        assert_eq!(with("😀".repeat(25_600)), Err(Refusal::MessageSizeTooBig));
        let image = format!("data:image/png;base64,{}", "A".repeat(200_000));
        let card = json!({"contentType": "application/vnd.microsoft.card.adaptive",
            "content": {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "Image", "url": image}]}});
        assert_eq!(checked(&json!({"type": "message", "attachments": [card]})), Ok(false));
    }
}
