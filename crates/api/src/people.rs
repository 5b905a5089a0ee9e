//! Recipients, and whether they can be reached.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What can be said of people who muted the chat: Teams delivers to them and tells nobody.
pub const MUTED: &str = "not detectable";

/// A person, channel or chat that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The Entra object id, or the conversation id of a channel or chat.
    pub id: String,
    /// `person`, `channel` or `chat`.
    pub kind: String,
    /// The app that they are known to.
    pub app: String,
    /// Their tenant.
    pub tenant: String,
    /// Their name, where it is known.
    pub name: Option<String>,
    /// Their user principal name, where it is known.
    pub upn: Option<String>,
    /// `unknown`, `reachable`, `blocked`, `removed`, … (`docs/delivery.md`, Reachability).
    pub state: String,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// How it is known.
    pub evidence: Option<String>,
    /// Since when they want no messages of this app, RFC 3339; `null` if they did not say so.
    pub opted_out_since: Option<String>,
    /// Whether a conversation is known: a personal one, or the channel or chat itself.
    pub has_reference: bool,
}

/// How many people are in each state of reachability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reachability {
    /// People known.
    pub total: i64,
    /// By state; their sum is `total`.
    pub states: BTreeMap<String, i64>,
    /// Always [`MUTED`]: nobody can count them.
    pub muted: String,
}
