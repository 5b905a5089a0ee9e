//! Mentioning somebody in a text (protocol section 9).

use std::fmt;

use serde_json::{Value, json};

use super::{ChannelAccount, MessageContent};

/// Somebody who is mentioned. As text it is the mark that stands for them: `<at>Ines Moreau</at>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    id: String,
    name: String,
}

impl Mention {
    /// Of a member of the conversation, as the roster has them; `None` without an id and a name.
    pub fn of(account: &ChannelAccount) -> Option<Self> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Some(Self { id: given(&account.id)?, name: given(&account.name)? })
    }
}

impl fmt::Display for Mention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The mark is XML.
        let name = self.name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        write!(f, "<at>{name}</at>")
    }
}

impl MessageContent {
    /// Makes mentions of the marks in its text; a mention whose mark is not in the text is ignored by Teams.
    #[must_use]
    pub fn with_mentions(&self, mentions: &[Mention]) -> Self {
        let mut activity: Value =
            serde_json::from_str(self.as_json()).expect("content is a JSON object by construction");
        let made = mentions.iter().map(|mention| {
            json!({"type": "mention", "text": mention.to_string(),
                   "mentioned": {"id": mention.id, "name": mention.name}})
        });
        match activity["entities"].as_array_mut() {
            Some(entities) => entities.extend(made),
            None => activity["entities"] = made.collect(),
        }
        Self::stored(activity.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::OutboundActivity;

    fn account(id: &str, name: &str) -> ChannelAccount {
        ChannelAccount { id: Some(id.to_owned()), name: Some(name.to_owned()), ..ChannelAccount::default() }
    }

    #[test]
    fn a_mark_in_the_text_and_whom_it_means() {
        let ines = Mention::of(&account("29:x", "Ines Moreau")).unwrap();
        let odd = Mention::of(&account("29:y", "R&D <Ops>")).unwrap();
        let text = format!("{ines}, {odd} is on call");
        let content =
            MessageContent::text(&text, Some("On call")).with_mentions(&[ines]).with_mentions(&[odd]);
        let activity: Value = serde_json::from_slice(&OutboundActivity::new(content).to_bytes()).unwrap();
        assert_eq!(
            activity,
            json!({"type": "message", "textFormat": "markdown", "summary": "On call",
                   "text": "<at>Ines Moreau</at>, <at>R&amp;D &lt;Ops&gt;</at> is on call",
                   "entities": [
                       {"type": "mention", "text": "<at>Ines Moreau</at>",
                        "mentioned": {"id": "29:x", "name": "Ines Moreau"}},
                       {"type": "mention", "text": "<at>R&amp;D &lt;Ops&gt;</at>",
                        "mentioned": {"id": "29:y", "name": "R&D <Ops>"}}]})
        );
    }

    #[test]
    fn nobody_without_an_id_and_a_name() {
        assert_eq!(Mention::of(&account("29:x", "")), None);
        assert_eq!(
            Mention::of(&ChannelAccount { id: Some("29:x".to_owned()), ..ChannelAccount::default() }),
            None
        );
    }
}
