//! What `channelData.eventType` says of a team or channel (protocol section 4.3).

use serde::Deserialize;

use super::{ChannelData, TeamInfo};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// An event of a team or channel. Names are compared without regard to case: Microsoft's own pages differ.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum TeamEvent<'a> {
            $($(#[$doc])* $name,)*
            /// None of those; the name as it was written.
            Other(&'a str),
        }

        impl<'a> TeamEvent<'a> {
            /// From `eventType`.
            pub fn from_name(name: &'a str) -> Self {
                $(if name.eq_ignore_ascii_case($word) { return Self::$name; })*
                Self::Other(name)
            }

            /// As Microsoft's table writes it; one that is not in it as it was written.
            pub fn as_str(self) -> &'a str {
                match self {
                    $(Self::$name => $word,)*
                    Self::Other(name) => name,
                }
            }
        }
    };
}

events! {
    /// Members came into a team.
    TeamMemberAdded = "teamMemberAdded",
    /// Members left a team or group chat.
    TeamMemberRemoved = "teamMemberRemoved",
    /// A channel is new.
    ChannelCreated = "channelCreated",
    /// A channel has another name.
    ChannelRenamed = "channelRenamed",
    /// A channel was deleted; it can come back.
    ChannelDeleted = "channelDeleted",
    /// A deleted channel came back.
    ChannelRestored = "channelRestored",
    /// A shared channel was opened to other teams, see [`ChannelData::shared_with_teams`].
    ChannelShared = "channelShared",
    /// It was closed to them again, see [`ChannelData::unshared_from_teams`].
    ChannelUnshared = "channelUnshared",
    /// Members came into a private or shared channel.
    ChannelMemberAdded = "channelMemberAdded",
    /// Members left a private or shared channel.
    ChannelMemberRemoved = "channelMemberRemoved",
    /// A team has another name.
    TeamRenamed = "teamRenamed",
    /// A team was archived: it takes no posts.
    TeamArchived = "teamArchived",
    /// An archived team is in use again.
    TeamUnarchived = "teamUnarchived",
    /// A team was deleted; it can come back.
    TeamDeleted = "teamDeleted",
    /// A deleted team came back.
    TeamRestored = "teamRestored",
    /// A deleted team is gone for good.
    TeamHardDeleted = "teamHardDeleted",
}

/// Through what someone is a member of a shared channel (Teams SDK, membership source).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MembershipSource {
    /// `channel` or `team`.
    pub source_type: Option<String>,
    /// The id of that channel or team.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// `direct` or `transitive`.
    pub membership_type: Option<String>,
    /// The team's group in Entra.
    pub team_group_id: Option<String>,
    /// The tenant that they come from.
    pub tenant_id: Option<String>,
}

impl ChannelData {
    /// The teams that a channel was shared with.
    pub fn shared_with_teams(&self) -> Vec<TeamInfo> {
        self.extra("sharedWithTeams").unwrap_or_default()
    }

    /// The teams that a channel is not shared with any more.
    pub fn unshared_from_teams(&self) -> Vec<TeamInfo> {
        self.extra("unsharedFromTeams").unwrap_or_default()
    }

    /// Through what the members of a `channelMember…` event are members.
    pub fn membership_source(&self) -> Option<MembershipSource> {
        self.extra("membershipSource")
    }

    /// The meeting that it happened in.
    pub fn meeting_id(&self) -> Option<&str> {
        self.extra.get("meeting")?.get("id")?.as_str()
    }

    /// Read only when it is asked for: a field of an odd shape must not lose the whole activity.
    fn extra<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        T::deserialize(self.extra.get(name)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case() {
        assert_eq!(TeamEvent::from_name("teamrestored"), TeamEvent::TeamRestored);
        assert_eq!(TeamEvent::TeamRestored.as_str(), "teamRestored");
        assert_eq!(TeamEvent::from_name("teamPainted"), TeamEvent::Other("teamPainted"));
        assert_eq!(TeamEvent::Other("teamPainted").as_str(), "teamPainted");
    }

    #[test]
    fn odd_shapes_are_nothing() {
        let data: ChannelData =
            serde_json::from_str(r#"{"sharedWithTeams": 5, "membershipSource": "x", "meeting": []}"#)
                .unwrap();
        assert!(data.shared_with_teams().is_empty() && data.membership_source().is_none());
        assert_eq!(data.meeting_id(), None);
    }
}
