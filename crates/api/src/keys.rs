//! API keys.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::is_default;

/// `POST /v1/keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it is for, for people.
    pub name: String,
    /// `read`, `send` or `admin`; each includes those before it.
    pub role: String,
    /// The one app that it may use and see; without it, all that its maker may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Whether it may have the app installed for people, in teams and in chats.
    #[serde(default, skip_serializing_if = "is_default")]
    pub may_install: bool,
}

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// `key_…`
    pub id: String,
    /// What it is for.
    pub name: String,
    /// `read`, `send` or `admin`.
    pub role: String,
    /// The one app that it may use and see; `null`: all.
    pub app: Option<String>,
    /// Whether it may have the app installed for people, in teams and in chats.
    #[serde(default)]
    pub may_install: bool,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339; from then on it is nobody's.
    pub revoked_at: Option<String>,
}

/// A new key with its secret, which is shown this once and not stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedKey {
    /// The key.
    pub key: Key,
    /// `nnc_…`, for `Authorization: Bearer`.
    pub secret: String,
}

/// The secret is not for logs.
impl fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedKey").field("key", &self.key).field("secret", &"…").finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_in_debug_output() {
        let key = Key {
            id: "key_01h455vb4pex5vsknk084sn02q".to_owned(),
            name: "ci".to_owned(),
            role: "send".to_owned(),
            app: None,
            may_install: false,
            created_at: "2026-11-22T10:00:00Z".to_owned(),
            revoked_at: None,
        };
        let created = CreatedKey { key, secret: "nnc_hunter2".to_owned() };
        assert!(!format!("{created:?}").contains("hunter2"));
    }
}
