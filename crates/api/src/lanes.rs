//! Lanes: one app in one tenant, which Microsoft limits as a whole.

use serde::{Deserialize, Serialize};

/// A lane with its pace, as its owner last wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// `lane_…`
    pub id: String,
    /// The app.
    pub app: String,
    /// The tenant.
    pub tenant: String,
    /// Where Microsoft takes its messages, as last seen in this tenant.
    pub service_url: Option<String>,
    /// Since when an operator holds it, RFC 3339; `null` if none does.
    pub paused_since: Option<String>,
    /// Messages in it that are not over.
    pub open_messages: i64,
    /// What it sends now, in messages per second.
    pub rate_per_s: Option<f64>,
    /// What it lets itself send at the moment; `null` without a limit.
    pub allowed_per_s: Option<f64>,
    /// The limit that it was given; `null` without one.
    pub limit_per_s: Option<f64>,
    /// Why nothing goes out, in a word: `paused`, `throttled`, `credential`, …
    pub cause: Option<String>,
    /// The same for people, and what to do.
    pub cause_text: Option<String>,
    /// Until when it waits, RFC 3339; resuming the lane ends that.
    pub cooling_until: Option<String>,
    /// When what the app proves itself with ends; `null` where that is not known or never.
    #[serde(default)]
    pub credential: Option<LaneCredential>,
}

/// The end of an app's credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneCredential {
    /// `certificate` or `client_secret`.
    pub kind: String,
    /// RFC 3339.
    pub ends_at: String,
    /// From 30 days before its end on: what to do.
    pub warning: Option<String>,
}
