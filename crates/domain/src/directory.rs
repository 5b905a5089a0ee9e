//! Who is in a tenant, in its groups and in its teams, as the directory says (`docs/adr/0023`).

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Whom to read from the directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectorySource {
    /// Everyone who has an account.
    Everyone,
    /// The people of an Entra group and of all groups in it.
    Group(String),
    /// The members of a team, by the id of its group in Entra.
    Team(String),
}

/// A person as the directory has them. What it does not tell is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryPerson {
    /// Entra object id, lower case.
    pub object_id: String,
    pub upn: Option<String>,
    pub name: Option<String>,
    pub mail: Option<String>,
    /// A guest of the tenant.
    pub guest: Option<bool>,
    /// A member whose account belongs to another tenant.
    pub external: Option<bool>,
    /// Whether they can sign in.
    pub enabled: Option<bool>,
    /// Whether they have a plan with Teams.
    pub licensed: Option<bool>,
}

/// Whom a sign-in name or a mail address stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    One(Box<DirectoryPerson>),
    None,
    /// A mail address that several have.
    Several,
}

/// Some of the people of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryPage {
    pub people: Vec<DirectoryPerson>,
    /// Where the next page begins; `None` after the last. Of the directory's making, to be given back as it is.
    pub next: Option<String>,
}

/// Which of our apps asks, and about which tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker<'a> {
    pub app: &'a str,
    pub tenant: &'a str,
}

/// Why the directory tells nothing. Texts say what to do; they name no person and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    #[error(
        "Microsoft Graph refuses: grant the app the application permission {role}, and consent to it in the tenant"
    )]
    NotPermitted { role: String },
    #[error("the directory has no such group or team: {id}")]
    NotFound { id: String },
    /// The configuration gives nothing to ask with.
    #[error("{0}")]
    NotConfigured(String),
    /// This app's credential gets no token for the tenant.
    #[error("Microsoft gives no token for Graph in this tenant: {0}")]
    NoToken(String),
    #[error("Microsoft Graph refuses: {0}")]
    Refused(String),
    #[error("Microsoft Graph asks to be left alone for a while")]
    Throttled { retry_after: Option<Duration> },
    #[error("Microsoft Graph does not answer: {0}")]
    Unavailable(String),
    /// It cannot be read on from where it was left: only from the beginning.
    #[error("the directory must be read from its beginning: {0}")]
    Anew(String),
}

/// The word for the cause of a message that waits for the directory.
pub const CAUSE: &str = "directory";

/// Word and text of a cause that [`DirectoryError::cause`] made.
pub fn read_cause(cause: &str) -> Option<(&str, &str)> {
    cause.split_once(": ").filter(|(word, _)| *word == CAUSE)
}

impl DirectoryError {
    /// Why a message waits: the word, and what to do.
    pub fn cause(&self) -> String {
        format!("{CAUSE}: {self}")
    }

    /// Whether it passes without anybody's doing.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Unavailable(_) | Self::Anew(_))
    }

    /// How long we are asked to wait.
    pub const fn retry_after(&self) -> Option<Duration> {
        if let Self::Throttled { retry_after } = self { *retry_after } else { None }
    }
}

/// Asks the directory. Object-safe; nothing is stored by it.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// Whether there is anything to ask with. Asks nobody.
    fn ready(&self, asker: Asker<'_>) -> Result<(), DirectoryError>;

    /// Whom each of these sign-in names and mail addresses stands for, in their order. All of them, or an error.
    async fn resolve(&self, asker: Asker<'_>, names: &[String]) -> Result<Vec<Resolved>, DirectoryError>;

    /// A page of a source: the first, or the one at `cursor`.
    async fn page(
        &self,
        asker: Asker<'_>,
        source: &DirectorySource,
        cursor: Option<&str>,
    ) -> Result<DirectoryPage, DirectoryError>;
}

/// A page that the expansion of a message needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which source of the message it belongs to.
    pub source_no: usize,
    pub from: DirectorySource,
    pub cursor: Option<String>,
}

/// What came of a [`Wanted`] page, to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    pub message_no: i64,
    pub source_no: usize,
    /// The cursor that the page was asked with. If the source is not there any more, the page is left out.
    pub cursor: Option<String>,
    pub people: Vec<DirectoryPerson>,
    pub next: Next,
}

/// How a source goes on after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    At(String),
    /// It was the last.
    End,
    /// From its beginning. Who was read stays.
    Anew,
}

/// Kinds of people whom a message is also for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Include {
    pub guests: bool,
    pub disabled: bool,
}

impl Include {
    /// As it is stored: nothing where nobody is included.
    pub fn to_word(self) -> Option<&'static str> {
        match (self.guests, self.disabled) {
            (false, false) => None,
            (true, false) => Some("guests"),
            (false, true) => Some("disabled"),
            (true, true) => Some("guests disabled"),
        }
    }

    /// What was stored.
    pub fn of_word(word: Option<&str>) -> Self {
        let has = |kind| word.is_some_and(|word| word.split(' ').any(|one| one == kind));
        Self { guests: has("guests"), disabled: has("disabled") }
    }
}

/// What the directory last said of a recipient, and when it did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    pub guest: Option<bool>,
    pub external: Option<bool>,
    pub enabled: Option<bool>,
    pub licensed: Option<bool>,
    /// `None` if it was never asked.
    pub at: Option<crate::time::Time>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_kinds_are_stored_as_words() {
        for guests in [false, true] {
            for disabled in [false, true] {
                let include = Include { guests, disabled };
                assert_eq!(Include::of_word(include.to_word()), include);
            }
        }
        assert_eq!(Include::default().to_word(), None);
    }

    #[test]
    fn what_passes_by_itself() {
        let wait = Duration::from_secs(7);
        let throttled = DirectoryError::Throttled { retry_after: Some(wait) };
        assert!(throttled.passes() && DirectoryError::Unavailable(String::new()).passes());
        assert_eq!(throttled.retry_after(), Some(wait));
        let missing = DirectoryError::NotPermitted { role: "User.Read.All".to_owned() };
        assert!(!missing.passes());
        let cause = missing.cause();
        let (word, text) = read_cause(&cause).unwrap();
        assert!(word == CAUSE && text.contains("User.Read.All"), "{cause}");
        assert_eq!(read_cause("confirm"), None);
    }
}
