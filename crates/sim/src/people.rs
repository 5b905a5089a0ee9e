//! The states of people and what each state answers: the table of protocol section 10.

use serde::{Deserialize, Serialize};

use crate::{
    refusal::Refusal,
    settings::Settings,
    switches::{BlockedAs, PersonAnswer, TeamOnlyAs, UninstalledAs, UninstalledCreate},
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
    /// From here on Microsoft documents no answer: each has its switch.
    Unlicensed,
    AccountDisabled,
    Guest,
    Deleted,
    NeverSignedIn,
    PolicyBlocked,
    External,
}

impl PersonState {
    pub(crate) const ALL: [Self; 14] = [
        Self::Installed,
        Self::NeverInstalled,
        Self::Uninstalled,
        Self::Blocked,
        Self::AdminDisabled,
        Self::ChatDeleted,
        Self::TeamOnly,
        Self::Unlicensed,
        Self::AccountDisabled,
        Self::Guest,
        Self::Deleted,
        Self::NeverSignedIn,
        Self::PolicyBlocked,
        Self::External,
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
            Self::Unlicensed => "unlicensed",
            Self::AccountDisabled => "account_disabled",
            Self::Guest => "guest",
            Self::Deleted => "deleted",
            Self::NeverSignedIn => "never_signed_in",
            Self::PolicyBlocked => "policy_blocked",
            Self::External => "external",
        }
    }

    /// Whether the app is or was in the personal scope, so that a chat exists.
    pub(crate) fn ever_installed(self) -> bool {
        !matches!(
            self,
            Self::NeverInstalled | Self::TeamOnly | Self::Guest | Self::NeverSignedIn | Self::External
        )
    }

    /// An administrator's policy can bring the app to such a person.
    pub(crate) fn lacks_the_app(self) -> bool {
        matches!(self, Self::NeverInstalled | Self::Uninstalled | Self::TeamOnly | Self::NeverSignedIn)
    }

    /// The switch of a state without a documented answer.
    fn switched(self, settings: &Settings) -> Option<PersonAnswer> {
        Some(match self {
            Self::Unlicensed => settings.unlicensed_as,
            Self::AccountDisabled => settings.account_disabled_as,
            Self::Guest => settings.guest_as,
            Self::Deleted => settings.deleted_as,
            Self::NeverSignedIn => settings.never_signed_in_as,
            Self::PolicyBlocked => settings.policy_blocked_as,
            Self::External => settings.external_as,
            _ => return None,
        })
    }

    /// Whether the app is in the personal scope as far as the Connector is concerned: such a person gets sessions.
    pub(crate) fn has_the_app(self, settings: &Settings) -> bool {
        match self {
            Self::Installed | Self::ChatDeleted => true,
            _ => self.switched(settings) == Some(PersonAnswer::Accepted),
        }
    }

    /// Whether Graph lists the app among those installed (the same table).
    pub(crate) fn keeps_the_app(self, settings: &Settings) -> bool {
        self == Self::Blocked || self.has_the_app(settings)
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
            _ => self.switched(settings).map_or(Ok(()), PersonAnswer::create),
        }
    }

    pub(crate) fn create_by_object_id(self, settings: &Settings) -> Result<(), Refusal> {
        match self {
            Self::Installed | Self::Blocked | Self::ChatDeleted => Ok(()),
            Self::NeverInstalled | Self::Uninstalled | Self::TeamOnly => Err(Refusal::ForbiddenOperation),
            Self::AdminDisabled => Err(Refusal::BotDisabledByAdmin),
            _ => self.switched(settings).map_or(Ok(()), PersonAnswer::create),
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
            Self::Blocked => Err(match settings.blocked_as {
                BlockedAs::Code => Refusal::ConversationBlockedByUser,
                BlockedAs::WritesBlocked => Refusal::MessageWritesBlocked,
                BlockedAs::DisabledByUser => Refusal::BotDisabledByUser,
            }),
            Self::AdminDisabled => Err(Refusal::BotDisabledByAdmin),
            Self::TeamOnly => match settings.team_only_as {
                TeamOnlyAs::Accepted => Ok(()),
                TeamOnlyAs::Blocked => Err(Refusal::ConversationBlockedByUser),
            },
            _ => self.switched(settings).map_or(Ok(()), PersonAnswer::send),
        }
    }

    /// A look at the roster of the 1:1 chat. Whether a block hides it is not documented: it does not here.
    pub(crate) fn look(self, settings: &Settings) -> Result<(), Refusal> {
        match self {
            Self::Uninstalled | Self::NeverInstalled => Err(Refusal::BotNotInConversationRoster),
            Self::AdminDisabled => Err(Refusal::BotDisabledByAdmin),
            _ => match self.switched(settings) {
                None | Some(PersonAnswer::Blocked | PersonAnswer::WritesBlocked) => Ok(()),
                Some(answer) => answer.send(),
            },
        }
    }
}

impl PersonAnswer {
    fn create(self) -> Result<(), Refusal> {
        Err(match self {
            Self::Accepted | Self::Blocked | Self::WritesBlocked => return Ok(()),
            Self::NotInstalled => Refusal::ForbiddenOperation,
            Self::DisabledByAdmin => Refusal::BotDisabledByAdmin,
            Self::NotPermitted => Refusal::NotEnoughPermissions,
            Self::NotFound => Refusal::ConversationNotFound,
        })
    }

    fn send(self) -> Result<(), Refusal> {
        Err(match self {
            Self::Accepted => return Ok(()),
            Self::NotInstalled => Refusal::BotNotInConversationRoster,
            Self::Blocked => Refusal::ConversationBlockedByUser,
            Self::WritesBlocked => Refusal::MessageWritesBlocked,
            Self::DisabledByAdmin => Refusal::BotDisabledByAdmin,
            Self::NotPermitted => Refusal::NotEnoughPermissions,
            Self::NotFound => Refusal::ConversationNotFound,
        })
    }
}
