//! The states of people and what each state answers: the table of protocol section 10.

use serde::{Deserialize, Serialize};

use crate::{
    refusal::Refusal,
    settings::{BlockedAs, Settings, TeamOnlyAs, UninstalledAs, UninstalledCreate},
};

/// How a person stands to the app. One state for every bot of the organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PersonState {
    Installed,
    NeverInstalled,
    Uninstalled,
    Blocked,
    AdminDisabled,
    ChatDeleted,
    TeamOnly,
}

impl PersonState {
    pub(crate) const ALL: [Self; 7] = [
        Self::Installed,
        Self::NeverInstalled,
        Self::Uninstalled,
        Self::Blocked,
        Self::AdminDisabled,
        Self::ChatDeleted,
        Self::TeamOnly,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::NeverInstalled => "never_installed",
            Self::Uninstalled => "uninstalled",
            Self::Blocked => "blocked",
            Self::AdminDisabled => "admin_disabled",
            Self::ChatDeleted => "chat_deleted",
            Self::TeamOnly => "team_only",
        }
    }

    /// Whether the app is or was in the personal scope, so that a chat exists.
    pub(crate) fn ever_installed(self) -> bool {
        !matches!(self, Self::NeverInstalled | Self::TeamOnly)
    }

    pub(crate) fn create_by_mri(self, settings: &Settings) -> Result<(), Refusal> {
        match self {
            Self::Installed | Self::TeamOnly | Self::Blocked | Self::ChatDeleted => Ok(()),
            // No bot can hold a pairwise id of somebody whom it never met.
            Self::NeverInstalled => Err(Refusal::BadPairwiseId),
            Self::Uninstalled => match settings.uninstalled_create {
                UninstalledCreate::Created => Ok(()),
                UninstalledCreate::Forbidden => Err(Refusal::ForbiddenOperation),
            },
            Self::AdminDisabled => Err(Refusal::BotDisabledByAdmin),
        }
    }

    pub(crate) fn create_by_object_id(self) -> Result<(), Refusal> {
        match self {
            Self::Installed | Self::Blocked | Self::ChatDeleted => Ok(()),
            Self::NeverInstalled | Self::Uninstalled | Self::TeamOnly => Err(Refusal::ForbiddenOperation),
            Self::AdminDisabled => Err(Refusal::BotDisabledByAdmin),
        }
    }

    /// A post into a chat that exists. That a deleted chat is gone is the caller's to know.
    pub(crate) fn send(self, settings: &Settings) -> Result<(), Refusal> {
        match self {
            Self::Installed | Self::ChatDeleted => Ok(()),
            Self::NeverInstalled => Err(Refusal::BotNotInConversationRoster),
            Self::Uninstalled => match settings.uninstalled_as {
                UninstalledAs::Code => Err(Refusal::BotNotInConversationRoster),
                UninstalledAs::WritesBlocked => Err(Refusal::MessageWritesBlocked),
                UninstalledAs::Accepted => Ok(()),
            },
            Self::Blocked => match settings.blocked_as {
                BlockedAs::Code => Err(Refusal::ConversationBlockedByUser),
                BlockedAs::WritesBlocked => Err(Refusal::MessageWritesBlocked),
            },
            Self::AdminDisabled => Err(Refusal::BotDisabledByAdmin),
            Self::TeamOnly => match settings.team_only_as {
                TeamOnlyAs::Accepted => Ok(()),
                TeamOnlyAs::Blocked => Err(Refusal::ConversationBlockedByUser),
            },
        }
    }
}
