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

    pub(crate) fn login_host(self) -> &'static str {
        match self {
            Self::Public | Self::Gcc => "login.microsoftonline.com",
            Self::GccHigh | Self::Dod => "login.microsoftonline.us",
            Self::China => "login.partner.microsoftonline.cn",
        }
    }
}
