//! What an install run would come to: `POST /v1/installs/preview`, asked with the body of `POST /v1/installs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::preview::{Sampled, Unread};

/// Who has the app, for whom it would be installed, for whom not and why, and when it would be done. As of now: nothing is
/// stored or installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstallPreview {
    /// The app that would be installed.
    pub app: String,
    /// The tenant that it would be installed in.
    pub tenant: String,
    /// Whether all of the audience was read. If not, every count is of what was, and nothing is said of the end.
    pub complete: bool,
    /// The parts that were not read to their end, and why.
    pub incomplete: Vec<Unread>,
    /// Distinct people, teams and chats: the sum of `have_it`, `would_install` and all of `would_fail` and `would_skip`.
    pub audience: i64,
    /// How many times someone is named who is in the audience already.
    pub duplicates_removed: i64,
    /// Who is known to have the app: no call is made for them, and they count as installed.
    pub have_it: i64,
    /// Whom Microsoft Graph would be asked to install it for. Of some it may say that they have it, and refuse others.
    pub would_install: i64,
    /// Entries of lists that are not exactly one person: `recipient_not_found`, without a call.
    pub would_fail: BTreeMap<String, i64>,
    /// Whom no call would be made for, by reason: those of `skipped_by_reason` of an install run.
    pub would_skip: BTreeMap<String, i64>,
    /// The audience by what is known of whether each can be reached.
    pub by_state: BTreeMap<String, i64>,
    /// Calls to Microsoft Graph, if none has to be repeated.
    pub calls: InstallCalls,
    /// More recipients than this wait for a confirmation.
    pub max_recipients: i64,
    /// Whether the run would wait for one.
    pub needs_confirmation: bool,
    /// Installs per second that Microsoft Graph takes of an app in a tenant; other runs and messages that install share them.
    pub rate_per_s: f64,
    /// When it would begin, RFC 3339; `null` while nobody can know, see `cause`.
    pub begins_at: Option<String>,
    /// From then to its last call; `null` if part of the audience was not read.
    pub duration_s: Option<f64>,
    /// When its last call would be made, RFC 3339.
    pub estimated_end: Option<String>,
    /// RFC 3339.
    pub expires_at: String,
    /// Whether it would expire before it is done; `null` where `estimated_end` is.
    pub expires_before_end: Option<bool>,
    /// Since when an operator holds the lane, RFC 3339.
    pub paused_since: Option<String>,
    /// Why it would not begin now, in a word: `paused`.
    pub cause: Option<String>,
    /// The same for people, and what to do.
    pub cause_text: Option<String>,
    /// Up to 10 of each reason of `would_fail` and `would_skip`, and of `have_it` and `would_install`.
    pub sample: BTreeMap<String, Vec<Sampled>>,
}

/// Calls by what they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallCalls {
    /// Installing the app.
    pub install: i64,
    /// Pages of the directory, which the run would read again.
    pub graph_pages: i64,
}
