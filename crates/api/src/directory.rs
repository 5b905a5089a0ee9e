//! The synchronised copies of directories, one for each app in each tenant.

use serde::{Deserialize, Serialize};

/// A copy, or that there is none and Microsoft Graph is asked each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryCopy {
    /// `lane_…`
    pub lane: String,
    /// The app.
    pub app: String,
    /// The tenant.
    pub tenant: String,
    /// `live` or `synchronised`, as configured.
    pub directory: String,
    /// `never`, `running`, `current`, `asks` or `failing`.
    pub state: String,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// Why it is failing, or what it waits for.
    pub cause: Option<String>,
    /// People of the directory, at the end of the last round; while the first one runs, none.
    pub people: i64,
    /// Groups, those of teams among them.
    pub groups: i64,
    /// Direct members of groups, groups in groups among them.
    pub members: i64,
    /// When the last round ended, RFC 3339.
    pub complete_at: Option<String>,
    /// Until when audiences are read from it, RFC 3339; `null` if they are not.
    pub used_until: Option<String>,
    /// When it goes on, RFC 3339.
    pub next_at: Option<String>,
    /// The round under way.
    pub round: Option<DirectoryRound>,
    /// What the round would take away, while an operator is asked whether it may.
    pub asks: Option<DirectoryLoss>,
}

/// A round under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryRound {
    /// Everything is read, and not only what changed.
    pub full: bool,
    /// `people`, `groups`, `compare` or `apply`.
    pub step: String,
    /// When it began, RFC 3339.
    pub begun_at: String,
    /// People and groups that were told so far.
    pub read: i64,
}

/// What would go if it were confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryLoss {
    /// People who would not be in the directory any more.
    pub people: i64,
    /// Groups, likewise.
    pub groups: i64,
    /// Members of groups.
    pub members: i64,
}
