//! Asking Microsoft Graph who has the app.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::object;
use crate::request::Audience;

/// `POST /v1/reachability/surveys`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSurvey {
    /// The app, by its name in the configuration; needed only where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The tenant; needed only where the app is known in several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The people, named as for a message; neither `installed` nor `channels` nor `chats`.
    #[serde(default, deserialize_with = "object")]
    pub audience: Audience,
    /// The caller's own word, to filter by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// More than this wait for a confirmation; 1 to 1,000,000, default 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_recipients: Option<i64>,
    /// RFC 3339; not after this. Default 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// A survey and how far it is. What it finds out is what is known of each person from then on (`/v1/people`,
/// `/v1/reachability`). Its id is that of a message: it is paused, resumed, confirmed and cancelled like one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    /// `msg_…`
    pub id: String,
    /// The app.
    pub app: String,
    /// The tenant.
    pub tenant: String,
    /// `expanding`, `waiting` (see `cause`), `asking`, `paused`, `completed`, `cancelled`.
    pub state: String,
    /// Why it is not going on, in a word: `confirm`, `directory`, `survey`, `paused`.
    pub cause: Option<String>,
    /// The same for people, and what to do.
    pub cause_text: Option<String>,
    /// A control that is accepted and not yet obeyed.
    pub requested: Option<String>,
    /// The caller's own word.
    pub label: Option<String>,
    /// The ledger.
    pub counts: SurveyCounts,
    /// Whether the audience is complete; until then its count grows.
    pub audience_final: bool,
    /// The failed ones by reason.
    pub failed_by_reason: BTreeMap<String, i64>,
    /// The skipped ones by reason.
    pub skipped_by_reason: BTreeMap<String, i64>,
    /// RFC 3339.
    pub expires_at: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub completed_at: Option<String>,
}

/// Everyone is in exactly one of these; `audience` is their sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyCounts {
    /// Distinct people.
    pub audience: i64,
    /// Still to be asked about.
    pub pending: i64,
    /// Graph has said whether they have the app.
    pub asked: i64,
    /// Graph refused; see `failed_by_reason`.
    pub failed: i64,
    /// Not asked about; see `skipped_by_reason`.
    pub skipped: i64,
    /// Cancelled before that.
    pub cancelled: i64,
    /// Its time ran out before that.
    pub expired: i64,
}
