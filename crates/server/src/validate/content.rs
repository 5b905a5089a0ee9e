//! What is said: text or a card, within what Teams takes.

use nuncio_api::{Code, ContentRequest};
use nuncio_domain::Content;
use nuncio_domain::message::Body;
use serde_json::Value;

use super::Findings;

/// Teams takes about 100 KB, counted as UTF-16, and advises to stay within 80 (`docs/protocol.md` section 6).
const LARGEST: usize = 80 * 1024;
const LONGEST_SUMMARY: usize = 1000;

pub(super) fn check(findings: &mut Findings, asked: &ContentRequest) -> Option<Content> {
    let before = findings.items.len();
    if let Some(summary) = &asked.summary
        && summary.chars().count() > LONGEST_SUMMARY
    {
        findings.add(Code::InvalidValue, "/content/summary", "this must be at most 1,000 characters");
    }
    let body = match (&asked.text, &asked.card) {
        (Some(_), Some(_)) => {
            findings.add(
                Code::TextAndCard,
                "/content",
                "give text or a card: Teams would make two posts of them, one without an id",
            );
            return None;
        }
        (None, None) => {
            findings.add(Code::EmptyContent, "/content", "give text or a card");
            return None;
        }
        (Some(text), None) => {
            if text.trim().is_empty() {
                findings.add(Code::EmptyContent, "/content/text", "this says nothing");
            }
            Body::Text(text.clone())
        }
        (None, Some(card)) => {
            if card.get("type").and_then(Value::as_str) != Some("AdaptiveCard") {
                let text = "this must be an object with \"type\": \"AdaptiveCard\"";
                findings.add(Code::CardInvalid, "/content/card", text);
            }
            Body::Card(card.clone())
        }
    };
    let content = Content { body, summary: asked.summary.clone() };
    let size = size(&content);
    if size > LARGEST {
        let text = format!("this is {size} bytes as UTF-16; Teams takes {LARGEST} for sure");
        findings.add(Code::MessageTooBig, "/content", text);
    }
    (findings.items.len() == before).then_some(content)
}

/// Bytes as UTF-16 JSON. Images inside the card as base64 do not count.
fn size(content: &Content) -> usize {
    let json = serde_json::to_string(content).unwrap_or_default();
    let images = match &content.body {
        Body::Text(_) => 0,
        Body::Card(card) => image_units(card),
    };
    2 * json.encode_utf16().count().saturating_sub(images)
}

fn image_units(value: &Value) -> usize {
    match value {
        Value::String(text) if text.starts_with("data:image/") && text.contains(";base64,") => text.len(),
        Value::Array(items) => items.iter().map(image_units).sum(),
        Value::Object(fields) => fields.values().map(image_units).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(text: String) -> Content {
        Content { body: Body::Text(text), summary: None }
    }

    #[test]
    fn size_is_counted_as_utf_16() {
        assert_eq!(size(&text("ab".to_owned())), 2 * r#"{"text":"ab"}"#.len());
        // One unit each in the basic plane, two beyond it.
        assert_eq!(size(&text("é".to_owned())), size(&text("e".to_owned())));
        assert_eq!(size(&text("😀".to_owned())), size(&text("ee".to_owned())));
    }

    #[test]
    fn images_in_a_card_do_not_count() {
        let card = |url: String| Content {
            body: Body::Card(json!({"type": "AdaptiveCard", "body": [{"type": "Image", "url": url}]})),
            summary: None,
        };
        let image = format!("data:image/png;base64,{}", "A".repeat(100_000));
        assert_eq!(size(&card(image)), size(&card(String::new())));
        assert!(size(&card(format!("https://{}", "A".repeat(100_000)))) > LARGEST);
    }
}
