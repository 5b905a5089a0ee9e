//! Microsoft's clouds as far as sign-in differs between them (protocol section 1).

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cloud {
    #[default]
    Public,
    Gcc,
    GccHigh,
    Dod,
    China,
}

impl Cloud {
    /// Whose host this is, port or not; `None` for names that are not Microsoft's.
    pub(crate) fn of_host(host: &str) -> Option<Self> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
        Some(match name.as_str() {
            "login.microsoftonline.com"
            | "login.windows.net"
            | "sts.windows.net"
            | "login.botframework.com" => Self::Public,
            "login.microsoftonline.us" | "login.botframework.azure.us" => Self::GccHigh,
            "login.partner.microsoftonline.cn" | "login.chinacloudapi.cn" | "login.botframework.azure.cn" => {
                Self::China
            }
            _ => return None,
        })
    }

    /// Whether both sign in at the same place: GCC is the public cloud, and the two government ones share theirs.
    pub(crate) fn signs_in_as(self, other: Self) -> bool {
        self.login_host() == other.login_host()
    }

    /// Where the tokens of multi-tenant bots come from: its name and its id. That of China is a guess.
    pub(crate) fn login_tenant(self) -> (&'static str, &'static str) {
        match self {
            Self::Public | Self::Gcc => ("botframework.com", "d6d49420-f39b-4df7-a1dc-d59a935871db"),
            Self::GccHigh | Self::Dod => {
                ("MicrosoftServices.onmicrosoft.us", "cab8a31a-1906-4287-a0d8-4eef66b95f6e")
            }
            Self::China => ("microsoftservices.partner.onmschina.cn", "a55a4d5b-9241-49b1-b4ff-befa8db00269"),
        }
    }

    /// For whom a bot's tokens are, and who signs what bots are sent: both have the same name.
    pub(crate) fn audience(self) -> &'static str {
        match self {
            Self::Public | Self::Gcc => "https://api.botframework.com",
            Self::GccHigh | Self::Dod => "https://api.botframework.us",
            Self::China => "https://api.botframework.azure.cn",
        }
    }

    /// Where Graph is, and for whom its tokens are.
    pub(crate) fn graph(self) -> &'static str {
        match self {
            Self::Public | Self::Gcc => "https://graph.microsoft.com",
            Self::GccHigh => "https://graph.microsoft.us",
            Self::Dod => "https://dod-graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
        }
    }

    /// The service plan that is Teams (protocol section 15). That of China is a guess.
    pub(crate) fn teams_plan(self) -> &'static str {
        match self {
            Self::Public | Self::Gcc | Self::China => "57ff2da0-773e-42df-b2af-ffb7a2317929",
            Self::GccHigh => "9953b155-8aef-4c56-92f3-72b0487fce41",
            Self::Dod => "fd500458-c24c-478e-856c-a6067a8376cd",
        }
    }

    /// For whom the tokens of managed identities are that stand for a secret (protocol section 2.5).
    pub(crate) fn exchange(self) -> &'static str {
        match self {
            Self::Public | Self::Gcc => "api://AzureADTokenExchange",
            Self::GccHigh | Self::Dod => "api://AzureADTokenExchangeUSGov",
            Self::China => "api://AzureADTokenExchangeChina",
        }
    }

    pub(crate) fn login_host(self) -> &'static str {
        match self {
            Self::Public | Self::Gcc => "login.microsoftonline.com",
            Self::GccHigh | Self::Dod => "login.microsoftonline.us",
            Self::China => "login.partner.microsoftonline.cn",
        }
    }
}
