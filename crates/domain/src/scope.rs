//! Who is calling and what they may see (`docs/adr/0005`). Every read and write for the API takes a [`Scope`].

use serde::{Deserialize, Serialize};

use crate::ids::KeyId;
use crate::time::Time;
use crate::words;

words! {
    /// What a key may do; each role includes those before it.
    pub enum Role {
        Read = "read",
        Send = "send",
        Admin = "admin",
    }
}

/// The caller of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub key_no: i64,
    pub role: Role,
    /// The one app that the key is for; `None` for all of them.
    pub app: Option<String>,
    /// May have the app installed for people, in teams and in chats.
    pub may_install: bool,
}

impl Scope {
    pub fn sees_app(&self, app: &str) -> bool {
        self.app.as_deref().is_none_or(|own| own == app)
    }
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub id: KeyId,
    pub name: String,
    pub role: Role,
    pub app: Option<String>,
    /// May have the app installed for people, in teams and in chats.
    pub may_install: bool,
    pub created_at: Time,
    pub revoked_at: Option<Time>,
}
