//! Complaints about the configuration: each says where to correct it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why there is no usable configuration.
#[derive(Debug)]
pub enum ConfigError {
    /// There is no file, and the environment names no app.
    Missing { path: PathBuf },
    /// The file is there and cannot be read.
    Unreadable { path: PathBuf, error: std::io::Error },
    /// It was read; all that is wrong with it.
    Problems(Vec<Problem>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { path } => f.write_str(&explain_missing(path)),
            Self::Unreadable { path, error } => write!(f, "{} cannot be read: {error}", path.display()),
            Self::Problems(problems) => match problems.as_slice() {
                [problem] => write!(f, "{problem}"),
                problems => {
                    write!(f, "the configuration has {} problems", problems.len())?;
                    problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
                }
            },
        }
    }
}

/// The texts above hold their causes already.
impl std::error::Error for ConfigError {}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    pub text: String,
}

/// Where something was said, or would have to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of the file, counted from 1.
    Line { file: PathBuf, line: usize },
    /// The file as a whole.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// Nowhere yet: all that there is comes from the environment.
    Environment,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, "{}:{line}", file.display()),
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Environment => f.write_str("environment"),
        }
    }
}

/// What to do where there is no configuration: what to fill in, and where each value comes from.
pub fn explain_missing(path: &Path) -> String {
    format!(
        r#"there is no configuration: {path} was not found

To try Nuncio without an account at Microsoft, no configuration is needed:
  nuncio demo            a simulated organisation and a first broadcast, end to end
  nuncio serve --local   a server for Microsoft's Agents Playground on this machine

To send in Teams, write {path} with these lines:

  [app.main]
  app_id = "…"           Entra admin center (entra.microsoft.com) → App registrations → your app (or New
                         registration, single tenant, no redirect URI) → Application (client) ID
  tenant_id = "…"        the same page → Directory (tenant) ID
  client_secret = "…"    the same app → Certificates & secrets → New client secret → its Value, shown once;
                         or client_secret_file = "FILE" with the value in a file of its own

and connect the app to Teams:

  Azure portal → Azure Bot (create one: single tenant, "use existing app registration", the two ids above)
    → Channels       add Microsoft Teams
    → Configuration  messaging endpoint: https://YOUR-HOST/api/messages, reachable by Microsoft and led by a
                     proxy with TLS to http://127.0.0.1:3978/api/messages

Every key can also come from the environment (NUNCIO_APP_MAIN_APP_ID, NUNCIO_APP_MAIN_CLIENT_SECRET, …).
All keys with their defaults: docs/configuration.md"#,
        path = path.display()
    )
}
