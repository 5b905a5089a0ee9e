//! What a package says of the app and of who made it, and Microsoft's bounds of it (the manifest's JSON schema).

use reqwest::Url;

use crate::commands::Failure;

/// What people see of the app
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What people see")]
pub(super) struct Details {
    /// Name of the app, 30 characters at most
    #[arg(long, value_name = "TEXT", default_value = "Nuncio")]
    pub(super) name: String,
    /// What it is for, in 80 characters at most
    #[arg(long, value_name = "TEXT", default_value = "Messages from your organisation")]
    pub(super) description: String,
    /// The same at length, 4,000 characters at most
    #[arg(long, value_name = "TEXT", default_value = LONG)]
    pub(super) full_description: String,
    /// Who runs the app, 32 characters at most
    #[arg(long, value_name = "NAME")]
    pub(super) developer: String,
    /// Where people find help, https
    #[arg(long, value_name = "URL")]
    pub(super) website: String,
    /// What is done with their data, https [default: the website]
    #[arg(long, value_name = "URL")]
    pub(super) privacy: Option<String>,
    /// Terms of use, https [default: the website]
    #[arg(long, value_name = "URL")]
    pub(super) terms: Option<String>,
    /// Version of the package; Teams takes a changed one only with a higher version
    #[arg(long, value_name = "N.N.N", default_value = "1.0.0")]
    pub(super) package_version: String,
    /// Colour behind the outline icon
    #[arg(long, value_name = "#RRGGBB", default_value = "#4054C8")]
    pub(super) accent_color: String,
}

const LONG: &str = "Brings you welcomes, notifications and announcements of your organisation as chat messages. Write \
    \"stop\" to get no more of them, and \"start\" to get them again.";

impl Details {
    pub(super) fn privacy(&self) -> &str {
        self.privacy.as_deref().unwrap_or(&self.website)
    }

    pub(super) fn terms(&self) -> &str {
        self.terms.as_deref().unwrap_or(&self.website)
    }

    /// Everything that Teams would refuse, at once.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let mut wrong = Vec::new();
        let texts = [
            ("--name", &self.name, 30),
            ("--description", &self.description, 80),
            ("--full-description", &self.full_description, 4_000),
            ("--developer", &self.developer, 32),
        ];
        for (option, text, most) in texts {
            // As JSON schema counts: characters, not bytes.
            let length = text.chars().count();
            if text.trim().is_empty() || length > most {
                wrong.push(format!("{option} has {length} characters; it needs 1 to {most}"));
            }
        }
        let urls = [("--website", &*self.website), ("--privacy", self.privacy()), ("--terms", self.terms())];
        for (option, url) in urls {
            let https = Url::parse(url).is_ok_and(|parsed| parsed.scheme() == "https" && parsed.has_host());
            if !https || url.len() > 2_048 {
                wrong.push(format!("{option} is not an https URL: {url}"));
            }
        }
        let numbers: Vec<&str> = self.package_version.split('.').collect();
        if numbers.len() != 3 || numbers.iter().any(|number| !is_number(number)) {
            wrong
                .push(format!("--package-version is not three numbers like 1.0.0: {}", self.package_version));
        }
        let hex = self.accent_color.strip_prefix('#').unwrap_or_default();
        if hex.len() != 6 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            wrong.push(format!("--accent-color is not a colour like #4054C8: {}", self.accent_color));
        }
        if wrong.is_empty() { Ok(()) } else { Err(Failure::wrong_use(wrong.join("\n  "))) }
    }
}

/// As semantic versions have it: no leading zero.
fn is_number(text: &str) -> bool {
    text == "0"
        || (!text.is_empty() && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details() -> Details {
        Details {
            name: "Contoso News".to_owned(),
            description: "News".to_owned(),
            full_description: LONG.to_owned(),
            developer: "Contoso IT".to_owned(),
            website: "https://contoso.com".to_owned(),
            privacy: None,
            terms: None,
            package_version: "1.0.0".to_owned(),
            accent_color: "#4054c8".to_owned(),
        }
    }

    #[test]
    fn what_teams_would_refuse_is_said_at_once() {
        assert!(details().check().is_ok());
        let wrong = Details {
            name: "ü".repeat(31),
            developer: " ".to_owned(),
            privacy: Some("http://contoso.com".to_owned()),
            package_version: "1.01.0".to_owned(),
            accent_color: "4054c8".to_owned(),
            ..details()
        };
        let text = wrong.check().unwrap_err().to_string();
        for option in ["--name has 31", "--developer", "--privacy", "--package-version", "--accent-color"] {
            assert!(text.contains(option), "{option}: {text}");
        }
        assert!(!text.contains("--website"), "{text}");
        let most = Details { name: "ü".repeat(30), package_version: "10.0.12".to_owned(), ..details() };
        assert!(most.check().is_ok());
    }
}
