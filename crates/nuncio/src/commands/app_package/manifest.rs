//! The manifest (Microsoft's page "App manifest schema for Teams"; its JSON schema is what the tests hold it against).

use serde_json::{Value, json};

use super::details::Details;

pub(super) const COLOR: &str = "color.png";
pub(super) const OUTLINE: &str = "outline.png";

/// Which of Microsoft's schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Version {
    /// Says with one property that private and shared channels are supported.
    #[default]
    #[value(name = "1.25")]
    V1_25,
    /// Names both kinds of channels. Which version each government cloud takes is not documented.
    #[value(name = "1.19")]
    V1_19,
}

impl Version {
    fn number(self) -> &'static str {
        match self {
            Self::V1_25 => "1.25",
            Self::V1_19 => "1.19",
        }
    }
}

/// The manifest of a bot. Its id is the app id: Graph's permissions to install only oneself need them to be alike
/// (`docs/protocol.md` section 8), and it is how the app is found in the catalogue.
pub(super) fn of(app_id: &str, details: &Details, version: Version, read_receipts: bool) -> String {
    let number = version.number();
    let mut manifest = json!({
        "$schema": format!("https://developer.microsoft.com/json-schemas/teams/v{number}/MicrosoftTeams.schema.json"),
        "manifestVersion": number,
        "version": details.package_version,
        "id": app_id,
        "developer": {
            "name": details.developer,
            "websiteUrl": details.website,
            "privacyUrl": details.privacy(),
            "termsOfUseUrl": details.terms(),
        },
        "name": {"short": details.name, "full": details.name},
        "description": {"short": details.description, "full": details.full_description},
        "icons": {"color": COLOR, "outline": OUTLINE},
        "accentColor": details.accent_color,
        "defaultInstallScope": "personal",
        "bots": [{
            "botId": app_id,
            // People, group chats and teams: where nothing is installed nothing can be said.
            "scopes": ["personal", "team", "groupChat"],
            // It listens: to `stop`, to `start`, and to what is pressed on its cards.
            "isNotificationOnly": false,
            "commandLists": [{
                "scopes": ["personal"],
                "commands": [
                    {"title": "stop", "description": "Get no more messages from this app"},
                    {"title": "start", "description": "Get messages from this app again"},
                ],
            }],
        }],
        "validDomains": [],
        "webApplicationInfo": {"id": app_id, "resource": format!("api://{app_id}")},
    });
    match version {
        Version::V1_25 => manifest["supportsChannelFeatures"] = "tier1".into(),
        Version::V1_19 => manifest["supportedChannelTypes"] = json!(["privateChannels", "sharedChannels"]),
    }
    if read_receipts {
        manifest["authorization"] = json!({"permissions": {"resourceSpecific": [
            {"name": "ChatMessageReadReceipt.Read.Chat", "type": "Application"},
        ]}});
    }
    pretty(&manifest)
}

fn pretty(manifest: &Value) -> String {
    // `{:#}` of a value is its JSON with line breaks.
    format!("{manifest:#}\n")
}
