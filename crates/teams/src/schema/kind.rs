//! What an activity is about.

use serde_json::Value;

use super::invoke::Invoke;
use super::meeting::{self, Meeting, Participant};
use super::team_event::TeamEvent;
use super::{Activity, ChannelAccount};

/// What an activity is, with what decides about it.
#[derive(Debug, Clone, PartialEq)]
pub enum ActivityKind<'a> {
    /// Someone wrote ([`Activity::text_to_bot`]), or submitted a card ([`Activity::submitted`]).
    Message,
    /// Someone edited what they wrote.
    MessageUpdate,
    /// Someone restored what they had deleted.
    MessageUndelete,
    /// Someone deleted what they wrote.
    MessageDelete,
    /// Someone reacted to a message of the bot, which `reply_to_id` names, or took a reaction back.
    MessageReaction(Reactions<'a>),
    /// Members came or went, or a team or channel changed.
    ConversationUpdate(ConversationUpdate<'a>),
    /// The app was installed, removed or changed.
    Installation(InstallationAction),
    /// A question that must be answered in the same exchange.
    Invoke(Invoke<'a>),
    /// A person has read the conversation up to this message.
    ReadReceipt(Option<&'a str>),
    /// A meeting began.
    MeetingStart(Meeting),
    /// A meeting ended.
    MeetingEnd(Meeting),
    /// People came into a meeting.
    MeetingJoin(Vec<Participant>),
    /// People left a meeting.
    MeetingLeave(Vec<Participant>),
    /// Another event; its name.
    Event(&'a str),
    /// Anything else, which is to be answered 200 (protocol section 4.0); its type.
    Other(&'a str),
}

/// Reactions by their type: `like`, `heart`, `1f440_eyes` and any other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reactions<'a> {
    /// Put on the message.
    pub added: Vec<&'a str>,
    /// Taken from it.
    pub removed: Vec<&'a str>,
}

/// A conversation update. One update may be several things at once: an install in personal scope adds the bot and the
/// person together (protocol section 4.1).
#[derive(Debug, Clone, PartialEq)]
pub struct ConversationUpdate<'a> {
    /// The bot itself was added.
    pub bot_added: bool,
    /// The bot itself was removed.
    pub bot_removed: bool,
    /// Who else was added.
    pub members_added: Vec<&'a ChannelAccount>,
    /// Who else was removed.
    pub members_removed: Vec<&'a ChannelAccount>,
    /// What happened to the team or channel (`channelData.eventType`).
    pub event: Option<TeamEvent<'a>>,
}

/// What happened to the installation (protocol section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstallationAction {
    /// `add`
    Add,
    /// `remove`
    Remove,
    /// `add-upgrade`: an upgrade of the app brought the bot.
    AddUpgrade,
    /// `remove-upgrade`: an upgrade of the app took the bot away.
    RemoveUpgrade,
    /// None of those.
    Other,
}

/// The three kinds of conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConversationKind {
    /// One person and the bot.
    Personal,
    /// A group chat or a meeting's chat.
    GroupChat,
    /// A channel of a team.
    Channel,
}

impl ConversationKind {
    /// From `conversationType`.
    pub fn from_type(conversation_type: &str) -> Option<Self> {
        let is = |name: &str| conversation_type.eq_ignore_ascii_case(name);
        if is("personal") {
            Some(Self::Personal)
        } else if is("groupChat") {
            Some(Self::GroupChat)
        } else if is("channel") {
            Some(Self::Channel)
        } else {
            None
        }
    }

    /// From the shape of a conversation id (protocol section 4.0). Microsoft may invent new shapes: then `None`.
    pub fn from_id(conversation_id: &str) -> Option<Self> {
        let base = super::thread_of(conversation_id);
        if base.starts_with("a:") || base.ends_with("@unq.gbl.spaces") {
            Some(Self::Personal)
        } else if base.ends_with("@thread.tacv2") || base.ends_with("@thread.skype") {
            Some(Self::Channel)
        } else if base.ends_with("@thread.v2") {
            Some(Self::GroupChat)
        } else {
            None
        }
    }
}

impl Activity {
    /// The tenant: `channelData.tenant.id`, the most reliable place, else `conversation.tenantId`.
    pub fn tenant_id(&self) -> Option<&str> {
        self.channel_data_tenant().or_else(|| self.conversation_tenant())
    }

    /// The tenant that `channelData` names.
    pub fn channel_data_tenant(&self) -> Option<&str> {
        self.channel_data.as_ref()?.tenant.as_ref()?.id.as_deref().filter(|id| !id.is_empty())
    }

    /// The tenant that the conversation names.
    pub fn conversation_tenant(&self) -> Option<&str> {
        self.conversation.as_ref()?.tenant_id.as_deref().filter(|id| !id.is_empty())
    }

    /// The conversation's id as it is, with `;messageid=` in a channel.
    pub fn conversation_id(&self) -> Option<&str> {
        self.conversation.as_ref()?.id.as_deref()
    }

    /// What kind of conversation it happened in, by its type, else by the shape of its id.
    pub fn conversation_kind(&self) -> Option<ConversationKind> {
        let conversation = self.conversation.as_ref()?;
        conversation
            .conversation_type
            .as_deref()
            .and_then(ConversationKind::from_type)
            .or_else(|| conversation.id.as_deref().and_then(ConversationKind::from_id))
    }

    /// What it is about.
    pub fn kind(&self) -> ActivityKind<'_> {
        let activity_type = self.activity_type.as_deref().unwrap_or_default();
        match activity_type {
            "message" => ActivityKind::Message,
            "messageUpdate" if self.is_event_type("undeleteMessage") => ActivityKind::MessageUndelete,
            "messageUpdate" => ActivityKind::MessageUpdate,
            "messageDelete" => ActivityKind::MessageDelete,
            "messageReaction" => ActivityKind::MessageReaction(Reactions {
                added: self.reactions("reactionsAdded"),
                removed: self.reactions("reactionsRemoved"),
            }),
            "conversationUpdate" => ActivityKind::ConversationUpdate(self.conversation_update()),
            "installationUpdate" => ActivityKind::Installation(self.installation_action()),
            "invoke" => ActivityKind::Invoke(self.invoke()),
            "event" => self.event(),
            other => ActivityKind::Other(other),
        }
    }

    fn event_type(&self) -> Option<&str> {
        self.channel_data.as_ref().and_then(|data| data.event_type.as_deref())
    }

    fn is_event_type(&self, name: &str) -> bool {
        self.event_type().is_some_and(|event| event.eq_ignore_ascii_case(name))
    }

    fn reactions(&self, name: &str) -> Vec<&str> {
        let all = self.extra.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(|reaction| reaction["type"].as_str()).collect()
    }

    fn event(&self) -> ActivityKind<'_> {
        let name = self.name.as_deref().unwrap_or_default();
        let value = self.value.as_ref();
        let known = name.strip_prefix("application/vnd.microsoft.").unwrap_or_default().to_ascii_lowercase();
        match known.as_str() {
            "readreceipt" => {
                let read = value.and_then(|value| value["lastReadMessageId"].as_str());
                ActivityKind::ReadReceipt(read.filter(|id| !id.is_empty()))
            }
            "meetingstart" => ActivityKind::MeetingStart(meeting::meeting(value)),
            "meetingend" => ActivityKind::MeetingEnd(meeting::meeting(value)),
            "meetingparticipantjoin" => ActivityKind::MeetingJoin(meeting::participants(value)),
            "meetingparticipantleave" => ActivityKind::MeetingLeave(meeting::participants(value)),
            _ => ActivityKind::Event(name),
        }
    }

    fn conversation_update(&self) -> ConversationUpdate<'_> {
        let (bot_added, members_added) = self.apart_from_bot(self.members_added.as_deref());
        let (bot_removed, members_removed) = self.apart_from_bot(self.members_removed.as_deref());
        ConversationUpdate {
            bot_added,
            bot_removed,
            members_added,
            members_removed,
            event: self.event_type().map(TeamEvent::from_name),
        }
    }

    /// The bot is whoever the activity is addressed to; a team may have other bots too.
    fn apart_from_bot<'a>(&self, members: Option<&'a [ChannelAccount]>) -> (bool, Vec<&'a ChannelAccount>) {
        let bot = self.recipient.as_ref().and_then(|recipient| recipient.id.as_deref());
        let (bots, others): (Vec<_>, Vec<_>) = members
            .unwrap_or_default()
            .iter()
            .partition(|member| bot.is_some() && member.id.as_deref() == bot);
        (!bots.is_empty(), others)
    }

    fn installation_action(&self) -> InstallationAction {
        match self.action.as_deref() {
            Some("add") => InstallationAction::Add,
            Some("remove") => InstallationAction::Remove,
            Some("add-upgrade") => InstallationAction::AddUpgrade,
            Some("remove-upgrade") => InstallationAction::RemoveUpgrade,
            _ => InstallationAction::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn activity(json: serde_json::Value) -> Activity {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn bot_and_person_in_one_update() {
        let activity = activity(json!({
            "type": "conversationUpdate",
            "recipient": {"id": "28:bot"},
            "membersAdded": [{"id": "28:bot"}, {"id": "29:ines"}, {"id": "28:otherbot"}],
        }));
        let ActivityKind::ConversationUpdate(update) = activity.kind() else { panic!() };
        assert!(update.bot_added && !update.bot_removed);
        let ids: Vec<_> = update.members_added.iter().filter_map(|m| m.id.as_deref()).collect();
        assert_eq!(ids, ["29:ines", "28:otherbot"]);
        assert!(update.members_removed.is_empty());
    }

    #[test]
    fn installation_actions() {
        for (action, expected) in [
            ("add", InstallationAction::Add),
            ("remove", InstallationAction::Remove),
            ("add-upgrade", InstallationAction::AddUpgrade),
            ("remove-upgrade", InstallationAction::RemoveUpgrade),
            ("new", InstallationAction::Other),
        ] {
            let activity = activity(json!({"type": "installationUpdate", "action": action}));
            assert_eq!(activity.kind(), ActivityKind::Installation(expected));
        }
    }

    #[test]
    fn kinds_of_conversation() {
        let kind = |json| activity(json!({ "conversation": json })).conversation_kind();
        assert_eq!(kind(json!({"conversationType": "groupChat"})), Some(ConversationKind::GroupChat));
        assert_eq!(kind(json!({"id": "a:1X"})), Some(ConversationKind::Personal));
        assert_eq!(kind(json!({"id": "19:b_u@unq.gbl.spaces"})), Some(ConversationKind::Personal));
        assert_eq!(kind(json!({"id": "19:x@thread.tacv2;messageid=1"})), Some(ConversationKind::Channel));
        assert_eq!(kind(json!({"id": "19:meeting_x@thread.v2"})), Some(ConversationKind::GroupChat));
        assert_eq!(kind(json!({"id": "?"})), None);
    }

    #[test]
    fn tenant_of_channel_data_first() {
        let activity = activity(json!({
            "conversation": {"tenantId": "c"}, "channelData": {"tenant": {"id": "d"}}
        }));
        assert_eq!(activity.tenant_id(), Some("d"));
        assert_eq!(activity.conversation_tenant(), Some("c"));
        assert_eq!(Activity::default().tenant_id(), None);
        assert_eq!(Activity::default().kind(), ActivityKind::Other(""));
    }
}
