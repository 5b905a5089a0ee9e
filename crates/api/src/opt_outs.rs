//! Who wants no messages of an app.

use serde::{Deserialize, Serialize};

/// Somebody who gets no messages of an app in their tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOut {
    /// The Entra object id.
    pub user: String,
    /// The app.
    pub app: String,
    /// The tenant.
    pub tenant: String,
    /// Their name, where it is known.
    pub name: Option<String>,
    /// Their user principal name, where it is known.
    pub upn: Option<String>,
    /// RFC 3339.
    pub since: String,
    /// How it is known: by their own word, or by whose note.
    pub how: String,
}

/// `POST /v1/opt-outs`: notes that these people want no messages. Saying it again changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOptOuts {
    /// The app; needed only where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The tenant; needed only where the app is known in several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Entra object ids; at most 10,000.
    pub users: Vec<String>,
}

/// The answer to [`NewOptOuts`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOutsNoted {
    /// For how many this is new.
    pub noted: i64,
}
