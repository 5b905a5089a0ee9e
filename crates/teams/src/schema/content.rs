//! What a bot says. The content is serialised once and shared by all who get it; only the envelope is per recipient.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

const ADAPTIVE_CARD: &str = "application/vnd.microsoft.card.adaptive";

/// The envelope's members, which content must not hold itself.
const ENVELOPE: [&str; 2] = ["conversation", "recipient"];

/// The content of a message as one JSON object, cheap to clone: a hundred thousand recipients share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageContent(Arc<str>);

/// Why stored content cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// It is not a JSON object.
    #[error("message content must be a JSON object")]
    NotAnObject,
    /// It names `conversation` or `recipient`, which are set per recipient.
    #[error("message content must not name a conversation or recipient")]
    NamesRecipient,
}

impl MessageContent {
    /// Text in the Markdown that Teams understands (protocol section 9), and the line of the toast.
    pub fn text(text: &str, summary: Option<&str>) -> Self {
        Self::of(json!({"type": "message", "textFormat": "markdown", "text": text}), summary)
    }

    /// One Adaptive Card, and the line of the toast. Never together with text: Teams would split it into two messages
    /// and answer without a usable id (protocol section 5.3).
    pub fn card(card: &Value, summary: Option<&str>) -> Self {
        Self::of(
            json!({"type": "message", "attachments": [{"contentType": ADAPTIVE_CARD, "content": card}]}),
            summary,
        )
    }

    /// An activity that was built elsewhere: a JSON object without `conversation` and `recipient`.
    pub fn from_json(json: &str) -> Result<Self, ContentError> {
        let members: Map<String, Value> =
            serde_json::from_str(json).map_err(|_| ContentError::NotAnObject)?;
        if ENVELOPE.iter().any(|name| members.contains_key(*name)) {
            return Err(ContentError::NamesRecipient);
        }
        Ok(Self(Value::Object(members).to_string().into()))
    }

    /// JSON that [`MessageContent::as_json`] gave before.
    pub fn stored(json: Arc<str>) -> Self {
        Self(json)
    }

    /// The JSON, for storing.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    fn of(mut activity: Value, summary: Option<&str>) -> Self {
        if let Some(summary) = summary {
            activity["summary"] = summary.into();
        }
        Self(activity.to_string().into())
    }
}

/// A message for one conversation: shared content, and the tenant and person that some Connectors want to see before
/// they accept a proactive message (protocol section 5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundActivity {
    content: MessageContent,
    /// Id and tenant.
    conversation: Option<(String, String)>,
    aad_object_id: Option<String>,
    member_id: Option<String>,
}

impl OutboundActivity {
    /// The content alone.
    pub fn new(content: MessageContent) -> Self {
        Self { content, conversation: None, aad_object_id: None, member_id: None }
    }

    /// With `conversation.id` and `conversation.tenantId`: a conversation without its id is refused by Agents Playground.
    #[must_use]
    pub fn in_conversation(mut self, id: impl Into<String>, tenant_id: impl Into<String>) -> Self {
        self.conversation = Some((id.into(), tenant_id.into()));
        self
    }

    /// With `recipient.aadObjectId`.
    #[must_use]
    pub fn to_person(mut self, aad_object_id: impl Into<String>) -> Self {
        self.aad_object_id = Some(aad_object_id.into());
        self
    }

    /// With `recipient.id`, a member's `29:…` id: whom a targeted message is for (protocol section 5.4).
    #[must_use]
    pub fn to_member(mut self, id: impl Into<String>) -> Self {
        self.member_id = Some(id.into());
        self
    }

    /// The body to send: the content as it was serialised, with the envelope put before its closing brace. Written piece
    /// by piece into one buffer: this runs for every recipient.
    pub fn to_bytes(&self) -> Bytes {
        let content = self.content.as_json();
        let mut body = String::with_capacity(content.len() + ROOM);
        body.push_str(content.strip_suffix('}').unwrap_or(content));
        let mut sep = if body == "{" { "" } else { "," };
        if let Some((id, tenant_id)) = &self.conversation {
            body.extend([sep, r#""conversation":{"id":"#]);
            push_text(&mut body, id);
            body.push_str(r#","tenantId":"#);
            push_text(&mut body, tenant_id);
            body.push('}');
            sep = ",";
        }
        if self.member_id.is_some() || self.aad_object_id.is_some() {
            body.extend([sep, r#""recipient":{"#]);
            let fields = [("aadObjectId", &self.aad_object_id), ("id", &self.member_id)];
            for (n, (name, value)) in fields.iter().filter(|(_, value)| value.is_some()).enumerate() {
                body.extend([if n > 0 { ",\"" } else { "\"" }, name, "\":"]);
                push_text(&mut body, value.as_deref().unwrap_or_default());
            }
            body.push('}');
        }
        body.push('}');
        Bytes::from(body)
    }
}

/// Room for what is added to the content: two ids of a chat and one of a person.
const ROOM: usize = 320;

/// A JSON string. What has nothing to escape, as all our ids, is copied.
fn push_text(body: &mut String, text: &str) {
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        body.extend(["\"", text, "\""]);
    } else {
        body.push_str(&Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(activity: &OutboundActivity) -> Value {
        serde_json::from_slice(&activity.to_bytes()).unwrap()
    }

    #[test]
    fn text_with_its_envelope() {
        let content = MessageContent::text("Deploy **finished** \"now\"", Some("Deploy finished"));
        let message = OutboundActivity::new(content.clone());
        assert_eq!(
            parsed(&message),
            json!({"type": "message", "textFormat": "markdown", "text": "Deploy **finished** \"now\"",
                   "summary": "Deploy finished"})
        );
        assert_eq!(
            parsed(&message.in_conversation("a:1", "t").to_person("p")),
            json!({"type": "message", "textFormat": "markdown", "text": "Deploy **finished** \"now\"",
                   "summary": "Deploy finished", "conversation": {"id": "a:1", "tenantId": "t"},
                   "recipient": {"aadObjectId": "p"}})
        );
        assert_eq!(
            parsed(&OutboundActivity::new(content).to_person("p").to_member("29:x"))["recipient"],
            json!({"id": "29:x", "aadObjectId": "p"})
        );
    }

    #[test]
    fn one_card_and_no_text() {
        let card = json!({"type": "AdaptiveCard", "version": "1.4", "body": []});
        let activity =
            parsed(&OutboundActivity::new(MessageContent::card(&card, None)).in_conversation("a:1", "t"));
        assert_eq!(activity["attachments"][0]["content"], card);
        assert_eq!(activity["attachments"][0]["contentType"], ADAPTIVE_CARD);
        assert!(activity.get("text").is_none() && activity.get("summary").is_none());
    }

    #[test]
    fn stored_content() {
        let content = MessageContent::text("a", None);
        assert_eq!(MessageContent::from_json(content.as_json()), Ok(content));
        let empty = MessageContent::from_json(" {} ").unwrap();
        assert_eq!(
            parsed(&OutboundActivity::new(empty).in_conversation("a:1", "t")),
            json!({"conversation": {"id": "a:1", "tenantId": "t"}})
        );
        assert_eq!(MessageContent::from_json("[]"), Err(ContentError::NotAnObject));
        assert_eq!(MessageContent::from_json("{\"recipient\":{}}"), Err(ContentError::NamesRecipient));
    }
}
