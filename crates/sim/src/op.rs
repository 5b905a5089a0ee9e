//! The names of operations, by which faults match, the journal tells and the counts count.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Op {
    Token,
    Metadata,
    Keys,
    Create,
    CreateThread,
    Send,
    Update,
    Delete,
    Reaction,
    Members,
    Teams,
    Batch,
    Attachments,
    Meetings,
    /// The list of conversations, and history (both in swagger only).
    Conversations,
    /// Nothing that is simulated.
    Other,
    /// From here on Graph's (protocol sections 7.2 and 8).
    #[serde(rename = "graph.users")]
    GraphUsers,
    #[serde(rename = "graph.user")]
    GraphUser,
    #[serde(rename = "graph.users_delta")]
    GraphUsersDelta,
    #[serde(rename = "graph.groups")]
    GraphGroups,
    #[serde(rename = "graph.group")]
    GraphGroup,
    #[serde(rename = "graph.groups_delta")]
    GraphGroupsDelta,
    /// Of a group, transitive ones too.
    #[serde(rename = "graph.members")]
    GraphMembers,
    #[serde(rename = "graph.team")]
    GraphTeam,
    #[serde(rename = "graph.team_members")]
    GraphTeamMembers,
    #[serde(rename = "graph.channels")]
    GraphChannels,
    #[serde(rename = "graph.channel_members")]
    GraphChannelMembers,
    #[serde(rename = "graph.catalog")]
    GraphCatalog,
    #[serde(rename = "graph.installed_apps")]
    GraphInstalledApps,
    #[serde(rename = "graph.install")]
    GraphInstall,
    #[serde(rename = "graph.upgrade")]
    GraphUpgrade,
    #[serde(rename = "graph.uninstall")]
    GraphUninstall,
    #[serde(rename = "graph.chat")]
    GraphChat,
    #[serde(rename = "graph.batch")]
    GraphBatch,
    #[serde(rename = "graph.other")]
    GraphOther,
}

/// Whose operation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Entra, and the documents about keys.
    SignIn,
    Connector,
    Graph,
}

impl Op {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Metadata => "metadata",
            Self::Keys => "keys",
            Self::Create => "create",
            Self::CreateThread => "create_thread",
            Self::Send => "send",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Reaction => "reaction",
            Self::Members => "members",
            Self::Teams => "teams",
            Self::Batch => "batch",
            Self::Attachments => "attachments",
            Self::Meetings => "meetings",
            Self::Conversations => "conversations",
            Self::Other => "other",
            Self::GraphUsers => "graph.users",
            Self::GraphUser => "graph.user",
            Self::GraphUsersDelta => "graph.users_delta",
            Self::GraphGroups => "graph.groups",
            Self::GraphGroup => "graph.group",
            Self::GraphGroupsDelta => "graph.groups_delta",
            Self::GraphMembers => "graph.members",
            Self::GraphTeam => "graph.team",
            Self::GraphTeamMembers => "graph.team_members",
            Self::GraphChannels => "graph.channels",
            Self::GraphChannelMembers => "graph.channel_members",
            Self::GraphCatalog => "graph.catalog",
            Self::GraphInstalledApps => "graph.installed_apps",
            Self::GraphInstall => "graph.install",
            Self::GraphUpgrade => "graph.upgrade",
            Self::GraphUninstall => "graph.uninstall",
            Self::GraphChat => "graph.chat",
            Self::GraphBatch => "graph.batch",
            Self::GraphOther => "graph.other",
        }
    }

    pub(crate) fn service(self) -> Service {
        match self {
            Self::Token | Self::Metadata | Self::Keys => Service::SignIn,
            _ if self.name().starts_with("graph.") => Service::Graph,
            _ => Service::Connector,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn faults_and_the_journal_call_an_operation_alike() {
        for op in [Op::CreateThread, Op::GraphInstall, Op::GraphUsersDelta, Op::GraphOther, Op::Other] {
            assert_eq!(json!(op), op.name());
        }
        assert_eq!(Op::GraphInstall.service(), Service::Graph);
        assert_eq!(Op::Send.service(), Service::Connector);
        assert_eq!(Op::Token.service(), Service::SignIn);
    }
}
