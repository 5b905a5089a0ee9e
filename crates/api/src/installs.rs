//! Having the app installed for people, in teams and in group chats.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::object;
use crate::request::Audience;

/// `POST /v1/installs`. At least somebody has to be named.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewInstall {
    /// The app, by its name in the configuration; needed only where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The tenant; needed only where the app is known in several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The people that get it, named as for a message; neither `installed` nor `channels` nor `chats`.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "crate::is_default")]
    pub audience: Audience,
    /// Teams that get it as a whole: the Entra object ids of their groups, or ids of teams that the app has met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<String>,
    /// Group chats that get it, by conversation id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chats: Vec<String>,
    /// `if_never_installed` (default), or `also_if_removed`: also who took it away by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<String>,
    /// The caller's own word, to filter by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// More than this wait for a confirmation; 1 to 1,000,000, default 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_recipients: Option<i64>,
    /// RFC 3339; not before this. A time that has passed means now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_at: Option<String>,
    /// RFC 3339; not after this. Default 24 hours after `send_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// An install run and what became of it so far. Its id is that of a message: it is paused, resumed, confirmed, cancelled and
/// tried again like one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Install {
    /// `msg_…`
    pub id: String,
    /// The app.
    pub app: String,
    /// The tenant.
    pub tenant: String,
    /// `scheduled`, `expanding`, `waiting` (see `cause`), `installing`, `paused`, `completed`, `cancelled`.
    pub state: String,
    /// Why it is not going on, in a word: `confirm`, `directory`, `install`, `paused`.
    pub cause: Option<String>,
    /// The same for people, and what to do.
    pub cause_text: Option<String>,
    /// A control that is accepted and not yet obeyed.
    pub requested: Option<String>,
    /// The caller's own word.
    pub label: Option<String>,
    /// `if_never_installed` or `also_if_removed`.
    pub install: String,
    /// The ledger.
    pub counts: InstallCounts,
    /// Whether the audience is complete; until then its count grows.
    pub audience_final: bool,
    /// How many times someone was named who was in the audience already.
    pub duplicates_removed: i64,
    /// The failed ones by reason.
    pub failed_by_reason: BTreeMap<String, i64>,
    /// The skipped ones by reason.
    pub skipped_by_reason: BTreeMap<String, i64>,
    /// RFC 3339; `null` means at once.
    pub send_at: Option<String>,
    /// RFC 3339.
    pub expires_at: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub completed_at: Option<String>,
    /// `msg_…` of the run that it tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<String>,
}

/// Everyone is in exactly one of these; `audience` is their sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallCounts {
    /// Distinct people, teams and chats.
    pub audience: i64,
    /// Still to be asked for.
    pub pending: i64,
    /// They have the app.
    pub installed: i64,
    /// Refused; see `failed_by_reason`.
    pub failed: i64,
    /// Not asked for; see `skipped_by_reason`.
    pub skipped: i64,
    /// Cancelled before that.
    pub cancelled: i64,
    /// Its time ran out before that.
    pub expired: i64,
}
