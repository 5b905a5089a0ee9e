//! What a caller asks for. Unknown fields are refused; fields that are known but not built yet are refused by name
//! (`not_supported_yet`), never ignored. A field with its default value asks for nothing.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{is_default, object};

/// `POST /v1/messages`, and `POST /v1/audiences/preview`, where the content may be left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// The app that sends, by its name in the configuration; needed only where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The tenant to send in; needed only where the app is known in several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Who is meant.
    #[serde(default, deserialize_with = "object")]
    pub audience: Audience,
    /// What is said.
    #[serde(default, deserialize_with = "object")]
    pub content: ContentRequest,
    /// The caller's own word for this kind of message, to filter by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `urgent`, `normal` (default) or `bulk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// Who is given the app first: `never` (default), `if_never_installed`, `also_if_removed`. The last two only where the
    /// app and the API key may install.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<String>,
    /// `hold` or `resend`; without it, what suits the recipient and the priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_ambiguous: Option<String>,
    /// What happens to who cannot be reached now: `fail` (default), or `wait` until that changes or it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_unreachable: Option<String>,
    /// More recipients than this wait for a confirmation; 1 to 1,000,000, default 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_recipients: Option<i64>,
    /// When sending begins while the audience is still being worked out: `complete` (default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// RFC 3339; not before this. A time that has passed means now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_at: Option<String>,
    /// RFC 3339; not after this. Default 24 hours after `send_at`, for `urgent` 1 hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// Who is meant. All parts together, everyone once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// People, by Entra object id, sign-in name or mail address; at most 10,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// All people with the app installed, as of now.
    #[serde(default, skip_serializing_if = "is_default")]
    pub installed: bool,
    /// Channels, by conversation id (`19:…@thread.tacv2`): a new thread there, or with `;messageid=…` a reply in that one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// Teams that the app knows, by their id or that of their Entra group: a new thread in the channel that was picked when
    /// the app was installed there ([`Team::picked_channel`](crate::Team)), in General where none was. At most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub picked_channels: Vec<String>,
    /// Everyone in the directory; who has no enabled account or no Teams plan is skipped.
    #[serde(default, skip_serializing_if = "is_default")]
    pub everyone: bool,
    /// Members of teams, one to one: by Entra group id, or as Teams calls a team that the app knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<String>,
    /// Members of Entra groups, transitively, by object id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Group chats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chats: Vec<String>,
    /// Uploaded lists, `aud_…` ([`UploadedList`](crate::UploadedList)); at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<String>,
    /// Kinds of people that are left out by default: `guests`, `disabled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Who is not meant although the rest says so.
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "object")]
    pub exclude: Exclude,
}

/// Who is not meant although the audience has them; they are `skipped: excluded`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclude {
    /// People, by Entra object id, sign-in name or mail address; at most 10,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Members of Entra groups, transitively, by object id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// What is said: text or a card, not both (Microsoft would split them into two posts).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentRequest {
    /// Markdown, as far as Teams shows it: bold, italic, links, quotes, code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// An Adaptive Card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<Value>,
    /// The line of the toast and the activity feed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_whole_contract_is_known() {
        // The example of docs/product.md, HTTP.
        let body = json!({
            "audience": {"users": ["b7c41e0a-9d25-4f6e-8a37-52e1f08c6d9b", "ines@contoso.com"], "everyone": false,
                         "installed": false, "teams": ["19:…@thread.tacv2"], "groups": ["…"],
                         "channels": ["19:…@thread.tacv2"], "picked_channels": ["19:…@thread.tacv2"], "chats": ["19:…@thread.v2"], "lists": ["aud_…"],
                         "include": ["guests", "disabled"], "exclude": {"users": [], "groups": []}},
            "content": {"text": "Deploy **finished**", "summary": "Deploy finished"},
            "label": "deploys", "priority": "normal", "install": "never", "on_ambiguous": "hold",
            "when_unreachable": "fail", "max_recipients": 1000, "start": "complete", "send_at": null,
            "expires_at": null
        });
        let message: NewMessage = serde_json::from_value(body).unwrap();
        assert_eq!(message.audience.users.len(), 2);
        assert_eq!(message.send_at, None);
    }

    #[test]
    fn what_asks_for_nothing_is_not_written() {
        let message = NewMessage {
            audience: Audience { installed: true, ..Audience::default() },
            content: ContentRequest { text: Some("Hello".to_owned()), ..ContentRequest::default() },
            ..NewMessage::default()
        };
        assert_eq!(
            serde_json::to_value(message).unwrap(),
            json!({"audience": {"installed": true}, "content": {"text": "Hello"}})
        );
    }
}
